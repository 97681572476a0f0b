//! Components exposed for the benchmarks. They are not part of the API and may change in any version.

use crate::ner::Ner;

pub use crate::backend::native::measure::{attention, gelu, normalise, products, quantise};

/// Tokenises `text` and finds its sentences; returns the number of tokens.
pub fn tokenise(ner: &Ner, text: &str) -> usize {
    let texts = [text];
    let documents = ner.read(&texts);
    documents.iter().flatten().map(|document| document.tokens.len()).sum()
}
