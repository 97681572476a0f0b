//! Models that libtorch runs.

use serde_json::Value;

use super::site::{Assembly, Described, Site};
use crate::backend::Runner;
use crate::backend::libtorch::architectures::Architecture;
use crate::backend::libtorch::store::Stored;
use crate::backend::libtorch::{LibTorch, Plan, Settings};
use crate::backend::padded::Output;
use crate::bytes::Bytes;
use crate::catalogue::layout::Weights;
use crate::error::{Error, ErrorKind};
use crate::model::architecture;
use crate::model::config::Config;
use crate::model::config::foreign::Outside;
use crate::model::weights;
use crate::precision::Precision;

pub(super) fn describe(site: Site<'_>) -> Result<Described<'_>, Error> {
    let origin = site.origin();
    let half = match site.resources.precision {
        None | Some(Precision::F32) => false,
        Some(Precision::F16) => true,
        Some(other @ (Precision::Int8 | Precision::Bf16)) => {
            let message = format!(
                "libtorch computes in f32 or f16, not in {other}; choose one of these, or Backend::Native"
            );
            return Err(Error::new(ErrorKind::Options, message));
        }
    };
    let json: Value = serde_json::from_slice(site.json).map_err(|error| {
        Error::new(ErrorKind::Config, format!("{origin} is not a usable config.json")).with_source(error)
    })?;
    let model_type = json.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let architecture = Architecture::find(model_type)
        .map_err(|message| Error::new(ErrorKind::Config, format!("{origin}: {message}")))?;
    if architecture::Architecture::find(architecture.model_type).is_some() {
        // If the native backend refuses a model, rust-bert would compute a different one.
        Config::native(site.json, &origin, site.pooling)?;
    }
    let tokenizer_config = site.files.find("tokenizer_config.json", ErrorKind::Config)?;
    let outside = Outside {
        pooling: site.pooling,
        tokenizer_config: tokenizer_config.as_deref(),
        unstated: architecture.unstated(),
    };
    let (config, output) = Config::foreign(site.json, &origin, outside)?;
    let Output::Rows(rows) = output else { return Err(config.native_alone(&origin)) };
    let longest = config.longest.min(architecture.longest(&json));
    let assembly = move || {
        let weights = match site.layout.weights {
            Weights::Ot => {
                let path = site.weights();
                Stored::Ot(site.files.name(path), site.files.read(path, ErrorKind::Weights)?)
            }
            _ => {
                let stored = weights::read(site.files, site.layout)?;
                Stored::Files(match site.files.words() {
                    Some(words) => {
                        let name = format!("{}/words.safetensors", words.name);
                        stored.with(name, Bytes::Owned(words.pieces.concat()))
                    }
                    None => stored,
                })
            }
        };
        let device = site.resources.device.unwrap_or_default();
        let settings = Settings { device, half, threads: site.resources.workers.count() };
        let plan = Plan { origin, architecture, json, rows, weights };
        Ok(Box::new(LibTorch::load(plan, &settings)?) as Box<dyn Runner>)
    };
    Ok(Described { config: Config { longest, ..config }, assembly: Assembly::Apart(Box::new(assembly)) })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tch::nn;

    use crate::{Backend, Engine};

    #[test]
    fn files_of_libtorch_are_read() {
        let fixture = format!("{}/tests/goldens/ner-wordpiece-cased", env!("CARGO_MANIFEST_DIR"));
        let copy = tempfile::tempdir().expect("it should have room");
        for file in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
            fs::copy(format!("{fixture}/{file}"), copy.path().join(file)).expect("it should have room");
        }
        // Like rust-bert's own converter: all tensors, by name.
        let tensors =
            tch::Tensor::read_safetensors(format!("{fixture}/model.safetensors")).expect("it should be read");
        let store = nn::VarStore::new(tch::Device::Cpu);
        for (name, tensor) in &tensors {
            let path = name.rsplit_once('.').expect("it should be in a module");
            let path_of = path.0.split('.').fold(store.root(), |at, part| at / part);
            let _set = path_of.var_copy(path.1, tensor);
        }
        store.save(copy.path().join("rust_model.ot")).expect("the file should be written");

        let engine =
            Engine::builder().backend(Backend::LibTorch).threads(1).build().expect("libtorch should start");
        let logits = |folder: &Path| {
            let ner = engine.ner(folder).expect("the model should load");
            ner.logits("Maria Okafor met Anders Lindqvist in Geneva on Tuesday.")
                .expect("the text should be tagged")
                .logits
        };
        assert_eq!(logits(copy.path()), logits(Path::new(&fixture)));
    }
}
