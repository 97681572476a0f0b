//! The fixtures that rust-bert has architectures for, and the ways they are loaded.

use std::path::Path;

use entopic::{Aggregation, Backend, Device, Engine, EntityOptions, Error, Ner, Precision, TopicClassifier};
use tempfile::TempDir;

pub use crate::support::{assert_refused, assert_says, changed, fixture};

pub const TOLERANCE: f32 = 1e-4;

/// The CUDA device 0 with `ENTOPIC_TEST_DEVICE=cuda`.
fn device() -> Device {
    let device = std::env::var("ENTOPIC_TEST_DEVICE").unwrap_or_else(|_| "cpu".into());
    device.parse().expect("ENTOPIC_TEST_DEVICE should be a device")
}

/// The epsilon of layer norms that rust-bert computes with in these architectures, whatever config.json says.
const FIXED_EPSILON: f64 = 1e-12;
const WITH_FIXED_EPSILON: [&str; 6] =
    ["bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"];

/// A copy of the fixture with the epsilon that rust-bert computes with.
pub fn with_its_epsilon(name: &str) -> TempDir {
    changed(name, |json| {
        let architecture = json["model_type"].as_str().expect("it should be named").to_owned();
        if WITH_FIXED_EPSILON.contains(&architecture.as_str()) {
            json["layer_norm_eps"] = FIXED_EPSILON.into();
        }
    })
}

/// An engine of libtorch.
pub fn torch(precision: Precision) -> Engine {
    let builder = Engine::builder().threads(2).backend(Backend::LibTorch);
    builder.device(device()).precision(precision).build().expect("it should start")
}

/// A native engine in f32.
pub fn native() -> Engine {
    Engine::builder().threads(2).precision(Precision::F32).build().expect("it should start")
}

pub fn torch_ner(folder: impl AsRef<Path>) -> Result<Ner, Error> {
    simple(&torch(Precision::F32), folder)
}

pub fn native_ner(folder: impl AsRef<Path>) -> Result<Ner, Error> {
    simple(&native(), folder)
}

/// A model with transformers' simple strategy.
pub fn simple(engine: &Engine, folder: impl AsRef<Path>) -> Result<Ner, Error> {
    engine.ner(folder.as_ref())?.with(EntityOptions::new().aggregation(Aggregation::Simple))
}

pub fn torch_topics(folder: impl AsRef<Path>) -> Result<TopicClassifier, Error> {
    torch(Precision::F32).topics(folder.as_ref())
}

pub fn native_topics(folder: impl AsRef<Path>) -> Result<TopicClassifier, Error> {
    native().topics(folder.as_ref())
}
