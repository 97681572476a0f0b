use ndarray::{Array2, Axis, Slice};

use super::units::Unit;
use crate::probability::softmax;

/// The probability that a kind must exceed to be reported: it is then likelier than all others of its entity type
/// together.
const SURE: f32 = 0.5;

/// The kinds of entities that a model distinguishes, such as cities among places.
pub(super) struct Kinds {
    /// The kinds in the order of their columns, which follow those of the tags.
    kinds: Vec<Kind>,
}

struct Kind {
    /// The entity type to which the kind belongs.
    entity_type: String,
    /// Empty for the kind of all entities that are of no named kind.
    name: String,
}

impl Kinds {
    /// Parses names such as `LOC:city`, with the entity type before the colon.
    pub(super) fn new(names: &[String]) -> Self {
        let kind = |name: &String| {
            let (entity_type, name) = name.split_once(':').unwrap_or((name, ""));
            Kind { entity_type: entity_type.to_owned(), name: name.to_owned() }
        };
        Self { kinds: names.iter().map(kind).collect() }
    }

    /// The kind of an entity of `entity_type` and `words`, if the model is sure of one. `logits` is `[tokens, kinds]`.
    pub(super) fn of(&self, entity_type: &str, words: &[Unit], logits: &Array2<f32>) -> Option<&str> {
        let columns: Vec<usize> =
            (0..self.kinds.len()).filter(|&at| self.kinds[at].entity_type == entity_type).collect();
        if columns.is_empty() {
            return None;
        }
        let mut total = vec![0.0; columns.len()];
        for word in words {
            let row = logits.row(word.tokens.start);
            let mut probabilities: Vec<f32> = columns.iter().map(|&column| row[column]).collect();
            softmax(&mut probabilities);
            total.iter_mut().zip(&probabilities).for_each(|(total, probability)| *total += probability);
        }
        let (at, best) = total.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
        let name = &self.kinds[columns[at]].name;
        (best / words.len() as f32 > SURE && !name.is_empty()).then_some(name)
    }
}

/// Splits `logits` into its first `count` columns and the others.
pub(super) fn split_columns(logits: Array2<f32>, count: usize) -> (Array2<f32>, Array2<f32>) {
    // Most models have no kinds.
    if logits.ncols() <= count {
        return (logits, Array2::default((0, 0)));
    }
    let part = |slice: Slice| logits.slice_axis(Axis(1), slice).to_owned();
    (part(Slice::from(..count)), part(Slice::from(count..)))
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::{Kinds, split_columns};
    use crate::ner::units::Unit;

    #[test]
    fn a_kind_is_of_the_entity_type_and_only_given_if_it_is_sure() {
        let kinds = Kinds::new(&["LOC:city", "LOC:country", "ORG:club", "MISC:"].map(str::to_owned));
        let word = |token: usize| Unit { tokens: token..token + 1, bytes: 0..1 };
        let logits = arr2(&[[3.0, 0.0, 9.0, 1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 4.0, 0.0, 0.0]]);
        assert_eq!(kinds.of("LOC", &[word(0)], &logits), Some("city"));
        assert_eq!(kinds.of("LOC", &[word(0), word(2), word(2)], &logits), Some("country"));
        assert_eq!(kinds.of("LOC", &[word(1)], &logits), None);
        assert_eq!(kinds.of("ORG", &[word(1)], &logits), Some("club"));
        assert_eq!(kinds.of("MISC", &[word(0)], &logits), None);
        assert_eq!(kinds.of("PER", &[word(0)], &logits), None);
    }

    #[test]
    fn columns_are_split() {
        let (tags, kinds) = split_columns(arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), 2);
        assert_eq!((tags, kinds), (arr2(&[[1.0, 2.0], [4.0, 5.0]]), arr2(&[[3.0], [6.0]])));
        assert_eq!(split_columns(arr2(&[[1.0, 2.0]]), 2).0, arr2(&[[1.0, 2.0]]));
    }
}
