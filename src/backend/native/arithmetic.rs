//! The number formats of products.

use std::ops::Range;

use entopic_kernels::{Format, Kernel, Line, PANEL, Rows, Tile, Weights};
use half::bf16;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rten_gemm::GemmError;
use rten_simd::SimdOp;

use super::activation::Activation;
use super::gemm::{self, Panels};
use super::kernels::finish::{COLUMNS, Finish, FinishTile, Sums};
use super::kernels::quantise::{QuantiseRow, RowQuantisation};
use super::kernels::round_bf16::RoundBf16;
use crate::checkpoint::Matrix;

/// A number format of products: the encoding of rows, the packing of weights, and the multiplication of both.
pub(crate) trait Arithmetic: Sized + Copy + Send + Sync + 'static {
    /// One number of a row.
    type Value: bytemuck::Pod + Default + Send + Sync;
    /// The encoding of one row.
    type Code: Copy + Default + Send + Sync;
    /// The packed weights of a dense layer.
    type Weights: Send + Sync;

    /// The number of rows that one thread takes through a product and the steps that follow it, so that its result is
    /// still in the cache. They fill whole tiles of the kernel.
    fn block_rows() -> usize;

    /// True if rows are rounded so much that attention may round to bfloat16, on CPUs with tiles for it.
    const BF16_ATTENTION: bool;

    /// True if values are the floats themselves.
    const ENCODES_NOTHING: bool = false;

    /// The activation to compute in place of `activation` if its results are encoded next: a cheaper one, if its
    /// error is lost in the rounding.
    fn near(activation: Activation) -> Activation {
        activation
    }

    /// Packs `weight`, `[outputs, inputs]`.
    fn pack(weight: &Matrix<'_>) -> Self::Weights;

    /// Encodes `row` into `values`, of the same length.
    fn encode(row: &[f32], values: &mut [Self::Value]) -> Self::Code;

    /// Computes `x W^T + bias`, applies `finish`, and writes the result to `out`, `[rows, outputs]`, or adds it. Rows
    /// of `x` have `inputs` values, and `bias` is padded to a multiple of [`COLUMNS`]. The outputs are divided among
    /// the threads of the current pool.
    fn multiply(
        weights: &Self::Weights,
        x: Input<'_, Self>,
        inputs: usize,
        bias: &[f32],
        finish: Finish,
        out: &mut [f32],
        buffers: &mut Buffers,
    ) -> Result<(), GemmError>;
}

/// Some rows, for reading by a product.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a, A: Arithmetic> {
    /// `[rows, lines of a row]`.
    pub(crate) lines: &'a [Line],
    /// One per row.
    pub(crate) codes: &'a [A::Code],
}

/// The fewest rows of a block.
pub(super) const LEAST_BLOCK_ROWS: usize = 48;

/// The buffers of a product, allocated once and reused, for CPUs whose kernels need them.
#[derive(Default)]
pub(crate) struct Buffers {
    ints: Vec<i32>,
    floats: Vec<f32>,
    wide: Vec<Line>,
}

/// 32-bit floats.
#[derive(Clone, Copy)]
pub(crate) struct F32;

/// bfloat16: activations and weights are rounded to it, and products are summed in 32 bits.
#[derive(Clone, Copy)]
pub(crate) struct Bf16;

/// 8-bit integers: weights with one scale per output channel, activations with a scale and a zero point per
/// row.
#[derive(Clone, Copy)]
pub(crate) struct Int8;

/// The weights of a layer in f32.
pub(crate) enum F32Weights {
    Own(Box<Weights<entopic_kernels::F32>>),
    Rten(Panels<f32>),
}

impl Arithmetic for F32 {
    type Value = f32;
    type Code = ();
    type Weights = F32Weights;

    /// Three times as many as in int8: reading the larger weights again for each block costs more than the cache
    /// gains. A block covers the 128 tokens of a usual group, and some more.
    fn block_rows() -> usize {
        3 * LEAST_BLOCK_ROWS
    }

