//! The tags of token classifiers: their grammar, and the schemes that use it.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;

/// A tag of a token classifier, such as `B-PER`: an entity type, and the position of a word in an entity.
///
/// ```
/// use entopic::{Position, Tag};
///
/// let tag = Tag::parse("B-PER");
/// assert_eq!(tag, Tag::Entity { label: "PER".into(), position: Position::Begin });
/// assert!(tag.continues_with(&Tag::parse("I-PER")));
/// assert_eq!(Tag::parse("O"), Tag::Outside);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// The word is in no entity: `O`.
    Outside,
    /// The word is in an entity.
    Entity {
        /// The entity type.
        label: String,
        /// The position of the word in the entity.
        position: Position,
    },
}

/// The position of a word in an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// The first word of an entity: `B`.
    Begin,
    /// Any word but the first and the last: `I`, or `M` (middle). In schemes without other prefixes (IO, and
    /// labels without a prefix) any word of an entity.
    Inside,
    /// The last word: `E`, or `L` in BILOU.
    End,
    /// The only word: `S`, or `U` in BILOU, or `W` in BMEWO.
    Single,
}

/// The scheme that a model's config.json or registry entry declares for its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum TagScheme {
    /// Every entity begins with its `B-`, and all its other words have its `I-`.
    #[serde(rename = "IOB2")]
    Iob2,
    /// A scheme that decoding does not use.
    #[serde(other)]
    Other,
}

/// The prefix letter of `tag` and the entity type after it. `None` if `tag` does not begin with a known prefix:
/// `creative-work` is the type `creative-work`.
fn split(tag: &str) -> Option<(u8, &str)> {
    match tag.as_bytes() {
        [letter @ (b'B' | b'I' | b'M' | b'E' | b'L' | b'S' | b'U' | b'W'), b'-', _, ..] => {
            Some((*letter, &tag[2..]))
        }
        _ => None,
    }
}

impl Tag {
    /// Reads a tag of IO, IOB1, IOB2, BIOES, BMEWO or BILOU. A label without a known prefix is an entity type
    /// by itself.
    ///
    /// ```
    /// use entopic::Tag;
    ///
    /// // The only word of an entity, as BILOU and BIOES write it.
    /// assert_eq!(Tag::parse("U-LOC"), Tag::parse("S-LOC"));
    /// assert_eq!(Tag::parse("creative-work").label(), Some("creative-work"));
    /// assert_eq!(Tag::parse("O").label(), None);
    /// ```
    pub fn parse(tag: &str) -> Self {
        if tag == "O" {
            return Self::Outside;
        }
        let (position, label) = match split(tag) {
            Some((b'B', label)) => (Position::Begin, label),
            Some((b'E' | b'L', label)) => (Position::End, label),
            Some((b'S' | b'U' | b'W', label)) => (Position::Single, label),
            Some((_, label)) => (Position::Inside, label),
            None => (Position::Inside, tag),
        };
        Self::Entity { label: label.to_owned(), position }
    }

    /// The entity type of the tag; `None` for `O`.
    ///
    /// ```
    /// use entopic::Tag;
    ///
    /// assert_eq!((Tag::parse("B-PER").label(), Tag::parse("O").label()), (Some("PER"), None));
    /// ```
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::Outside => None,
            Self::Entity { label, .. } => Some(label),
        }
    }

    /// Returns whether a word with the tag `next` continues the entity of a word with this tag.
    ///
    /// ```
    /// use entopic::Tag;
    ///
    /// let begin = Tag::parse("B-PER");
    /// assert!(begin.continues_with(&Tag::parse("I-PER")));
    /// assert!(!begin.continues_with(&Tag::parse("B-PER")));
    /// assert!(!begin.continues_with(&Tag::parse("I-LOC")));
    /// ```
    pub fn continues_with(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Entity { label, position }, Self::Entity { label: other, position: next }) => {
                label == other
                    && matches!(position, Position::Begin | Position::Inside)
                    && matches!(next, Position::Inside | Position::End)
            }
            _ => false,
        }
    }
}

/// Writes the tag as BIOES does.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Entity { label, position } = self else { return f.write_str("O") };
        let prefix = match position {
            Position::Begin => "B",
            Position::Inside => "I",
            Position::End => "E",
            Position::Single => "S",
        };
        write!(f, "{prefix}-{label}")
    }
}

