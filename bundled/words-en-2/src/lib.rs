//! Data of [entopic](https://docs.rs/entopic): the second half of the word embedding that its
//! bundled English models share, and one of their layers.

/// The second piece of the safetensors file with the word embedding.
pub const WORDS: &[u8] = include_bytes!("../model/words.safetensors.2");

/// The `model-00002-of-00002.safetensors` of the model `topics-en-small`: the int8 weights of its last layer.
pub const TOPICS_LAST_LAYER: &[u8] = include_bytes!("../model/topics-en-small.safetensors");
