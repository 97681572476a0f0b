use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

use super::activations::Input;
use super::blueprint::Dense;
use super::checkpoint::{Checkpoint, Matrix};
use super::kernels::{Rows, Sums};
use crate::engine::Precision;
use crate::error::{Error, ErrorKind};
use crate::stage::stage;

/// The kernels of matrix products, chosen for this CPU when they are made.
struct Products {
    f32: GemmExecutor<f32>,
    int8: GemmExecutor<u8, i8, i32>,
}

thread_local! {
    /// They cannot be shared between threads, and choosing them may trap into a hypervisor, which takes
    /// longer than a small product.
    static PRODUCTS: Products = Products { f32: GemmExecutor::default(), int8: GemmExecutor::default() };
}

/// The largest quantised activation. 127 where the int8 kernel adds pairs of products in 16 bits (AVX2
/// without VNNI), which 255 * 127 * 2 would overflow; else 255.
pub(super) fn largest_activation() -> u8 {
    if PRODUCTS.with(|products| products.int8.may_saturate()) { 127 } else { 255 }
}

/// Columns of f32 weights that are multiplied with all rows before the next: rten-gemm reads weights
/// once for each 64 rows, up to 1,024 columns in turn, which the second-level cache does not hold until the
/// next. It does hold panels of 256: 256 KB for each 256 inputs. int8 weights take a quarter.
pub(super) const PANEL: usize = 256;

/// A dense layer, `y = x W^T + b`, with its weights packed for the products.
pub(crate) struct Linear {
    weights: Weights,
    bias: Vec<f32>,
    inputs: usize,
}

enum Weights {
    /// Panels of `PANEL` columns, the last of what is left.
    F32(Vec<PackedBMatrix<f32>>),
    Int8 {
        packed: PackedBMatrix<i8>,
        /// One factor an output.
        scales: Vec<f32>,
        /// The sum of each output's weights: what a zero point of 1 adds to its products.
        totals: Vec<i32>,
    },
}

/// What products write before it is read as [`Rows`]; taken once and reused. Neither ever shrinks:
/// growing again would write zeros.
#[derive(Default)]
pub(crate) struct Output {
    f32: Vec<f32>,
    int8: Vec<i32>,
}

impl Linear {
    /// `weight` is `[outputs, inputs]` as checkpoints store it, `bias` is `[outputs]`.
    pub(crate) fn new(weight: &Matrix<'_>, bias: Vec<f32>, precision: Precision) -> Self {
        let shape = [weight.rows, weight.columns];
        let weights = match precision {
            Precision::F32 => {
                let values = weight.to_f32();
                let view = NdTensorView::from_data(shape, &values[..]);
                let starts = (0..weight.rows).step_by(PANEL);
                let panels = starts.map(|first| view.slice(first..weight.rows.min(first + PANEL)));
                let pack = |panel: NdTensorView<'_, f32, 2>| {
                    PRODUCTS.with(|products| products.f32.prepack_b(panel.transposed()))
                };
                Weights::F32(panels.map(pack).collect())
            }
            Precision::Int8 => {
                let (values, scales) = weight.to_int8();
                let view = NdTensorView::from_data(shape, &values[..]);
                let rows = values.chunks_exact(weight.columns);
                Weights::Int8 {
                    packed: PRODUCTS.with(|products| products.int8.prepack_b(view.transposed())),
                    scales: scales.into_owned(),
                    totals: rows.map(|row| row.iter().map(|&value| i32::from(value)).sum()).collect(),
                }
            }
        };
        Self { weights, bias, inputs: weight.columns }
    }

    /// Several layers that read the same rows as one: their outputs lie side by side.
    pub(crate) fn load_all(
        checkpoint: &Checkpoint<'_>,
        layers: &[Dense],
        precision: Precision,
    ) -> Result<Self, Error> {
        let (mut weights, mut bias) = (Vec::with_capacity(layers.len()), Vec::new());
        for Dense { name, inputs, outputs, bias: has_bias } in layers {
            weights.push(checkpoint.matrix(&format!("{name}.weight"), *outputs, *inputs)?);
            match has_bias {
                true => bias.extend(checkpoint.vector(&format!("{name}.bias"), *outputs)?),
                false => bias.resize(bias.len() + outputs, 0.0),
            }
        }
        match &weights[..] {
            [weight] => Ok(Self::new(weight, bias, precision)),
            _ => Ok(Self::new(&Matrix::stack(&weights), bias, precision)),
        }
    }

    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        dense: &Dense,
        precision: Precision,
    ) -> Result<Self, Error> {
        Self::load_all(checkpoint, std::slice::from_ref(dense), precision)
    }

    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `x W^T + b`: a row for each of `x`.
    ///
    /// # Errors
    ///
    /// If `x` is of the other precision.
    pub(crate) fn forward<'a>(&'a self, x: Input<'a>, output: &'a mut Output) -> Result<Rows<'a>, Error> {
        stage!("product");
        PRODUCTS.with(|products| self.multiply(products, x, output))
    }

    fn multiply<'a>(
        &'a self,
        products: &Products,
        x: Input<'a>,
        output: &'a mut Output,
    ) -> Result<Rows<'a>, Error> {
        let outputs = self.bias.len();
        let done = match (&self.weights, x) {
            (Weights::F32(panels), Input::F32(values)) => {
                let shape = [values.len() / self.inputs, self.inputs];
                let out = first(&mut output.f32, shape[0] * outputs);
                let a = GemmInputA::Unpacked(NdTensorView::from_data(shape, values));
                let multiply = |products: &Products, panel: &PackedBMatrix<f32>, out: &mut [f32]| {
                    products.f32.gemm(out, a, GemmInputB::Packed(panel), GemmOptions::default()).map(drop)
                };
                let size = (shape[0] * PANEL).max(1);
                let done = if rayon::current_num_threads() == 1 {
                    let mut each = panels.iter().zip(out.chunks_mut(size));
                    each.try_for_each(|(panel, out)| multiply(products, panel, out))
                } else {
                    let each = panels.par_iter().zip(out.par_chunks_mut(size));
                    each.try_for_each(|(panel, out)| PRODUCTS.with(|own| multiply(own, panel, out)))
                };
                done.map(|()| Sums::F32 { sums: out, panel: PANEL })
            }
            (Weights::Int8 { packed, scales, totals }, Input::Int8 { codes, rules }) => {
                let shape = [rules.len(), self.inputs];
                let sums = first(&mut output.int8, shape[0] * outputs);
                // Packed ahead: it would be packed anew for each block of columns.
                let a = products.int8.prepack_a(NdTensorView::from_data(shape, codes));
                let a = GemmInputA::Packed(&a);
                // Zero points are subtracted when the sums are read: rten-gemm 0.27 takes those of the
                // first tile of rows for every tile.
                let done = products.int8.gemm(sums, a, GemmInputB::Packed(packed), GemmOptions::default());
                done.map(|()| Sums::Int8 { sums, rows: rules, totals, scales })
            }
            _ => return Err(Error::new(ErrorKind::Weights, "activations and weights differ in precision")),
        };
        let refused = |error| {
            Error::new(ErrorKind::Weights, "a product was refused: its packed weights do not fit")
                .with_source(error)
        };
        Ok(Rows { sums: done.map_err(refused)?, bias: &self.bias })
    }
}

