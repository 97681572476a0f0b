//! Checks every kind of vocabulary against transformers' own results (tests/goldens/make_tokenizers.py), and the
//! errors of invalid files.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use tempfile::TempDir;

use super::TextTokenizer;
use crate::catalogue::files::Files;
use crate::error::Error;

#[derive(Deserialize)]
struct Texts {
    texts: Vec<String>,
    pairs: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Golden {
    unknown: Option<u32>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    ids: Vec<u32>,
    /// Starts and ends in turn, in characters.
    offsets: Option<Vec<usize>>,
    types: Option<Vec<u32>>,
}

fn load(folder: &Path) -> Result<TextTokenizer, Error> {
    let config = fs::read_to_string(folder.join("config.json")).expect("it should exist");
    let config: serde_json::Value = serde_json::from_str(&config).expect("it should be JSON");
    let model_type = config["model_type"].as_str().expect("it should be text");
    let files = Files::folder(folder, &[]);
    TextTokenizer::load(&files, files.tokenizer()?, model_type)
}

fn check(folder: &Path, Texts { texts, pairs }: &Texts) {
    let name = folder.display();
    let golden = fs::read_to_string(folder.join("golden.json")).expect("it should exist");
    let golden: Golden = serde_json::from_str(&golden).expect("it should be a golden");
    assert_eq!(golden.rows.len(), texts.len() + pairs.len(), "{name}");
    let loaded = load(folder).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(loaded.unknown, golden.unknown, "{name}");
    for (text, row) in texts.iter().zip(&golden.rows) {
        let found =
            loaded.tokenizer.encode_char_offsets(text.as_str(), true).expect("the text should be encoded");
        assert_eq!(found.get_ids(), row.ids, "{name}: {text:?}");
        let offsets: Vec<usize> = found.get_offsets().iter().flat_map(|&(start, end)| [start, end]).collect();
        assert_eq!(Some(offsets), row.offsets, "{name}: {text:?}");
        let tokens = loaded.encode(text).expect("the text should be encoded");
        assert_eq!(loaded.sequence(&tokens.ids).ids, row.ids, "{name}: {text:?}");
    }
    for ((first, second), row) in pairs.iter().zip(&golden.rows[texts.len()..]) {
        let [first, second] =
            [first, second].map(|text| loaded.encode(text).expect("the text should be encoded").ids);
        let sequence = loaded.pair(&first, &second);
        assert_eq!(sequence.ids, row.ids, "{name}: {first:?}, {second:?}");
        assert_eq!(Some(sequence.token_types), row.types, "{name}: {first:?}, {second:?}");
    }
}

#[test]
fn every_kind_gives_what_transformers_gives() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/tokenizers");
    let texts = fs::read_to_string(goldens.join("texts.json")).expect("it should exist");
    let texts: Texts = serde_json::from_str(&texts).expect("they should be texts");
    let mut folders: Vec<_> = fs::read_dir(&goldens).expect("it should be a folder").flatten().collect();
    folders.retain(|entry| entry.path().is_dir());
    assert!(folders.len() >= 22, "only {} folders", folders.len());
    for folder in folders {
        check(&folder.path(), &texts);
    }
}

/// A folder with a config.json of `model_type` and these files.
fn folder(model_type: &str, files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder should be made");
    let config = format!("{{\"model_type\": {model_type:?}, \"vocab_size\": 6}}");
    fs::write(folder.path().join("config.json"), config).expect("the file should be written");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("the file should be written");
    }
    folder
}

