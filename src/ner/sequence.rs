//! The likeliest valid sequence of labels.

use ndarray::ArrayView1;

use crate::tags::{Position, Tag};

/// The labels that may stand before each label.
#[derive(Clone, Debug)]
pub(crate) struct Sequences {
    /// By label: `None` if any may and none need to.
    before: Vec<Option<Vec<usize>>>,
}

impl Sequences {
    /// Those of IOB2, in which an `I-` always goes on with an entity.
    pub(crate) fn iob2(tags: &[Tag]) -> Self {
        let before = |tag: &Tag| match tag {
            Tag::Entity { position: Position::Inside, .. } => {
                Some((0..tags.len()).filter(|&other| tags[other].continues_with(tag)).collect())
            }
            _ => None,
        };
        Self { before: tags.iter().map(before).collect() }
    }

    /// The labels whose probabilities have the greatest product (Viterbi). `rows` holds those of each
    /// unit; `apart(i)` tells whether unit `i` cannot go on with the one before.
    pub(crate) fn likeliest<'p>(
        &self,
        rows: impl Iterator<Item = ArrayView1<'p, f32>>,
        apart: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let labels = self.before.len();
        let mut scores = vec![0.0_f32; labels];
        // The label before each label of each unit but the first, on the best way to it.
        let mut ways: Vec<usize> = Vec::new();
        for (at, row) in rows.enumerate() {
            let any = best(&scores, 0..labels);
            let begins = at == 0 || apart(at);
            let next = (0..labels).map(|label| {
                let (before, score) = match &self.before[label] {
                    Some(_) if begins => (any, f32::NEG_INFINITY),
                    Some(before) => {
                        let before = best(&scores, before.iter().copied());
                        (before, scores[before])
                    }
                    None => (any, scores[any]),
                };
                ways.push(before);
                // No probability is nothing, so that there is a best way whatever the model gives.
                score - scores[any]
                    + row.get(label).map_or(f32::MIN_POSITIVE, |p| p.max(f32::MIN_POSITIVE)).ln()
            });
            scores = next.collect();
        }
        let count = ways.len().checked_div(labels).unwrap_or(0);
        let mut label = best(&scores, 0..labels);
        let mut path = vec![label; count];
        for at in (1..count).rev() {
            label = ways[at * labels + label];
            path[at - 1] = label;
        }
        path
    }
}

/// The first of `labels` with the highest score; 0 of none.
fn best(scores: &[f32], labels: impl Iterator<Item = usize>) -> usize {
    let better = |best: Option<usize>, label| match best {
        Some(best) if scores[best] >= scores[label] => Some(best),
        _ => Some(label),
    };
    labels.fold(None, better).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::{Sequences, Tag};

    const LABELS: [&str; 5] = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"];

    fn tags() -> Vec<Tag> {
        LABELS.iter().map(|label| Tag::parse(label)).collect()
    }

    /// Tries every sequence.
    fn plain(rows: &Array2<f32>, apart: &[bool]) -> (f32, Vec<usize>) {
        let tags = tags();
        let count = LABELS.len().pow(rows.nrows() as u32);
        let sequences = (0..count).map(|number| {
            let digit = |at: usize| number / LABELS.len().pow(at as u32) % LABELS.len();
            (0..rows.nrows()).map(digit).collect::<Vec<_>>()
        });
        let valid = sequences.filter(|sequence| {
            (0..sequence.len()).all(|at| {
                !LABELS[sequence[at]].starts_with("I-")
                    || at > 0 && !apart[at] && tags[sequence[at - 1]].continues_with(&tags[sequence[at]])
            })
        });
        let scored = valid.map(|sequence| (score(rows, &sequence), sequence));
        scored.max_by(|a, b| a.0.total_cmp(&b.0)).expect("all may be O")
    }

    fn score(rows: &Array2<f32>, sequence: &[usize]) -> f32 {
        sequence.iter().enumerate().map(|(at, &label)| rows[[at, label]].ln()).sum()
    }

    proptest! {
        #[test]
        fn no_valid_sequence_is_likelier(
            values in proptest::collection::vec(0.001_f32..1.0, 5..=30),
            apart in proptest::collection::vec(any::<bool>(), 6),
        ) {
            let count = values.len() / LABELS.len();
            let rows = Array2::from_shape_vec((count, LABELS.len()), values[..count * LABELS.len()].to_vec())
                .expect("the lengths agree");
            let found = Sequences::iob2(&tags()).likeliest(rows.rows().into_iter(), |at| apart[at]);
            let (expected, _) = plain(&rows, &apart);
            prop_assert!((score(&rows, &found) - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn an_inside_brings_its_begin() {
        let rows = ndarray::arr2(&[[0.5, 0.4, 0.0, 0.1, 0.0], [0.1, 0.0, 0.9, 0.0, 0.0]]);
        let sequences = Sequences::iob2(&tags());
        assert_eq!(sequences.likeliest(rows.rows().into_iter(), |_| false), [1, 2]);
        assert_eq!(sequences.likeliest(rows.rows().into_iter(), |_| true), [0, 0]);
        assert!(sequences.likeliest(rows.rows().into_iter().take(0), |_| false).is_empty());
        let nothing = Array2::from_elem((3, 5), f32::NAN);
        assert_eq!(sequences.likeliest(nothing.rows().into_iter(), |_| false).len(), 3);
    }
}
