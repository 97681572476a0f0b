use std::borrow::Cow;

use super::activation::Activation;
use super::arithmetic::Arithmetic;
use super::blueprint;
use super::kernels::finish::Finish;
use super::linear::{Linear, Product};
use super::norm::LayerNorm;
use super::scratch::Scratch;
use crate::batch::RaggedBatch;
use crate::checkpoint::{Checkpoint, Matrix, Values};
use crate::error::Error;

/// A convolution along the tokens of each sequence, with zeros beyond its ends. It is one product with rows that join
/// neighbouring rows.
pub(crate) struct Convolution<A: Arithmetic> {
    /// `[width * hidden] -> [hidden]`.
    linear: Linear<A>,
    width: usize,
    activation: Activation,
    norm: LayerNorm,
}

impl<A: Arithmetic> Convolution<A> {
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        plan: &blueprint::Convolution,
        hidden: usize,
    ) -> Result<Self, Error> {
        let blueprint::Convolution { name, width, activation, norm } = plan;
        let (width, activation) = (*width, *activation);
        let kernel = checkpoint.cube(&format!("{name}.conv.weight"), [hidden, hidden, width])?;
        let bias = checkpoint.vector(&format!("{name}.conv.bias"), hidden)?;
        // From `[outputs, inputs, width]` to `[outputs, width, inputs]`.
        let mut weight = Vec::with_capacity(kernel.len());
        for output in kernel.chunks_exact(hidden * width) {
            for place in 0..width {
                weight.extend(output.iter().skip(place).step_by(width));
            }
        }
        let values = Values::F32(Cow::Owned(weight));
        let weight = Matrix { rows: hidden, columns: width * hidden, values };
        Ok(Self {
            linear: Linear::new(&weight, bias),
            width,
            activation,
            norm: LayerNorm::load(checkpoint, norm)?,
        })
    }

    /// `hidden = norm(hidden + activation(convolution(embedded)))`.
    pub(crate) fn add(
        &self,
        batch: &RaggedBatch,
        embedded: &[f32],
        scratch: &mut Scratch<A>,
    ) -> Result<(), Error> {
        let tokens = batch.ids.len();
        let hidden = embedded.len() / tokens.max(1);
        let Scratch { hidden: stream, states, inner: neighbours, products, .. } = scratch;
        neighbours.resize(tokens, self.width * hidden);
        let before = (self.width - 1) / 2;
        let mut row = vec![0.0; self.width * hidden];
        for sequence in batch.sequences() {
            for token in sequence.clone() {
                for (place, part) in row.chunks_exact_mut(hidden).enumerate() {
                    match (token + place).checked_sub(before).filter(|other| sequence.contains(other)) {
                        Some(other) => part.copy_from_slice(&embedded[other * hidden..][..hidden]),
                        None => part.fill(0.0),
                    }
                }
                neighbours.set(token, &row);
            }
        }
        let finish = Finish { activation: Some(self.activation), added: true };
        products.lend(Product::default, |product| {
            self.linear.forward(neighbours.rows(0..tokens), finish, stream, &mut product.buffers)
        })?;
        for (token, to) in stream.chunks_exact_mut(hidden).enumerate() {
            self.norm.apply(to);
            states.set(token, to);
        }
        Ok(())
    }
}
