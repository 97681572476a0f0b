//! The likeliest valid sequence of labels.

use ndarray::ArrayView1;

use crate::document::boundaries::Bond;
use crate::tags::{Position, Tag};

/// The valid sequences of labels.
#[derive(Clone, Debug)]
pub(crate) struct Sequences {
    /// For each label, the labels that may precede it, of which it needs one; `None` if it may follow any label or
    /// begin the sequence.
    before: Vec<Option<Vec<usize>>>,
    /// For each label, the labels whose probabilities count for it where an entity must begin.
    means: Vec<Vec<usize>>,
    outside: Option<usize>,
}

impl Sequences {
    /// The sequences of IOB2, in which an `I-` always continues an entity.
    pub(crate) fn iob2(tags: &[Tag]) -> Self {
        let before = |tag: &Tag| match tag {
            Tag::Entity { position: Position::Inside, .. } => {
                Some((0..tags.len()).filter(|&other| tags[other].continues_with(tag)).collect())
            }
            _ => None,
        };
        let means = |(at, tag): (usize, &Tag)| match tag {
            Tag::Entity { position: Position::Begin, label } => {
                let same = |other: &usize| tags[*other].label() == Some(label);
                (0..tags.len()).filter(same).collect()
            }
            _ => vec![at],
        };
        Self {
            before: tags.iter().map(before).collect(),
            means: tags.iter().enumerate().map(means).collect(),
            outside: tags.iter().position(|tag| *tag == Tag::Outside),
        }
    }

    /// The valid sequence of labels with the greatest product of probabilities (Viterbi). `rows` has the probabilities
    /// of each unit, and `bond(i)` is the bond of unit `i`. Where an entity must begin, an `I-` of the model counts as
    /// the `B-` of its type.
    pub(crate) fn likeliest<'p>(
        &self,
        rows: impl Iterator<Item = ArrayView1<'p, f32>>,
        bond: impl Fn(usize) -> Bond,
    ) -> Vec<usize> {
        let labels = self.before.len();
        let mut scores = vec![0.0_f32; labels];
        // For each label of each unit, the label before it on the best path to it. Those of the first unit are not
        // used.
        let mut ways: Vec<usize> = Vec::new();
        for (at, row) in rows.enumerate() {
            let any = best(&scores, 0..labels);
            let bond = bond(at);
            let begins = at == 0 || bond != Bond::Free;
            let probability = |label: usize| match (bond, self.outside) {
                (Bond::Outside, Some(outside)) => f32::from(u8::from(label == outside)),
                _ if begins => self.means[label].iter().filter_map(|&label| row.get(label)).sum(),
                _ => row.get(label).copied().unwrap_or_default(),
            };
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
                // Every probability is raised above 0, so that a best path exists whatever the model returns.
                score - scores[any] + probability(label).max(f32::MIN_POSITIVE).ln()
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

/// The first of `labels` with the highest score; 0 if there are no labels.
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

    use super::{Bond, Sequences, Tag};

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
        let scored = valid.map(|sequence| (score(rows, apart, &sequence), sequence));
        scored.max_by(|a, b| a.0.total_cmp(&b.0)).expect("all may be O")
    }

    /// The logarithm of the probability of a sequence. Where an entity must begin, the probability of `I-` is added to
    /// that of `B-`.
    fn score(rows: &Array2<f32>, apart: &[bool], sequence: &[usize]) -> f32 {
        let probability =
            |(at, &label): (usize, &usize)| match LABELS[label].starts_with("B-") && (at == 0 || apart[at]) {
                true => rows[[at, label]] + rows[[at, label + 1]],
                false => rows[[at, label]],
            };
        sequence.iter().enumerate().map(|cell| probability(cell).ln()).sum()
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
            let bond = |at: usize| if apart[at] { Bond::Apart } else { Bond::Free };
            let found = Sequences::iob2(&tags()).likeliest(rows.rows().into_iter(), bond);
            let (expected, _) = plain(&rows, &apart);
            prop_assert!((score(&rows, &apart, &found) - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn an_inside_brings_its_begin() {
        let rows = ndarray::arr2(&[[0.5, 0.4, 0.0, 0.1, 0.0], [0.1, 0.0, 0.9, 0.0, 0.0]]);
        let sequences = Sequences::iob2(&tags());
        let likeliest = |bond: Bond| sequences.likeliest(rows.rows().into_iter(), |_| bond);
        assert_eq!(likeliest(Bond::Free), [1, 2]);
        // An entity that the model would continue begins here, and separators are in no entity.
        assert_eq!(likeliest(Bond::Apart), [0, 1]);
        assert_eq!(likeliest(Bond::Outside), [0, 0]);
        assert!(sequences.likeliest(rows.rows().into_iter().take(0), |_| Bond::Free).is_empty());
        let nothing = Array2::from_elem((3, 5), f32::NAN);
        assert_eq!(sequences.likeliest(nothing.rows().into_iter(), |_| Bond::Free).len(), 3);
    }
}
