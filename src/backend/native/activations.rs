use std::ops::Range;

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::arithmetic::Arithmetic;

/// Rows that a thread takes at once: some microseconds' work, so that sharing it out is worth while.
const LEAST_ROWS: usize = 8;

/// The rows that products read, `[tokens, width]`, encoded as their format wants.
pub(crate) struct Activations<A: Arithmetic> {
    width: usize,
    values: Vec<A::Value>,
    /// One per row.
    codes: Vec<A::Code>,
}

/// Some rows, to be read by a product.
pub(crate) struct Input<'a, A: Arithmetic> {
    /// `[rows, width]`.
    pub(crate) values: &'a [A::Value],
    /// One per row.
    pub(crate) codes: &'a [A::Code],
}

/// Some rows, to be written.
pub(crate) struct RowsMut<'a, A: Arithmetic> {
    width: usize,
    values: &'a mut [A::Value],
    codes: &'a mut [A::Code],
}

/// A row, to be written.
pub(crate) struct RowMut<'a, A: Arithmetic> {
    values: &'a mut [A::Value],
    code: &'a mut A::Code,
}

impl<A: Arithmetic> Default for Activations<A> {
    fn default() -> Self {
        Self { width: 0, values: Vec::new(), codes: Vec::new() }
    }
}

impl<A: Arithmetic> Activations<A> {
    /// Makes room for `rows` rows of `columns` values; they are to be written before they are read.
    pub(crate) fn resize(&mut self, rows: usize, columns: usize) {
        self.width = columns;
        self.values.resize(rows * columns, A::Value::default());
        self.codes.resize(rows, A::Code::default());
    }

    /// Sets the row `at`.
    pub(crate) fn set(&mut self, at: usize, row: &[f32]) {
        self.codes[at] = A::encode(row, &mut self.values[at * self.width..(at + 1) * self.width]);
    }

    pub(crate) fn rows(&self, rows: Range<usize>) -> Input<'_, A> {
        let values = &self.values[rows.start * self.width..rows.end * self.width];
        Input { values, codes: &self.codes[rows] }
    }

    /// All rows, to be written.
    pub(crate) fn all_mut(&mut self) -> RowsMut<'_, A> {
        RowsMut { width: self.width, values: &mut self.values, codes: &mut self.codes }
    }

    /// All rows, to be written, in blocks of `rows`.
    pub(crate) fn blocks_mut(&mut self, rows: usize) -> impl IndexedParallelIterator<Item = RowsMut<'_, A>> {
        let (rows, width) = (rows.max(1), self.width.max(1));
        let blocks = self.values.par_chunks_mut(rows * width).zip(self.codes.par_chunks_mut(rows));
        blocks.map(move |(values, codes)| RowsMut { width, values, codes })
    }
}

impl<'a, A: Arithmetic> RowsMut<'a, A> {
    /// Each row, shared out among the threads of the current pool.
    pub(crate) fn each(self) -> impl IndexedParallelIterator<Item = RowMut<'a, A>> {
        let least = if rayon::current_num_threads() == 1 { usize::MAX } else { LEAST_ROWS };
        let rows = self.values.par_chunks_exact_mut(self.width.max(1)).zip(self.codes);
        rows.map(|(values, code)| RowMut { values, code }).with_min_len(least)
    }
}

impl<A: Arithmetic> RowMut<'_, A> {
    pub(crate) fn set(self, row: &[f32]) {
        *self.code = A::encode(row, self.values);
    }

    /// Sets it to what `write` makes of a row of unknown content; `buffer` is free for any use.
    pub(crate) fn write(self, buffer: &mut Vec<f32>, write: impl FnOnce(&mut [f32])) {
        A::encode_with(self.values, self.code, buffer, write);
    }
}
