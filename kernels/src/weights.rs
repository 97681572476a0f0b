use std::fmt;
use std::ops::Range;

use crate::format::Format;
use crate::kernel::{Job, Kernel, Tile};
use crate::line::Line;
use crate::transpose::{Strided, transpose};

/// The number of outputs in a panel: the columns of a tile, and a vector of 512 bits.
pub const PANEL: usize = 16;

/// The number of groups in a line.
pub(crate) const GROUPS: usize = 16;

/// The weights of a product, packed for its kernels.
///
/// They lie in panels of [`PANEL`] outputs. A panel has one line per group of inputs, and a line has the group of
/// each output, one after another. Inputs are padded with zeros to whole lines, and outputs to whole panels. The
/// layout is the same for all kernels.
pub struct Weights<F: Format> {
    kernel: Kernel<F>,
    lines: Vec<Line>,
    inputs: usize,
    outputs: usize,
}

/// The left side of a product: rows of whole lines, one after another. Values after the last one of a row
/// are zero.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    pub(crate) lines: &'a [Line],
    pub(crate) each: usize,
}

impl<'a> Rows<'a> {
    /// Rows of `each` lines.
    ///
    /// # Panics
    /// If `lines` does not divide into such rows, or rows have no lines.
    pub fn new(lines: &'a [Line], each: usize) -> Self {
        assert!(
            each > 0 && lines.len().is_multiple_of(each),
            "{} lines do not divide into rows of {each}",
            lines.len()
        );
        Self { lines, each }
    }

    /// The number of rows.
    pub fn count(&self) -> usize {
        self.lines.len() / self.each
    }
}

impl<F: Format> fmt::Debug for Weights<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = [self.outputs, self.inputs];
        f.debug_struct("Weights").field("kernel", &self.kernel).field("shape", &shape).finish()
    }
}

impl<F: Format> Weights<F> {
    /// Packs `weights`, `[outputs, inputs]`, for `kernel`.
    ///
    /// # Panics
    /// If `weights` has another length.
    pub fn pack(kernel: Kernel<F>, weights: &[F::Weight], [outputs, inputs]: [usize; 2]) -> Self {
        let mut packed = Self { kernel, lines: Vec::new(), inputs: 0, outputs: 0 };
        packed.repack(weights, inputs, [outputs, inputs]);
        packed
    }

    /// Replaces the weights: packs the first `inputs` values of each of `outputs` rows of `width`.
    ///
    /// # Panics
    /// If `weights` has another length.
    pub fn repack(&mut self, weights: &[F::Weight], width: usize, [outputs, inputs]: [usize; 2]) {
        assert!(
            outputs.checked_mul(width) == Some(weights.len()) && inputs <= width,
            "weights of another shape"
        );
        let group = 4 / size_of::<F::Weight>();
        (self.inputs, self.outputs) = (inputs, outputs);
        let depth = self.depth();
        self.lines.resize(outputs.div_ceil(PANEL) * depth, Line::default());
        let panels = self.lines.chunks_exact_mut(depth);
        for (panel, rows) in panels.zip(weights.chunks(PANEL * width.max(1))) {
            let columns = rows.len() / width.max(1);
            if columns < PANEL || inputs < depth * group {
                panel.fill(Line::default());
            }
            // Whole groups are read as numbers of four bytes, if their alignment allows it.
            let mut done = 0;
            if let (true, Ok(rows)) = (width.is_multiple_of(group), bytemuck::try_cast_slice::<_, u32>(rows))
            {
                let (from, to) = (Strided { values: rows, stride: width / group }, Line::values_mut(panel));
                transpose(from, Strided { values: to, stride: PANEL }, [columns, inputs / group]);
                done = inputs - inputs % group;
            }
            let to: &mut [F::Weight] = Line::values_mut(panel);
            for (column, row) in rows.chunks_exact(width.max(1)).enumerate() {
                let to = to.chunks_exact_mut(PANEL * group).skip(done / group);
                for (from, to) in row[done..inputs].chunks(group).zip(to) {
                    to[column * group..][..from.len()].copy_from_slice(from);
                }
            }
        }
    }

