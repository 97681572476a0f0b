//! Golden cases: the results of transformers, GLiNER and GLiClass on tiny random-weight models, checked on every
//! backend and precision of this build.

mod embedding;
mod gliclass;
mod gliner;
mod ner;
mod nli;

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::{Engine, Precision};

/// A fixture and the backends that are checked against its golden.
#[derive(Clone, Copy)]
pub(crate) struct Fixture {
    pub(crate) name: &'static str,
    native: bool,
    /// True if the native backend is also checked in bf16 and int8.
    int8: bool,
    /// rust-bert has the architecture and, where its epsilon is fixed, the same epsilon.
    #[cfg_attr(not(feature = "libtorch"), allow(dead_code))]
    libtorch: bool,
    /// The fixture with the same model as an ONNX graph.
    #[cfg_attr(not(feature = "onnx"), allow(dead_code))]
    graph: Option<&'static str>,
}

/// A fixture for the native backend alone.
pub(crate) const fn native(name: &'static str) -> Fixture {
    Fixture { name, native: true, int8: true, libtorch: false, graph: None }
}

/// A fixture for the native backend and libtorch.
pub(crate) const fn both(name: &'static str) -> Fixture {
    Fixture { libtorch: true, ..native(name) }
}

/// A fixture for libtorch alone.
pub(crate) const fn torch(name: &'static str) -> Fixture {
    Fixture { native: false, ..both(name) }
}

impl Fixture {
    /// Limits the native backend to f32: the layers' random weights amplify rounding errors.
    pub(crate) const fn f32_only(self) -> Self {
        Self { int8: false, ..self }
    }

    /// Adds ONNX, with the graph of the fixture `graph`.
    pub(crate) const fn graph(self, graph: &'static str) -> Self {
        Self { graph: Some(graph), ..self }
    }
}

/// A fixture on one backend, in one precision.
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) fixture: &'static str,
    pub(crate) engine: Engine,
    pub(crate) folder: PathBuf,
    /// True if the run computes in f32, and so matches the golden's numbers, labels and spans up to rounding.
    pub(crate) is_exact: bool,
    /// The largest allowed difference from the golden's numbers; see [`Comparison::difference`].
    tolerance: f32,
    /// The temporary folder of the run, if it has one.
    _made: Option<TempDir>,
}

/// The allowed difference of logits in f32, which comes from the order of sums.
const TOLERANCE: f32 = 1e-4;

/// The allowed difference in bf16, relative to the golden's numbers: activations and weights have 8 significant bits.
const BF16_TOLERANCE: f32 = 0.1;

/// The allowed difference in int8, relative to the golden's numbers. The models are 32 columns wide and random, so
/// errors do not average out: the largest seen is 0.13 with 8-bit activations.
const INT8_TOLERANCE: f32 = 0.3;

/// The allowed difference of the native backend in f32. Portable kernels round each product and each sum, because
/// CPUs without a fused multiply-add cannot do otherwise; `just emulated` sets the variable when it runs them.
pub(crate) fn native_tolerance() -> f32 {
    let portable = std::env::var("ENTOPIC_EXPECT_KERNELS").is_ok_and(|kernels| kernels.contains("rten-gemm"));
    if portable { 2.0 * TOLERANCE } else { TOLERANCE }
}

/// The folder of a fixture.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

/// The golden of a fixture.
pub(crate) fn golden<T: DeserializeOwned>(name: &str) -> T {
    let json = fs::read(folder(name).join("golden.json")).expect("the golden should be committed");
    serde_json::from_slice(&json).expect("the golden should be of this form")
}

/// A native engine with one thread.
pub(crate) fn engine(precision: Precision) -> Engine {
    Engine::builder().threads(1).precision(precision).build().expect("a thread should start")
}

/// The runs of `fixtures` in this build.
pub(crate) fn runs(fixtures: &[Fixture]) -> Vec<Run> {
    let mut runs = Vec::new();
    let engines = [
        (Precision::F32, native_tolerance(), true),
        (Precision::Bf16, BF16_TOLERANCE, false),
        (Precision::Int8, INT8_TOLERANCE, false),
    ]
    .map(|(precision, tolerance, is_exact)| (engine(precision), precision, tolerance, is_exact));
    for fixture in fixtures {
        if fixture.native {
            let engines =
                engines.iter().filter(|(_, precision, ..)| fixture.int8 || *precision == Precision::F32);
            runs.extend(engines.map(|(engine, precision, tolerance, is_exact)| Run {
                name: format!("{}, native, {precision}", fixture.name),
                fixture: fixture.name,
                engine: engine.clone(),
                folder: folder(fixture.name),
                tolerance: *tolerance,
                is_exact: *is_exact,
                _made: None,
            }));
        }
        #[cfg(feature = "onnx")]
        if let Some(graph) = fixture.graph {
            let made = with_graph(graph, fixture.name);
            runs.push(Run {
                name: format!("{}, onnx", fixture.name),
                fixture: fixture.name,
                engine: engines[0].0.clone(),
                folder: made.path().to_owned(),
                tolerance: TOLERANCE,
                is_exact: true,
                _made: Some(made),
            });
        }
        #[cfg(feature = "libtorch")]
        if fixture.libtorch {
            runs.push(Run {
                name: format!("{}, libtorch", fixture.name),
                fixture: fixture.name,
                engine: torch_engine(),
                folder: folder(fixture.name),
                tolerance: TOLERANCE,
                is_exact: true,
                _made: None,
            });
        }
    }
    runs
}

