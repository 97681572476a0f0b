//! Models that cannot be run, and half precision, which can.

use std::fs;

use entopic::{Backend, Device, Engine, Error, ErrorKind, Precision};
use serde_json::{Value, json};

use crate::fixtures::{
    assert_refused, assert_says, changed, fixture, native_ner, simple, torch, torch_ner, torch_topics,
};

/// The error of a fixture whose config.json `change` has changed.
fn refused(name: &str, change: impl FnOnce(&mut Value)) -> Error {
    torch_ner(changed(name, change).path()).expect_err("the model should be refused")
}

#[test]
fn options_of_the_other_backend_are_refused() {
    let folder = fixture("ner-wordpiece-cased");
    let int8 = torch(Precision::Int8).ner(&folder);
    assert_refused(int8, ErrorKind::Options, &["int8", "f16", "Backend::Native"]);
    let native = Engine::builder().precision(Precision::F16).build().expect("it should start").ner(&folder);
    assert_refused(native, ErrorKind::Options, &["f16", "Backend::LibTorch"]);
    let device = Engine::builder().device(Device::Cpu).build();
    assert_refused(device, ErrorKind::Options, &["Backend::LibTorch"]);
    let cuda = Engine::builder().backend(Backend::LibTorch).device(Device::Cuda(99)).build();
    let cuda = cuda.expect("it should start").ner(&folder);
    assert_refused(cuda, ErrorKind::Options, &["CUDA device 99"]);
}

#[test]
fn what_rust_bert_computes_otherwise_is_refused() {
    let error = torch_ner(fixture("deberta-v2-ner")).expect_err("the model should be refused");
    assert_says(&error, ErrorKind::Config, &["deberta-v2", "native"]);
    let error = torch_topics(fixture("albert-nli")).expect_err("the model should be refused");
    assert_says(&error, ErrorKind::Config, &["num_hidden_groups", "native"]);
    let error = torch_topics(fixture("roberta-embed")).expect_err("the model should be refused");
    assert_says(&error, ErrorKind::Config, &["pad_token_id is 0", "native"]);
    let error =
        refused("ner-wordpiece-cased", |json| json["position_embedding_type"] = "relative_key".into());
    assert_says(&error, ErrorKind::Config, &["relative_key"]);
    let error = refused("mobilebert-ner", |json| json["position_embedding_type"] = "relative_key".into());
    assert_says(&error, ErrorKind::Config, &["relative_key"]);
}

#[test]
fn what_rust_bert_lacks_is_refused() {
    for (name, words) in [
        ("modernbert-ner", &["modernbert", "BertForTokenClassification"][..]),
        ("mpnet-ner", &["mpnet"]),
        ("gliner-span", &["rust-bert"]),
    ] {
        let error = torch_ner(fixture(name)).expect_err("the model should be refused");
        assert_says(&error, ErrorKind::Config, words);
    }
    let error = torch_topics(fixture("electra-nli")).expect_err("the model should be refused");
    assert_says(
        &error,
        ErrorKind::Config,
        &["ElectraForSequenceClassification", "ElectraForTokenClassification"],
    );
}

#[test]
fn wrong_configs_are_refused_before_memory_is_allocated() {
    for name in ["ner-wordpiece-cased", "mobilebert-ner", "longformer-ner", "fnet-ner"] {
        for (key, value, said) in [
            ("hidden_size", json!(1 << 23), "hidden_size"),
            ("intermediate_size", json!(1 << 23), "intermediate_size"),
            ("hidden_size", json!(0), "hidden_size"),
            ("num_hidden_layers", json!(1 << 20), "num_hidden_layers"),
            ("hidden_act", json!("swiglu"), "swiglu"),
            ("num_attention_heads", json!(5), ""),
        ] {
            let error = torch_ner(changed(name, |json| json[key] = value.clone()).path()).err();
            let error = error.unwrap_or_else(|| panic!("{name} with {key} {value} was loaded"));
            assert!(error.to_string().contains(said), "{name}, {key}: {error}");
        }
    }
}