/// Parses a tag as transformers' pipelines do: whether it begins an entity, and the type that they compare between
/// neighbours. They know only the prefixes `B-` and `I-`, and `O` is a type like any other.
pub(crate) fn pipeline_tag(tag: &str) -> (bool, &str) {
    match tag.strip_prefix("B-") {
        Some(label) => (true, label),
        None => (false, tag.strip_prefix("I-").unwrap_or(tag)),
    }
}

/// The label of a group as transformers' pipelines name it: what follows the first hyphen of its first tag.
pub(crate) fn pipeline_label(tag: &str) -> &str {
    tag.split_once('-').map_or(tag, |(_, label)| label)
}

/// The entity types of `tags`, each once, in the order of the tags.
pub(crate) fn entity_types(tags: &[Tag]) -> Vec<String> {
    let mut known = HashSet::new();
    tags.iter().filter_map(Tag::label).filter(|label| known.insert(*label)).map(str::to_owned).collect()
}

/// The schemes that `tags` may belong to.
pub(crate) fn schemes(tags: &[String]) -> &'static [&'static str] {
    let has = |letters: &[u8]| {
        tags.iter().filter_map(|tag| split(tag)).any(|(letter, _)| letters.contains(&letter))
    };
    if has(b"MW") {
        &["BMEWO"]
    } else if has(b"LU") {
        &["BILOU"]
    } else if has(b"ES") {
        &["BIOES"]
    } else if has(b"B") {
        &["IOB2", "IOB1"]
    } else if has(b"I") {
        // IOB1 needs B only between neighbours of one type.
        &["IO", "IOB1"]
    } else {
        &["IO"]
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, Tag, pipeline_tag};

    /// The entities of a tag sequence, as (type, first, last).
    fn entities(tags: &str) -> Vec<(String, usize, usize)> {
        let tags: Vec<Tag> = tags.split_whitespace().map(Tag::parse).collect();
        let mut found: Vec<(String, usize, usize)> = Vec::new();
        for (at, tag) in tags.iter().enumerate() {
            match (tag.label(), found.last_mut()) {
                (Some(_), Some(last)) if at > 0 && tags[at - 1].continues_with(tag) => last.2 = at,
                (Some(entity), _) => found.push((entity.to_owned(), at, at)),
                (None, _) => {}
            }
        }
        found
    }

    #[test]
    fn every_scheme_gives_the_same_entities() {
        let expected = [("PER".into(), 0, 2), ("LOC".into(), 4, 4), ("LOC".into(), 5, 6)];
        for tags in [
            "B-PER I-PER I-PER O B-LOC B-LOC I-LOC",
            "I-PER I-PER I-PER O I-LOC B-LOC I-LOC",
            "B-PER I-PER E-PER O S-LOC B-LOC E-LOC",
            "B-PER I-PER L-PER O U-LOC B-LOC L-LOC",
            "B-PER M-PER E-PER O W-LOC B-LOC E-LOC",
        ] {
            assert_eq!(entities(tags), expected, "{tags}");
        }
        assert_eq!(entities("PER PER O LOC"), [("PER".into(), 0, 1), ("LOC".into(), 3, 3)]);
    }

    #[test]
    fn broken_sequences_keep_every_word() {
        assert_eq!(
            entities("E-PER I-LOC S-LOC"),
            [("PER".into(), 0, 0), ("LOC".into(), 1, 1), ("LOC".into(), 2, 2)]
        );
    }

    #[test]
    fn hyphens_belong_to_the_type() {
        assert_eq!(Tag::parse("creative-work").label(), Some("creative-work"));
        assert_eq!(Tag::parse("B-creative-work").label(), Some("creative-work"));
        assert_eq!(Tag::parse("B-"), Tag::Entity { label: "B-".into(), position: Position::Inside });
        assert_eq!(Tag::parse("O"), Tag::Outside);
    }

    #[test]
    fn tags_are_written_as_they_are_read() {
        for tag in ["O", "B-PER", "I-creative-work", "E-X", "S-Y"] {
            assert_eq!(Tag::parse(tag).to_string(), tag);
        }
    }

    /// `TokenClassificationPipeline.get_tag`.
    #[test]
    fn pipelines_know_two_prefixes() {
        assert_eq!(pipeline_tag("B-PER"), (true, "PER"));
        assert_eq!(pipeline_tag("I-PER"), (false, "PER"));
        assert_eq!(pipeline_tag("E-PER"), (false, "E-PER"));
        assert_eq!(pipeline_tag("O"), (false, "O"));
    }
}
