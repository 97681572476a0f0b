use super::activations::Input;
use super::arithmetic::{Arithmetic, F32};
use super::blueprint::Dense;
use super::kernels::rows::Rows;
use crate::checkpoint::{Checkpoint, Matrix};
use crate::error::{Error, ErrorKind};
use crate::stage::stage;

/// A dense layer, `y = x W^T + b`, with its weights packed for the products.
pub(crate) struct Linear<A: Arithmetic> {
    weights: A::Weights,
    bias: Vec<f32>,
    inputs: usize,
}

/// The sums of a product before they are read as [`Rows`]: a buffer that is taken once and reused.
pub(crate) struct Output<A: Arithmetic>(Vec<A::Sum>);

impl<A: Arithmetic> Default for Output<A> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A: Arithmetic> Linear<A> {
    /// `weight` is `[outputs, inputs]` as checkpoints store it, `bias` is `[outputs]`.
    pub(crate) fn new(weight: &Matrix<'_>, bias: Vec<f32>) -> Self {
        Self { weights: A::pack(weight), bias, inputs: weight.columns }
    }

    /// Several layers that read the same rows as one: their outputs lie side by side.
    pub(crate) fn load_all(checkpoint: &Checkpoint<'_>, layers: &[Dense]) -> Result<Self, Error> {
        let (mut weights, mut bias) = (Vec::with_capacity(layers.len()), Vec::new());
        for Dense { name, inputs, outputs, bias: has_bias } in layers {
            weights.push(checkpoint.matrix(&format!("{name}.weight"), *outputs, *inputs)?);
            match has_bias {
                true => bias.extend(checkpoint.vector(&format!("{name}.bias"), *outputs)?),
                false => bias.resize(bias.len() + outputs, 0.0),
            }
        }
        match &weights[..] {
            [weight] => Ok(Self::new(weight, bias)),
            _ => Ok(Self::new(&Matrix::stack(&weights), bias)),
        }
    }

    pub(crate) fn load(checkpoint: &Checkpoint<'_>, dense: &Dense) -> Result<Self, Error> {
        Self::load_all(checkpoint, std::slice::from_ref(dense))
    }

    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `x W^T + b`: one row for each row of `x`.
    pub(crate) fn forward<'a>(
        &'a self,
        x: Input<'a, A>,
        output: &'a mut Output<A>,
    ) -> Result<Rows<'a>, Error> {
        stage!("product");
        let shape = [self.inputs, self.bias.len()];
        let sums = A::multiply(&self.weights, shape, x.values, x.codes, &mut output.0).map_err(|error| {
            Error::new(ErrorKind::Weights, "a product was refused: its packed weights do not fit")
                .with_source(error)
        })?;
        Ok(Rows { sums, bias: &self.bias })
    }
}

impl Linear<F32> {
    /// The same, written out: `[rows, outputs]` from `x`, `[rows, inputs]`.
    pub(crate) fn apply(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        let mut product = Output::default();
        let codes = vec![(); x.len() / self.inputs.max(1)];
        let rows = self.forward(Input { values: x, codes: &codes }, &mut product)?;
        let columns = self.outputs();
        let mut out = vec![0.0; rows.len() * columns];
        out.chunks_exact_mut(columns.max(1)).enumerate().for_each(|(row, out)| rows.read(row, out));
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use rayon::iter::{IndexedParallelIterator, ParallelIterator};
    use rayon::slice::ParallelSlice;

    use super::super::activations::{Activations, Input};
    use super::super::arithmetic::{Arithmetic, F32, Int8};
    use super::super::noise::noise;
    use super::{Linear, Output};
    use crate::checkpoint::{Matrix, Values};

    /// Tokens, inputs, outputs: tails in each dimension, and depths of more than one block.
    const SHAPES: [(usize, usize, usize); 5] =
        [(1, 384, 9), (3, 32, 96), (17, 384, 1152), (64, 1536, 384), (130, 384, 1536)];

    /// `[tokens, outputs]`.
    fn product<A: Arithmetic>(linear: &Linear<A>, input: Input<'_, A>) -> Vec<f32> {
        let mut output = Output::default();
        let rows = linear.forward(input, &mut output).expect("fits");
        let mut out = vec![0.0; rows.len() * linear.bias.len()];
        out.chunks_exact_mut(linear.bias.len()).enumerate().for_each(|(row, out)| rows.read(row, out));
        out
    }

    #[test]
    fn f32_agrees_with_the_definition() {
        for (tokens, inputs, outputs) in SHAPES {
            let (x, weights) = (noise(tokens * inputs, 1), noise(outputs * inputs, 2));
            let bias = noise(outputs, 3);
            let matrix =
                Matrix { rows: outputs, columns: inputs, values: Values::F32(Cow::Borrowed(&weights)) };
            let linear = Linear::<F32>::new(&matrix, bias.clone());
            let [found, shared] = [1, 2].map(|threads| {
                let pool =
                    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("it should start");
                pool.install(|| product(&linear, Input { values: &x, codes: &vec![(); tokens] }))
            });
            assert_eq!(found, shared, "{tokens}x{inputs}x{outputs}: threads share panels out");
            for (at, value) in found.into_iter().enumerate() {
                let (token, output) = (at / outputs, at % outputs);
                let pairs = x[token * inputs..][..inputs].iter().zip(&weights[output * inputs..][..inputs]);
                let exact: f64 = pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                let error = (f64::from(value) - exact - f64::from(bias[output])).abs();
                assert!(error < 1e-4, "{tokens}x{inputs}x{outputs}: {error}");
            }
        }
    }

    #[test]
    fn int8_is_exact_up_to_the_quantisation() {
        for (tokens, inputs, outputs) in SHAPES {
            let (x, weights) = (noise(tokens * inputs, 1), noise(outputs * inputs, 2));
            let matrix =
                Matrix { rows: outputs, columns: inputs, values: Values::F32(Cow::Borrowed(&weights)) };
            let (quantised, scales) = matrix.to_int8();
            let linear = Linear::<Int8>::new(&matrix, vec![0.0; outputs]);
            let mut activations = Activations::<Int8>::default();
            activations.resize(tokens, inputs);
            activations.all_mut().each().zip(x.par_chunks_exact(inputs)).for_each(|(to, row)| to.set(row));
            let input = activations.rows(0..tokens);
            let Input { values: codes, codes: rules } = input;
            for (at, value) in product(&linear, activations.rows(0..tokens)).into_iter().enumerate() {
                let (token, output) = (at / outputs, at % outputs);
                let rule = rules[token];
                let row = codes[token * inputs..][..inputs].iter();
                let pairs = row.zip(&quantised[output * inputs..][..inputs]);
                let zero = i32::from(rule.zero_point);
                let exact: i32 = pairs.map(|(&a, &b)| (i32::from(a) - zero) * i32::from(b)).sum();
                let expected = exact as f32 * rule.scale * scales[output];
                assert!((value - expected).abs() <= 1e-5, "{tokens}x{inputs}x{outputs}: {value} {expected}");
            }
        }
    }
}
