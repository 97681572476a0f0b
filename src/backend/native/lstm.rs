use super::activation::Activation;
use super::activations::Activations;
use super::arithmetic::F32;
use super::blueprint;
use super::kernels::finish::Finish;
use super::linear::{Linear, Product};
use crate::checkpoint::Checkpoint;
use crate::error::Error;

/// A bidirectional LSTM of one layer (<https://doi.org/10.1162/neco.1997.9.8.1735>), with the gates in PyTorch's
/// order: input, forget, cell, output.
pub(crate) struct Lstm {
    directions: [Direction; 2],
    inputs: usize,
    /// The number of outputs of each direction.
    outputs: usize,
}

struct Direction {
    /// `[inputs] -> [4 * outputs]`.
    input: Linear<F32>,
    /// `[outputs] -> [4 * outputs]`.
    recurrent: Linear<F32>,
}

impl Lstm {
    pub(crate) fn load(checkpoint: &Checkpoint<'_>, plan: &blueprint::Lstm) -> Result<Self, Error> {
        let blueprint::Lstm { name, inputs, outputs } = plan;
        let dense = |part: &str, inputs: usize| {
            let weight = checkpoint.matrix(&format!("{name}.weight_{part}"), 4 * outputs, inputs)?;
            let bias = checkpoint.vector(&format!("{name}.bias_{part}"), 4 * outputs)?;
            Ok::<_, Error>(Linear::new(&weight, bias))
        };
        let direction = |end: &str| {
            Ok::<_, Error>(Direction {
                input: dense(&format!("ih_l0{end}"), *inputs)?,
                recurrent: dense(&format!("hh_l0{end}"), *outputs)?,
            })
        };
        Ok(Self { directions: [direction("")?, direction("_reverse")?], inputs: *inputs, outputs: *outputs })
    }

    /// Computes `[steps, 2 * outputs]` from `x`, `[steps, inputs]`.
    pub(crate) fn forward(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        let width = self.outputs;
        let mut product = Product::default();
        let mut before = Activations::<F32>::default();
        before.resize(1, width);
        let steps = x.len() / self.inputs.max(1);
        let mut out = vec![0.0; steps * 2 * width];
        for (index, direction) in self.directions.iter().enumerate() {
            let mut inputs = direction.input.apply(x)?;
            let (mut state, mut cell) = (vec![0.0; width], vec![0.0; width]);
            for at in 0..steps {
                let step = if index == 0 { at } else { steps - 1 - at };
                let gates = &mut inputs[step * 4 * width..(step + 1) * 4 * width];
                before.set(0, &state);
                let finish = Finish { activation: None, added: true };
                direction.recurrent.forward(before.rows(0..1), finish, gates, &mut product.buffers)?;
                let (ins_and_forgets, rest) = gates.split_at_mut(2 * width);
                let (candidates, outs) = rest.split_at_mut(width);
                Activation::Sigmoid.apply(ins_and_forgets);
                Activation::Tanh.apply(candidates);
                Activation::Sigmoid.apply(outs);
                for unit in 0..width {
                    let kept = ins_and_forgets[width + unit] * cell[unit];
                    cell[unit] = kept + ins_and_forgets[unit] * candidates[unit];
                }
                state.copy_from_slice(&cell);
                Activation::Tanh.apply(&mut state);
                state.iter_mut().zip(&*outs).for_each(|(to, open)| *to *= open);
                out[(2 * step + index) * width..][..width].copy_from_slice(&state);
            }
        }
        Ok(out)
    }
}
