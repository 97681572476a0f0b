use std::ops::Range;

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::document::coverage::Coverage;
use crate::names::named;
use crate::pipeline::Placed;
use crate::span::Span;

/// One mention of a named thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entity {
    /// The entity type, such as `PER`; [`Ner::entity_types`](crate::Ner::entity_types) lists those of a model.
    pub label: String,
    /// The more specific type, such as `city` or `company`, if the model distinguishes kinds and gives this one a
    /// probability above 0.5; for an entity of a rule, the [kind](crate::Rule::kind) of the rule. Only the native
    /// backend computes kinds. [`Ner::entity_kinds`](crate::Ner::entity_kinds) lists those of a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The mention, as written in the text.
    pub text: String,
    /// The source of the entity: a model or a rule.
    #[serde(default, skip_serializing_if = "FoundBy::is_model")]
    pub found_by: FoundBy,
    /// The mean probability of the labels of the words, 0 to 1; for a model that takes entity types as input, the
    /// probability of the mention as a whole; 1 for an entity of a rule.
    pub score: f32,
    /// The place of the mention in the text.
    pub span: Span,
}

/// The source of an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FoundBy {
    /// A model.
    #[default]
    Model,
    /// A rule of [`Rules`](crate::Rules), or a rule of the caller.
    Rule,
}

named!(FoundBy, "a source of entities", [FoundBy::Model => "model", FoundBy::Rule => "rule"]);

impl FoundBy {
    fn is_model(&self) -> bool {
        *self == Self::Model
    }
}

/// The entities of a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaggedText {
    /// The entities, in the order of the text. With [`Aggregation::Word`](crate::Aggregation::Word) they never overlap;
    /// those of a model that takes entity types as input overlap only if [`nested`](crate::EntityOptions::nested) or
    /// [`multi_label`](crate::EntityOptions::multi_label) is set.
    pub entities: Vec<Entity>,
    /// The part of the text that was read.
    pub coverage: Coverage,
}

/// The entities of a text that was passed as words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaggedWords {
    /// The entities, in the order of the words.
    pub entities: Vec<WordEntity>,
    /// The part of the text that was read. It counts the characters of the words joined by spaces.
    pub coverage: Coverage,
}

/// One mention in a text that was passed as words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WordEntity {
    /// The entity type.
    pub label: String,
    /// The more specific type; see [`Entity::kind`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The probability of the mention, 0 to 1; see [`Entity::score`].
    pub score: f32,
    /// The indices of the words of the mention.
    pub words: Range<usize>,
}

/// The output of a model for each token, before any decoding.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenLogits {
    /// The place of each token in the text. Special tokens are left out.
    pub tokens: Vec<Span>,
    /// The logits, `[tokens, tags]`; the columns are in the order of [`Ner::tags`](crate::Ner::tags).
    pub logits: Array2<f32>,
}

impl TaggedText {
    /// Joins the entities of the sections of a text.
    pub(crate) fn join(sections: Vec<Placed<Self>>) -> Self {
        let mut whole = Self::default();
        for Placed { start, value: Self { entities, coverage } } in sections {
            let placed =
                entities.into_iter().map(|entity| Entity { span: entity.span.moved_by(start), ..entity });
            whole.entities.extend(placed);
            whole.coverage = whole.coverage.and(coverage);
        }
        whole
    }
}

impl TokenLogits {
    /// Joins the logits of the sections of a text.
    pub(crate) fn join(sections: Vec<Placed<Self>>) -> Self {
        let columns = sections.first().map_or(0, |section| section.value.logits.ncols());
        let mut whole = Self { tokens: Vec::new(), logits: Array2::zeros((0, columns)) };
        for Placed { start, value: Self { tokens, logits } } in sections {
            whole.tokens.extend(tokens.into_iter().map(|span| span.moved_by(start)));
            if whole.logits.is_empty() {
                whole.logits = logits;
            } else if whole.logits.append(Axis(0), logits.view()).is_err() {
                // Only a section without tokens has a different number of columns: none.
                continue;
            }
        }
        whole
    }
}

impl Entity {
    /// Makes an entity of the part of `text` that `span` covers. [`found_by`](Self::found_by) is `Model`; change it for
    /// an entity that a rule found.
    ///
    /// ```
    /// use entopic::{Entity, Span};
    ///
    /// let text = "Order 66-B was shipped.";
    /// let span = Span::find(text, "66-B").expect("it should exist");
    /// let entity = Entity::new("ORDER", text, span, 1.0);
    /// assert_eq!(entity.text, "66-B");
    /// ```
    pub fn new(label: impl Into<String>, text: &str, span: Span, score: f32) -> Self {
        let text = span.of(text).to_owned();
        Self { label: label.into(), kind: None, text, found_by: FoundBy::Model, score, span }
    }
}

