use ndarray::Array2;

use super::arithmetic::F32;
use super::blueprint::{self, TopicScores};
use super::entity_head::WordScores;
use super::gather::gather;
use super::linear::Linear;
use super::lstm::Lstm;
use super::mlp::Mlp;
use crate::batch::RaggedBatch;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, ErrorKind};
use crate::pooling::TokenPooling;
use crate::stage::stage;

/// GLiClass's head (<https://arxiv.org/abs/2508.07662>), which scores pairs of the pooled text and a label that is
/// marked in the sequence.
pub(crate) struct TopicHead {
    lstm: Option<Lstm>,
    pool: TokenPooling,
    text: Mlp,
    label: Mlp,
    /// The factor of the scores, if texts and labels are unit vectors.
    scale: Option<f32>,
    scores: Scores,
}

#[expect(clippy::large_enum_variant, reason = "a model has only one")]
enum Scores {
    Dot,
    Weighted(WordScores),
    Mlp(Vec<Linear<F32>>),
}

/// A small number that is added to a vector's length, so that no division is by 0.
const EPSILON: f32 = 1e-8;

impl TopicHead {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, plan: &blueprint::TopicHead) -> Result<Self, Error> {
        let scale = plan.scale.as_ref().map(|name| checkpoint.scalar(name)).transpose()?;
        Ok(Self {
            lstm: plan.lstm.as_ref().map(|lstm| Lstm::load(checkpoint, lstm)).transpose()?,
            pool: plan.pool,
            text: Mlp::load(checkpoint, &plan.text)?,
            label: Mlp::load(checkpoint, &plan.label)?,
            scale,
            scores: match &plan.scores {
                TopicScores::Dot => Scores::Dot,
                TopicScores::Weighted { text, label, score } => {
                    Scores::Weighted(WordScores::load(checkpoint, text, label, score)?)
                }
                TopicScores::Mlp { name, width } => {
                    let inner = checkpoint.rows(&format!("{name}.0.weight"))?;
                    if inner < 2 {
                        let message =
                            format!("tensor \"{name}.0.weight\" has {inner} rows; it must have 2 or more");
                        return Err(Error::new(ErrorKind::Weights, message));
                    }
                    let widths = [2 * width, inner, inner / 2, 1];
                    let load = |layer: usize| {
                        let [inputs, outputs] = [widths[layer], widths[layer + 1]];
                        let dense = blueprint::Dense::new(format!("{name}.{}", 2 * layer), inputs, outputs);
                        Linear::load(checkpoint, &dense)
                    };
                    Scores::Mlp((0..3).map(load).collect::<Result<_, _>>()?)
                }
            },
        })
    }

    /// Returns one row per sequence, with one score per label.
    pub(crate) fn forward(&self, batch: &RaggedBatch, states: &[f32]) -> Result<Vec<Array2<f32>>, Error> {
        stage!("head");
        let width = states.len() / batch.ids.len().max(1);
        let each = batch.sequences().zip(&batch.marks).map(|(sequence, marks)| {
            let states = &states[sequence.start * width..sequence.end * width];
            let labels = gather(states, width, marks.labels.iter().map(|&at| Some(at)))?;
            let scores = match &self.lstm {
                Some(lstm) => self.score(&lstm.forward(states)?, width, &labels, marks.labels.len())?,
                None => self.score(states, width, &labels, marks.labels.len())?,
            };
            let misfit =
                |error| Error::new(ErrorKind::Weights, "scores do not fit their labels").with_source(error);
            Array2::from_shape_vec((1, marks.labels.len()), scores).map_err(misfit)
        });
        each.collect()
    }

    fn score(&self, text: &[f32], width: usize, labels: &[f32], count: usize) -> Result<Vec<f32>, Error> {
        let mut text = self.text.forward(&self.pool.apply(text, width))?;
        let mut labels = self.label.forward(labels)?;
        if self.scale.is_some() {
            normalise(&mut text, width);
            normalise(&mut labels, width);
        }
        let mut scores = match &self.scores {
            Scores::Dot => {
                let dot = |label: &[f32]| label.iter().zip(&text).map(|(a, b)| a * b).sum();
                labels.chunks_exact(width).map(dot).collect()
            }
            Scores::Weighted(scores) => scores.forward(&text, &labels, count)?,
            Scores::Mlp(layers) => {
                let side_by_side = labels.chunks_exact(width).flat_map(|label| [&text, label].concat());
                let mut rows: Vec<f32> = side_by_side.collect();
                for (index, layer) in layers.iter().enumerate() {
                    if index > 0 {
                        rows.iter_mut().for_each(|value| *value = value.max(0.0));
                    }
                    rows = layer.apply(&rows)?;
                }
                rows
            }
        };
        if let Some(scale) = self.scale {
            scores.iter_mut().for_each(|score: &mut f32| *score *= scale);
        }
        Ok(scores)
    }
}

/// Divides each row by its length.
fn normalise(rows: &mut [f32], width: usize) {
    for row in rows.chunks_exact_mut(width) {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt() + EPSILON;
        row.iter_mut().for_each(|value| *value /= length);
    }
}
