//! Models that libtorch runs.

use serde_json::Value;

use super::layout::{Layout, Weights};
use super::source::Files;
use super::{Config, LoadOptions, TokenPooling, weights};
use crate::backend::libtorch::{Architecture, LibTorch, Plan, Settings, Stored};
use crate::backend::{Device, Precision};
use crate::error::{Error, ErrorKind};

/// The config `json`, which messages call `origin`.
pub(super) fn config(
    files: &Files,
    json: &[u8],
    origin: &str,
    pooling: Option<TokenPooling>,
) -> Result<Config, Error> {
    let refuse = |message: String| Error::new(ErrorKind::Config, format!("{origin}: {message}"));
    let value = read(json, origin)?;
    let architecture = architecture(&value).map_err(refuse)?;
    let config = if Config::knows(architecture.model_type) {
        // Where the native engine refuses one, rust-bert would compute something else.
        Config::parse(json, origin, pooling)?
    } else {
        let tokenizer_config = files.find("tokenizer_config.json", ErrorKind::Config)?;
        Config::parse_foreign(json, origin, pooling, tokenizer_config.as_deref(), architecture.unstated())?
    };
    let longest = config.longest.min(architecture.longest(&value));
    Ok(Config { blueprint: None, longest, ..config })
}

/// The model, on `threads` threads where it runs on the CPU.
pub(super) fn load(
    files: &Files,
    layout: &Layout,
    config: &Config,
    json: &[u8],
    pooling: Option<TokenPooling>,
    options: &LoadOptions,
    threads: usize,
) -> Result<LibTorch, Error> {
    let origin = files.name(layout.description.config);
    let half = match options.precision {
        None | Some(Precision::F32) => false,
        Some(Precision::F16) => true,
        Some(Precision::Int8) => {
            let message = "libtorch computes in F32 or F16; Int8 is the native backend's alone";
            return Err(Error::new(ErrorKind::Options, message));
        }
    };
    let json = read(json, &origin)?;
    let architecture = architecture(&json).map_err(|message| Error::new(ErrorKind::Config, message))?;
    let rows = config.rows(pooling);
    let weights = match layout.weights {
        Weights::Ot => {
            let path = layout.weights.file();
            Stored::Ot(files.name(path), files.read(path, ErrorKind::Weights)?)
        }
        _ => {
            let stored = weights::read(files, layout)?;
            Stored::Files(match files.words() {
                Some(words) => {
                    stored.with(format!("{}/words.safetensors", words.name), words.pieces.concat().into())
                }
                None => stored,
            })
        }
    };
    let settings = Settings { device: options.device.unwrap_or(Device::Cpu), half, threads };
    LibTorch::load(Plan { origin, architecture, json, rows, weights }, &settings)
}

fn read(json: &[u8], origin: &str) -> Result<Value, Error> {
    serde_json::from_slice(json).map_err(|error| {
        Error::new(ErrorKind::Config, format!("{origin} is not a usable config.json")).with_source(error)
    })
}

fn architecture(json: &Value) -> Result<&'static Architecture, String> {
    Architecture::find(json.get("model_type").and_then(Value::as_str).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tch::nn;

    use crate::{Backend, Ner};

    #[test]
    fn files_of_libtorch_are_read() {
        let fixture = format!("{}/tests/goldens/ner-wordpiece-cased", env!("CARGO_MANIFEST_DIR"));
        let copy = tempfile::tempdir().expect("has room");
        for file in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
            fs::copy(format!("{fixture}/{file}"), copy.path().join(file)).expect("has room");
        }
        // As rust-bert's own converter: all tensors by their names.
        let tensors = tch::Tensor::read_safetensors(format!("{fixture}/model.safetensors")).expect("is read");
        let store = nn::VarStore::new(tch::Device::Cpu);
        for (name, tensor) in &tensors {
            let path = name.rsplit_once('.').expect("is in a module");
            let path_of = path.0.split('.').fold(store.root(), |at, part| at / part);
            let _set = path_of.var_copy(path.1, tensor);
        }
        store.save(copy.path().join("rust_model.ot")).expect("is written");

        let load =
            |folder: &str| Ner::builder(folder).backend(Backend::LibTorch).threads(1).build().expect("loads");
        let text = "Maria Okafor met Anders Lindqvist in Geneva on Tuesday.";
        let found = load(&copy.path().display().to_string()).logits(text).expect("is tagged").logits;
        assert_eq!(found, load(&fixture).logits(text).expect("is tagged").logits);
    }
}
