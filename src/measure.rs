//! The engine's parts by themselves, for `benches/kernels.rs` and `benches/tokenize.rs`; no part of the
//! API, and free to change in any version.

use crate::document::Document;
use crate::ner::Ner;

pub use crate::engine::measure::{attention, gelu, normalise, products, quantise};

/// Tokenises `text` and finds its sentences; gives the number of its tokens.
pub fn tokenise(ner: &Ner, text: &str) -> usize {
    Document::read(text, &ner.model().tokenizer).map_or(0, |document| document.tokens.len())
}
