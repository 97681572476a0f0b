//! A text as tokens, sentences and windows.

mod coverage;
mod sentences;
mod windows;

use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use crate::error::Error;
use crate::model::{TextTokenizer, Tokens};
use crate::span::CharIndex;
use crate::stage::stage;

pub use coverage::Coverage;
pub(crate) use windows::Windows;

/// A text that was tokenised, once and whole.
pub(crate) struct Document<'t> {
    pub(crate) text: &'t str,
    pub(crate) index: CharIndex<'t>,
    pub(crate) tokens: Tokens,
    /// The token that each sentence begins with, in order; the first is 0.
    pub(crate) sentences: Vec<usize>,
}

impl<'t> Document<'t> {
    pub(crate) fn read(text: &'t str, tokenizer: &TextTokenizer) -> Result<Self, Error> {
        stage!("tokenise");
        let tokens = tokenizer.encode(text)?;
        let sentences = sentences::starts(text, &tokens.offsets);
        Ok(Self { text, index: CharIndex::new(text), tokens, sentences })
    }

    /// The document as windows of at most `budget` tokens.
    pub(crate) fn windows(&self, budget: usize, context: usize) -> Windows {
        Windows::plan(&self.sentences, self.tokens.len(), budget, context)
    }

    /// The bytes from the first to the last of `tokens`.
    pub(crate) fn bytes(&self, tokens: Range<usize>) -> Range<usize> {
        let offsets = &self.tokens.offsets[tokens];
        offsets.first().map_or(0, |first| first.start)..offsets.last().map_or(0, |last| last.end)
    }

    /// How much of the text was read.
    pub(crate) fn coverage(&self, windows: &Windows) -> Coverage {
        Coverage::new(self, windows)
    }
}

/// One row a token of the document, each from the window that gives the token most context.
///
/// `outputs` holds a window's rows, of which the first `leading` are special tokens'.
pub(crate) fn merge(windows: &Windows, outputs: &[Array2<f32>], leading: usize) -> Array2<f32> {
    stage!("merge");
    let columns = outputs.first().map_or(0, Array2::ncols);
    let mut merged = Array2::zeros((windows.tokens(), columns));
    for (token, window) in windows.owners().into_iter().enumerate() {
        let row: ArrayView2<'_, f32> = outputs[window].view();
        merged.row_mut(token).assign(&row.row(leading + token - windows.ranges()[window].start));
    }
    merged
}
