use super::activations::Activations;
use super::arithmetic::{Arithmetic, Buffers, F32, Input, filled_up};
use super::blueprint::Dense;
use super::kernels::finish::Finish;
use crate::checkpoint::{Checkpoint, Matrix};
use crate::error::{Error, ErrorKind};
use crate::stage::stage;

/// A dense layer, `y = x W^T + b`, with its weights packed for the products.
pub(crate) struct Linear<A: Arithmetic> {
    weights: A::Weights,
    /// Filled up to a multiple of [`COLUMNS`](super::kernels::finish::COLUMNS).
    bias: Box<[f32]>,
    inputs: usize,
    outputs: usize,
}

/// The output rows of a product and its buffers, allocated once and reused.
#[derive(Default)]
pub(crate) struct Product {
    rows: Vec<f32>,
    pub(crate) buffers: Buffers,
}

impl Product {
    /// Returns `len` numbers of unspecified content, and the other buffers. The room never shrinks: growing again
    /// would write zeros.
    pub(crate) fn room(&mut self, len: usize) -> (&mut [f32], &mut Buffers) {
        if self.rows.len() < len {
            self.rows.resize(len, 0.0);
        }
        (&mut self.rows[..len], &mut self.buffers)
    }
}

impl<A: Arithmetic> Linear<A> {
    /// Packs `weight`, `[outputs, inputs]` as checkpoints store it; `bias` is `[outputs]`.
    pub(crate) fn new(weight: &Matrix<'_>, bias: Vec<f32>) -> Self {
        Self { weights: A::pack(weight), bias: filled_up(bias), inputs: weight.columns, outputs: weight.rows }
    }

    /// Loads several layers that read the same rows as one layer, with their outputs side by side.
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
        self.outputs
    }

    /// Computes `x W^T + b`, applies `finish`, and writes the result to `out`, `[rows, outputs]`, or adds it.
    pub(crate) fn forward(
        &self,
        x: Input<'_, A>,
        finish: Finish,
        out: &mut [f32],
        buffers: &mut Buffers,
    ) -> Result<(), Error> {
        stage!("product");
        debug_assert_eq!(out.len(), x.codes.len() * self.outputs);
        A::multiply(&self.weights, x, self.inputs, &self.bias, finish, out, buffers).map_err(|error| {
            let message = "a product failed: its packed weights do not fit";
            Error::new(ErrorKind::Weights, message).with_source(error)
        })
    }
}

impl Linear<F32> {
    /// Returns the output, `[rows, outputs]`, for `x`, `[rows, inputs]`.
    pub(crate) fn apply(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        let rows = x.len() / self.inputs.max(1);
        let mut out = vec![0.0; rows * self.outputs()];
        let mut copy = Activations::<F32>::default();
        copy.resize(rows, self.inputs);
        x.chunks_exact(self.inputs.max(1)).enumerate().for_each(|(at, row)| copy.set(at, row));
        self.forward(copy.rows(0..rows), Finish::default(), &mut out, &mut Buffers::default())?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use bytemuck::cast_slice;
    use entopic_kernels::Line;
    use half::bf16;

    use super::super::activation::Activation;
    use super::super::activations::Activations;
    use super::super::arithmetic::{Arithmetic, Bf16, F32, Int8};
    use super::super::kernels::finish::Finish;
    use super::super::kernels::quantise::RowQuantisation;
    use super::super::noise::noise;
    use super::{Linear, Product};
    use crate::checkpoint::{Matrix, Values};

    /// Tokens, inputs and outputs, with tails in each dimension and depths of more than one block.
    const SHAPES: [(usize, usize, usize); 11] = [
        (130, 384, 160),
        (50, 1536, 48),
        (17, 384, 320),
        (9, 64, 257),
        (5, 37, 65),
        (3, 32, 96),
        (1, 384, 9),
        (4, 40, 3),
        (3, 40, 2),
        (2, 40, 1),
        (0, 40, 5),
    ];

    fn matrix(weights: &[f32], outputs: usize) -> Matrix<'_> {
        let values = Values::F32(Cow::Borrowed(weights));
        Matrix { rows: outputs, columns: weights.len() / outputs, values }
    }

