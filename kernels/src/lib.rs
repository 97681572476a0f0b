//! Matrix products for transformers on a CPU: rows of activations times weights that are packed once.
//!
//! `y = x W^T`, with `x` of `[rows, inputs]` and `W` of `[outputs, inputs]` as checkpoints store it, in one of three
//! number formats: [`Int8`], [`Bf16`] and [`F32`]. The kernel is chosen when the program runs, among those that the
//! CPU has; no compiler flag and no C compiler is needed. The product is handed out in [`Tile`]s while these are in the
//! nearest cache, so that what follows (scaling, bias, an activation function) costs no pass over memory.
//!
//! ```
//! use entopic_kernels::{F32, Format, Line, Rows, Weights};
//!
//! // Two outputs of three inputs.
//! let kernel = F32::kernels()[0];
//! let weights = Weights::pack(kernel, &[1.0, 2.0, 3.0, 0.5, 0.5, 0.5], [2, 3]);
//!
//! // Two rows of three values. A row takes whole lines of 64 bytes; the rest of it is zero.
//! let mut lines = vec![Line::default(); 2 * weights.row_lines()];
//! for (row, values) in lines.chunks_exact_mut(weights.row_lines()).zip([[1.0_f32, 1.0, 1.0], [2.0, 0.0, 0.0]]) {
//!     Line::values_mut(row)[..3].copy_from_slice(&values);
//! }
//!
//! let mut product = vec![[0.0; 2]; 2];
//! weights.multiply(Rows::new(&lines, weights.row_lines()), 0..2, |tile| {
//!     for (row, sums) in tile.each() {
//!         product[row][tile.columns.clone()].copy_from_slice(sums);
//!     }
//! });
//! assert_eq!(product, [[6.0, 1.5], [2.0, 1.0]]);
//! ```
//!
//! | kernel | format | instructions |
//! |---|---|---|
//! | `amx-int8`, `amx-bf16` | int8, bf16 | tiles of Intel's AMX, on Linux |
//! | `avx512-vnni` | int8 | `vpdpbusd` on 512 bits |
//! | `avx-vnni` | int8 | `vpdpbusd` on 256 bits, for CPUs without AVX-512 |
//! | `avx512`, `avx2` | int8 | pairs of products in 16 bits, so values may be at most 128: see [`Kernel::largest_value`] |
//! | `avx512`, `avx2` | f32 | fused multiply-add |
//! | `portable`, `portable tiles` | all | plain code with the same packing and blocks, to compare with |
//!
//! A product runs on the thread that asks for it. To share one out, give threads different rows or outputs.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod format;
mod kernel;
mod line;
mod portable;
mod tiles;
mod transpose;
mod vectors;
mod weights;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

pub use format::{Bf16, F32, Format, Int8};
pub use kernel::{Kernel, Tile};
pub use line::Line;
pub use transpose::{Strided, transpose};
pub use weights::{PANEL, Rows, Weights};
