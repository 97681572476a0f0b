use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use super::activation::Activation;
use super::blueprint::{self, Pool};
use super::checkpoint::Checkpoint;
use super::entity_head::EntityHead;
use super::linear::Linear;
use super::mlp::dense;
use super::norm::LayerNorm;
use super::topic_head::TopicHead;
use crate::backend::RaggedBatch;
use crate::engine::Precision;
use crate::error::Error;
use crate::stage::stage;

/// What stands on the encoder. Heads are computed in f32 whatever the precision: they are small,
/// and their errors are not averaged away by later layers.
pub(crate) enum Head {
    Dense(DenseHead),
    Entities(EntityHead),
    Topics(TopicHead),
}

/// Dense layers on every token, or on what is pooled of a sequence.
pub(crate) struct DenseHead {
    pool: Pool,
    steps: Vec<Step>,
}

struct Step {
    dense: Linear,
    activation: Option<Activation>,
    norm: Option<LayerNorm>,
}

impl Head {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, plan: &blueprint::Head) -> Result<Self, Error> {
        Ok(match plan {
            blueprint::Head::Dense { pool, steps } => {
                let step = |step: &blueprint::Step| {
                    let norm = step.norm.as_ref().map(|norm| LayerNorm::load(checkpoint, norm));
                    Ok(Step {
                        dense: Linear::load(checkpoint, &step.dense, Precision::F32)?,
                        activation: step.activation,
                        norm: norm.transpose()?,
                    })
                };
                let steps = steps.iter().map(step).collect::<Result<_, Error>>()?;
                Self::Dense(DenseHead { pool: *pool, steps })
            }
            blueprint::Head::Entities(plan) => Self::Entities(EntityHead::load(checkpoint, plan)?),
            blueprint::Head::Topics(plan) => Self::Topics(TopicHead::load(checkpoint, plan)?),
        })
    }

    /// An array for each sequence, from the last states: `[tokens, hidden]`, or `[sequences, hidden]` if
    /// it pools one token of each.
    pub(crate) fn forward(&self, batch: &RaggedBatch, states: &[f32]) -> Result<Vec<Array2<f32>>, Error> {
        match self {
            Self::Dense(head) => head.forward(batch, states),
            Self::Entities(head) => head.forward(batch, states),
            Self::Topics(head) => head.forward(batch, states),
        }
    }
}

impl DenseHead {
    fn forward(&self, batch: &RaggedBatch, states: &[f32]) -> Result<Vec<Array2<f32>>, Error> {
        stage!("head");
        let sequences = batch.bounds.len() - 1;
        let width = match self.pool {
            Pool::EveryToken | Pool::Mean => states.len() / batch.ids.len().max(1),
            Pool::First | Pool::Last(_) => states.len() / sequences.max(1),
        };
        let pooled = match self.pool {
            Pool::Mean => batch.sequences().flat_map(|sequence| mean(states, sequence, width)).collect(),
            Pool::EveryToken | Pool::First | Pool::Last(_) => states.to_vec(),
        };
        let rows = self.steps.iter().try_fold(pooled, |rows, step| step.forward(&rows))?;
        let columns = self.steps.last().map_or(width, |step| step.dense.outputs());
        let part = |range: Range<usize>| {
            let rows = ArrayView2::from_shape(
                (range.len(), columns),
                &rows[range.start * columns..range.end * columns],
            );
            rows.map(|rows| rows.to_owned()).unwrap_or_default()
        };
        Ok(match self.pool {
            Pool::EveryToken => batch.sequences().map(part).collect(),
            Pool::First | Pool::Mean | Pool::Last(_) => {
                (0..sequences).map(|row| part(row..row + 1)).collect()
            }
        })
    }
}

impl Step {
    /// `[rows, outputs]` from `x`, `[rows, inputs]`.
    fn forward(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        let mut out = dense(&self.dense, x)?;
        for out in out.chunks_exact_mut(self.dense.outputs().max(1)) {
            if let Some(activation) = self.activation {
                activation.apply(out);
            }
            if let Some(norm) = &self.norm {
                norm.apply(out);
            }
        }
        Ok(out)
    }
}

fn mean(states: &[f32], sequence: Range<usize>, width: usize) -> Vec<f32> {
    let mut mean = vec![0.0; width];
    for row in states[sequence.start * width..sequence.end * width].chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let count = sequence.len().max(1) as f32;
    mean.iter_mut().for_each(|sum| *sum /= count);
    mean
}
