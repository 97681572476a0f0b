#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod format;
mod kernel;
mod line;
mod portable;
mod tile_session;
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
pub use tile_session::TileSession;
pub use transpose::{Strided, transpose};
pub use weights::{PANEL, Rows, Weights};