    const BF16_ATTENTION: bool = false;

    const ENCODES_NOTHING: bool = true;

    fn pack(weight: &Matrix<'_>) -> F32Weights {
        pack_f32(&weight.to_f32(), [weight.rows, weight.columns])
    }

    fn encode(row: &[f32], values: &mut [f32]) {
        values.copy_from_slice(row);
    }

    fn multiply(
        weights: &F32Weights,
        x: Input<'_, Self>,
        inputs: usize,
        bias: &[f32],
        finish: Finish,
        out: &mut [f32],
        buffers: &mut Buffers,
    ) -> Result<(), GemmError> {
        multiply_f32(weights, (x.lines, x.codes.len(), inputs), bias, finish, out, &mut buffers.floats)
    }
}

fn pack_f32(weights: &[f32], shape: [usize; 2]) -> F32Weights {
    match entopic_kernels::F32::fastest() {
        Some(kernel) => F32Weights::Own(Box::new(Weights::pack(kernel, weights, shape))),
        None => F32Weights::Rten(Panels::<f32>::pack(weights, shape)),
    }
}

fn multiply_f32(
    weights: &F32Weights,
    (lines, count, inputs): (&[Line], usize, usize),
    bias: &[f32],
    finish: Finish,
    out: &mut [f32],
    sums: &mut Vec<f32>,
) -> Result<(), GemmError> {
    match weights {
        F32Weights::Own(weights) => {
            multiply_own(weights, lines, out, |tile, out, columns| {
                finish_f32(tile, bias, finish, out, columns)
            });
            Ok(())
        }
        F32Weights::Rten(panels) => panels.multiply((lines, count, inputs), out, sums, |part, sums, out| {
            let (bias, sums, stride) = (&bias[part.start..], Sums::F32(sums), part.len());
            FinishTile { finish, bias, sums, stride, out, columns: 0..part.len() }.dispatch();
        }),
    }
}

/// Finishes a tile of sums in f32; `bias` is that of all outputs.
#[inline(always)]
fn finish_f32(
    tile: &Tile<'_, f32>,
    bias: &[f32],
    finish: Finish,
    out: &mut [&mut [f32]],
    columns: Range<usize>,
) {
    let (sums, stride) = tile.sums();
    let (bias, sums) = (&bias[tile.columns.start..], Sums::F32(sums));
    FinishTile { finish, bias, sums, stride, out, columns }.dispatch();
}

/// The weights of a layer in bfloat16.
pub(crate) enum Bf16Weights {
    Own(Weights<entopic_kernels::Bf16>),
    /// Weights rounded to bfloat16 and multiplied in f32, on CPUs without AMX. AVX-512 has an instruction for
    /// bfloat16, but Intel's CPUs add half as many products per second with it as they do in f32 (86 and 173 Gop/s, a
    /// Xeon of family 6, model 207).
    Wide(F32Weights),
}

impl Arithmetic for Bf16 {
    type Value = bf16;
    type Code = ();
    type Weights = Bf16Weights;

    fn block_rows() -> usize {
        entopic_kernels::Bf16::fastest()
            .map_or_else(F32::block_rows, |kernel| block_rows(kernel, 2 * LEAST_BLOCK_ROWS))
    }

    const BF16_ATTENTION: bool = true;

    fn pack(weight: &Matrix<'_>) -> Bf16Weights {
        let (values, shape) = (weight.to_f32(), [weight.rows, weight.columns]);
        let mut rounded = vec![bf16::ZERO; values.len()];
        RoundBf16 { values: &values, rounded: &mut rounded }.dispatch();
        match entopic_kernels::Bf16::fastest() {
            Some(kernel) => Bf16Weights::Own(Weights::pack(kernel, &rounded, shape)),
            None => {
                let wide: Vec<f32> = rounded.iter().map(|value| value.to_f32()).collect();
                Bf16Weights::Wide(pack_f32(&wide, shape))
            }
        }
    }

