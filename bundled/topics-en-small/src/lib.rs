//! Data of [entopic](https://docs.rs/entopic): the model `topics-en-small`, which tells which
//! of any given topics an English text is about. See the model card in `model/README.md`.

/// The `config.json`.
pub const CONFIG: &[u8] = include_bytes!("../model/config.json");

/// The `model.safetensors`: int8 weights, without the word embedding.
pub const WEIGHTS: &[u8] = include_bytes!("../model/model.safetensors");
