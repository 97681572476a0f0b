//! What a tag such as `B-PER` says: an entity type, and where in an entity the word stands.

/// A tag, read once when the model is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// No entity.
    Outside,
    Inside {
        entity: String,
        place: Place,
    },
}

/// Where in an entity a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first of an entity: `B`.
    Begin,
    /// Any but the first and the last: `I`, or `M` (middle). Where nothing else is known (IO tags
    /// and labels without a prefix) any word of an entity.
    Inside,
    /// The last of an entity: `E`, or `L` in BILOU.
    End,
    /// The only one: `S`, or `U` in BILOU, or `W` in BMEWO.
    Single,
}

impl Tag {
    /// Reads a label of IO, IOB, IOB2, BIOES, BMEWO or BILOU. A label whose first letter and
    /// hyphen are no such prefix is a type: `creative-work` is the type `creative-work`.
    pub(crate) fn parse(label: &str) -> Self {
        if label == "O" {
            return Self::Outside;
        }
        let place = match label.as_bytes() {
            [b'B', b'-', _, ..] => Place::Begin,
            [b'I' | b'M', b'-', _, ..] => Place::Inside,
            [b'E' | b'L', b'-', _, ..] => Place::End,
            [b'S' | b'U' | b'W', b'-', _, ..] => Place::Single,
            _ => return Self::Inside { entity: label.to_owned(), place: Place::Inside },
        };
        Self::Inside { entity: label[2..].to_owned(), place }
    }

    /// The entity type.
    pub(crate) fn entity(&self) -> Option<&str> {
        match self {
            Self::Outside => None,
            Self::Inside { entity, .. } => Some(entity),
        }
    }

    /// Whether a word of tag `next` goes on with the entity that a word of this tag is in.
    pub(crate) fn continues_with(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Inside { entity, place }, Self::Inside { entity: next_entity, place: next_place }) => {
                entity == next_entity
                    && matches!(place, Place::Begin | Place::Inside)
                    && matches!(next_place, Place::Inside | Place::End)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Tag};

    /// The entities of a tag sequence, as (type, first, last).
    fn entities(tags: &str) -> Vec<(String, usize, usize)> {
        let tags: Vec<Tag> = tags.split_whitespace().map(Tag::parse).collect();
        let mut found: Vec<(String, usize, usize)> = Vec::new();
        for (at, tag) in tags.iter().enumerate() {
            match (tag.entity(), found.last_mut()) {
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
        assert_eq!(Tag::parse("creative-work").entity(), Some("creative-work"));
        assert_eq!(Tag::parse("B-creative-work").entity(), Some("creative-work"));
        assert_eq!(Tag::parse("B-"), Tag::Inside { entity: "B-".into(), place: Place::Inside });
        assert_eq!(Tag::parse("O"), Tag::Outside);
    }
}
