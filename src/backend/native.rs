//! The native backend: weights, layers and heads on the CPU.
//!
//! The tokens of all sequences of a batch lie one after another, `[tokens, hidden]`; attention runs within the
//! bounds of each sequence.

pub(crate) mod activation;
mod activations;
mod arithmetic;
pub(crate) mod blueprint;
mod convolution;
pub(crate) mod embeddings;
mod encoder;
mod entity_head;
mod gather;
mod gemm;
mod head;
pub(crate) mod kernels;
mod layer;
mod linear;
mod lstm;
#[cfg(feature = "internals")]
pub(crate) mod measure;
mod mlp;
mod network;
#[cfg(any(test, feature = "internals"))]
mod noise;
mod norm;
mod relation;
mod scratch;
mod topic_head;

use std::sync::Arc;

use ndarray::Array2;

use self::arithmetic::{Arithmetic, Bf16, F32, Int8};
use self::blueprint::Blueprint;

use self::embeddings::Table;
use self::network::{Network, NetworkScratch};
use super::Runner;
use crate::batch::RaggedBatch;
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::precision::Precision;
use crate::spare::Spare;

/// A model of the native backend.
struct Native<A: Arithmetic> {
    network: Network<A>,
    scratch: Spare<NetworkScratch<A>>,
}

/// Reads the weights of the model that `plan` describes. `words` is a word embedding that models share; with `None`,
/// it is read from the checkpoint.
pub(crate) fn load(
    checkpoint: &Checkpoint<'_>,
    plan: &Blueprint,
    words: Option<Arc<Table>>,
    precision: Precision,
) -> Result<Box<dyn Runner>, Error> {
    match precision {
        Precision::F32 => Ok(Box::new(Native::<F32>::load(checkpoint, plan, words)?)),
        Precision::Bf16 => Ok(Box::new(Native::<Bf16>::load(checkpoint, plan, words)?)),
        Precision::Int8 => Ok(Box::new(Native::<Int8>::load(checkpoint, plan, words)?)),
        #[cfg(feature = "libtorch")]
        Precision::F16 => {
            let message = "the native backend computes in int8, bf16 or f32, not in f16; choose one of these, or \
                           Backend::LibTorch";
            Err(Error::new(crate::error::ErrorKind::Options, message))
        }
    }
}

impl<A: Arithmetic> Native<A> {
    fn load(checkpoint: &Checkpoint<'_>, plan: &Blueprint, words: Option<Arc<Table>>) -> Result<Self, Error> {
        Ok(Self { network: Network::load(checkpoint, plan, words)?, scratch: Spare::default() })
    }
}

impl<A: Arithmetic> Runner for Native<A> {
    fn run(&self, batch: &RaggedBatch) -> Result<Vec<Array2<f32>>, Error> {
        self.scratch.lend(NetworkScratch::default, |scratch| self.network.forward(batch, scratch))
    }
}
