use std::ops::Range;

use entopic_kernels::Line;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::arithmetic::{Arithmetic, Input};

/// The fewest rows that a thread takes at once: some microseconds of work, so that dividing it pays off.
const LEAST_ROWS: usize = 8;

/// The rows that products read, `[tokens, width]`, encoded for the arithmetic. A row takes whole lines, filled up
/// with zeros.
pub(crate) struct Activations<A: Arithmetic> {
    width: usize,
    /// At least the lines of all rows. Their number never shrinks: growing again would write zeros.
    lines: Vec<Line>,
    /// One code per row.
    codes: Vec<A::Code>,
}

/// Some rows, for writing.
pub(crate) struct RowsMut<'a, A: Arithmetic> {
    width: usize,
    lines: &'a mut [Line],
    codes: &'a mut [A::Code],
}

/// A row, for writing.
pub(crate) struct RowMut<'a, A: Arithmetic> {
    width: usize,
    lines: &'a mut [Line],
    code: &'a mut A::Code,
}

impl<A: Arithmetic> Default for Activations<A> {
    fn default() -> Self {
        Self { width: 0, lines: Vec::new(), codes: Vec::new() }
    }
}

impl<A: Arithmetic> Activations<A> {
    /// Makes room for `rows` rows of `columns` values, which must be written before they are read.
    pub(crate) fn resize(&mut self, rows: usize, columns: usize) {
        self.width = columns;
        let lines = rows * lines_of::<A>(columns);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line::default());
        }
        self.codes.resize(rows, A::Code::default());
    }

    /// The number of rows.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.codes.len()
    }

    /// Sets the row `at`.
    pub(crate) fn set(&mut self, at: usize, row: &[f32]) {
        let lines = lines_of::<A>(self.width);
        let to = &mut self.lines[at * lines..(at + 1) * lines];
        RowMut::<A> { width: self.width, lines: to, code: &mut self.codes[at] }.set(row);
    }

    pub(crate) fn rows(&self, rows: Range<usize>) -> Input<'_, A> {
        let lines = lines_of::<A>(self.width);
        Input { lines: &self.lines[rows.start * lines..rows.end * lines], codes: &self.codes[rows] }
    }

    /// All rows, for writing.
    pub(crate) fn all_mut(&mut self) -> RowsMut<'_, A> {
        let lines = self.codes.len() * lines_of::<A>(self.width);
        RowsMut { width: self.width, lines: &mut self.lines[..lines], codes: &mut self.codes }
    }

    /// All rows, for writing, in blocks of `rows`.
    pub(crate) fn blocks_mut(&mut self, rows: usize) -> impl IndexedParallelIterator<Item = RowsMut<'_, A>> {
        let RowsMut { width, lines, codes } = self.all_mut();
        let rows = rows.max(1);
        let lines = lines.par_chunks_mut((rows * lines_of::<A>(width)).max(1));
        let blocks = lines.zip(codes.par_chunks_mut(rows));
        blocks.map(move |(lines, codes)| RowsMut { width, lines, codes })
    }
}

/// The lines that a row of `width` values takes.
fn lines_of<A: Arithmetic>(width: usize) -> usize {
    Line::holding::<A::Value>(width)
}

impl<'a, A: Arithmetic> RowsMut<'a, A> {
    /// The rows as floats, `[rows, width]`, if the arithmetic does not encode them and they fill their lines.
    pub(crate) fn as_floats(&mut self) -> Option<&mut [f32]> {
        let filled = self.width * size_of::<f32>() == lines_of::<A>(self.width) * Line::BYTES;
        (A::ENCODES_NOTHING && filled).then(|| Line::values_mut(self.lines))
    }

    /// The single rows, divided among the threads of the current pool.
    pub(crate) fn each(self) -> impl IndexedParallelIterator<Item = RowMut<'a, A>> {
        let least = if rayon::current_num_threads() == 1 { usize::MAX } else { LEAST_ROWS };
        let width = self.width;
        let rows = self.lines.par_chunks_exact_mut(lines_of::<A>(width).max(1)).zip(self.codes);
        rows.map(move |(lines, code)| RowMut { width, lines, code }).with_min_len(least)
    }
}

impl<A: Arithmetic> RowMut<'_, A> {
    pub(crate) fn set(self, row: &[f32]) {
        let (values, rest) = Line::values_mut(self.lines).split_at_mut(self.width);
        *self.code = A::encode(row, values);
        rest.fill(A::Value::default());
    }
}