/// Merges two lists of entities, in the order of the text. Where an entity of `others` overlaps one of `preferred`,
/// only the preferred one is kept.
///
/// ```
/// use entopic::{Entity, Span, merge};
///
/// let text = "Case 12/2024 in Lyon";
/// let entity = |label: &str, part: &str| {
///     Entity::new(label, text, Span::find(text, part).expect("it should exist"), 1.0)
/// };
/// let own = vec![entity("CASE", "12/2024")];
/// let found = vec![entity("MISC", "Case 12"), entity("LOC", "Lyon")];
/// let labels: Vec<String> = merge(own, found).into_iter().map(|e| e.label).collect();
/// assert_eq!(labels, ["CASE", "LOC"]);
/// ```
pub fn merge(preferred: Vec<Entity>, others: Vec<Entity>) -> Vec<Entity> {
    let mut taken: Vec<Range<usize>> = preferred.iter().map(|entity| entity.span.bytes.clone()).collect();
    taken.sort_by_key(|bytes| bytes.start);
    // The farthest end of each entity and those before it, since entities may be nested.
    let ends: Vec<usize> = taken
        .iter()
        .scan(0, |end, bytes| {
            *end = bytes.end.max(*end);
            Some(*end)
        })
        .collect();
    let is_free = |entity: &Entity| {
        let before = taken.partition_point(|bytes| bytes.start < entity.span.bytes.end);
        before == 0 || ends[before - 1] <= entity.span.bytes.start
    };
    let mut merged: Vec<Entity> = others.into_iter().filter(is_free).collect();
    merged.extend(preferred);
    merged.sort_by_key(|entity| (entity.span.bytes.start, entity.span.bytes.end));
    merged
}

/// A piece of a text: an entity, or the text between two entities.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Segment<'a> {
    /// The text of the piece.
    pub text: &'a str,
    /// The entity, if the piece is one.
    pub entity: Option<&'a Entity>,
}

/// Splits `text` into plain and marked pieces, for HTML, redaction and terminals. Joined, the pieces are the text.
///
/// Of overlapping entities, the one that begins first is marked; of several that begin at one place, the longest.
/// Entities whose span does not fit the text are not marked.
///
/// ```
/// use entopic::{Entity, Span, segments};
///
/// let text = "Ada lived in London.";
/// let ada = Entity::new("PER", text, Span::find(text, "Ada").expect("it should exist"), 1.0);
/// let redacted: String =
///     segments(text, &[ada]).map(|piece| piece.entity.map_or(piece.text, |_| "█████")).collect();
/// assert_eq!(redacted, "█████ lived in London.");
/// ```
pub fn segments<'a>(text: &'a str, entities: &'a [Entity]) -> impl Iterator<Item = Segment<'a>> {
    let fits = |entity: &&Entity| text.get(entity.span.bytes.clone()).is_some_and(|part| !part.is_empty());
    let mut order: Vec<&Entity> = entities.iter().filter(fits).collect();
    order.sort_by_key(|entity| (entity.span.bytes.start, usize::MAX - entity.span.bytes.end));
    let mut pieces = Vec::with_capacity(2 * order.len() + 1);
    let mut done = 0;
    for entity in order {
        let bytes = entity.span.bytes.clone();
        if bytes.start < done {
            continue;
        }
        if bytes.start > done {
            pieces.push(Segment { text: &text[done..bytes.start], entity: None });
        }
        done = bytes.end;
        pieces.push(Segment { text: &text[bytes], entity: Some(entity) });
    }
    if done < text.len() {
        pieces.push(Segment { text: &text[done..], entity: None });
    }
    pieces.into_iter()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{Entity, merge, segments};
    use crate::span::Span;

    fn entities(text: &str, places: &[(usize, usize)]) -> Vec<Entity> {
        let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let span = |&(start, length): &(usize, usize)| {
            let start = start % bounds.len();
            let end = (start + length).min(bounds.len() - 1);
            Span::from_bytes(text, bounds[start]..bounds[end]).expect("the ends should be bounds")
        };
        places.iter().map(|place| Entity::new("X", text, span(place), 1.0)).collect()
    }

    proptest! {
        #[test]
        fn segments_make_up_the_text(
            text in any::<String>(),
            places in prop::collection::vec((0_usize..40, 0_usize..6), 0..8),
        ) {
            let entities = entities(&text, &places);
            let pieces: Vec<_> = segments(&text, &entities).collect();
            assert_eq!(pieces.iter().map(|piece| piece.text).collect::<String>(), text);
            for piece in pieces {
                assert!(!piece.text.is_empty());
                assert!(piece.entity.is_none_or(|entity| entity.text == piece.text));
            }
        }

        #[test]
        fn merging_keeps_the_preferred_and_what_is_free(
            a in prop::collection::vec((0_usize..40, 1_usize..6), 0..8),
            b in prop::collection::vec((0_usize..40, 1_usize..6), 0..8),
        ) {
            let text = "x".repeat(50);
            let (preferred, others) = (entities(&text, &a), entities(&text, &b));
            let free = others.iter().filter(|other| !preferred.iter().any(|own| own.span.overlaps(&other.span)));
            let expected = preferred.len() + free.count();
            let merged = merge(preferred, others);
            assert_eq!(merged.len(), expected);
            assert!(merged.is_sorted_by_key(|entity| entity.span.bytes.start));
        }
    }

    #[test]
    fn spans_of_another_text_are_not_marked() {
        let entity = Entity::new("X", "long enough", Span { bytes: 5..11, chars: 5..11 }, 1.0);
        let pieces: Vec<&str> =
            segments("short", std::slice::from_ref(&entity)).map(|piece| piece.text).collect();
        assert_eq!(pieces, ["short"]);
    }
}
