//! The native encoder: weights, layers and heads on the CPU.
//!
//! Tokens of all sequences of a batch lie one after another, `[tokens, hidden]`; attention runs
//! inside each sequence's bounds.

mod activation;
mod activations;
pub(crate) mod blueprint;
mod checkpoint;
mod convolution;
mod embeddings;
mod encoder;
mod entity_head;
mod head;
mod kernels;
mod layer;
mod linear;
mod lstm;
pub(crate) mod measure;
mod mlp;
mod network;
mod norm;
mod precision;
mod relation;
mod spare;
mod topic_head;

pub(crate) use activation::Activation;
pub(crate) use blueprint::Blueprint;
pub(crate) use checkpoint::{Checkpoint, Format, Index, WeightFiles};
pub(crate) use embeddings::Table;
pub(crate) use kernels::Reach;
pub(crate) use network::{Network, NetworkScratch};
pub(crate) use precision::Precision;
pub(crate) use spare::Spare;
