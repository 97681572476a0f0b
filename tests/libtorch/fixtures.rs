//! The fixtures that rust-bert has architectures for, and how they are loaded.

use std::fs;
use std::path::{Path, PathBuf};

use entopic::{
    Aggregation, Backend, Device, Ner, NerBuilder, Precision, TopicClassifier, TopicClassifierBuilder,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

pub const TOLERANCE: f32 = 1e-4;

/// Where the tests run: on the CUDA device 0 with `ENTOPIC_TEST_DEVICE=cuda`.
fn device() -> Device {
    match std::env::var("ENTOPIC_TEST_DEVICE").as_deref() {
        Ok("cuda") => Device::Cuda(0),
        Ok(other) => panic!("ENTOPIC_TEST_DEVICE is {other}; it may be cuda"),
        Err(_) => Device::Cpu,
    }
}

/// What rust-bert takes for the epsilon of layer norms in these, whatever config.json says.
pub const FIXED_EPSILON: f64 = 1e-12;
const WITH_FIXED_EPSILON: [&str; 6] =
    ["bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"];

pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

pub fn golden<T: DeserializeOwned>(name: &str) -> T {
    let bytes = fs::read(folder(name).join("golden.json")).expect("the golden is committed");
    serde_json::from_slice(&bytes).expect("the golden is JSON")
}

/// A copy of the fixture `name` with a config.json that `change` has changed.
pub fn changed(name: &str, change: impl FnOnce(&mut Value)) -> TempDir {
    let copy = tempfile::tempdir().expect("has room");
    for entry in fs::read_dir(folder(name)).expect("is there") {
        let path = entry.expect("is there").path();
        let name = path.file_name().expect("has a name");
        if path.is_dir() {
            fs::create_dir(copy.path().join(name)).expect("has room");
            for inner in fs::read_dir(&path).expect("is there") {
                let inner = inner.expect("is there").path();
                let to = copy.path().join(name).join(inner.file_name().expect("has a name"));
                fs::copy(inner, to).expect("has room");
            }
        } else if name != "golden.json" {
            fs::copy(&path, copy.path().join(name)).expect("has room");
        }
    }
    let config = copy.path().join("config.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&config).expect("is there")).expect("is JSON");
    change(&mut json);
    fs::write(&config, json.to_string()).expect("has room");
    copy
}

/// A copy of the fixture with the epsilon that rust-bert computes with.
pub fn with_its_epsilon(name: &str) -> TempDir {
    changed(name, |json| {
        let architecture = json["model_type"].as_str().expect("is named").to_owned();
        if WITH_FIXED_EPSILON.contains(&architecture.as_str()) {
            json["layer_norm_eps"] = FIXED_EPSILON.into();
        }
    })
}

pub fn native_ner(folder: impl AsRef<Path>) -> NerBuilder {
    ner(folder).precision(Precision::F32)
}

pub fn torch_ner(folder: impl AsRef<Path>) -> NerBuilder {
    ner(folder).backend(Backend::LibTorch).device(device())
}

fn ner(folder: impl AsRef<Path>) -> NerBuilder {
    Ner::builder(folder.as_ref().display().to_string()).threads(2).aggregation(Aggregation::Simple)
}

pub fn native_topics(folder: impl AsRef<Path>) -> TopicClassifierBuilder {
    topics(folder).precision(Precision::F32)
}

pub fn torch_topics(folder: impl AsRef<Path>) -> TopicClassifierBuilder {
    topics(folder).backend(Backend::LibTorch).device(device())
}

fn topics(folder: impl AsRef<Path>) -> TopicClassifierBuilder {
    TopicClassifier::builder(folder.as_ref().display().to_string()).threads(2)
}
