//! Parts by themselves, for the benchmarks and for fuzzing. They are not part of the API and may change in any version.

use std::ops::Range;
use std::path::Path;

use crate::catalogue::files::Files;
use crate::error::Error;
use crate::ner::Ner;
use crate::tokenizer::TextTokenizer;

pub use crate::backend::native::measure::{attention, gelu, normalise, products, quantise};

/// Tokenises `text` and finds its sentences; returns the number of tokens.
pub fn tokenise(ner: &Ner, text: &str) -> usize {
    let texts = [text];
    let documents = ner.read(&texts);
    documents.iter().flatten().map(|document| document.tokens.len()).sum()
}

/// The tokens, sentences and windows of a text.
#[derive(Clone, Debug)]
pub struct Plan<'t> {
    /// The text; a part of it if it is read in sections.
    pub text: &'t str,
    /// The bytes of each token.
    pub tokens: Vec<Range<usize>>,
    /// The first token of each sentence.
    pub sentences: Vec<usize>,
    /// The tokens of each window.
    pub windows: Vec<Range<usize>>,
}

/// Plans windows of at most `budget` tokens, at least 1, of which a few are context.
pub fn plan<'t>(ner: &Ner, text: &'t str, budget: usize) -> Vec<Plan<'t>> {
    let texts = [text];
    let documents = ner.read(&texts).into_iter().flatten();
    let plans = documents.map(|document| Plan {
        windows: document.windows(budget, 4).ranges().to_vec(),
        text: document.text,
        tokens: document.tokens.offsets,
        sentences: document.sentences,
    });
    plans.collect()
}

/// Reads the tokenizer in `folder`, which has a config.json with a model type; returns the number of tokens of `text`.
///
/// # Errors
///
/// Returns an error if a file is invalid, or the tokenizer fails.
pub fn tokenise_with(folder: &Path, text: &str) -> Result<usize, Error> {
    let files = Files::folder(folder, &[]);
    let model_type = std::fs::read_to_string(folder.join("config.json")).unwrap_or_default();
    let model_type: serde_json::Value = serde_json::from_str(&model_type).unwrap_or_default();
    let model_type = model_type["model_type"].as_str().unwrap_or_default();
    let loaded = TextTokenizer::load(&files, files.tokenizer()?, model_type)?;
    Ok(loaded.encode(text)?.len())
}
