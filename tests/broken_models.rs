//! A model that is unknown, missing, cut off or mis-shaped gives an error that names what is
//! wrong and what would be right.

use std::fs;
use std::path::Path;

use entopic::{Error, ErrorKind, Ner, Registry, TopicClassifier, WindowPooling};
use tempfile::TempDir;

/// A copy of the fixture `name`, to be damaged.
fn copy(name: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name);
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(source.join(file), folder.path().join(file)).expect("the fixture is copied");
    }
    folder
}

fn load(folder: &Path) -> Result<Ner, Error> {
    Ner::builder(folder.display().to_string()).threads(1).build()
}

/// Changes one file of a copy and returns the error that loading gives.
fn damage(file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Error {
    let folder = copy("ner-wordpiece-cased");
    let path = folder.path().join(file);
    let bytes = fs::read(&path).expect("the file is there");
    fs::write(&path, change(bytes)).expect("the file is written");
    load(folder.path()).err().unwrap_or_else(|| panic!("a damaged {file} was loaded"))
}

fn change_config(key: &str, value: serde_json::Value) -> Error {
    damage("config.json", |bytes| {
        let mut config: serde_json::Value = serde_json::from_slice(&bytes).expect("is JSON");
        config[key] = value.clone();
        config.to_string().into_bytes()
    })
}

fn assert_says(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error:?}");
    for word in words {
        assert!(format!("{error:?}").contains(word), "{error:?} does not say {word:?}");
    }
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let error = Ner::builder("no-such-model").build().err().expect("is unknown");
    assert_says(&error, ErrorKind::UnknownModel, &["no-such-model", "ner-en-small", "topics-en-small"]);
}

#[test]
fn a_missing_file_is_named() {
    for (file, kind) in [
        ("config.json", ErrorKind::Config),
        ("tokenizer.json", ErrorKind::Tokenizer),
        ("model.safetensors", ErrorKind::Weights),
    ] {
        let folder = copy("ner-wordpiece-cased");
        fs::remove_file(folder.path().join(file)).expect("is removed");
        assert_says(&load(folder.path()).err().expect("is missing"), kind, &[file]);
    }
}

#[cfg(not(feature = "onnx"))]
#[test]
fn a_graph_in_onnx_names_the_feature_that_reads_it() {
    let folder = copy("ner-wordpiece-cased");
    fs::rename(folder.path().join("model.safetensors"), folder.path().join("model.onnx"))
        .expect("is renamed");
    let error = load(folder.path()).err().expect("is not read");
    assert_says(&error, ErrorKind::ModelUnavailable, &["model.onnx", "`onnx`", "safetensors"]);
}

#[test]
fn a_cut_off_file_is_named() {
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    assert_says(
        &damage("model.safetensors", half),
        ErrorKind::Weights,
        &["model.safetensors", "not a whole"],
    );
    assert_says(&damage("tokenizer.json", half), ErrorKind::Tokenizer, &["tokenizer.json"]);
    assert_says(&damage("config.json", half), ErrorKind::Config, &["config.json"]);
    for length in [0, 1, 7, 8, 9, 200] {
        let error = damage("model.safetensors", |bytes| bytes[..length].to_vec());
        assert_says(&error, ErrorKind::Weights, &["model.safetensors"]);
    }
}

#[test]
fn a_header_that_promises_too_much_is_refused() {
    let error = damage("model.safetensors", |mut bytes| {
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        bytes
    });
    assert_says(&error, ErrorKind::Weights, &["model.safetensors"]);
}

#[test]
fn a_mis_shaped_tensor_is_named_with_both_shapes() {
    let error = change_config("intermediate_size", 48.into());
    assert_says(&error, ErrorKind::Weights, &["intermediate.dense.weight", "[64, 32]", "[48, 32]"]);
    let error = change_config("num_hidden_layers", 3.into());
    assert_says(&error, ErrorKind::Weights, &["encoder.layer.2", "no tensor"]);
    let error = change_config("num_hidden_layers", 1000.into());
    assert_says(&error, ErrorKind::Weights, &["no tensor"]);
    let error = change_config("num_hidden_layers", 10_000_000.into());
    assert_says(&error, ErrorKind::Config, &["num_hidden_layers"]);
    let error = change_config("num_hidden_layers", (usize::MAX / 2).into());
    assert_says(&error, ErrorKind::Config, &["num_hidden_layers"]);
    let error = change_config("id2label", serde_json::json!({"0": "O", "1": "PER"}));
    assert_says(&error, ErrorKind::Weights, &["classifier.weight", "[9, 32]", "[2, 32]"]);
}

