//! Vectorised loops around the products. Each picks its instructions when it runs, through
//! rten-simd, and is held against a plain loop by its tests.

mod attention;
mod dequantise;
mod norm;
mod quantise;

pub(crate) use attention::{Attention, AttentionScratch};
pub(crate) use dequantise::Dequantise;
pub(crate) use norm::add_and_normalise;
pub(crate) use quantise::{RowQuantisation, quantise_row};
