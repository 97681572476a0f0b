use std::ops::Range;

use super::entity::{TaggedText, TaggedWords, WordEntity};

/// Words joined by spaces, and the byte range of each.
pub(super) struct JoinedWords {
    pub(super) text: String,
    pub(super) ranges: Vec<Range<usize>>,
}

impl JoinedWords {
    pub(super) fn new<T: AsRef<str>>(words: &[T]) -> Self {
        let mut text = String::new();
        let mut ranges = Vec::with_capacity(words.len());
        for word in words {
            if !text.is_empty() {
                text.push(' ');
            }
            let start = text.len();
            text.push_str(word.as_ref());
            ranges.push(start..text.len());
        }
        Self { text, ranges }
    }

    /// The byte ranges of the words that are not empty.
    pub(super) fn filled(&self) -> Vec<Range<usize>> {
        self.ranges.iter().filter(|range| !range.is_empty()).cloned().collect()
    }

    /// Converts the entities of the joined text to entities of words.
    pub(super) fn by_words(&self, tagged: TaggedText) -> TaggedWords {
        let word_at = |byte: usize| self.ranges.partition_point(|range| range.end <= byte);
        let entities = tagged.entities.into_iter().map(|entity| {
            let Range { start, end } = entity.span.bytes;
            let words = word_at(start)..word_at(end.saturating_sub(1).max(start)) + 1;
            WordEntity { label: entity.label, kind: entity.kind, score: entity.score, words }
        });
        TaggedWords { entities: entities.collect(), coverage: tagged.coverage }
    }
}
