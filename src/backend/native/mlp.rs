use super::activation::Activation;
use super::arithmetic::F32;
use super::blueprint;
use super::linear::Linear;
use crate::checkpoint::Checkpoint;
use crate::error::Error;

/// Two dense layers with an activation between them, in f32.
pub(crate) struct Mlp {
    up: Linear<F32>,
    activation: Activation,
    down: Linear<F32>,
}

impl Mlp {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, plan: &blueprint::Mlp) -> Result<Self, Error> {
        Ok(Self {
            up: Linear::load(checkpoint, &plan.up)?,
            activation: plan.activation,
            down: Linear::load(checkpoint, &plan.down)?,
        })
    }

    /// Computes `[rows, outputs]` from `x`, `[rows, inputs]`.
    pub(crate) fn forward(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        let mut inner = self.up.apply(x)?;
        self.activation.apply(&mut inner);
        self.down.apply(&inner)
    }
}
