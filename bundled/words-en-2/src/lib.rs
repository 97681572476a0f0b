//! Data of [entopic](https://docs.rs/entopic): the second half of the word embedding that its
//! bundled English models share.

/// The second piece of the safetensors file with the word embedding.
pub const WORDS: &[u8] = include_bytes!("../model/words.safetensors.2");
