//! Limits that several parts of the crate check.

/// The largest dimension of a model. No known model comes near it; sizes beyond it are damage, and products of two
/// sizes below it cannot overflow.
pub(crate) const LARGEST_DIMENSION: usize = 1 << 24;

/// The most layers of a model.
pub(crate) const MOST_LAYERS: usize = 1 << 10;

/// The most tokens of a sequence.
pub(crate) const LONGEST_SEQUENCE: usize = 1 << 20;

/// More threads than any machine has cores for. Some ten thousand exhaust the memory for their stacks, and the
/// standard library then aborts the process.
pub(crate) const MOST_THREADS: usize = 1024;
