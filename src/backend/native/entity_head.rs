use ndarray::Array2;
use rten_tensor::NdTensorView;

use super::arithmetic::F32;
use super::blueprint::{self, EntityScores};
use super::gather::gather;
use super::gemm::multiply;
use super::linear::Linear;
use super::lstm::Lstm;
use super::mlp::Mlp;
use crate::batch::{Marks, RaggedBatch};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, ErrorKind};
use crate::stage::stage;

/// GLiNER's head (<https://arxiv.org/abs/2311.08526>), which scores pairs of labels and words that are marked in one
/// sequence.
pub(crate) struct EntityHead {
    projection: Option<Linear<F32>>,
    lstm: Option<Lstm>,
    scores: Scores,
}

enum Scores {
    Spans(SpanScores),
    Words(WordScores),
}

/// The score of span `i..=j` and label `c` is `down(relu(join [relu(first(i)), relu(last(j))])) . label(c)`, or
/// without `down` `join [relu(first(i)), relu(last(j))] . label(c)`.
///
/// `join` reads two vectors side by side, so each word is multiplied once for all its spans. `down` is multiplied
/// with the labels first, which leaves one product of spans and labels.
struct SpanScores {
    first: Mlp,
    last: Mlp,
    label: Mlp,
    /// `[hidden] -> [inner]`: the two halves of the layer; the first has the bias.
    join: [Linear<F32>; 2],
    down: Option<Down>,
    inner: usize,
    widest: usize,
}

struct Down {
    /// `[hidden, inner]`.
    weight: Vec<f32>,
    /// `[hidden]`.
    bias: Vec<f32>,
}

/// The score of word `i` and label `c` is `score [word(i)_1, label(c)_1, word(i)_2 * label(c)_2]`, where `_1` and
/// `_2` are halves.
pub(crate) struct WordScores {
    word: Linear<F32>,
    label: Linear<F32>,
    /// The parts of the first layer of `score` for its three inputs; the first part has the bias.
    up: [Linear<F32>; 3],
    down: Linear<F32>,
}

impl EntityHead {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, plan: &blueprint::EntityHead) -> Result<Self, Error> {
        let projection = plan.projection.as_ref();
        Ok(Self {
            projection: projection.map(|dense| Linear::load(checkpoint, dense)).transpose()?,
            lstm: plan.lstm.as_ref().map(|lstm| Lstm::load(checkpoint, lstm)).transpose()?,
            scores: match &plan.scores {
                EntityScores::Spans { first, last, join, down, label, widest } => {
                    let mlp = |plan| Mlp::load(checkpoint, plan);
                    let down = down.as_ref().map(|blueprint::Dense { name, inputs, outputs, .. }| {
                        let weight = checkpoint.matrix(&format!("{name}.weight"), *outputs, *inputs)?;
                        let bias = checkpoint.vector(&format!("{name}.bias"), *outputs)?;
                        Ok::<_, Error>(Down { weight: weight.to_f32().into_owned(), bias })
                    });
                    Scores::Spans(SpanScores {
                        first: mlp(first)?,
                        last: mlp(last)?,
                        label: mlp(label)?,
                        join: split(checkpoint, join)?,
                        down: down.transpose()?,
                        inner: join.outputs,
                        widest: *widest,
                    })
                }
                EntityScores::Words { word, label, score } => {
                    Scores::Words(WordScores::load(checkpoint, word, label, score)?)
                }
            },
        })
    }

    /// Returns an array per sequence. Scores of spans are `[words * widest, labels]`, with `widest` at most the
    /// number of words: row `i * widest + k` is the span of `k + 1` words from `i` on, or negative infinity if it
    /// would end behind the last word. Scores of words are `[words, 3 * labels]`: an entity of each label begins at
    /// the word, ends at it, and contains it.
    pub(crate) fn forward(&self, batch: &RaggedBatch, states: &[f32]) -> Result<Vec<Array2<f32>>, Error> {
        stage!("head");
        let width = states.len() / batch.ids.len().max(1);
        let each = batch.sequences().zip(&batch.marks).map(|(sequence, marks)| {
            let states = &states[sequence.start * width..sequence.end * width];
            self.score(marks, states, width)
        });
        each.collect()
    }

    fn score(&self, marks: &Marks, states: &[f32], width: usize) -> Result<Array2<f32>, Error> {
        let mut labels = gather(states, width, marks.labels.iter().map(|&at| Some(at)))?;
        let mut words = gather(states, width, marks.words.iter().copied())?;
        if let Some(projection) = &self.projection {
            labels = projection.apply(&labels)?;
            // A word without tokens has no state; its row stays zero after the projection, too.
            words = projection.apply(&words)?;
            let rows = words.chunks_exact_mut(projection.outputs().max(1));
            rows.zip(&marks.words).filter(|(_, at)| at.is_none()).for_each(|(row, _)| row.fill(0.0));
        }
        if let Some(lstm) = &self.lstm {
            words = lstm.forward(&words)?;
        }
        let (word_count, label_count) = (marks.words.len(), marks.labels.len());
        let (values, shape) = match &self.scores {
            Scores::Spans(scores) => {
                let widest = scores.widest.min(word_count);
                (scores.forward(&words, &labels, label_count)?, (word_count * widest, label_count))
            }
            Scores::Words(scores) => {
                (scores.forward(&words, &labels, label_count)?, (word_count, 3 * label_count))
            }
        };
        let misfit =
            |error| Error::new(ErrorKind::Weights, "scores do not fit their words").with_source(error);
        Array2::from_shape_vec(shape, values).map_err(misfit)
    }
}

