//! A model that is unknown, missing, cut off or mis-shaped gives an error that names what is
//! wrong and what would be right.

use std::fs;

use entopic::{Engine, Error, ErrorKind, Registry, TopicOptions, WindowPooling};

use serde_json::Value;

use crate::support::{assert_refused, assert_says, changed, copy, engine, fixture, load_ner, load_topics};

/// Changes one file of a copy and returns the error that loading gives.
fn damage(file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Error {
    let folder = copy("ner-wordpiece-cased");
    let path = folder.path().join(file);
    let bytes = fs::read(&path).expect("the file should exist");
    fs::write(&path, change(bytes)).expect("the file should be written");
    load_ner(folder.path()).err().unwrap_or_else(|| panic!("a damaged {file} was loaded"))
}

fn change_config(key: &str, value: serde_json::Value) -> Error {
    damage("config.json", |bytes| {
        let mut config: serde_json::Value = serde_json::from_slice(&bytes).expect("it should be JSON");
        config[key] = value.clone();
        config.to_string().into_bytes()
    })
}

#[test]
fn an_unknown_name_suggests_the_nearest_for_the_task() {
    let engine = engine(1);
    assert_refused(engine.ner("bert-base-nre"), ErrorKind::UnknownModel, &["bert-base-nre", "bert-base-ner"]);
    let error = engine.topics("topics-en-smal").expect_err("there should be no such model");
    assert_says(&error, ErrorKind::UnknownModel, &["topics-en-small"]);
    assert!(!error.to_string().contains("ner-en-small"), "{error}");
    assert!(error.to_string().len() < 400, "{error}");
}

#[test]
fn text_is_a_name_and_a_path_is_a_folder() {
    let engine = engine(1);
    let folder = copy("ner-wordpiece-cased");
    let name = folder.path().display().to_string();
    assert_refused(engine.ner(name.as_str()), ErrorKind::UnknownModel, &["it is a folder", "Path::new"]);
    let file = folder.path().join("config.json").display().to_string();
    assert_refused(engine.ner(file.as_str()), ErrorKind::UnknownModel, &["it is a file"]);
    let missing = folder.path().join("none");
    assert_refused(engine.ner(&missing), ErrorKind::ModelUnavailable, &["there is no folder", "none"]);
    let file = folder.path().join("config.json");
    assert_refused(engine.ner(&file), ErrorKind::ModelUnavailable, &["config.json is a file"]);
    engine.ner(folder.path()).expect("a path should be a folder");
}

#[test]
fn a_missing_file_is_named() {
    for (file, kind) in [
        ("config.json", ErrorKind::Config),
        ("tokenizer.json", ErrorKind::Tokenizer),
        ("model.safetensors", ErrorKind::Weights),
    ] {
        let folder = copy("ner-wordpiece-cased");
        fs::remove_file(folder.path().join(file)).expect("it should be removed");
        assert_says(&load_ner(folder.path()).expect_err("it should fail: it is missing"), kind, &[file]);
    }
}

#[cfg(not(feature = "onnx"))]
#[test]
fn a_graph_in_onnx_names_the_feature_that_reads_it() {
    let folder = copy("ner-wordpiece-cased");
    fs::rename(folder.path().join("model.safetensors"), folder.path().join("model.onnx"))
        .expect("it should be renamed");
    let error = load_ner(folder.path()).expect_err("it should fail: it is not read");
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
        let mut tokenizer: serde_json::Value = serde_json::from_slice(&bytes).expect("it should be JSON");
        tokenizer["model"]["vocab"]["outgrown"] = 520.into();
        tokenizer.to_string().into_bytes()
    });
    assert_says(&error, ErrorKind::Tokenizer, &["ids up to 520", "vocab_size 520"]);
}