/// A folder with the graph of the fixture `graph`, and the other files of the fixture `name`.
#[cfg(feature = "onnx")]
fn with_graph(graph: &str, name: &str) -> TempDir {
    let made = TempDir::new().expect("a folder should be made");
    for file in [
        "config.json",
        "gliner_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "1_Pooling/config.json",
    ] {
        let (from, to) = (folder(name).join(file), made.path().join(file));
        if from.exists() {
            fs::create_dir_all(to.parent().expect("a file should be in a folder"))
                .expect("it should be made");
            fs::copy(from, to).expect("the file should be copied");
        }
    }
    fs::copy(folder(graph).join("model.onnx"), made.path().join("model.onnx"))
        .expect("the graph should be copied");
    made
}

/// libtorch on the CPU, or on the CUDA device 0 with `ENTOPIC_TEST_DEVICE=cuda`.
#[cfg(feature = "libtorch")]
fn torch_engine() -> Engine {
    let device = std::env::var("ENTOPIC_TEST_DEVICE").unwrap_or_else(|_| "cpu".into());
    let builder = Engine::builder().threads(2).backend(crate::Backend::LibTorch);
    builder
        .device(device.parse().expect("ENTOPIC_TEST_DEVICE should be a device"))
        .build()
        .expect("it should start")
}

/// Numbers of a run and of its golden.
#[derive(Default)]
pub(crate) struct Comparison {
    largest: f32,
    squared_error: f32,
    squared_size: f32,
}

impl Comparison {
    pub(crate) fn add<'a>(
        &mut self,
        found: impl IntoIterator<Item = &'a f32>,
        expected: impl IntoIterator<Item = &'a f32>,
    ) {
        for (found, expected) in found.into_iter().zip(expected) {
            self.largest = self.largest.max((found - expected).abs());
            self.squared_error += (found - expected).powi(2);
            self.squared_size += expected.powi(2);
        }
    }

    /// The largest difference; in bf16 and int8, the root mean square of the differences, relative to that of the
    /// golden's numbers.
    fn difference(&self, run: &Run) -> f32 {
        if run.is_exact { self.largest } else { (self.squared_error / self.squared_size).sqrt() }
    }

    /// Checks that the run is close to its golden, and that something was compared.
    pub(crate) fn check(&self, run: &Run) {
        let difference = self.difference(run);
        println!("{}: difference {difference:.1e}", run.name);
        // A difference of 0 is possible: the golden may have been computed by the same code on such a CPU.
        assert!(self.squared_size > 0.0, "{}: nothing was compared", run.name);
        assert!(difference <= run.tolerance, "{}: {difference}", run.name);
    }
}

/// The largest difference between two lists of numbers.
pub(crate) fn difference<'a>(
    found: impl IntoIterator<Item = &'a f32>,
    expected: impl IntoIterator<Item = &'a f32>,
) -> f32 {
    let mut comparison = Comparison::default();
    comparison.add(found, expected);
    comparison.largest
}

/// A copy of the fixture `name` with the layer norm epsilon that rust-bert uses whatever config.json says.
#[cfg(feature = "libtorch")]
fn with_epsilon_of_rust_bert(name: &str) -> TempDir {
    let copy = TempDir::new().expect("a folder should be made");
    for file in ["tokenizer.json", "tokenizer_config.json", "model.safetensors", "1_Pooling/config.json"] {
        let (from, to) = (folder(name).join(file), copy.path().join(file));
        if from.exists() {
            fs::create_dir_all(to.parent().expect("a file should be in a folder"))
                .expect("it should be made");
            fs::copy(from, to).expect("the file should be copied");
        }
    }
    let config = fs::read(folder(name).join("config.json")).expect("the fixture should have a config");
    let mut config: serde_json::Value = serde_json::from_slice(&config).expect("it should be JSON");
    config["layer_norm_eps"] = 1e-12.into();
    fs::write(copy.path().join("config.json"), config.to_string()).expect("it should be written");
    copy
}
