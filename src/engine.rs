//! The native encoder: weights, layers and heads on the CPU.
//!
//! Tokens of all sequences of a batch lie one after another, `[tokens, hidden]`; attention runs
//! inside each sequence's bounds.

mod activation;
mod activations;
mod checkpoint;
mod embeddings;
mod encoder;
mod head;
mod kernels;
mod linear;
pub(crate) mod measure;
mod norm;
mod spare;

pub(crate) use activation::Activation;
pub(crate) use checkpoint::{Checkpoint, Format, Index};
pub(crate) use embeddings::{Embeddings, Table};
pub(crate) use encoder::{Encoder, EncoderScratch};
pub(crate) use head::Head;
pub(crate) use spare::Spare;
