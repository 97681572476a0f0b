use std::ops::Range;

use rayon::iter::{Either, IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use rten_simd::SimdOp;

use super::kernels::{QuantiseRow, RowQuantisation};
use super::linear::largest_activation;
use crate::engine::Precision;

/// Rows that a thread takes at once: some microseconds' work, so that sharing it out is worth while.
const LEAST_ROWS: usize = 8;

/// What products read, `[tokens, width]`, in the form that their precision wants.
pub(crate) enum Activations {
    F32 {
        width: usize,
        values: Vec<f32>,
    },
    Int8 {
        width: usize,
        codes: Vec<u8>,
        /// One a token.
        rules: Vec<RowQuantisation>,
        /// The largest code.
        largest: u8,
    },
}

/// Some rows, to be read by a product.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    /// `[rows, width]`.
    F32(&'a [f32]),
    Int8 {
        /// `[rows, width]`.
        codes: &'a [u8],
        /// One a row.
        rules: &'a [RowQuantisation],
    },
}

/// Some rows, to be written.
pub(crate) enum RowsMut<'a> {
    F32 { width: usize, values: &'a mut [f32] },
    Int8 { width: usize, codes: &'a mut [u8], rules: &'a mut [RowQuantisation], largest: u8 },
}

/// A row to be written.
pub(crate) enum RowMut<'a> {
    F32(&'a mut [f32]),
    Int8 { codes: &'a mut [u8], rule: &'a mut RowQuantisation, largest: u8 },
}

impl Activations {
    pub(crate) fn new(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32 { width: 0, values: Vec::new() },
            Precision::Int8 => {
                Self::Int8 { width: 0, codes: Vec::new(), rules: Vec::new(), largest: largest_activation() }
            }
        }
    }

    pub(crate) fn precision(&self) -> Precision {
        match self {
            Self::F32 { .. } => Precision::F32,
            Self::Int8 { .. } => Precision::Int8,
        }
    }

    /// Makes room for `tokens` rows of `columns`; what they hold is to be written.
    pub(crate) fn resize(&mut self, tokens: usize, columns: usize) {
        match self {
            Self::F32 { width, values } => {
                *width = columns;
                values.resize(tokens * columns, 0.0);
            }
            Self::Int8 { width, codes, rules, .. } => {
                *width = columns;
                codes.resize(tokens * columns, 0);
                rules.resize(tokens, RowQuantisation::default());
            }
        }
    }

    /// Sets row `at`.
    pub(crate) fn set(&mut self, at: usize, row: &[f32]) {
        let to = match self {
            Self::F32 { width, values } => RowMut::F32(&mut values[at * *width..(at + 1) * *width]),
            Self::Int8 { width, codes, rules, largest } => {
                let codes = &mut codes[at * *width..(at + 1) * *width];
                RowMut::Int8 { codes, rule: &mut rules[at], largest: *largest }
            }
        };
        to.set(row);
    }

    pub(crate) fn rows(&self, rows: Range<usize>) -> Input<'_> {
        match self {
            Self::F32 { width, values } => Input::F32(&values[rows.start * width..rows.end * width]),
            Self::Int8 { width, codes, rules, .. } => {
                Input::Int8 { codes: &codes[rows.start * width..rows.end * width], rules: &rules[rows] }
            }
        }
    }

    /// All rows, to be written.
    pub(crate) fn all_mut(&mut self) -> RowsMut<'_> {
        match self {
            Self::F32 { width, values } => RowsMut::F32 { width: *width, values },
            Self::Int8 { width, codes, rules, largest } => {
                RowsMut::Int8 { width: *width, codes, rules, largest: *largest }
            }
        }
    }

    /// All rows, to be written, in blocks of `rows`.
    pub(crate) fn blocks_mut(&mut self, rows: usize) -> impl IndexedParallelIterator<Item = RowsMut<'_>> {
        let rows = rows.max(1);
        match self {
            Self::F32 { width, values } => {
                let width = (*width).max(1);
                let blocks = values.par_chunks_mut(rows * width);
                Either::Left(blocks.map(move |values| RowsMut::F32 { width, values }))
            }
            Self::Int8 { width, codes, rules, largest } => {
                let (width, largest) = ((*width).max(1), *largest);
                let blocks = codes.par_chunks_mut(rows * width).zip(rules.par_chunks_mut(rows));
                Either::Right(blocks.map(move |(codes, rules)| RowsMut::Int8 {
                    width,
                    codes,
                    rules,
                    largest,
                }))
            }
        }
    }
}

impl<'a> RowsMut<'a> {
    /// Each row, shared out among the threads of the current pool.
    pub(crate) fn each(self) -> impl IndexedParallelIterator<Item = RowMut<'a>> {
        let least = if rayon::current_num_threads() == 1 { usize::MAX } else { LEAST_ROWS };
        match self {
            Self::F32 { width, values } => {
                Either::Left(values.par_chunks_exact_mut(width.max(1)).map(RowMut::F32))
            }
            Self::Int8 { width, codes, rules, largest } => {
                let rows = codes.par_chunks_exact_mut(width.max(1)).zip(rules);
                Either::Right(rows.map(move |(codes, rule)| RowMut::Int8 { codes, rule, largest }))
            }
        }
        .with_min_len(least)
    }
}

impl RowMut<'_> {
    pub(crate) fn set(self, row: &[f32]) {
        match self {
            Self::F32(to) => to.copy_from_slice(row),
            Self::Int8 { codes, rule, largest } => *rule = QuantiseRow { row, largest, codes }.dispatch(),
        }
    }

    /// Sets it to what `write` makes of a row of unknown content; `buffer` is for any use.
    pub(crate) fn write(self, buffer: &mut Vec<f32>, write: impl FnOnce(&mut [f32])) {
        match self {
            Self::F32(to) => write(to),
            Self::Int8 { ref codes, .. } => {
                buffer.resize(codes.len(), 0.0);
                write(buffer);
                self.set(buffer);
            }
        }
    }
}
