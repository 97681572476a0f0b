//! The number formats of products.

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use rten_gemm::{GemmError, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::SimdOp;
use rten_tensor::NdTensorView;

use super::gemm::{GEMM, Gemm, largest_activation};
use super::kernels::quantise::{QuantiseRow, RowQuantisation};
use super::kernels::rows::Sums;
use crate::checkpoint::Matrix;

/// A format of the numbers that products read: how rows are encoded, weights packed, and both multiplied.
pub(crate) trait Arithmetic: Sized + Send + Sync + 'static {
    /// One number of a row.
    type Value: Copy + Default + Send + Sync;
    /// The encoding of one row.
    type Code: Copy + Default + Send + Sync;
    /// The packed weights of a dense layer.
    type Weights: Send + Sync;
    /// One number of a product, before it is read.
    type Sum: Copy + Default + Send + Sync;

    /// Rows that go through a product and what follows it together on one thread, so that its sums are still
    /// in the cache: a multiple of 6, 8 and 16, the rows of the products' tiles.
    const BLOCK_ROWS: usize;

    /// Packs `weight`, `[outputs, inputs]`.
    fn pack(weight: &Matrix<'_>) -> Self::Weights;

    /// Encodes `row` into `values`, which is as long.
    fn encode(row: &[f32], values: &mut [Self::Value]) -> Self::Code;

    /// Encodes the row that `write` writes; `buffer` is free for any use.
    fn encode_with(
        values: &mut [Self::Value],
        code: &mut Self::Code,
        buffer: &mut Vec<f32>,
        write: impl FnOnce(&mut [f32]),
    ) {
        buffer.resize(values.len(), 0.0);
        write(buffer);
        *code = Self::encode(buffer, values);
    }

    /// The sums `x W^T`, written to `sums`: `shape` is `[inputs, outputs]`, and `x` has a row of `inputs` values for
    /// each of `codes`.
    fn multiply<'a>(
        weights: &'a Self::Weights,
        shape: [usize; 2],
        values: &'a [Self::Value],
        codes: &'a [Self::Code],
        sums: &'a mut Vec<Self::Sum>,
    ) -> Result<Sums<'a>, GemmError>;
}

/// 32-bit floats.
pub(crate) struct F32;

/// 8-bit integers: weights with one scale per output channel, activations with a scale and a zero point per
/// row.
pub(crate) struct Int8;

/// Columns of f32 weights that are multiplied with all rows before the next: rten-gemm reads weights once for
/// each 64 rows, up to 1,024 columns in turn, which the second-level cache does not hold until the next. It
/// does hold panels of 256: 256 KB for each 256 inputs. int8 weights take a quarter.
pub(crate) const PANEL: usize = 256;

impl Arithmetic for F32 {
    type Value = f32;
    type Code = ();
    /// Panels of `PANEL` columns; the last panel has the rest.
    type Weights = Vec<PackedBMatrix<f32>>;
    type Sum = f32;

    /// Three times that of int8: reading the larger weights anew for each block costs more than the cache
    /// gains. It covers the 128 tokens of a usual group, and some more.
    const BLOCK_ROWS: usize = 3 * Int8::BLOCK_ROWS;

    fn pack(weight: &Matrix<'_>) -> Self::Weights {
        let values = weight.to_f32();
        let view = NdTensorView::from_data([weight.rows, weight.columns], &values[..]);
        let starts = (0..weight.rows).step_by(PANEL);
        let panels = starts.map(|first| view.slice(first..weight.rows.min(first + PANEL)));
        let pack = |panel: NdTensorView<'_, f32, 2>| GEMM.with(|gemm| gemm.f32.prepack_b(panel.transposed()));
        panels.map(pack).collect()
    }

    fn encode(row: &[f32], values: &mut [f32]) {
        values.copy_from_slice(row);
    }

    fn encode_with(
        values: &mut [f32],
        _code: &mut (),
        _buffer: &mut Vec<f32>,
        write: impl FnOnce(&mut [f32]),
    ) {
        write(values);
    }

    fn multiply<'a>(
        panels: &'a Self::Weights,
        [inputs, outputs]: [usize; 2],
        values: &'a [f32],
        codes: &'a [()],
        sums: &'a mut Vec<f32>,
    ) -> Result<Sums<'a>, GemmError> {
        let rows = codes.len();
        let out = first(sums, rows * outputs);
        let a = GemmInputA::Unpacked(NdTensorView::from_data([rows, inputs], values));
        let multiply = |gemm: &Gemm, panel: &PackedBMatrix<f32>, out: &mut [f32]| {
            gemm.f32.gemm(out, a, GemmInputB::Packed(panel), GemmOptions::default()).map(drop)
        };
        let size = (rows * PANEL).max(1);
        if rayon::current_num_threads() == 1 {
            let mut each = panels.iter().zip(out.chunks_mut(size));
            GEMM.with(|gemm| each.try_for_each(|(panel, out)| multiply(gemm, panel, out)))?;
        } else {
            let each = panels.par_iter().zip(out.par_chunks_mut(size));
            each.try_for_each(|(panel, out)| GEMM.with(|gemm| multiply(gemm, panel, out)))?;
        }
        Ok(Sums::F32 { sums: out, panel: PANEL })
    }
}

/// The weights of an int8 layer.
pub(crate) struct Int8Weights {
    packed: PackedBMatrix<i8>,
    /// One factor per output.
    scales: Vec<f32>,
    /// The sum of the weights of each output: what a zero point of 1 adds to its products.
    totals: Vec<i32>,
}

impl Arithmetic for Int8 {
    type Value = u8;
    type Code = RowQuantisation;
    type Weights = Int8Weights;
    type Sum = i32;

    const BLOCK_ROWS: usize = 48;

    fn pack(weight: &Matrix<'_>) -> Self::Weights {
        let (values, scales) = weight.to_int8();
        let view = NdTensorView::from_data([weight.rows, weight.columns], &values[..]);
        let rows = values.chunks_exact(weight.columns);
        Int8Weights {
            packed: GEMM.with(|gemm| gemm.int8.prepack_b(view.transposed())),
            scales: scales.into_owned(),
            totals: rows.map(|row| row.iter().map(|&value| i32::from(value)).sum()).collect(),
        }
    }

    fn encode(row: &[f32], values: &mut [u8]) -> RowQuantisation {
        QuantiseRow { row, largest: largest_activation(), codes: values }.dispatch()
    }

    fn multiply<'a>(
        weights: &'a Self::Weights,
        [inputs, outputs]: [usize; 2],
        values: &'a [u8],
        codes: &'a [RowQuantisation],
        sums: &'a mut Vec<i32>,
    ) -> Result<Sums<'a>, GemmError> {
        let sums = first(sums, codes.len() * outputs);
        GEMM.with(|gemm| {
            // Packed ahead: it would be packed anew for each block of columns.
            let a = gemm.int8.prepack_a(NdTensorView::from_data([codes.len(), inputs], values));
            // Zero points are subtracted when the sums are read: rten-gemm 0.27 applies those of the first
            // tile of rows to every tile.
            let (a, b) = (GemmInputA::Packed(&a), GemmInputB::Packed(&weights.packed));
            gemm.int8.gemm(sums, a, b, GemmOptions::default()).map(drop)
        })?;
        Ok(Sums::Int8 { sums, rows: codes, totals: &weights.totals, scales: &weights.scales })
    }
}

/// The first `len` values of `buffer`, which grows if it must. It never shrinks: growing again would write
/// zeros.
fn first<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
    &mut buffer[..len]
}
