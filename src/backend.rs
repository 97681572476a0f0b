//! The boundary between text and numbers: token ids in, rows of numbers out.

#[cfg(feature = "libtorch")]
pub(crate) mod libtorch;
pub(crate) mod native;
#[cfg(feature = "onnx")]
pub(crate) mod onnx;
#[cfg(any(feature = "libtorch", feature = "onnx"))]
pub(crate) mod padded;

use ndarray::Array2;

use crate::batch::RaggedBatch;
use crate::error::Error;

/// A model on a backend.
pub(crate) trait Runner: Send + Sync {
    /// The threads that [`run`](Self::run) computes on.
    fn threads(&self) -> Threads {
        Threads::Callers
    }

    /// Runs `batch` and returns one array per sequence, in order. Depending on the model's task, an array has
    ///
    /// * one row per token, special tokens included, of label logits;
    /// * one row: label logits, or an embedding;
    /// * for models with labels in their input, the scores that [`Marks`](crate::batch::Marks) call for.
    ///
    /// A backend that needs padding adds it itself.
    fn run(&self, batch: &RaggedBatch) -> Result<Vec<Array2<f32>>, Error>;
}

/// The threads that compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The calling thread. A batch of many sequences is divided among workers, in groups that fit their caches.
    Callers,
    /// The backend's threads, which take one batch at a time: at most `batch_tokens` tokens, in sequences of similar
    /// length, padded to a multiple of `multiple`.
    #[cfg_attr(
        not(any(feature = "libtorch", test)),
        expect(dead_code, reason = "no such backend is in the build")
    )]
    Own { batch_tokens: usize, multiple: usize },
}
