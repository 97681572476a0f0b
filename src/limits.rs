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

/// The most bytes of a file without weights, and by default of a text: more would be an attack, or a mistake.
pub(crate) const LONGEST_TEXT: u64 = 256 << 20;

/// The most labels of a label set, by default: more than any known taxonomy of topics has. Embedding that many takes
/// about a minute with the bundled model on two cores.
pub(crate) const MOST_LABELS: usize = 10_000;

/// The most bytes of a label or its description, which must be tokenised before its tokens can be counted. No window
/// has room for as many.
pub(crate) const LONGEST_LABEL: usize = 1 << 16;

/// The most bytes of all phrases of a set of rules. Compiling that many takes half a minute and 1.3 GB of memory, of
/// which 0.3 GB stay in use (measured with random phrases of 20 letters on an AMD EPYC).
pub(crate) const MOST_PHRASES: usize = 32 << 20;

/// The most bytes that all patterns of a set of rules may take, compiled.
pub(crate) const MOST_PATTERNS: usize = 256 << 20;