#[test]
fn a_vocabulary_that_outgrows_the_embedding_is_refused() {
    let error = damage("tokenizer.json", |bytes| {
        let mut tokenizer: serde_json::Value = serde_json::from_slice(&bytes).expect("is JSON");
        tokenizer["model"]["vocab"]["outgrown"] = 520.into();
        tokenizer.to_string().into_bytes()
    });
    assert_says(&error, ErrorKind::Tokenizer, &["ids up to 520", "vocab_size 520"]);
}

#[test]
fn a_tokenizer_that_makes_its_library_panic_is_refused() {
    let change = |part: &'static str, value: serde_json::Value| {
        damage("tokenizer.json", move |bytes| {
            let mut tokenizer: serde_json::Value = serde_json::from_slice(&bytes).expect("is JSON");
            tokenizer[part] = value.clone();
            tokenizer.to_string().into_bytes()
        })
    };
    let charsmap = serde_json::json!({"type": "Precompiled", "precompiled_charsmap": "AA=="});
    assert_says(&change("normalizer", charsmap), ErrorKind::Tokenizer, &["tokenizer.json"]);
    let template = serde_json::json!({
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[GONE]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {}
    });
    assert_says(&change("post_processor", template), ErrorKind::Tokenizer, &["tokenizer.json"]);
}

#[test]
fn a_model_of_another_kind_is_refused() {
    assert_says(&change_config("model_type", "llama".into()), ErrorKind::Config, &["llama", "BertFor"]);
    let path = copy("nli-cne");
    let error = load(path.path()).err().expect("is no tagger");
    assert_says(&error, ErrorKind::WrongTask, &["named-entity recognition"]);
    let path = copy("ner-wordpiece-cased");
    let error =
        TopicClassifier::builder(path.path().display().to_string()).build().err().expect("is no classifier");
    assert_says(&error, ErrorKind::WrongTask, &["topic classification"]);
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let folder = copy("ner-wordpiece-cased");
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).expect("the weights");
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    for value in bytes[header..].chunks_exact_mut(4) {
        value.copy_from_slice(&f32::NAN.to_le_bytes());
    }
    fs::write(&path, bytes).expect("is written");
    assert_says(&load(folder.path()).err().expect("is NaN"), ErrorKind::Weights, &["no finite numbers"]);
}

#[test]
fn labels_must_be_given_and_fit_their_model() {
    let folder = copy("nli-cne");
    let classifier = TopicClassifier::builder(folder.path().display().to_string()).build().expect("loads");
    let refused = |labels: &[&str]| classifier.label_set(labels.iter().copied()).expect_err("are no labels");
    assert_says(&refused(&[]), ErrorKind::Labels, &["no labels"]);
    assert_says(&refused(&["sport", " "]), ErrorKind::Labels, &["label 1 is blank"]);
    let long = "very ".repeat(200);
    assert_says(&refused(&[&long]), ErrorKind::Labels, &["tokens"]);

    for other in ["nli-enc", "nli-cne", "embed-mean"] {
        let other = copy(other);
        let other = TopicClassifier::builder(other.path().display().to_string()).build().expect("loads");
        let foreign = other.label_set(["sport"]).expect("labels");
        let error = classifier.classify("text", &foreign).expect_err("was made for another model");
        assert_says(&error, ErrorKind::Labels, &["prepared for"]);
    }
}

#[test]
fn options_out_of_range_are_refused() {
    let folder = copy("ner-wordpiece-cased");
    let builder = || Ner::builder(folder.path().display().to_string());
    assert_says(
        &builder().window(2).build().err().expect("too short"),
        ErrorKind::Options,
        &["window 2", "64"],
    );
    assert_says(
        &builder().window(65).build().err().expect("too long"),
        ErrorKind::Options,
        &["window 65", "64"],
    );
    assert_says(&builder().threads(0).build().err().expect("none"), ErrorKind::Options, &["threads"]);
    let folder = copy("nli-cne");
    let classifier = TopicClassifier::builder(folder.path().display().to_string()).template("no place");
    assert_says(&classifier.build().err().expect("has no {}"), ErrorKind::Options, &["no place", "{}"]);
    let folder = copy("embed-mean");
    let classifier = TopicClassifier::builder(folder.path().display().to_string()).temperature(0.0);
    assert_says(&classifier.build().err().expect("is 0"), ErrorKind::Options, &["temperature"]);
    let classifier = TopicClassifier::builder(folder.path().display().to_string()).threshold(f32::NAN);
    assert_says(&classifier.build().err().expect("is no cosine"), ErrorKind::Options, &["threshold"]);
}