impl SpanScores {
    fn forward(&self, words: &[f32], labels: &[f32], label_count: usize) -> Result<Vec<f32>, Error> {
        let inner = self.inner;
        let labels = self.label.forward(labels)?;
        let hidden = labels.len() / label_count.max(1);
        let by_row = NdTensorView::from_data([label_count, hidden], &labels[..]);
        // `[inner, labels]`, and the amount that the bias of `down` adds to each label.
        let mut met = vec![0.0; inner * label_count];
        let mut offsets = vec![0.0; label_count];
        match &self.down {
            Some(down) => {
                let weight = NdTensorView::from_data([hidden, inner], &down.weight[..]);
                multiply(weight.transposed(), by_row.transposed(), &mut met);
                for (offset, label) in offsets.iter_mut().zip(labels.chunks_exact(hidden)) {
                    *offset = label.iter().zip(&down.bias).map(|(a, b)| a * b).sum();
                }
            }
            None => {
                for (label, row) in labels.chunks_exact(hidden).enumerate() {
                    row.iter().enumerate().for_each(|(at, value)| met[at * label_count + label] = *value);
                }
            }
        }
        let floor = if self.down.is_some() { 0.0 } else { f32::NEG_INFINITY };

        let part = |mlp: &Mlp, up: &Linear<F32>| {
            let mut rows = mlp.forward(words)?;
            rows.iter_mut().for_each(|value| *value = value.max(0.0));
            up.apply(&rows)
        };
        let firsts = part(&self.first, &self.join[0])?;
        let lasts = part(&self.last, &self.join[1])?;
        let count = firsts.len() / inner;
        let most = self.widest.min(count);
        let mut scores = vec![f32::NEG_INFINITY; count * most * label_count];
        let mut spans = Vec::new();
        for (first, scores) in scores.chunks_exact_mut((most * label_count).max(1)).enumerate() {
            let widest = most.min(count - first);
            let first_row = &firsts[first * inner..][..inner];
            spans.clear();
            for last in lasts[first * inner..].chunks_exact(inner).take(widest) {
                spans.extend(first_row.iter().zip(last).map(|(a, b)| (a + b).max(floor)));
            }
            let scores = &mut scores[..widest * label_count];
            let met = NdTensorView::from_data([inner, label_count], &met[..]);
            multiply(NdTensorView::from_data([widest, inner], &spans[..]), met, scores);
            for row in scores.chunks_exact_mut(label_count.max(1)) {
                row.iter_mut().zip(&offsets).for_each(|(score, offset)| *score += offset);
            }
        }
        Ok(scores)
    }
}

impl WordScores {
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        word: &blueprint::Dense,
        label: &blueprint::Dense,
        score: &blueprint::Mlp,
    ) -> Result<Self, Error> {
        Ok(Self {
            word: Linear::load(checkpoint, word)?,
            label: Linear::load(checkpoint, label)?,
            up: split(checkpoint, &score.up)?,
            down: Linear::load(checkpoint, &score.down)?,
        })
    }

    /// Computes `[words, labels * scores per pair]`.
    pub(crate) fn forward(
        &self,
        words: &[f32],
        labels: &[f32],
        label_count: usize,
    ) -> Result<Vec<f32>, Error> {
        let hidden = self.word.outputs() / 2;
        let inner = self.up[0].outputs();
        let (words, labels) = (self.word.apply(words)?, self.label.apply(labels)?);
        let halves = |rows: &[f32], half: usize| -> Vec<f32> {
            rows.chunks_exact(2 * hidden).flat_map(|row| &row[half * hidden..][..hidden]).copied().collect()
        };
        let from_words = self.up[0].apply(&halves(&words, 0))?;
        let from_labels = self.up[1].apply(&halves(&labels, 0))?;
        let (word_gates, label_gates) = (halves(&words, 1), halves(&labels, 1));
        let count = from_words.len() / inner;
        let each = self.down.outputs();
        let mut scores = vec![0.0; count * label_count * each];
        let labels = label_gates.chunks_exact(hidden).zip(from_labels.chunks_exact(inner));
        for (label, (gate, from_label)) in labels.enumerate() {
            let gated: Vec<f32> = word_gates
                .chunks_exact(hidden)
                .flat_map(|word| word.iter().zip(gate).map(|(word, gate)| word * gate))
                .collect();
            let mut rows = self.up[2].apply(&gated)?;
            for (row, from_word) in rows.chunks_exact_mut(inner).zip(from_words.chunks_exact(inner)) {
                let others = from_word.iter().zip(from_label);
                row.iter_mut()
                    .zip(others)
                    .for_each(|(to, (word, label))| *to = (*to + word + label).max(0.0));
            }
            let rows = self.down.apply(&rows)?;
            for (word, row) in rows.chunks_exact(each).enumerate() {
                scores[(word * label_count + label) * each..][..each].copy_from_slice(row);
            }
        }
        Ok(scores)
    }
}

/// Splits a dense layer that reads `N` vectors side by side into one layer per vector; the first has the bias.
fn split<const N: usize>(
    checkpoint: &Checkpoint<'_>,
    plan: &blueprint::Dense,
) -> Result<[Linear<F32>; N], Error> {
    let blueprint::Dense { name, inputs, outputs, .. } = plan;
    let weight = checkpoint.matrix(&format!("{name}.weight"), *outputs, *inputs)?;
    let bias = checkpoint.vector(&format!("{name}.bias"), *outputs)?;
    let part = |index: usize| {
        let bias = if index == 0 { bias.clone() } else { vec![0.0; *outputs] };
        Linear::new(&weight.columns(index * inputs / N..(index + 1) * inputs / N), bias)
    };
    Ok(std::array::from_fn(part))
}
