use rten_gemm::{BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::SimdOp;
use rten_tensor::NdTensorView;

use super::checkpoint::Matrix;
use super::kernels::{Dequantise, RowQuantisation, quantise_row};
use crate::backend::Precision;
use crate::error::{Error, ErrorKind};

/// The kernels of matrix products, chosen for this CPU when they are made.
pub(crate) struct Products {
    f32: GemmExecutor<f32>,
    int8: GemmExecutor<u8, i8, i32>,
    /// The largest quantised activation. 127 where the int8 kernel adds pairs of products in
    /// 16 bits (AVX2 without VNNI), which 255 * 127 * 2 would overflow; else 255.
    largest_activation: u8,
}

impl Products {
    pub(crate) fn new() -> Self {
        let int8 = GemmExecutor::<u8, i8, i32>::default();
        let largest_activation = if int8.may_saturate() { 127 } else { 255 };
        Self { f32: GemmExecutor::default(), int8, largest_activation }
    }
}

/// A dense layer, `y = x W^T + b`, with its weights packed for the products.
pub(crate) struct Linear {
    weights: Weights,
    bias: Vec<f32>,
    inputs: usize,
}

enum Weights {
    F32(PackedBMatrix<f32>),
    Int8 {
        packed: PackedBMatrix<i8>,
        /// One factor an output.
        scales: Vec<f32>,
        /// The sum of each output's weights: what a zero point of 1 adds to its products.
        totals: Vec<i32>,
    },
}

/// Buffers of the int8 path, taken once and reused.
#[derive(Default)]
pub(crate) struct LinearScratch {
    /// `[tokens, inputs]`.
    activations: Vec<u8>,
    /// One a token.
    rows: Vec<RowQuantisation>,
    /// `[tokens, outputs]` of the widest layer so far: shrinking and growing would write zeros.
    sums: Vec<i32>,
}

impl Linear {
    /// `weight` is `[outputs, inputs]` as checkpoints store it, `bias` is `[outputs]`.
    pub(crate) fn new(
        products: &Products,
        weight: &Matrix<'_>,
        bias: Vec<f32>,
        precision: Precision,
    ) -> Self {
        let shape = [weight.rows, weight.columns];
        let weights = match precision {
            Precision::F32 => {
                let values = weight.to_f32();
                let view = NdTensorView::from_data(shape, &values[..]);
                Weights::F32(products.f32.prepack_b(view.transposed()))
            }
            Precision::Int8 => {
                let (values, scales) = weight.to_int8();
                let view = NdTensorView::from_data(shape, &values[..]);
                let rows = values.chunks_exact(weight.columns);
                Weights::Int8 {
                    packed: products.int8.prepack_b(view.transposed()),
                    scales: scales.into_owned(),
                    totals: rows.map(|row| row.iter().map(|&value| i32::from(value)).sum()).collect(),
                }
            }
        };
        Self { weights, bias, inputs: weight.columns }
    }

    /// Writes `x W^T + b` to `out`; `x` is `[tokens, inputs]`, `out` becomes `[tokens, outputs]`.
    pub(crate) fn forward(
        &self,
        products: &Products,
        x: &[f32],
        out: &mut Vec<f32>,
        scratch: &mut LinearScratch,
    ) -> Result<(), Error> {
        let (tokens, outputs) = (x.len() / self.inputs, self.bias.len());
        out.resize(tokens * outputs, 0.0);
        let done = match &self.weights {
            Weights::F32(packed) => products.f32.gemm(
                out,
                GemmInputA::Unpacked(NdTensorView::from_data([tokens, self.inputs], x)),
                GemmInputB::Packed(packed),
                GemmOptions { bias: Some(BiasVector::Row(&self.bias)), ..GemmOptions::default() },
            ),
            Weights::Int8 { packed, scales, totals } => {
                scratch.quantise(x, self.inputs, products.largest_activation);
                if scratch.sums.len() < tokens * outputs {
                    scratch.sums.resize(tokens * outputs, 0);
                }
                let sums = &mut scratch.sums[..tokens * outputs];
                let a = NdTensorView::from_data([tokens, self.inputs], &scratch.activations[..]);
                let done = products.int8.gemm(
                    sums,
                    GemmInputA::Unpacked(a),
                    GemmInputB::Packed(packed),
                    // Zero points are subtracted below: rten-gemm 0.27 takes those of the first
                    // tile of rows for every tile.
                    GemmOptions::default(),
                );
                Dequantise { sums, rows: &scratch.rows, totals, scales, bias: &self.bias, out }.dispatch();
                done
            }
        };
        done.map_err(|error| {
            Error::new(ErrorKind::Weights, "a product was refused: its packed weights do not fit")
                .with_source(error)
        })
    }
}

impl LinearScratch {
    fn quantise(&mut self, x: &[f32], inputs: usize, largest: u8) {
        self.activations.clear();
        self.rows.clear();
        for row in x.chunks_exact(inputs) {
            self.rows.push(quantise_row(row, largest, &mut self.activations));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Linear, LinearScratch, Products};
    use crate::backend::Precision;
    use crate::engine::checkpoint::{Matrix, Values};

    /// Tokens, inputs, outputs: tails in each dimension, and depths of more than one block.
    const SHAPES: [(usize, usize, usize); 5] =
        [(1, 384, 9), (3, 32, 96), (17, 384, 1152), (64, 1536, 384), (130, 384, 1536)];

    /// Numbers between -1 and 1 that look random and are the same in every run.
    fn noise(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let step = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn f32_agrees_with_the_definition() {
        let products = Products::new();
        for (tokens, inputs, outputs) in SHAPES {
            let (x, weights) = (noise(tokens * inputs, 1), noise(outputs * inputs, 2));
            let bias = noise(outputs, 3);
            let matrix =
                Matrix { rows: outputs, columns: inputs, values: Values::F32(Cow::Borrowed(&weights)) };
            let linear = Linear::new(&products, &matrix, bias.clone(), Precision::F32);
            let mut out = Vec::new();
            linear.forward(&products, &x, &mut out, &mut LinearScratch::default()).expect("fits");
            assert_eq!(out.len(), tokens * outputs);
            for (at, &value) in out.iter().enumerate() {
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
        let products = Products::new();
        for (tokens, inputs, outputs) in SHAPES {
            let (x, weights) = (noise(tokens * inputs, 1), noise(outputs * inputs, 2));
            let matrix =
                Matrix { rows: outputs, columns: inputs, values: Values::F32(Cow::Borrowed(&weights)) };
            let (quantised, scales) = matrix.to_int8();
            let linear = Linear::new(&products, &matrix, vec![0.0; outputs], Precision::Int8);
            let (mut out, mut scratch) = (Vec::new(), LinearScratch::default());
            linear.forward(&products, &x, &mut out, &mut scratch).expect("fits");
            for (at, &value) in out.iter().enumerate() {
                let (token, output) = (at / outputs, at % outputs);
                let rule = scratch.rows[token];
                let row = scratch.activations[token * inputs..][..inputs].iter();
                let pairs = row.zip(&quantised[output * inputs..][..inputs]);
                let zero = i32::from(rule.zero_point);
                let exact: i32 = pairs.map(|(&a, &b)| (i32::from(a) - zero) * i32::from(b)).sum();
                let expected = exact as f32 * rule.scale * scales[output];
                assert!((value - expected).abs() <= 1e-5, "{tokens}x{inputs}x{outputs}: {value} {expected}");
            }
        }
    }
}
