//! Data of [entopic](https://docs.rs/entopic): the model `ner-en-small`, which finds persons,
//! places, organisations and other names in English text. See the model card in `model/README.md`.

/// The `config.json`.
pub const CONFIG: &[u8] = include_bytes!("../model/config.json");

/// The `model.safetensors.index.json`, which says in which file each tensor is.
pub const INDEX: &[u8] = include_bytes!("../model/model.safetensors.index.json");

/// The `model-00001-of-00002.safetensors`: int8 weights, without the word embedding and the last layer. The last layer
/// is in the package `entopic-words-en-1`, so that each package is small enough for a registry.
pub const WEIGHTS: &[u8] = include_bytes!("../model/model-00001-of-00002.safetensors");
