//! Limits that several parts of the crate check.

/// The largest dimension of a model. No known model comes near it, so a larger size means a damaged file; products of
/// two smaller sizes cannot overflow.
pub(crate) const LARGEST_DIMENSION: usize = 1 << 24;

/// The most layers of a model.
pub(crate) const MOST_LAYERS: usize = 1 << 10;

/// The most tokens of a sequence that a config.json may state.
pub(crate) const LONGEST_SEQUENCE: usize = 1 << 20;

/// The most tokens of a window. The time and the memory of a window grow with the square of its length, and a call can
/// only be cancelled between windows.
pub(crate) const LONGEST_WINDOW: usize = 1 << 13;

/// The most threads: more than any machine has cores. Some ten thousand threads exhaust the memory for their stacks,
/// and the standard library then aborts the process.
pub(crate) const MOST_THREADS: usize = 1024;

/// The most bytes of a file without weights: more would be an attack, or a mistake.
pub(crate) const LONGEST_TEXT: u64 = 256 << 20;
