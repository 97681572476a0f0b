//! IOB2 tags and the entities that they stand for.

use std::ops::Range;

/// An entity of a sentence of words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mention {
    /// The entity type.
    pub(crate) label: String,
    /// The indices of its words.
    pub(crate) words: Range<usize>,
}

/// A tag: a word is in no entity, begins one, or goes on with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IobTag<'t> {
    Outside,
    Begin(&'t str),
    Inside(&'t str),
}

impl<'t> IobTag<'t> {
    /// Reads `O`, `B-TYPE` or `I-TYPE`.
    pub(crate) fn parse(tag: &'t str) -> Option<Self> {
        match tag.split_once('-') {
            None if tag == "O" => Some(Self::Outside),
            Some(("B", label)) if !label.is_empty() => Some(Self::Begin(label)),
            Some(("I", label)) if !label.is_empty() => Some(Self::Inside(label)),
            _ => None,
        }
    }
}

/// The entities of a sentence's tags, as `get_entities` of seqeval 1.2.2 reads them: an `I` that
/// follows `O`, another type or nothing begins an entity.
pub(crate) fn mentions(tags: &[IobTag<'_>]) -> Vec<Mention> {
    let mut found: Vec<Mention> = Vec::new();
    for (at, tag) in tags.iter().enumerate() {
        let (label, begins) = match *tag {
            IobTag::Outside => continue,
            IobTag::Begin(label) => (label, true),
            IobTag::Inside(label) => (label, false),
        };
        match found.last_mut() {
            Some(last) if !begins && last.words.end == at && last.label == label => last.words.end += 1,
            _ => found.push(Mention { label: label.to_owned(), words: at..at + 1 }),
        }
    }
    found
}

/// The tags of a sentence of `words` words with these entities.
pub(crate) fn tags(mentions: &[Mention], words: usize) -> Vec<String> {
    let mut tags = vec!["O".to_owned(); words];
    for Mention { label, words } in mentions {
        for (at, tag) in tags.iter_mut().enumerate().take(words.end).skip(words.start) {
            let prefix = if at == words.start { 'B' } else { 'I' };
            *tag = format!("{prefix}-{label}");
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::{IobTag, Mention, mentions, tags};

    fn read(line: &str) -> Vec<Mention> {
        let tags: Vec<IobTag<'_>> =
            line.split_whitespace().map(|tag| IobTag::parse(tag).expect("is IOB2")).collect();
        mentions(&tags)
    }

    /// Tags, and the types and half-open bounds of their entities.
    type Case = (&'static str, &'static [(&'static str, usize, usize)]);

    /// The expectations are `get_entities`'s of seqeval 1.2.2, with ends made half open.
    #[test]
    fn entities_are_those_of_seqeval() {
        let cases: [Case; 7] = [
            ("O I-PER I-PER O", &[("PER", 1, 3)]),
            ("B-PER I-LOC I-LOC O", &[("PER", 0, 1), ("LOC", 1, 3)]),
            ("B-LOC B-LOC I-LOC", &[("LOC", 0, 1), ("LOC", 1, 3)]),
            ("I-PER B-PER I-PER I-LOC", &[("PER", 0, 1), ("PER", 1, 3), ("LOC", 3, 4)]),
            ("B-PER O I-PER", &[("PER", 0, 1), ("PER", 2, 3)]),
            ("B-creative-work I-creative-work", &[("creative-work", 0, 2)]),
            ("O O", &[]),
        ];
        for (line, expected) in cases {
            let found = read(line);
            let found: Vec<_> =
                found.iter().map(|m| (m.label.as_str(), m.words.start, m.words.end)).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn tags_and_entities_agree() {
        let line = "B-PER I-PER O B-LOC B-LOC I-LOC B-ORG";
        assert_eq!(tags(&read(line), 7).join(" "), line);
    }

    #[test]
    fn other_schemes_are_refused() {
        for tag in ["", "o", "PER", "S-PER", "B-", "I", "B_PER"] {
            assert_eq!(IobTag::parse(tag), None, "{tag:?}");
        }
    }
}
