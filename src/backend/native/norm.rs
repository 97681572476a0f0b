use rten_simd::SimdOp;

use super::blueprint::Norm;
use super::kernels::norm::Normalise;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, ErrorKind};

/// Layer normalisation of rows.
pub(crate) struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, norm: &Norm) -> Result<Self, Error> {
        let Norm { name, width, bias, epsilon } = norm;
        if !(0.0..1.0).contains(epsilon) {
            let message =
                format!("the epsilon of the norm {name:?} is {epsilon}; it must be at least 0 and below 1");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let bias = match bias {
            true => checkpoint.vector(&format!("{name}.bias"), *width)?,
            false => vec![0.0; *width],
        };
        Ok(Self { weight: checkpoint.vector(&format!("{name}.weight"), *width)?, bias, epsilon: *epsilon })
    }

    /// `row = norm(row)`, `[width]`.
    pub(crate) fn apply(&self, row: &mut [f32]) {
        Normalise { row, weight: &self.weight, bias: &self.bias, epsilon: self.epsilon }.dispatch();
    }
}
