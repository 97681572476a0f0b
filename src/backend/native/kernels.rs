//! Vectorised loops around the products. Each chooses its instructions at run time, through rten-simd, and is
//! checked against a plain loop by its tests.

pub(crate) mod attention;
mod exp;
pub(crate) mod finish;
pub(crate) mod gelu;
pub(crate) mod norm;
pub(crate) mod quantise;
pub(crate) mod relation;
pub(crate) mod round_bf16;
pub(crate) mod tile_attention;