#[test]
fn a_tokenizer_that_makes_its_library_panic_is_refused() {
    let change = |part: &'static str, value: serde_json::Value| {
        damage("tokenizer.json", move |bytes| {
            let mut tokenizer: serde_json::Value = serde_json::from_slice(&bytes).expect("it should be JSON");
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
    let error = load_ner(path.path()).expect_err("it should fail: it is no tagger");
    assert_says(&error, ErrorKind::WrongTask, &["named-entity recognition"]);
    let path = copy("ner-wordpiece-cased");
    let error = load_topics(path.path()).expect_err("it should fail: it is no classifier");
    assert_says(&error, ErrorKind::WrongTask, &["topic classification", "or use Ner"]);
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let folder = copy("ner-wordpiece-cased");
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).expect("the weights should exist");
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    for value in bytes[header..].chunks_exact_mut(4) {
        value.copy_from_slice(&f32::NAN.to_le_bytes());
    }
    fs::write(&path, bytes).expect("the file should be written");
    assert_says(
        &load_ner(folder.path()).expect_err("it should fail: it is NaN"),
        ErrorKind::Weights,
        &["not finite"],
    );
}

#[test]
fn labels_must_be_given_and_fit_their_model() {
    let classifier = load_topics(fixture("nli-cne")).expect("the fixture should load");
    let refused = |labels: &[&str], says: &str| {
        assert_refused(classifier.label_set(labels.iter().copied()), ErrorKind::Labels, &[says]);
    };
    refused(&[], "there is no label");
    refused(&["sport", " "], "label number 2 is blank");
    refused(&["sport", "health", "sport"], "given twice, as number 1 and 3");
    let long = "very ".repeat(200);
    refused(&[&long], "tokens");
    // It would be one unknown token.
    let longer = "x".repeat((1 << 16) + 1);
    refused(&["sport", &longer], "label number 2 has 65537 bytes");
    let described = [entopic::Label::new("sport").description(longer)];
    let says = "the description of the label \"sport\" has 65537 bytes";
    assert_refused(classifier.label_set(described), ErrorKind::Labels, &[says]);
    let endless = (0..).map(|number: usize| number.to_string());
    assert_refused(classifier.label_set(endless), ErrorKind::Labels, &["more than 10000 labels"]);
    let with_examples = entopic::Label::new("sport").examples(vec!["A goal."; 100_001]);
    assert_refused(classifier.label_set([with_examples]), ErrorKind::Labels, &["100001 examples"]);
    let some = classifier.label_set(["sport"]).expect("the label should fit");
    let more = (0..10_000).map(|number| number.to_string());
    assert_refused(classifier.extend(&some, more), ErrorKind::Labels, &["more than 10000 labels"]);

    for other in ["nli-enc", "embed-mean"] {
        let other = load_topics(fixture(other)).expect("the fixture should load");
        let foreign = other.label_set(["sport"]).expect("the label should fit");
        assert_refused(classifier.classify("text", &foreign), ErrorKind::Labels, &["prepared for the model"]);
    }
}

#[test]
fn a_long_text_is_not_scored_for_very_many_labels() {
    let classifier = load_topics(fixture("embed-mean")).expect("the fixture should load");
    let labels = classifier.label_set((0..10_000).map(|number| number.to_string()));
    let labels = labels.expect("the labels should fit");
    let long = "x ".repeat(1_720_000);
    assert_refused(
        classifier.classify(&long, &labels),
        ErrorKind::TooLong,
        &["with 10000 labels, at most 3435973"],
    );
}

#[test]
fn options_out_of_range_are_refused() {
    assert_refused(Engine::builder().threads(0).build(), ErrorKind::Options, &["threads"]);
    assert_refused(Engine::builder().threads(Engine::MAX_THREADS + 1).build(), ErrorKind::Options, &["1024"]);
    let ner = load_ner(fixture("ner-wordpiece-cased")).expect("the fixture should load");
    for window in [2, 65] {
        let options = entopic::EntityOptions::new().window(window);
        assert_refused(ner.with(options), ErrorKind::Options, &[&format!("is {window}"), "64"]);
    }
    let classifier = load_topics(fixture("nli-cne")).expect("the fixture should load");
    let refused = |options, says: &[&str]| {
        assert_refused(classifier.with(options), ErrorKind::Options, says);
    };
    refused(TopicOptions::new().template("no place"), &["no place", "{}"]);
    refused(TopicOptions::new().template("{} or {}"), &["{} or {}", "several {}"]);
    let long = "x".repeat(1 << 16);
    refused(TopicOptions::new().template(format!("{long}{{}}")), &["have 65538 bytes"]);
    let classifier = load_topics(fixture("embed-mean")).expect("the fixture should load");
    let refused = |options, says: &[&str]| {
        assert_refused(classifier.with(options), ErrorKind::Options, says);
    };
    refused(TopicOptions::new().temperature(0.0), &["temperature"]);
    refused(TopicOptions::new().label_prefix(long), &["the prefix of labels", "have 65538 bytes"]);
    refused(TopicOptions::new().midpoint(f32::NAN), &["midpoint"]);
}

fn with_registry(registry: Registry) -> Engine {
    let registry = Registry::default().with(registry);
    Engine::builder().threads(1).registry(registry).build().expect("a thread should start")
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
    fs::write(&path, entry).expect("the file should be written");
    let registry = Registry::from_file(&path).expect("it should be a registry");
    with_registry(registry).ner("mine").expect("the folder should be next to the file");

    for (broken, says) in [
        (entry.replace("window = 32", "window = 0"), "above 0"),
        (entry.replace("window = 32", "windows = 32"), "windows"),
        (entry.replace("\"ner\"", "\"tagging\""), "tagging"),
        (format!("{entry}{entry}"), "the name is used twice"),
        (entry.replace("window = 32", "template = \"about\"").replace("\"ner\"", "\"nli\""), "{}"),
        (entry.replace("window = 32", "text_prefix = \"query: \""), "no use for text_prefix"),
    ] {
        fs::write(&path, broken).expect("the file should be written");
        let error = Registry::from_file(&path).expect_err("it should fail: it is broken");
        assert_says(&error, ErrorKind::Registry, &[says, "own.toml"]);
    }
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
        fs::write(&path, wrong).expect("the file should be written");
        let registry = Registry::from_file(&path).expect("it should be a registry");
        let error = with_registry(registry).ner("mine").expect_err("it should contradict the model");
        assert_says(&error, kind, &[says]);
    }
    let error =
        Registry::from_file(folder.path().join("none.toml")).expect_err("it should fail: it is missing");
    assert_says(&error, ErrorKind::Registry, &["none.toml"]);
}

