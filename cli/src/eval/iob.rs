//! Tags and the entities that they stand for.

use std::ops::Range;

use entopic::{Position, Tag};

/// An entity in a sentence of words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mention {
    /// The entity type.
    pub(crate) label: String,
    /// The indices of its words.
    pub(crate) words: Range<usize>,
}

/// Reads `O` or a tag with a prefix of IOB1, IOB2, BIOES, BILOU or BMEWO, such as `B-PER`; `None` for anything else.
pub(crate) fn parse(tag: &str) -> Option<Tag> {
    let parsed = Tag::parse(tag);
    match &parsed {
        Tag::Outside => Some(parsed),
        // A label without a prefix is an entity type for a model, and could be any column of a file.
        Tag::Entity { label, .. } if label.len() < tag.len() => Some(parsed),
        Tag::Entity { .. } => None,
    }
}

/// The entities of a sentence's tags, as `get_entities` of seqeval 1.2.2 reads them: an inside or end tag begins an
/// entity if it comes first, or follows `O`, another type or an end tag.
pub(crate) fn mentions(tags: &[Tag]) -> Vec<Mention> {
    let mut found: Vec<Mention> = Vec::new();
    let mut is_open = false;
    for (at, tag) in tags.iter().enumerate() {
        let Tag::Entity { label, position } = tag else {
            is_open = false;
            continue;
        };
        let begins = matches!(position, Position::Begin | Position::Single);
        match found.last_mut() {
            Some(last) if is_open && !begins && last.label == *label => last.words.end += 1,
            _ => found.push(Mention { label: label.clone(), words: at..at + 1 }),
        }
        is_open = !matches!(position, Position::End | Position::Single);
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
            line.split_whitespace().map(|tag| parse(tag).expect("it should be a tag")).collect();
        mentions(&tags)
    }

    /// Tags, and the types and half-open bounds of their entities.
    type Case = (&'static str, &'static [(&'static str, usize, usize)]);

    /// The expected values are from `get_entities` of seqeval 1.2.2, with ends made exclusive.
    #[test]
    fn entities_are_those_of_seqeval() {
        let cases: [Case; 10] = [
            ("O I-PER I-PER O", &[("PER", 1, 3)]),
            ("B-PER I-LOC I-LOC O", &[("PER", 0, 1), ("LOC", 1, 3)]),
            ("B-LOC B-LOC I-LOC", &[("LOC", 0, 1), ("LOC", 1, 3)]),
            ("I-PER B-PER I-PER I-LOC", &[("PER", 0, 1), ("PER", 1, 3), ("LOC", 3, 4)]),
            ("B-PER O I-PER", &[("PER", 0, 1), ("PER", 2, 3)]),
            ("B-creative-work I-creative-work", &[("creative-work", 0, 2)]),
            ("O O", &[]),
            ("B-PER I-PER E-PER S-LOC E-LOC", &[("PER", 0, 3), ("LOC", 3, 4), ("LOC", 4, 5)]),
            ("B-PER L-PER U-LOC O", &[("PER", 0, 2), ("LOC", 2, 3)]),
            ("B-PER M-PER E-PER I-PER W-LOC", &[("PER", 0, 3), ("PER", 3, 4), ("LOC", 4, 5)]),
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
    fn what_is_no_tag_is_refused() {
        for tag in ["", "o", "PER", "X-PER", "B-", "I", "B_PER", "NN", "-"] {
            assert_eq!(parse(tag), None, "{tag:?}");
        }
    }
}