const VOCABULARY: &[u8] = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n";
const MERGES: &[(&str, &[u8])] = &[
    ("vocab.json", br#"{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "ab": 6}"#),
    ("merges.txt", b"#version: 0.2\na b\n"),
];

#[test]
fn what_cannot_be_built_is_reported() {
    let config = |name: &str| format!("{{\"tokenizer_class\": {name:?}}}").into_bytes();
    let japanese = config("BertJapaneseTokenizer");
    let other = config("T5Tokenizer");
    let roberta = config("RobertaTokenizer");
    let merges = |merges: &'static [u8]| vec![MERGES[0], ("merges.txt", merges)];
    let vocabulary = |bytes: &'static [u8]| vec![("vocab.txt", bytes)];
    for (model_type, files, words) in [
        (
            "t5",
            vec![("spiece.model", &b"x"[..])],
            &["spiece.model", "\"t5\"", "AlbertTokenizer", "save_pretrained"][..],
        ),
        (
            "bert",
            vec![("vocab.txt", VOCABULARY), ("tokenizer_config.json", &japanese)],
            &["vocab.txt", "BertJapaneseTokenizer", "Python"],
        ),
        (
            "bert",
            vec![("vocab.txt", VOCABULARY), ("tokenizer_config.json", &other)],
            &["T5Tokenizer", "save_pretrained"],
        ),
        (
            "bert",
            vec![("vocab.txt", VOCABULARY), ("tokenizer_config.json", &roberta)],
            &["vocab.txt", "vocab.json, which is missing"],
        ),
        ("deberta-v2", vec![("spiece.model", &b"x"[..])], &["spm.model, which is missing"]),
        (
            "bert",
            vec![("vocab.txt", VOCABULARY), ("tokenizer_config.json", b"{")],
            &["tokenizer_config.json", "EOF"],
        ),
        (
            "bert",
            vec![("vocab.txt", VOCABULARY), ("tokenizer_config.json", b"{\"do_lower_case\": \"no\"}")],
            &["do_lower_case", "true or false"],
        ),
        (
            "bert",
            vec![("vocab.txt", VOCABULARY), ("tokenizer_config.json", b"{\"sep_token\": null}")],
            &["no sep_token"],
        ),
        (
            "bert",
            vec![("vocab.txt", VOCABULARY), ("tokenizer_config.json", b"{\"cls_token\": 5}")],
            &["cls_token", "5"],
        ),
        (
            "bert",
            vec![("vocab.txt", VOCABULARY), ("tokenizer_config.json", b"{\"cls_token\": \"a:b\"}")],
            &["a:b"],
        ),
        (
            "bert",
            vec![
                ("vocab.txt", VOCABULARY),
                ("tokenizer_config.json", b"{\"added_tokens_decoder\": {\"x\": {\"content\": \"y\"}}}"),
            ],
            &["added", "not a number"],
        ),
        (
            "bert",
            vec![("vocab.txt", VOCABULARY), ("added_tokens.json", b"{\"x\": -1}")],
            &["added_tokens.json", "\"x\""],
        ),
        (
            "bert",
            vec![("vocab.txt", VOCABULARY), ("added_tokens.json", b"{\"[CLS]\": 7}")],
            &["vocab.txt", "[CLS]", "2", "7"],
        ),
        ("bert", vocabulary(b""), &["vocab.txt", "[UNK]"]),
        ("bert", vocabulary(b"[CLS]\n[SEP]\na\n"), &["vocab.txt", "[UNK]"]),
        ("bert", vocabulary(b"[UNK]\na\nb\nc\nd\ne\n"), &["vocab.txt", "[CLS]"]),
        ("bert", vocabulary(b"[UNK]\n[CLS]\n\xff\n"), &["vocab.txt", "line 3"]),
        ("roberta", merges(b"#version\nb a\n"), &["merges.txt", "line 2", "\"ba\""]),
        ("roberta", merges(b"#version\na b\n\n"), &["merges.txt", "line 3"]),
        ("roberta", merges(b"#version\na b c\n"), &["merges.txt", "line 2"]),
        ("roberta", vec![("vocab.json", b"[1]"), MERGES[1]], &["vocab.json", "ids"]),
        (
            "roberta",
            vec![("vocab.json", b"{\"a\": 4294967295, \"b\": 1}"), MERGES[1]],
            &["vocab.json", "4294967295"],
        ),
        ("roberta", vec![("vocab.json", b"{\"a\": -1}"), MERGES[1]], &["vocab.json", "line 1"]),
        ("albert", vec![("spiece.model", b"<html>")], &["spiece.model", "SentencePiece"]),
    ] {
        let folder = folder(model_type, &files);
        let error = load(folder.path()).err().unwrap_or_else(|| panic!("{words:?}: was loaded"));
        for word in words {
            assert!(format!("{error:?}").contains(word), "{error:?} does not say {word:?}");
        }
    }
}

#[test]
fn a_special_token_without_a_row_is_left_out() {
    // The model has six rows, and [MASK] would be the seventh.
    let folder = folder("bert", &[("vocab.txt", VOCABULARY)]);
    let tokenizer = load(folder.path()).expect("the model should load");
    assert_eq!(tokenizer.largest_id(), 5);
    assert_eq!(tokenizer.encode("A [SEP] b").expect("the text should be encoded").ids, [4, 3, 5]);
}

#[test]
fn no_damage_makes_a_panic() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/tokenizers");
    for (kind, file) in [
        ("bert", "vocab.txt"),
        ("bart", "vocab.json"),
        ("bart", "merges.txt"),
        ("bart", "added_tokens.json"),
        ("albert", "spiece.model"),
        ("xlm-roberta-bpe", "sentencepiece.bpe.model"),
        ("json-bert", "tokenizer_config.json"),
    ] {
        let folder = TempDir::new().expect("a temporary folder should be made");
        for entry in fs::read_dir(goldens.join(kind)).expect("it should be a folder").flatten() {
            fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("it should be copied");
        }
        let path = folder.path().join(file);
        let whole = fs::read(&path).expect("it should exist");
        let step = whole.len() / 40 + 1;
        for place in (0..whole.len()).step_by(step) {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x55;
            for bytes in [&whole[..place], &flipped] {
                fs::write(&path, bytes).expect("the file should be written");
                match load(folder.path()) {
                    Ok(tokenizer) => drop(tokenizer.encode("The guests won. [MASK] é")),
                    Err(error) => assert!(!error.to_string().is_empty(), "{kind}/{file} at {place}"),
                }
            }
        }
    }
}