#[test]
fn a_registry_of_ones_own_is_read_and_checked() {
    let folder = copy("ner-wordpiece-cased");
    let path = folder.path().join("own.toml");
    let entry = r#"
[[model]]
name = "mine"
task = "ner"
architecture = "bert"
window = 32
source = { folder = "." }
"#;
    fs::write(&path, entry).expect("is written");
    let registry = Registry::from_file(&path).expect("is a registry");
    Ner::builder("mine").registry(registry).build().expect("the folder is beside the file");

    for (broken, says) in [
        (entry.replace("window = 32", "window = 0"), "above 0"),
        (entry.replace("window = 32", "windows = 32"), "windows"),
        (entry.replace("\"ner\"", "\"tagging\""), "tagging"),
        (format!("{entry}{entry}"), "two models are named \"mine\""),
        (entry.replace("window = 32", "template = \"about\""), "{}"),
    ] {
        fs::write(&path, broken).expect("is written");
        let error = Registry::from_file(&path).expect_err("is broken");
        assert_says(&error, ErrorKind::Registry, &[says, "own.toml"]);
    }
    // A hub model is loaded from a folder of its id.
    let id = folder.path().display();
    let on_hub = entry.replace(r#"folder = ".""#, &format!("hub = {{ id = \"{id}\" }}"));
    fs::write(&path, on_hub).expect("is written");
    let registry = Registry::from_file(&path).expect("is a registry");
    Ner::builder("mine").registry(registry).build().expect("the folder has the id for its name");

    let hash = "0".repeat(64);
    for (wrong, kind, says) in [
        (entry.replace("\"ner\"", "\"nli\""), ErrorKind::Registry, "natural-language inference"),
        (entry.replace("\"bert\"", "\"roberta\""), ErrorKind::Registry, "roberta"),
        (
            format!("{entry}files = [{{ path = \"model.safetensors\", sha256 = \"{hash}\" }}]\n"),
            ErrorKind::Weights,
            "sha256",
        ),
    ] {
        fs::write(&path, wrong).expect("is written");
        let registry = Registry::from_file(&path).expect("is a registry");
        let error = Ner::builder("mine").registry(registry).build().err().expect("contradicts the model");
        assert_says(&error, kind, &[says]);
    }
    let error = Registry::from_file(folder.path().join("none.toml")).expect_err("is missing");
    assert_says(&error, ErrorKind::Registry, &["none.toml"]);
}

#[test]
fn the_registry_says_how_windows_are_pooled_unless_the_builder_does() {
    let folder = copy("embed-mean");
    let path = folder.path().join("own.toml");
    let entry = r#"
[[model]]
name = "mine"
task = "embedding"
architecture = "bert"
window = 16
window_pooling = "lead"
source = { folder = "." }
"#;
    fs::write(&path, entry).expect("is written");
    let scores = |pooling: Option<WindowPooling>| {
        let registry = Registry::from_file(&path).expect("is a registry");
        let mut builder = TopicClassifier::builder("mine").registry(registry);
        if let Some(pooling) = pooling {
            builder = builder.pooling(pooling);
        }
        let classifier = builder.build().expect("loads");
        let labels = classifier.label_set(["economy", "sport"]).expect("labels");
        let text = "The bank of Lagos sold the harbour. The match ended late in the rain. ".repeat(4);
        classifier.classify(&text, &labels).expect("is classified").topics
    };
    assert_eq!(scores(None), scores(Some(WindowPooling::Lead)));
    assert_ne!(scores(None), scores(Some(WindowPooling::Mean)));

    fs::write(&path, entry.replace("lead", "last")).expect("is written");
    let error = Registry::from_file(&path).expect_err("is no pooling");
    assert_says(&error, ErrorKind::Registry, &["last", "mean", "max", "lead"]);
}

#[test]
fn an_epsilon_out_of_range_is_named() {
    for epsilon in [-1e6, 2.0] {
        let error = change_config("layer_norm_eps", epsilon.into());
        assert_says(&error, ErrorKind::Config, &["LayerNorm", "at least 0 and below 1"]);
    }
}

#[test]
fn a_header_that_is_too_long_is_told_before_all_is_read() {
    let error = damage("model.safetensors", |mut bytes| {
        bytes[..8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        bytes
    });
    assert_says(&error, ErrorKind::Weights, &["model.safetensors", "header", "1099511627776"]);
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_no_file_is_not_read() {
    for (name, kind) in [("config.json", ErrorKind::Config), ("model.safetensors", ErrorKind::Weights)] {
        let folder = copy("ner-wordpiece-cased");
        fs::remove_file(folder.path().join(name)).expect("is there");
        std::os::unix::fs::symlink("/dev/zero", folder.path().join(name)).expect("is linked");
        let error = load(folder.path()).err().expect("is no model");
        assert_says(&error, kind, &[name, "no regular file"]);
    }
}
