//! IOB2 tags and the entities that they stand for.

use std::ops::Range;

use entopic::{Position, Tag};

/// An entity of a sentence of words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mention {
    /// The entity type.
    pub(crate) label: String,
    /// The indices of its words.
    pub(crate) words: Range<usize>,
}

/// Reads `O`, `B-TYPE` or `I-TYPE`; a tag of another scheme is none.
pub(crate) fn parse(tag: &str) -> Option<Tag> {
    let parsed = Tag::parse(tag);
    let is_iob2 =
        matches!(parsed, Tag::Outside | Tag::Entity { position: Position::Begin | Position::Inside, .. });
    // Prefixes of other schemes, and labels without one, are read as these and written otherwise.
    (is_iob2 && parsed.to_string() == tag).then_some(parsed)
}

/// The entities of a sentence's tags, as `get_entities` of seqeval 1.2.2 reads them: an `I` that
/// follows `O`, another type or nothing begins an entity.
pub(crate) fn mentions(tags: &[Tag]) -> Vec<Mention> {
    let mut found: Vec<Mention> = Vec::new();
    for (at, tag) in tags.iter().enumerate() {
        let Tag::Entity { label, position } = tag else { continue };
        let begins = *position == Position::Begin;
        match found.last_mut() {
            Some(last) if !begins && last.words.end == at && last.label == *label => last.words.end += 1,
            _ => found.push(Mention { label: label.clone(), words: at..at + 1 }),
        }
    }
    found
}

/// The tags of a sentence of `words` words with these entities.
pub(crate) fn tags(mentions: &[Mention], words: usize) -> Vec<String> {
    let mut tags = vec!["O".to_owned(); words];
    for Mention { label, words } in mentions {
        for (at, tag) in tags.iter_mut().enumerate().take(words.end).skip(words.start) {
            let position = if at == words.start { Position::Begin } else { Position::Inside };
            *tag = Tag::Entity { label: label.clone(), position }.to_string();
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::{Mention, mentions, parse, tags};

    fn read(line: &str) -> Vec<Mention> {
        let tags: Vec<_> =
            line.split_whitespace().map(|tag| parse(tag).expect("it should be IOB2")).collect();
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
        for tag in ["", "o", "PER", "S-PER", "M-PER", "B-", "I", "B_PER"] {
            assert_eq!(parse(tag), None, "{tag:?}");
        }
    }
}