#[test]
fn the_registry_says_how_windows_are_pooled_unless_an_option_does() {
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
    fs::write(&path, entry).expect("the file should be written");
    let registry = Registry::from_file(&path).expect("it should be a registry");
    let loaded = with_registry(registry).topics("mine").expect("the folder should be next to the file");
    let labels = loaded.label_set(["economy", "sport"]).expect("the labels should fit");
    let scores = |pooling: Option<WindowPooling>| {
        let options =
            pooling.map_or_else(TopicOptions::new, |pooling| TopicOptions::new().window_pooling(pooling));
        let classifier = loaded.with(options).expect("it should have every pooling");
        let text = "The bank of Lagos sold the harbour. The match ended late in the rain. ".repeat(4);
        classifier.classify(&text, &labels).expect("it should be classified").topics
    };
    assert_eq!(scores(None), scores(Some(WindowPooling::Lead)));
    assert_ne!(scores(None), scores(Some(WindowPooling::Mean)));

    fs::write(&path, entry.replace("lead", "last")).expect("the file should be written");
    let error = Registry::from_file(&path).expect_err("it should fail: it is no pooling");
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
fn a_header_that_is_too_long_is_refused_before_the_rest_is_read() {
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
        fs::remove_file(folder.path().join(name)).expect("it should exist");
        std::os::unix::fs::symlink("/dev/zero", folder.path().join(name)).expect("it should be linked");
        let error = load_ner(folder.path()).expect_err("it should fail: it is no model");
        assert_says(&error, kind, &[name, "not a regular file"]);
    }
}

#[test]
fn null_in_a_config_means_absent() {
    let nulls = [
        "token_types",
        "tag_scheme",
        "hidden_act",
        "layer_norm_eps",
        "type_vocab_size",
        "position_embedding_type",
    ];
    for (name, more) in [
        ("ner-wordpiece-cased", &nulls[..]),
        ("modernbert-ner", &["norm_eps", "rope_scaling", "classifier_pooling"]),
    ] {
        let folder = changed(name, |config| {
            for key in more {
                config[*key] = Value::Null;
            }
        });
        load_ner(folder.path()).unwrap_or_else(|error| panic!("{name} should load: {error}"));
    }
    let folder = copy("gliner-span");
    let path = folder.path().join("gliner_config.json");
    let config = fs::read(&path).expect("the fixture should have a config");
    let mut config: Value = serde_json::from_slice(&config).expect("the config should be JSON");
    for key in [
        "model_type",
        "labels_encoder",
        "labels_decoder",
        "relations_layer",
        "fuse_layers",
        "subtoken_pooling",
    ] {
        config[key] = Value::Null;
    }
    fs::write(&path, config.to_string()).expect("the config should be written");
    load_ner(folder.path()).expect("the fixture should load");
}

#[test]
fn a_pointer_of_git_lfs_is_called_by_its_name() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    for file in ["model.safetensors", "tokenizer.json", "config.json"] {
        let folder = copy("ner-wordpiece-cased");
        fs::write(folder.path().join(file), pointer).expect("the file should be written");
        let error = load_ner(folder.path()).expect_err("it should be refused").to_string();
        assert!(
            error.contains(file) && error.contains("Git LFS") && error.contains("git lfs pull"),
            "{error}"
        );
    }
}

#[test]
fn tags_without_names_are_refused() {
    let folder = changed("ner-wordpiece-cased", |config| {
        let count = config["id2label"].as_object().expect("it should have labels").len();
        config["id2label"] =
            (0..count).map(|at| (at.to_string(), Value::from(format!("LABEL_{at}")))).collect();
    });
    let error = load_ner(folder.path()).expect_err("it should be refused").to_string();
    assert!(error.contains("LABEL_0, LABEL_1") && error.contains("B-PER"), "{error}");
}
