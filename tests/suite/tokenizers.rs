//! A model without tokenizer.json reads texts as the same model with one does.

use std::fs;

use entopic::ErrorKind;
use tempfile::TempDir;

use crate::support::{assert_refused, fixture, load_ner};

const TEXT: &str = "Maria Okafor met José in São Tomé, then left for İzmir.\u{a0}東京 won 4-2!";

/// A copy of ner-wordpiece-cased with other tokenizer files.
fn copy(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder should be made");
    for file in ["config.json", "model.safetensors"] {
        fs::copy(source().join(file), folder.path().join(file)).expect("the fixture is copied");
    }
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("the file should be written");
    }
    folder
}

fn source() -> std::path::PathBuf {
    fixture("ner-wordpiece-cased")
}

/// The vocabulary of the fixture's tokenizer.json, one token per line.
fn vocabulary() -> String {
    let json = fs::read(source().join("tokenizer.json")).expect("the fixture should exist");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("it should be JSON");
    let vocabulary = json["model"]["vocab"].as_object().expect("it should be a vocabulary");
    let mut tokens: Vec<_> = vocabulary.iter().map(|(token, id)| (id.as_u64(), token.as_str())).collect();
    tokens.sort_unstable();
    tokens.into_iter().map(|(_, token)| format!("{token}\n")).collect()
}

#[test]
fn a_model_without_tokenizer_json_finds_the_same() {
    let config = r#"{"do_lower_case": false, "strip_accents": false}"#;
    let folder = copy(&[("vocab.txt", &vocabulary()), ("tokenizer_config.json", config)]);
    let built = load_ner(folder.path()).expect("the model should load").tag(TEXT).expect("it should be read");
    let read = load_ner(source()).expect("the model should load").tag(TEXT).expect("it should be read");
    assert!(!read.entities.is_empty());
    assert_eq!(built.entities, read.entities);
    // BERT's class lower-cases by default.
    let folder = copy(&[("vocab.txt", &vocabulary())]);
    let lowered =
        load_ner(folder.path()).expect("the model should load").tag(TEXT).expect("it should be read");
    assert_ne!(lowered.entities, read.entities);
}

#[test]
fn a_tokenizer_that_needs_python_is_refused_with_the_way_out() {
    let config = r#"{"tokenizer_class": "BertJapaneseTokenizer"}"#;
    let folder = copy(&[("vocab.txt", &vocabulary()), ("tokenizer_config.json", config)]);
    let words = ["vocab.txt", "no tokenizer.json", "BertJapaneseTokenizer"];
    assert_refused(load_ner(folder.path()), ErrorKind::Tokenizer, &words);
}