    /// The product, `[tokens, outputs]`, on one thread and on three, which must agree to the last bit.
    fn product<A: Arithmetic>(
        linear: &Linear<A>,
        x: &Activations<A>,
        finish: Finish,
        (before, product): (f32, &mut Product),
    ) -> Vec<f32> {
        let [found, shared] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("it should start");
            let (out, buffers) = product.room(x.count() * linear.outputs());
            out.fill(before);
            pool.install(|| linear.forward(x.rows(0..x.count()), finish, out, buffers)).expect("it fits");
            out.to_vec()
        });
        assert!(found == shared, "the number of threads should not change the result");
        found
    }

    fn activations<A: Arithmetic>(x: &[f32], inputs: usize) -> Activations<A> {
        let mut activations = Activations::default();
        // Former content of the buffer must not count.
        activations.resize(x.len() / inputs, 3 * inputs);
        (0..x.len() / inputs).for_each(|row| activations.set(row, &vec![-7.5; 3 * inputs]));
        activations.resize(x.len() / inputs, inputs);
        x.chunks_exact(inputs).enumerate().for_each(|(at, row)| activations.set(at, row));
        activations
    }

    /// `x W^T + b` in f64.
    fn exact(x: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f64> {
        let inputs = weights.len() / bias.len();
        let of_row = |row: &[f32]| {
            let dot = |weights: &[f32]| {
                row.iter().zip(weights).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
            };
            weights
                .chunks_exact(inputs)
                .map(dot)
                .zip(bias)
                .map(|(sum, &bias)| sum + f64::from(bias))
                .collect::<Vec<_>>()
        };
        x.chunks_exact(inputs).flat_map(of_row).collect()
    }

    #[test]
    fn f32_and_bf16_agree_with_the_definition() {
        let mut buffers = Product::default();
        for (tokens, inputs, outputs) in SHAPES {
            let round = |values: Vec<f32>| -> Vec<f32> {
                values.into_iter().map(|value| bf16::from_f32(value).to_f32()).collect()
            };
            let (x, weights) = (round(noise(tokens * inputs, 1)), round(noise(outputs * inputs, 2)));
            let bias = noise(outputs, 3);
            let expected = exact(&x, &weights, &bias);
            let check = |found: Vec<f32>| {
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.into_iter().zip(&expected) {
                    let error = (f64::from(found) - expected).abs();
                    assert!(error < 1e-4, "{tokens}x{inputs}x{outputs}: {error}");
                }
            };
            let wide = Linear::<F32>::new(&matrix(&weights, outputs), bias.clone());
            check(product(&wide, &activations(&x, inputs), Finish::default(), (9.0, &mut buffers)));
            check(wide.apply(&x).expect("it fits"));
            let short = Linear::<Bf16>::new(&matrix(&weights, outputs), bias.clone());
            check(product(&short, &activations(&x, inputs), Finish::default(), (9.0, &mut buffers)));
        }
    }

    #[test]
    fn int8_is_exact_up_to_the_quantisation() {
        let mut buffers = Product::default();
        for (tokens, inputs, outputs) in SHAPES {
            let (x, weights) = (noise(tokens * inputs, 1), noise(outputs * inputs, 2));
            let bias = noise(outputs, 3);
            let matrix = matrix(&weights, outputs);
            let (quantised, scales) = matrix.to_int8();
            let back: Vec<f32> = quantised
                .iter()
                .zip(0..)
                .map(|(&weight, at)| f32::from(weight) * scales[at / inputs])
                .collect();
            let linear = Linear::<Int8>::new(&matrix, bias.clone());
            let rows = activations::<Int8>(&x, inputs);
            let each = Line::holding::<u8>(inputs);
            let input = rows.rows(0..tokens);
            let read = |(lines, rule): (&[Line], &RowQuantisation)| {
                let codes = cast_slice::<_, u8>(lines)[..inputs].to_vec();
                let (scale, zero) = (rule.scale, rule.zero_point);
                codes.into_iter().map(move |code| (f32::from(code) - zero) * scale)
            };
            let x: Vec<f32> = input.lines.chunks_exact(each).zip(input.codes).flat_map(read).collect();
            let expected = exact(&x, &back, &bias);
            for (found, expected) in
                product(&linear, &rows, Finish::default(), (9.0, &mut buffers)).into_iter().zip(expected)
            {
                let error = (f64::from(found) - expected).abs();
                assert!(error <= 2e-4, "{tokens}x{inputs}x{outputs}: {found} {expected}");
            }
        }
    }

    #[test]
    fn activations_and_sums_come_after_the_bias() {
        let mut buffers = Product::default();
        let (x, weights, bias) = (noise(5 * 37, 1), noise(21 * 37, 2), noise(21, 3));
        let linear = Linear::<F32>::new(&matrix(&weights, 21), bias);
        let rows = activations(&x, 37);
        let plain = product(&linear, &rows, Finish::default(), (9.0, &mut buffers));
        for (_, activation) in Activation::NAMES {
            let mut expected = plain.clone();
            activation.apply(&mut expected);
            let finish = Finish { activation: Some(activation), added: false };
            assert_eq!(product(&linear, &rows, finish, (9.0, &mut buffers)), expected, "{activation:?}");
            expected.iter_mut().for_each(|value| *value += 0.5);
            assert_eq!(
                product(&linear, &rows, Finish { added: true, ..finish }, (0.5, &mut buffers)),
                expected,
                "{activation:?}"
            );
        }
    }
}