/// `out = a b`, `[m, n]` of `[m, k]` and `[k, n]`, where neither is packed ahead. Shapes that do not fit
/// leave `out` as it is.
pub(super) fn multiply(a: NdTensorView<'_, f32, 2>, b: NdTensorView<'_, f32, 2>, out: &mut [f32]) {
    let (a, b) = (GemmInputA::Unpacked(a), GemmInputB::Unpacked(b));
    let done = PRODUCTS.with(|products| products.f32.gemm(out, a, b, GemmOptions::default()));
    debug_assert!(done.is_ok(), "{done:?}");
}

/// The first `len` values of `buffer`, which grows if it must.
fn first<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    &mut buffer[..len]
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use rayon::iter::{IndexedParallelIterator, ParallelIterator};
    use rayon::slice::ParallelSlice;

    use super::super::activations::{Activations, Input};
    use super::{Linear, Output, PRODUCTS};
    use crate::engine::Precision;
    use crate::engine::checkpoint::{Matrix, Values};
    use crate::engine::measure::noise;

    /// Tokens, inputs, outputs: tails in each dimension, and depths of more than one block.
    const SHAPES: [(usize, usize, usize); 5] =
        [(1, 384, 9), (3, 32, 96), (17, 384, 1152), (64, 1536, 384), (130, 384, 1536)];

    /// `[tokens, outputs]`.
    fn product(linear: &Linear, input: Input<'_>) -> Vec<f32> {
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
            let linear = Linear::new(&matrix, bias.clone(), Precision::F32);
            let [found, shared] = [1, 2].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("starts");
                pool.install(|| product(&linear, Input::F32(&x)))
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

    /// The emulated CPUs of `just emulated` must lead to the kernels that they are meant to test.
    #[test]
    fn the_kernels_are_those_expected() {
        let [int8, f32] = PRODUCTS
            .with(|products| [products.int8.kernel_name(), products.f32.kernel_name()].map(str::to_owned));
        println!("kernels: {int8}, {f32}");
        if let Ok(expected) = std::env::var("ENTOPIC_EXPECT_KERNELS") {
            assert_eq!(format!("{int8},{f32}"), expected);
        }
    }

    #[test]
    fn int8_is_exact_up_to_the_quantisation() {
        for (tokens, inputs, outputs) in SHAPES {
            let (x, weights) = (noise(tokens * inputs, 1), noise(outputs * inputs, 2));
            let matrix =
                Matrix { rows: outputs, columns: inputs, values: Values::F32(Cow::Borrowed(&weights)) };
            let (quantised, scales) = matrix.to_int8();
            let linear = Linear::new(&matrix, vec![0.0; outputs], Precision::Int8);
            let mut activations = Activations::new(Precision::Int8);
            activations.resize(tokens, inputs);
            activations.all_mut().each().zip(x.par_chunks_exact(inputs)).for_each(|(to, row)| to.set(row));
            let input = activations.rows(0..tokens);
            let Input::Int8 { codes, rules } = input else { panic!("asked for int8") };
            for (at, value) in product(&linear, input).into_iter().enumerate() {
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