    /// Replaces the weights by transposed ones, `[inputs, outputs]`. An input that pads the last group is zero.
    ///
    /// # Panics
    /// If `weights` has another length.
    pub fn repack_turned(&mut self, weights: &[F::Weight], [outputs, inputs]: [usize; 2]) {
        assert!(outputs.checked_mul(inputs) == Some(weights.len()), "weights of another shape");
        let group = 4 / size_of::<F::Weight>();
        (self.inputs, self.outputs) = (inputs, outputs);
        let depth = self.depth();
        self.lines.resize(outputs.div_ceil(PANEL) * depth, Line::default());
        if !outputs.is_multiple_of(PANEL) || inputs < depth * group {
            self.lines.fill(Line::default());
        }
        for (at, rows) in weights.chunks(outputs.max(1) * group).enumerate() {
            for (panel, first) in (0..outputs).step_by(PANEL).enumerate() {
                let columns = first..outputs.min(first + PANEL);
                let line = std::slice::from_mut(&mut self.lines[panel * depth + at]);
                let to: &mut [F::Weight] = Line::values_mut(line);
                if let (true, true) = (group == 2, rows.len() == 2 * outputs)
                    && let (Ok(even), Ok(odd)) =
                        (rows[columns.clone()].try_into(), rows[outputs..][columns.clone()].try_into())
                {
                    interleave(even, odd, to);
                    continue;
                }
                for (place, row) in rows.chunks_exact(outputs).enumerate() {
                    let row = &row[columns.clone()];
                    to.chunks_exact_mut(group).zip(row).for_each(|(to, value)| to[place] = *value);
                }
            }
        }
    }

    /// The number of lines in a panel.
    fn depth(&self) -> usize {
        self.row_lines() * GROUPS
    }

    /// The number of lines that a row of inputs takes.
    pub fn row_lines(&self) -> usize {
        Line::holding::<F::Value>(self.inputs)
    }

    /// The number of values in a row of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The number of values in a row of the product.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The kernel that multiplies with the weights.
    pub fn kernel(&self) -> Kernel<F> {
        self.kernel
    }

    /// Multiplies `rows` with the weights of `outputs`, and passes the product to `each` as tiles, in any order;
    /// every sum is in exactly one of them. `each` may compute other products with this package, but must not use AMX
    /// by other means.
    ///
    /// # Panics
    /// If the rows have another length, or `outputs` are out of range or begin within a panel.
    pub fn multiply(&self, rows: Rows<'_>, outputs: Range<usize>, mut each: impl FnMut(Tile<'_, F::Sum>)) {
        assert!(rows.each == self.row_lines(), "rows of {} lines, not {}", rows.each, self.row_lines());
        assert!(outputs.end <= self.outputs, "{outputs:?} of {} outputs", self.outputs);
        assert!(outputs.start.is_multiple_of(PANEL), "output {} is within a panel", outputs.start);
        if outputs.is_empty() || rows.count() == 0 {
            return;
        }
        let panels = outputs.start / PANEL..outputs.end.div_ceil(PANEL);
        let depth = self.depth();
        let panels = &self.lines[panels.start * depth..panels.end * depth];
        self.kernel.run(&Job { rows, panels, depth, outputs }, &mut each);
    }

    /// Multiplies `rows` with all weights, and writes the product to `out`, `[rows, stride]`. Values in `out` beyond
    /// the outputs are unspecified.
    ///
    /// # Panics
    /// If the rows have another length, `stride` is less than the outputs rounded up to a multiple of two panels, or
    /// `out` has too few rows.
    pub fn multiply_into(&self, rows: Rows<'_>, out: &mut [F::Sum], stride: usize) {
        assert!(rows.each == self.row_lines(), "rows of {} lines, not {}", rows.each, self.row_lines());
        if self.outputs > 0 && rows.count() > 0 {
            let job = Job { rows, panels: &self.lines, depth: self.depth(), outputs: 0..self.outputs };
            self.kernel.place(&job, out, stride);
        }
    }
}

/// Interleaves the values of two rows. Their number is a constant, so that this becomes a few vector instructions.
fn interleave<T: Copy>(even: &[T; PANEL], odd: &[T; PANEL], to: &mut [T]) {
    for (to, (even, odd)) in to.chunks_exact_mut(2).zip(even.iter().zip(odd)) {
        (to[0], to[1]) = (*even, *odd);
    }
}
