use super::activation::Activation;
use super::activations::Input;
use super::blueprint;
use super::checkpoint::Checkpoint;
use super::linear::{Linear, Output};
use crate::engine::Precision;
use crate::error::Error;

/// Two dense layers with an activation between them, in f32.
pub(crate) struct Mlp {
    up: Linear,
    activation: Activation,
    down: Linear,
}

impl Mlp {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, plan: &blueprint::Mlp) -> Result<Self, Error> {
        Ok(Self {
            up: Linear::load(checkpoint, &plan.up, Precision::F32)?,
            activation: plan.activation,
            down: Linear::load(checkpoint, &plan.down, Precision::F32)?,
        })
    }

    /// `[rows, outputs]` of `x`, `[rows, inputs]`.
    pub(crate) fn forward(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        let mut inner = dense(&self.up, x)?;
        self.activation.apply(&mut inner);
        dense(&self.down, &inner)
    }
}

/// `[rows, outputs]` of `x`, `[rows, inputs]`, by a layer in f32.
pub(crate) fn dense(linear: &Linear, x: &[f32]) -> Result<Vec<f32>, Error> {
    let mut product = Output::default();
    let rows = linear.forward(Input::F32(x), &mut product)?;
    let columns = linear.outputs();
    let mut out = vec![0.0; rows.len() * columns];
    out.chunks_exact_mut(columns.max(1)).enumerate().for_each(|(row, out)| rows.read(row, out));
    Ok(out)
}
