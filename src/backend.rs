//! The boundary between text and numbers: token ids in, rows of numbers out.

#[cfg(feature = "libtorch")]
pub(crate) mod libtorch;
mod native;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(any(feature = "libtorch", feature = "onnx"))]
mod padded;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::engine;
use crate::error::Error;

pub(crate) use native::Native;
#[cfg(feature = "onnx")]
pub(crate) use onnx::Onnx;
#[cfg(any(feature = "libtorch", feature = "onnx"))]
pub(crate) use padded::Rows;

/// What turns tokens into numbers. What comes before and after is the same for all: tokens, windows,
/// entities and topics.
#[cfg(feature = "libtorch")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Backend {
    /// entopic's own engine, on the CPU; the crate `rten` for a model that exists as ONNX only.
    #[default]
    Native,
    /// The model types of rust-bert, computed by libtorch on a [`Device`].
    LibTorch,
}

/// Where libtorch computes.
#[cfg(feature = "libtorch")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Device {
    /// The CPU.
    #[default]
    Cpu,
    /// The CUDA device of this number, from 0.
    Cuda(usize),
}

/// What a model's products are computed in. What runs a graph in ONNX computes as the graph says,
/// whatever this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// 32-bit floats: the reference, and libtorch's default.
    F32,
    /// 16-bit floats, with [`Backend::LibTorch`] alone: meant for CUDA devices.
    #[cfg(feature = "libtorch")]
    F16,
    /// 8-bit integers: weights with one scale an output channel, activations with one scale a
    /// token, chosen as they come. Faster, most of all where the CPU has VNNI. The native engine's
    /// default, and its alone.
    Int8,
}

impl Precision {
    /// What the native engine calls it, if it has it.
    pub(crate) fn native(self) -> Option<engine::Precision> {
        match self {
            Self::F32 => Some(engine::Precision::F32),
            #[cfg(feature = "libtorch")]
            Self::F16 => None,
            Self::Int8 => Some(engine::Precision::Int8),
        }
    }
}

/// Token sequences, one after another, with no padding between them.
#[derive(Clone, Debug, Default)]
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

/// A model on a backend: what turns token ids into numbers.
pub(crate) trait Runner: Send + Sync {
    /// Which threads [`run`](Self::run) computes on.
    fn threads(&self) -> Threads {
        Threads::Callers
    }

    /// Runs `batch`: an array for each of its sequences, in their order. By the model's task it holds
    ///
    /// * a row a token, specials included, of label logits;
    /// * one row: label logits, or an embedding;
    /// * for models that are given labels with the text, what [`Marks`] call for.
    ///
    /// A backend that needs padding pads inside.
    fn run(&self, batch: &RaggedBatch) -> Result<Vec<Array2<f32>>, Error>;
}

/// Which threads compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The one that calls. A batch of many is shared out among workers in groups that fit their caches.
    Callers,
    /// The backend's own, which take one batch after another, of at most so many tokens and of sequences
    /// about as long as one another. They are padded to a multiple of `multiple`.
    #[cfg_attr(not(feature = "libtorch"), expect(dead_code, reason = "no such backend is in the build"))]
    Own { batch_tokens: usize, multiple: usize },
}
