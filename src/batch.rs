//! Token sequences, the input of every backend.

use std::ops::Range;

/// Token sequences one after another, with no padding between them.
#[derive(Clone, Debug, Default)]
pub(crate) struct RaggedBatch {
    /// `[tokens]`.
    pub(crate) ids: Vec<u32>,
    /// `[tokens]`: the token type of each token.
    pub(crate) token_types: Vec<u32>,
    /// `[sequences + 1]`: sequence `i` has the tokens `bounds[i]..bounds[i + 1]`.
    pub(crate) bounds: Vec<usize>,
    /// One per sequence.
    pub(crate) marks: Vec<Marks>,
}

/// One sequence, with its special tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    pub(crate) ids: Vec<u32>,
    /// The token type of each token; as long as `ids`.
    pub(crate) token_types: Vec<u32>,
    pub(crate) marks: Marks,
}

/// Positions in a sequence that models with labels in their input (GLiNER, GLiClass) need, as indices of its
/// tokens. Empty for all other models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The first token of each word of the text; `None` for a word that the tokenizer drops.
    pub(crate) words: Vec<Option<usize>>,
    /// The token that stands for each label.
    pub(crate) labels: Vec<usize>,
}

impl RaggedBatch {
    pub(crate) fn new<'a>(sequences: impl IntoIterator<Item = &'a Sequence>) -> Self {
        let mut batch = Self { bounds: vec![0], ..Self::default() };
        for sequence in sequences {
            batch.ids.extend_from_slice(&sequence.ids);
            batch.token_types.extend_from_slice(&sequence.token_types);
            batch.bounds.push(batch.ids.len());
            batch.marks.push(sequence.marks.clone());
        }
        batch
    }

    /// The token range of each sequence.
    pub(crate) fn sequences(&self) -> impl Iterator<Item = Range<usize>> {
        self.bounds.windows(2).map(|pair| pair[0]..pair[1])
    }
}
