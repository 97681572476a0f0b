//! Data of [entopic](https://docs.rs/entopic): the tokenizer of its bundled English models, and
//! the first half of the word embedding that they share, and one of their layers.

/// A `tokenizer.json`: lower-casing WordPiece, 30,522 tokens.
pub const TOKENIZER: &[u8] = include_bytes!("../model/tokenizer.json");

/// The first piece of the safetensors file with the word embedding.
pub const WORDS: &[u8] = include_bytes!("../model/words.safetensors.1");

/// The `model-00002-of-00002.safetensors` of the model `ner-en-small`: the int8 weights of its last layer.
pub const NER_LAST_LAYER: &[u8] = include_bytes!("../model/ner-en-small.safetensors");
