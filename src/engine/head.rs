use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use super::activation::Activation;
use super::activations::Input;
use super::blueprint::{self, Pool};
use super::checkpoint::Checkpoint;
use super::linear::{Linear, Output};
use super::norm::LayerNorm;
use crate::backend::{Precision, RaggedBatch};
use crate::error::Error;
use crate::stage::stage;

/// What stands on the encoder. Heads are computed in f32 whatever the precision: they are small,
/// and their errors are not averaged away by later layers.
pub(crate) struct Head {
    pub(crate) pool: Pool,
    steps: Vec<Step>,
}

struct Step {
    dense: Linear,
    activation: Option<Activation>,
    norm: Option<LayerNorm>,
}

impl Head {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, plan: &blueprint::Head) -> Result<Self, Error> {
        let step = |step: &blueprint::Step| {
            let norm = step.norm.as_ref().map(|norm| LayerNorm::load(checkpoint, norm));
            Ok(Step {
                dense: Linear::load(checkpoint, &step.dense, Precision::F32)?,
                activation: step.activation,
                norm: norm.transpose()?,
            })
        };
        Ok(Self { pool: plan.pool, steps: plan.steps.iter().map(step).collect::<Result<_, Error>>()? })
    }

    /// An array for each sequence, from the last states: `[tokens, hidden]`, or `[sequences, hidden]` if
    /// it pools one token of each.
    pub(crate) fn forward(&self, batch: &RaggedBatch, states: &[f32]) -> Result<Vec<Array2<f32>>, Error> {
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
        let mut product = Output::default();
        let rows = self.dense.forward(Input::F32(x), &mut product)?;
        let columns = self.dense.outputs();
        let mut out = vec![0.0; rows.len() * columns];
        for (row, out) in out.chunks_exact_mut(columns.max(1)).enumerate() {
            rows.read(row, out);
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