#[test]
fn weights_that_are_wrong_are_named() {
    for (name, key, value) in [
        ("ner-wordpiece-cased", "intermediate_size", json!(63)),
        ("xlnet-ner", "d_inner", json!(30)),
        ("longformer-ner", "vocab_size", json!(399)),
    ] {
        let error = refused(name, |json| json[key] = value);
        assert!([ErrorKind::Weights, ErrorKind::Tokenizer].contains(&error.kind()), "{error}");
    }
    let copy = changed("distilbert-ner", |_| {});
    let path = copy.path().join("model.safetensors");
    let whole = fs::read(&path).expect("it should exist");
    for length in [0, 7, 100, whole.len() - 1] {
        fs::write(&path, &whole[..length]).expect("the file should be written");
        let error = torch_ner(copy.path()).expect_err("the model should be refused");
        assert_says(&error, ErrorKind::Weights, &["model.safetensors"]);
    }
    // Another file of tensors instead.
    fs::remove_file(&path).expect("it should exist");
    fs::write(copy.path().join("rust_model.ot"), b"PK\x03\x04 no archive")
        .expect("the file should be written");
    let error = torch_ner(copy.path()).expect_err("the model should be refused");
    assert_says(&error, ErrorKind::Weights, &["rust_model.ot"]);
    let error = native_ner(copy.path()).expect_err("the model should be refused");
    assert_says(&error, ErrorKind::Weights, &["rust_model.ot", "model.safetensors"]);
}

#[test]
fn half_precision_is_near() {
    let text = "Maria Okafor met Anders Lindqvist in Geneva on Tuesday.";
    for name in [
        "ner-wordpiece-cased",
        "roberta-ner",
        "distilbert-ner",
        "electra-ner",
        "albert-ner",
        "xlnet-ner",
        "longformer-ner",
        "mobilebert-ner",
    ] {
        let whole = torch_ner(fixture(name))
            .expect("the model should load")
            .logits(text)
            .expect("the text should be tagged")
            .logits;
        let half = simple(&torch(Precision::F16), fixture(name)).expect("the model should load");
        let half = half.logits(text).expect("the text should be tagged").logits;
        let largest = whole.iter().zip(&half).fold(0.0_f32, |largest, (a, b)| largest.max((a - b).abs()));
        println!("{name}: half precision moves logits by at most {largest:.1e}");
        assert!(largest > 0.0 && largest < 0.1, "{name}: {largest}");
    }
}

#[test]
fn what_a_config_leaves_out_is_as_in_transformers() {
    let text = "Maria Okafor sold the harbour of Lagos to the World Bank.";
    let scores = |name: &str, change: fn(&mut Value)| -> Vec<f32> {
        let topics = torch_topics(changed(name, change).path()).expect("the model should load");
        let labels = topics.label_set(["economy", "sport"]).expect("the labels should be prepared");
        let topics = topics.classify(text, &labels).expect("it should be classified").topics;
        topics.into_iter().map(|topic| topic.score).collect()
    };
    for (name, change) in [
        (
            "bart-nli",
            (|json| drop(json.as_object_mut().map(|config| config.remove("eos_token_id")))) as fn(&mut Value),
        ),
        ("bart-nli", |json| json["normalize_embedding"] = false.into()),
        ("roberta-fixed-nli", |json| json["pad_token_id"] = Value::Null),
        ("longformer-nli", |json| drop(json.as_object_mut().map(|config| config.remove("pad_token_id")))),
        ("xlnet-nli", |json| drop(json.as_object_mut().map(|config| config.remove("summary_activation")))),
        ("xlnet-nli", |json| drop(json.as_object_mut().map(|config| config.remove("summary_use_proj")))),
    ] {
        assert_eq!(scores(name, change), scores(name, |_| {}), "{name}");
    }
    // Without the projection, the results differ.
    let unprojected = scores("xlnet-nli", |json| json["summary_use_proj"] = false.into());
    assert_ne!(unprojected, scores("xlnet-nli", |_| {}));
}

#[test]
fn settings_that_rust_bert_fails_at_are_refused() {
    for (name, key, value) in [
        ("xlnet-nli", "summary_type", json!("cls_index")),
        ("xlnet-nli", "bi_data", json!(true)),
        ("longformer-nli", "attention_window", json!(0)),
        ("longformer-nli", "attention_window", json!(7)),
        ("longformer-nli", "attention_window", json!([8])),
        ("longformer-nli", "attention_window", json!(1 << 20)),
        ("longformer-nli", "is_decoder", json!(true)),
    ] {
        let copy = changed(name, |json| json[key] = value.clone());
        let error = torch_topics(copy.path()).err();
        let error = error.unwrap_or_else(|| panic!("{name} with {key} {value} was loaded"));
        assert_says(&error, ErrorKind::Config, &[key]);
    }
    let error = torch(Precision::F16).ner(fixture("fnet-ner")).expect_err("the model should be refused");
    assert_says(&error, ErrorKind::Options, &["fnet", "F32"]);
}
