//! Products with rten-gemm, on CPUs for which entopic-kernels has no kernel, and of matrices that are not packed in
//! advance.

use std::ops::Range;

use entopic_kernels::Line;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rten_gemm::{GemmError, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

/// rten-gemm's kernels, chosen for this CPU when they are made.
struct Gemm {
    f32: GemmExecutor<f32>,
    int8: GemmExecutor<u8, i8, i32>,
}

thread_local! {
    /// The kernels cannot be shared between threads, and choosing them may trap into a hypervisor, which takes longer
    /// than a small product.
    static GEMM: Gemm = Gemm { f32: GemmExecutor::default(), int8: GemmExecutor::default() };
}

/// The columns of weights that are multiplied with all rows before the next columns. rten-gemm reads weights once per
/// 64 rows, up to 1,024 columns at a time, and the second-level cache does not hold those until the next 64 rows.
const PANEL: usize = 256;

/// Weights, `[outputs, inputs]`, in panels of [`PANEL`] outputs; the last panel has the rest.
pub(super) struct Panels<T>(Vec<PackedBMatrix<T>>);

impl Panels<f32> {
    pub(super) fn pack(weights: &[f32], shape: [usize; 2]) -> Self {
        Self::pack_by(weights, shape, |gemm, panel| gemm.f32.prepack_b(panel))
    }

    /// Multiplies with `rows`, lines of f32, and passes the product to `finish` in parts: a range of columns, their
    /// sums, `[rows, columns]` and more, and the same columns of the rows of `out`.
    pub(super) fn multiply(
        &self,
        (rows, count, inputs): (&[Line], usize, usize),
        out: &mut [f32],
        sums: &mut Vec<f32>,
        finish: impl Fn(Range<usize>, &[f32], &mut [&mut [f32]]) + Sync,
    ) -> Result<(), GemmError> {
        if count == 0 {
            return Ok(());
        }
        let rows = GemmInputA::Unpacked(matrix(rows, count, inputs));
        self.each(count, out, sums, |panel, columns, sums, out| {
            let (whole, b) = (count * columns.len(), GemmInputB::Packed(panel));
            GEMM.with(|gemm| gemm.f32.gemm(&mut sums[..whole], rows, b, GemmOptions::default()).map(drop))?;
            finish(columns, sums, out);
            Ok(())
        })
    }
}

impl Panels<i8> {
    pub(super) fn pack(weights: &[i8], shape: [usize; 2]) -> Self {
        Self::pack_by(weights, shape, |gemm, panel| gemm.int8.prepack_b(panel))
    }

    /// Multiplies as for f32, but with lines of bytes.
    pub(super) fn multiply(
        &self,
        (rows, count, inputs): (&[Line], usize, usize),
        out: &mut [f32],
        sums: &mut Vec<i32>,
        finish: impl Fn(Range<usize>, &[i32], &mut [&mut [f32]]) + Sync,
    ) -> Result<(), GemmError> {
        if count == 0 {
            return Ok(());
        }
        // Packed in advance, because it would be packed again for each panel. Zero points are subtracted from the
        // sums, because rten-gemm 0.27 applies those of the first tile of rows to every tile.
        let rows = GEMM.with(|gemm| gemm.int8.prepack_a(matrix(rows, count, inputs)));
        self.each(count, out, sums, |panel, columns, sums, out| {
            let (a, b) = (GemmInputA::Packed(&rows), GemmInputB::Packed(panel));
            let whole = &mut sums[..count * columns.len()];
            GEMM.with(|gemm| gemm.int8.gemm(whole, a, b, GemmOptions::default()).map(drop))?;
            finish(columns, sums, out);
            Ok(())
        })
    }
}

impl<T> Panels<T> {
    fn pack_by(
        weights: &[T],
        shape: [usize; 2],
        pack: impl Fn(&Gemm, NdTensorView<'_, T, 2>) -> PackedBMatrix<T>,
    ) -> Self {
        let view = NdTensorView::from_data(shape, weights);
        let panels = (0..shape[0]).step_by(PANEL).map(|first| view.slice(first..shape[0].min(first + PANEL)));
        Self(panels.map(|panel| GEMM.with(|gemm| pack(gemm, panel.transposed()))).collect())
    }

    /// Runs `work` with each panel and its part of the product, on the threads of the current pool.
    fn each<S: Copy + Default + Send>(
        &self,
        rows: usize,
        out: &mut [f32],
        sums: &mut Vec<S>,
        work: impl Fn(&PackedBMatrix<T>, Range<usize>, &mut [S], &mut [&mut [f32]]) -> Result<(), GemmError>
        + Sync,
    ) -> Result<(), GemmError>
    where
        PackedBMatrix<T>: Sync,
    {
        if out.is_empty() {
            return Ok(());
        }
        let width = out.len() / rows;
        // The last row is read in whole vectors, too. The buffer never shrinks: growing again would write zeros.
        let each = (rows + 1) * PANEL;
        if sums.len() < self.0.len() * each {
            sums.resize(self.0.len() * each, S::default());
        }
        let parts = columns(out, width, PANEL).into_iter().zip(sums.chunks_exact_mut(each));
        let parts: Vec<_> = parts.zip(&self.0).enumerate().collect();
        let run = |(index, ((mut out, sums), panel)): Part<'_, T, S>| {
            let columns = index * PANEL..index * PANEL + out[0].len();
            work(panel, columns, sums, &mut out)
        };
        match rayon::current_num_threads() {
            1 => parts.into_iter().try_for_each(run),
            _ => parts.into_par_iter().try_for_each(run),
        }
    }
}

/// Splits the rows of `out`, of `width` values, into parts of `share` columns; the last part has the rest.
pub(super) fn columns(out: &mut [f32], width: usize, share: usize) -> Vec<Vec<&mut [f32]>> {
    let mut parts: Vec<Vec<&mut [f32]>> = (0..width.div_ceil(share)).map(|_| Vec::new()).collect();
    for row in out.chunks_exact_mut(width.max(1)) {
        parts.iter_mut().zip(row.chunks_mut(share)).for_each(|(part, columns)| part.push(columns));
    }
    parts
}

/// The index of a panel, its parts of the output and of the sums, and the panel.
type Part<'a, T, S> = (usize, ((Vec<&'a mut [f32]>, &'a mut [S]), &'a PackedBMatrix<T>));

/// The first `width` values of each of `rows` rows of lines.
fn matrix<T: bytemuck::AnyBitPattern>(lines: &[Line], rows: usize, width: usize) -> NdTensorView<'_, T, 2> {
    let values: &[T] = Line::values(lines);
    NdTensorView::from_data([rows, values.len() / rows.max(1)], values).slice((.., ..width))
}

/// Returns whether pairs of int8 products are added up in 16 bits.
pub(super) fn int8_may_saturate() -> bool {
    GEMM.with(|gemm| gemm.int8.may_saturate())
}

/// Computes `out = a b`, `[m, n]` from `[m, k]` and `[k, n]`, with neither packed in advance. `out` is unchanged if
/// the shapes do not fit.
pub(super) fn multiply(a: NdTensorView<'_, f32, 2>, b: NdTensorView<'_, f32, 2>, out: &mut [f32]) {
    let (a, b) = (GemmInputA::Unpacked(a), GemmInputB::Unpacked(b));
    let done = GEMM.with(|gemm| gemm.f32.gemm(out, a, b, GemmOptions::default()));
    debug_assert!(done.is_ok(), "{done:?}");
}
