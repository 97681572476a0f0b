use super::checkpoint::Checkpoint;
use super::kernels::add_and_normalise;
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

    /// `x = norm(x + y)`, each `[tokens, hidden]`.
    pub(crate) fn forward(&self, x: &mut [f32], y: Option<&[f32]>) {
        add_and_normalise(x, y, &self.weight, &self.bias, self.epsilon);
    }
}