    fn encode(row: &[f32], values: &mut [bf16]) {
        RoundBf16 { values: row, rounded: values }.dispatch();
    }

    fn multiply(
        weights: &Bf16Weights,
        x: Input<'_, Self>,
        inputs: usize,
        bias: &[f32],
        finish: Finish,
        out: &mut [f32],
        buffers: &mut Buffers,
    ) -> Result<(), GemmError> {
        match weights {
            Bf16Weights::Own(weights) => {
                multiply_own(weights, x.lines, out, |tile, out, columns| {
                    finish_f32(tile, bias, finish, out, columns);
                });
                Ok(())
            }
            Bf16Weights::Wide(weights) => {
                let Buffers { wide, floats, .. } = buffers;
                let (count, each) = (x.codes.len(), Line::holding::<f32>(inputs));
                wide.resize(count * each, Line::default());
                let rows = x.lines.chunks(Line::holding::<bf16>(inputs).max(1));
                for (to, row) in wide.chunks_mut(each.max(1)).zip(rows) {
                    let (to, row) = (Line::values_mut::<f32>(to), Line::values::<bf16>(row));
                    to.iter_mut().zip(row).for_each(|(to, value)| *to = value.to_f32());
                }
                multiply_f32(weights, (wide, count, inputs), bias, finish, out, floats)
            }
        }
    }
}

/// The weights of an int8 layer.
pub(crate) struct Int8Weights {
    packed: Int8Packed,
    /// One factor per output; like `totals`, padded to a multiple of [`COLUMNS`].
    scales: Box<[f32]>,
    /// The sum of the weights of each output: the amount that a zero point of 1 adds to its products.
    totals: Box<[f32]>,
}

enum Int8Packed {
    Own(Weights<entopic_kernels::Int8>),
    Rten(Panels<i8>),
}

impl Arithmetic for Int8 {
    type Value = u8;
    type Code = RowQuantisation;
    type Weights = Int8Weights;

    fn block_rows() -> usize {
        entopic_kernels::Int8::fastest()
            .map_or(LEAST_BLOCK_ROWS, |kernel| block_rows(kernel, LEAST_BLOCK_ROWS))
    }

    const BF16_ATTENTION: bool = true;

    fn near(activation: Activation) -> Activation {
        if activation == Activation::Gelu { Activation::NearGelu } else { activation }
    }

    fn pack(weight: &Matrix<'_>) -> Int8Weights {
        let ((values, scales), shape) = (weight.to_int8(), [weight.rows, weight.columns]);
        let total = |row: &[i8]| row.iter().map(|&value| i32::from(value)).sum::<i32>() as f32;
        Int8Weights {
            packed: match entopic_kernels::Int8::fastest() {
                Some(kernel) => Int8Packed::Own(Weights::pack(kernel, &values, shape)),
                None => Int8Packed::Rten(Panels::<i8>::pack(&values, shape)),
            },
            scales: filled_up(scales.into_owned()),
            totals: filled_up(values.chunks_exact(weight.columns.max(1)).map(total).collect()),
        }
    }

    fn encode(row: &[f32], values: &mut [u8]) -> RowQuantisation {
        QuantiseRow { row, largest: largest_activation(), codes: values }.dispatch()
    }

    fn multiply(
        weights: &Int8Weights,
        x: Input<'_, Self>,
        inputs: usize,
        bias: &[f32],
        finish: Finish,
        out: &mut [f32],
        buffers: &mut Buffers,
    ) -> Result<(), GemmError> {
        let (scales, totals) = (&weights.scales, &weights.totals);
        match &weights.packed {
            Int8Packed::Own(weights) => {
                multiply_own(weights, x.lines, out, |tile, out, columns| {
                    let (first, (sums, stride)) = (tile.columns.start, tile.sums());
                    let rows = &x.codes[tile.rows.clone()];
                    let sums = Sums::Int8 { sums, rows, totals: &totals[first..], scales: &scales[first..] };
                    FinishTile { finish, bias: &bias[first..], sums, stride, out, columns }.dispatch();
                });
                Ok(())
            }
            Int8Packed::Rten(panels) => {
                let rows = (x.lines, x.codes.len(), inputs);
                panels.multiply(rows, out, &mut buffers.ints, |part, sums, out| {
                    let (totals, scales) = (&totals[part.start..], &scales[part.start..]);
                    let sums = Sums::Int8 { sums, rows: x.codes, totals, scales };
                    let (bias, stride) = (&bias[part.start..], part.len());
                    FinishTile { finish, bias, sums, stride, out, columns: 0..part.len() }.dispatch();
                })
            }
        }
    }
}

