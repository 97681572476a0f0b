use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use super::activation::Activation;
use super::arithmetic::F32;
use super::blueprint::{self, States};
use super::entity_head::EntityHead;
use super::linear::Linear;
use super::norm::LayerNorm;
use super::topic_head::TopicHead;
use crate::batch::RaggedBatch;
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::pooling::TokenPooling;
use crate::stage::stage;

/// The part of a model that follows the encoder. Heads are computed in f32 whatever the precision: they are small,
/// and their errors are not averaged away by later layers.
pub(crate) enum Head {
    Dense(DenseHead),
    Entities(EntityHead),
    Topics(TopicHead),
}

/// Dense layers on every token, or on the pooled states of a sequence.
pub(crate) struct DenseHead {
    states: States,
    steps: Vec<Step>,
}

struct Step {
    dense: Linear<F32>,
    beside: Option<Linear<F32>>,
    activation: Option<Activation>,
    norm: Option<LayerNorm>,
}

impl Head {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, plan: &blueprint::Head) -> Result<Self, Error> {
        Ok(match plan {
            blueprint::Head::Dense { states, steps } => {
                let step = |step: &blueprint::Step| {
                    let norm = step.norm.as_ref().map(|norm| LayerNorm::load(checkpoint, norm));
                    Ok(Step {
                        dense: Linear::load(checkpoint, &step.dense)?,
                        beside: step
                            .beside
                            .as_ref()
                            .map(|dense| Linear::load(checkpoint, dense))
                            .transpose()?,
                        activation: step.activation,
                        norm: norm.transpose()?,
                    })
                };
                let steps = steps.iter().map(step).collect::<Result<_, Error>>()?;
                Self::Dense(DenseHead { states: *states, steps })
            }
            blueprint::Head::Entities(plan) => Self::Entities(EntityHead::load(checkpoint, plan)?),
            blueprint::Head::Topics(plan) => Self::Topics(TopicHead::load(checkpoint, plan)?),
        })
    }

    /// Returns an array per sequence, from the last states: `[tokens, hidden]`, or `[sequences, hidden]` if the head
    /// pools one token of each sequence.
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
        let rows = if self.states.one_per_sequence() { sequences } else { batch.ids.len() };
        let width = states.len() / rows.max(1);
        let pooled = match self.states {
            States::Pooled(pooling) if pooling != TokenPooling::Cls => batch
                .sequences()
                .flat_map(|sequence| {
                    pooling.apply(&states[sequence.start * width..sequence.end * width], width)
                })
                .collect(),
            _ => states.to_vec(),
        };
        let rows = self.steps.iter().try_fold(pooled, |rows, step| step.forward(&rows))?;
        let columns = self.steps.last().map_or(width, Step::outputs);
        let part = |range: Range<usize>| {
            let rows = ArrayView2::from_shape(
                (range.len(), columns),
                &rows[range.start * columns..range.end * columns],
            );
            rows.map(|rows| rows.to_owned()).unwrap_or_default()
        };
        Ok(match self.states {
            States::EveryToken => batch.sequences().map(part).collect(),
            States::Pooled(_) | States::LastOf(_) => (0..sequences).map(|row| part(row..row + 1)).collect(),
        })
    }
}

impl Step {
    fn outputs(&self) -> usize {
        self.dense.outputs() + self.beside.as_ref().map_or(0, Linear::outputs)
    }

    /// Computes `[rows, outputs]` from `x`, `[rows, inputs]`.
    fn forward(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        let mut out = self.dense.apply(x)?;
        if let Some(beside) = &self.beside {
            let others = beside.apply(x)?;
            let rows = out.chunks_exact(self.dense.outputs()).zip(others.chunks_exact(beside.outputs()));
            out = rows.flat_map(|(row, other)| row.iter().chain(other)).copied().collect();
        }
        for out in out.chunks_exact_mut(self.outputs().max(1)) {
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
