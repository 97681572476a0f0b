//! The boundary between text and numbers: token ids in, rows of numbers out.

mod native;
#[cfg(feature = "onnx")]
mod onnx;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::Error;

pub(crate) use native::Native;
#[cfg(feature = "onnx")]
pub(crate) use onnx::{Onnx, Rows};

/// How the native engine computes its products. What runs a graph in ONNX computes as the graph says,
/// whatever this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// 32-bit floats: the reference.
    F32,
    /// 8-bit integers: weights with one scale an output channel, activations with one scale a
    /// token, chosen as they come. Faster, most of all where the CPU has VNNI.
    Int8,
}

/// Token sequences, one after another, with no padding between them.
#[derive(Debug, Default)]
pub(crate) struct RaggedBatch {
    /// `[tokens]`.
    pub(crate) ids: Vec<u32>,
    /// `[tokens]`: which of the model's token types each token has.
    pub(crate) token_types: Vec<u32>,
    /// `[sequences + 1]`: sequence `i` holds tokens `bounds[i]..bounds[i + 1]`.
    pub(crate) bounds: Vec<usize>,
    /// One a sequence.
    pub(crate) marks: Vec<Marks>,
}

/// One sequence, with its special tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    pub(crate) ids: Vec<u32>,
    /// As long as `ids`.
    pub(crate) token_types: Vec<u32>,
    pub(crate) marks: Marks,
}

/// Places in a sequence that models which are given labels with the text have to know, as indices of
/// its tokens; empty for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The first token of each word of the text; `None` for a word that the tokenizer drops.
    pub(crate) words: Vec<Option<usize>>,
    /// The token that stands for each label.
    pub(crate) labels: Vec<usize>,
}

impl RaggedBatch {
    pub(crate) fn new<'a>(sequences: impl IntoIterator<Item = &'a Sequence>) -> Self {
        let mut batch = Self { bounds: vec![0], ..Self::default() };
        for sequence in sequences {
            batch.ids.extend_from_slice(&sequence.ids);
            batch.token_types.extend_from_slice(&sequence.token_types);
            batch.bounds.push(batch.ids.len());
            batch.marks.push(sequence.marks.clone());
        }
        batch
    }

    /// The token range of each sequence.
    pub(crate) fn sequences(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.bounds.windows(2).map(|pair| pair[0]..pair[1])
    }
}

/// What turns token ids into numbers. Everything before it (tokens, windows, batches) and after
/// it (decoding, pooling over windows) is the same for every backend.
pub(crate) trait Backend: Send + Sync {
    /// Runs `batch`: an array for each of its sequences, in their order. By the model's task it holds
    ///
    /// * a row a token, specials included, of label logits;
    /// * one row: label logits, or an embedding;
    /// * for models that are given labels with the text, what [`Marks`] call for.
    ///
    /// A backend that needs padding pads inside.
    fn run(&self, batch: &RaggedBatch) -> Result<Vec<Array2<f32>>, Error>;
}