/// The rows of a block for `kernel`: `rows`, or for one with tiles as many as in f32, because there, too, reading
/// weights again costs more than the cache gains.
fn block_rows<F: Format>(kernel: Kernel<F>, rows: usize) -> usize {
    if kernel.writes_in_place() { F32::block_rows() } else { rows }
}

/// Pads the numbers of columns with zeros to a multiple of [`COLUMNS`].
pub(super) fn filled_up(mut columns: Vec<f32>) -> Box<[f32]> {
    columns.resize(columns.len().next_multiple_of(COLUMNS), 0.0);
    columns.into()
}

/// The largest quantised activation: 127 if int8 kernels add pairs of products in 16 bits (AVX2 without VNNI), which
/// 255 * 127 * 2 would overflow, and 255 otherwise.
pub(super) fn largest_activation() -> u8 {
    match entopic_kernels::Int8::fastest() {
        Some(kernel) => kernel.largest_value(),
        None if gemm::int8_may_saturate() => 127,
        None => 255,
    }
}

/// The fewest outputs that a thread takes: more than a tile has.
const LEAST_OUTPUTS: usize = 64;

/// The number of multiplications from which a product is divided among threads: some microseconds of work.
const LEAST_SHARED: usize = 1 << 20;

/// Computes a product and passes its tiles to `finish`, each with its rows of `out` and its columns in these. The
/// outputs are divided among the threads of the current pool.
fn multiply_own<F: Format>(
    weights: &Weights<F>,
    lines: &[Line],
    out: &mut [f32],
    finish: impl Fn(&Tile<'_, F::Sum>, &mut [&mut [f32]], Range<usize>) + Sync,
) {
    let rows = Rows::new(lines, weights.row_lines());
    let run = |first: usize, out: &mut [&mut [f32]]| {
        let count = out.first().map_or(0, |row| row.len());
        weights.multiply(rows, first..first + count, |tile| {
            let columns = tile.columns.start - first..tile.columns.end - first;
            finish(&tile, &mut out[tile.rows.clone()], columns);
        });
    };
    let work = rows.count() * weights.outputs() * weights.inputs();
    match rayon::current_num_threads() {
        threads if threads == 1 || work < LEAST_SHARED => {
            run(0, &mut out.chunks_exact_mut(weights.outputs().max(1)).collect::<Vec<_>>())
        }
        threads => {
            let share = weights.outputs().div_ceil(threads).max(LEAST_OUTPUTS).next_multiple_of(2 * PANEL);
            let parts = gemm::columns(out, weights.outputs(), share).into_par_iter().enumerate();
            parts.for_each(|(index, mut part)| run(index * share, &mut part));
        }
    }
}

#[cfg(test)]
mod tests {
    use entopic_kernels::{Format, Kernel};

    /// The emulated CPUs of `just emulated` must select the kernels that they are meant to test.
    #[test]
    fn the_kernels_are_those_expected() {
        let names = [
            entopic_kernels::Int8::fastest().map_or("rten-gemm", Kernel::name),
            entopic_kernels::Bf16::fastest().map_or("f32", Kernel::name),
            entopic_kernels::F32::fastest().map_or("rten-gemm", Kernel::name),
        ];
        println!("kernels: {names:?}");
        if let Ok(expected) = std::env::var("ENTOPIC_EXPECT_KERNELS") {
            assert_eq!(names.join(","), expected);
        }
    }
}
