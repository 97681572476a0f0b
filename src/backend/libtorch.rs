//! The model types of rust-bert, computed by libtorch.

pub(crate) mod architectures;
mod config;
mod input;
mod message;
pub(crate) mod store;
mod worker;

use ndarray::Array2;
use serde_json::Value;
use tch::{Cuda, Kind, Tensor, nn};

use self::architectures::Architecture;
use self::input::Input;
use self::message::brief;
use self::store::Stored;
use self::worker::Worker;
use super::padded::{Rows, Run, Together, in_runs};
use super::{Runner, Threads};
use crate::batch::RaggedBatch;
use crate::error::{Error, ErrorKind};
use crate::precision::Device;

/// The tokens of a batch on the CPU, padding included. Of sizes from 128 to 4,096, 256 and 512 were fastest with the
/// bundled NER model on two threads of a CPU with AVX2.
const CPU_TOKENS: usize = 256;

/// The tokens of a batch on a CUDA device, padding included: enough to keep it busy, while the activations of a large
/// model take some hundred megabytes.
const CUDA_TOKENS: usize = 16 * 1024;

/// A model on libtorch. Its tensors may be used from one thread at a time, so one thread owns them all: it takes
/// batches from a bounded queue, and ends when the model is dropped.
pub(crate) struct LibTorch {
    worker: Worker,
    batch_tokens: usize,
    multiple: usize,
}

/// The parts of a model.
pub(crate) struct Plan {
    /// The name of the model in messages.
    pub(crate) origin: String,
    pub(crate) architecture: &'static Architecture,
    /// Its config.json.
    pub(crate) json: Value,
    pub(crate) rows: Rows,
    pub(crate) weights: Stored,
}

/// The settings of the computation.
pub(crate) struct Settings {
    pub(crate) device: Device,
    pub(crate) half: bool,
    /// The number of threads that share an operation on the CPU.
    pub(crate) threads: usize,
}

impl LibTorch {
    pub(crate) fn load(plan: Plan, settings: &Settings) -> Result<Self, Error> {
        let device = device(settings.device)?;
        let (half, threads) = (settings.half, i32::try_from(settings.threads).unwrap_or(i32::MAX));
        let multiple = plan.architecture.multiple(&plan.json);
        let batch_tokens = if device.is_cuda() { CUDA_TOKENS } else { CPU_TOKENS };
        let worker = Worker::start(plan.origin.clone(), move || {
            // libtorch has a separate number for each thread that computes.
            tch::set_num_threads(threads);
            let no_grad = tch::no_grad_guard();
            let model = Model::build(plan, device, half)?;
            Ok(Box::new(move |batch: &RaggedBatch| {
                let _held = &no_grad;
                model.run(batch)
            }))
        })?;
        Ok(Self { worker, batch_tokens, multiple })
    }
}

impl Runner for LibTorch {
    fn threads(&self) -> Threads {
        Threads::Own { batch_tokens: self.batch_tokens, multiple: self.multiple }
    }

    fn run(&self, batch: &RaggedBatch) -> Result<Vec<Array2<f32>>, Error> {
        self.worker.run(batch.clone())
    }
}

/// Returns the device, if this libtorch finds it.
fn device(device: Device) -> Result<tch::Device, Error> {
    let Device::Cuda(number) = device else { return Ok(tch::Device::Cpu) };
    let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
    if number < count {
        return Ok(tch::Device::Cuda(number));
    }
    let found = match count {
        0 => "no CUDA device; libtorch may be built for the CPU alone, or a driver may be missing".to_owned(),
        count => format!("{count}, numbered from 0"),
    };
    let message = format!("CUDA device {number} was requested, but libtorch finds {found}");
    Err(Error::new(ErrorKind::Options, message))
}

/// The model that the thread owns.
struct Model {
    origin: String,
    forward: architectures::Forward,
    together: Together,
    rows: Rows,
    padding: i64,
    device: tch::Device,
    /// The weights that `forward` computes with.
    _store: nn::VarStore,
}

impl Model {
    fn build(plan: Plan, device: tch::Device, half: bool) -> Result<Self, Error> {
        let Plan { origin, architecture, json, rows, weights } = plan;
        let refuse = |message: String| Error::new(ErrorKind::Config, format!("{origin}: {message}"));
        let config = config::prepare(json, rows, architecture.defaults()).map_err(refuse)?;
        if half && !architecture.has_half() {
            let name = architecture.model_type;
            let message =
                format!("libtorch has no F16 Fourier transform for all lengths, so {name} runs only in F32");
            return Err(Error::new(ErrorKind::Options, message));
        }
        let weights = weights.open(architecture.alias())?;
        architecture.check(&config, weights.bytes).map_err(refuse)?;
        let mut store = nn::VarStore::new(device);
        let forward = architecture.build(&store.root(), &config, rows).map_err(refuse)?;
        weights.fill(&store, |name| architecture.is_unused(name, rows))?;
        if half {
            store.set_kind(Kind::Half);
        }
        let padding = config.get("pad_token_id").and_then(Value::as_i64).unwrap_or(0);
        let together = architecture.together();
        Ok(Self { origin, forward, together, rows, padding, device, _store: store })
    }

    fn run(&self, batch: &RaggedBatch) -> Result<Vec<Array2<f32>>, Error> {
        in_runs(batch, self.together, |run| self.run_padded(&run))
    }

    fn run_padded(&self, run: &Run<'_>) -> Result<Vec<Array2<f32>>, Error> {
        let refuse = |error: tch::TchError| {
            let message = format!("{}: libtorch failed: {}", self.origin, brief(&error.to_string()));
            Error::new(ErrorKind::System, message)
        };
        let shape = [run.sequences.len() as i64, run.longest() as i64];
        let tensor = |values: Vec<i64>| -> Result<Tensor, Error> {
            let tensor = Tensor::f_from_slice(&values).and_then(|tensor| tensor.f_reshape(shape));
            tensor.and_then(|tensor| tensor.f_to_device(self.device)).map_err(refuse)
        };
        let input = Input {
            ids: tensor(run.ids(self.padding, i64::from))?,
            mask: tensor(run.mask(0, 1))?,
            token_types: tensor(run.token_types(0, i64::from))?,
        };
        let output = (self.forward)(&input).map_err(|error| {
            let message = format!("{}: rust-bert failed: {}", self.origin, brief(&error.to_string()));
            Error::new(ErrorKind::System, message)
        })?;
        let shape: Vec<usize> = output.size().iter().map(|&size| size as usize).collect();
        let mut values = vec![0.0_f32; shape.iter().product()];
        let output = output.f_to_kind(Kind::Float).and_then(|output| output.f_to_device(tch::Device::Cpu));
        let output = output.and_then(|output| output.f_contiguous()).map_err(refuse)?;
        output.f_copy_data(&mut values, shape.iter().product()).map_err(refuse)?;
        run.split(self.rows, &self.origin, &shape, &values)
    }
}
