//! Data of [entopic](https://docs.rs/entopic): the tokenizer of its bundled English models, and
//! the first half of the word embedding that they share.

/// A `tokenizer.json`: lower-casing WordPiece, 30,522 tokens.
pub const TOKENIZER: &[u8] = include_bytes!("../model/tokenizer.json");

/// The first piece of the safetensors file with the word embedding.
pub const WORDS: &[u8] = include_bytes!("../model/words.safetensors.1");
