//! Vectorised loops around the products. Each picks its instructions when it runs, through
//! rten-simd, and is held against a plain loop by its tests.

mod attention;
mod exp;
mod gelu;
mod norm;
mod quantise;
mod relation;
mod rows;

pub(crate) use attention::{Attention, AttentionScratch, Part};
pub(crate) use gelu::Gelu;
pub(crate) use norm::Normalise;
pub(crate) use quantise::{QuantiseRow, RowQuantisation};
pub(crate) use relation::{Reach, Relation};
pub(crate) use rows::{Rows, Sums};
