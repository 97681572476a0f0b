use rten_simd::SimdOp;

use super::checkpoint::Checkpoint;
use super::kernels::Normalise;
use crate::error::Error;
use crate::model::Config;

/// Layer normalisation over the hidden dimension.
pub(crate) struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, name: &str, config: &Config) -> Result<Self, Error> {
        Ok(Self {
            weight: checkpoint.vector(&format!("{name}.weight"), config.hidden)?,
            bias: checkpoint.vector(&format!("{name}.bias"), config.hidden)?,
            epsilon: config.norm_epsilon,
        })
    }

    /// `row = norm(row + addend)`, each `[hidden]`.
    pub(crate) fn add(&self, row: &mut [f32], addend: &[f32]) {
        row.iter_mut().zip(addend).for_each(|(to, value)| *to += value);
        self.apply(row);
    }

    /// `row = norm(row)`, `[hidden]`.
    pub(crate) fn apply(&self, row: &mut [f32]) {
        Normalise { row, weight: &self.weight, bias: &self.bias, epsilon: self.epsilon }.dispatch();
    }
}
