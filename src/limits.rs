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

/// The most bytes of a file of a model other than weights: more would be an attack, or a mistake.
pub(crate) const LONGEST_FILE: u64 = 256 << 20;

/// The most bytes of a file of rules, or of a registry. Parsing one takes some ten times as much memory.
pub(crate) const LONGEST_LIST: u64 = 64 << 20;

/// The most bytes of a text, by default: more than any book has, and less than any server's memory.
pub(crate) const LONGEST_TEXT: usize = 256 << 20;

/// The most labels of a label set, by default, and the most entity types: more than most taxonomies of topics have.
pub(crate) const MOST_LABELS: usize = 10_000;

/// The most examples of all labels of a set.
pub(crate) const MOST_EXAMPLES: usize = 100_000;

/// The most bytes of a text times the number of labels. Each window, usually some five hundred bytes, has two scores
/// for each label, and a third for the result, twelve bytes in total: usually less than a gigabyte for a text.
pub(crate) const MOST_TEXT_TIMES_LABELS: usize = if usize::BITS < 64 { usize::MAX } else { 1 << 35 };

/// The most bytes of a label, its description, or a template. They are tokenised before their tokens can be counted,
/// and a word of any length may be one unknown token.
pub(crate) const LONGEST_LABEL: usize = 1 << 16;

/// The most bytes of all labels that a model reads as one text, before their tokens are counted: no window has room for
/// so many.
pub(crate) const LONGEST_PROMPT: usize = 1 << 20;

/// The most phrases of a set of rules, and the most rules.
pub(crate) const MOST_PHRASES: usize = 1 << 20;

/// The most bytes of all phrases of a set of rules. Compiling that many takes half a minute and 1.3 GB of memory, of
/// which 0.3 GB remain in use (measured with random phrases of 20 letters on an AMD EPYC).
pub(crate) const LONGEST_PHRASES: usize = 32 << 20;

/// The most bytes of a pattern. Parsing one takes some hundred times as much.
pub(crate) const LONGEST_PATTERN: usize = 1 << 16;

/// The most bytes that the automata of all patterns of a set of rules may take.
pub(crate) const LARGEST_PATTERNS: usize = 256 << 20;