#[test]
fn a_rule_table_that_promises_too_much_is_refused() {
    let name = "tests/goldens/tokenizers/albert/spiece.model";
    let mut model = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("it should exist");
    // A second normalizer_spec, which replaces the table by one that promises 4 GB.
    model.extend(b"\x1a\x06\x12\x04\xff\xff\xff\xff");
    let folder = folder("albert", &[("spiece.model", &model)]);
    let error = load(folder.path()).err().expect("it should be refused");
    assert!(error.to_string().contains("precompiled_charsmap is cut off"), "{error}");
}

#[test]
fn lines_end_as_in_python() {
    let found: Vec<_> = super::source::lines("a\r\nb\rc\n\n\u{2028}d").collect();
    assert_eq!(found, [("a", true), ("b", true), ("c", true), ("", true), ("\u{2028}d", false)]);
    assert_eq!(super::source::lines("a\n").count(), 1);
    assert_eq!(super::source::lines("").count(), 0);
}

#[test]
fn alone_a_tokenizer_json_decides() {
    let json = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/ner-wordpiece-cased/tokenizer.json");
    let json = fs::read(json).expect("it should exist");
    let ids = |config: Option<&[u8]>| {
        let mut files = vec![("tokenizer.json", json.as_slice())];
        files.extend(config.map(|config| ("tokenizer_config.json", config)));
        let folder = folder("bert", &files);
        load(folder.path())
            .expect("the model should load")
            .encode("Maria")
            .expect("the text should be encoded")
            .ids
    };
    // With a config that does not mention case, BERT's class lower-cases.
    assert_ne!(ids(None), ids(Some(b"{}")));
    assert_eq!(ids(None), ids(Some(b"{\"do_lower_case\": false}")));
}

#[test]
fn extra_special_tokens_are_a_list_or_named() {
    let json = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/ner-wordpiece-cased/tokenizer.json");
    let json = fs::read(json).expect("it should exist");
    let load = |extra: &str| {
        let config = format!("{{\"extra_special_tokens\": {extra}}}");
        let files: [(&str, &[u8]); 3] = [
            // An embedding with a row for any token.
            ("config.json", br#"{"model_type": "bert"}"#),
            ("tokenizer.json", &json),
            ("tokenizer_config.json", config.as_bytes()),
        ];
        load(folder("bert", &files).path())
    };
    for extra in [r#"["<news>"]"#, r#"{"news_token": "<news>"}"#] {
        let tokens =
            load(extra).expect("the model should load").encode("<news>").expect("the text should be encoded");
        assert_eq!(tokens.len(), 1, "{extra}");
    }
    let error = load("[7]").err().expect("it should be no token").to_string();
    assert!(error.contains("extra_special_tokens") && error.contains('7'), "{error}");
}
