use std::ops::Range;

use rten_simd::ops::{BitOps, NumOps, ToFloat};
use rten_simd::{Isa, SimdOp};

use super::quantise::RowQuantisation;

/// What a product gave, read as `x W^T + b`, row by row and only when it is wanted: int8 sums are
/// scaled back on the way, so no pass over memory is spent on that.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) sums: Sums<'a>,
    /// One a column.
    pub(crate) bias: &'a [f32],
}

#[derive(Clone, Copy)]
pub(crate) enum Sums<'a> {
    F32 {
        /// Panels of `panel` columns, the last of what is left, one after another: each `[rows, panel]`.
        sums: &'a [f32],
        panel: usize,
    },
    Int8 {
        /// `[rows, columns]`.
        sums: &'a [i32],
        /// One a row: how the activations were quantised.
        rows: &'a [RowQuantisation],
        /// One a column: the sum of its weights, which is what a zero point of 1 adds.
        totals: &'a [i32],
        /// One a column: the scale of its weights.
        scales: &'a [f32],
    },
}

impl<'a> Rows<'a> {
    pub(crate) fn len(&self) -> usize {
        match self.sums {
            Sums::F32 { sums, .. } => sums.len() / self.bias.len().max(1),
            Sums::Int8 { rows, .. } => rows.len(),
        }
    }

    /// Writes row `row` to `out`, `[columns]`.
    pub(crate) fn read(&self, row: usize, out: &mut [f32]) {
        ReadRow { columns: self.columns(0..self.bias.len()), row, out }.dispatch();
    }

    /// The part of each row that lies in columns `range`.
    #[inline(always)]
    pub(super) fn columns(&self, range: Range<usize>) -> Columns<'a> {
        Columns {
            rows: self.len(),
            width: self.bias.len(),
            start: range.start,
            bias: &self.bias[range.clone()],
            sums: match self.sums {
                Sums::F32 { .. } => self.sums,
                Sums::Int8 { sums, rows, totals, scales } => {
                    Sums::Int8 { sums, rows, totals: &totals[range.clone()], scales: &scales[range] }
                }
            },
        }
    }
}

/// Neighbouring columns of all rows.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    /// How many rows there are.
    rows: usize,
    /// Of a whole row.
    width: usize,
    start: usize,
    /// The sums of whole rows; totals and scales of these columns.
    sums: Sums<'a>,
    /// Of these columns.
    bias: &'a [f32],
}

impl Columns<'_> {
    /// Writes their part of row `row` to `out`:
    /// `(sum - zero point of the row * total) * scale of the row * scale + bias`.
    #[inline(always)]
    pub(super) fn read<I: Isa>(&self, isa: I, row: usize, out: &mut [f32]) {
        let (ints, floats) = (isa.i32(), isa.f32());
        let vector = floats.len();
        let count = self.bias.len();
        let out = &mut out[..count];
        let whole = count - count % vector;
        match self.sums {
            Sums::F32 { sums, panel } => {
                let mut done = 0;
                while done < count {
                    let column = self.start + done;
                    let first = column / panel * panel;
                    let width = panel.min(self.width - first);
                    let part = (first + width - column).min(count - done);
                    let sums = &sums[self.rows * first + row * width + column - first..][..part];
                    let out = &mut out[done..done + part];
                    for ((out, sum), bias) in out.iter_mut().zip(sums).zip(&self.bias[done..done + part]) {
                        *out = sum + bias;
                    }
                    done += part;
                }
            }
            Sums::Int8 { sums, rows, totals, scales } => {
                let RowQuantisation { scale: row_scale, zero_point } = rows[row];
                let (zero, sums) = (i32::from(zero_point), &sums[row * self.width + self.start..][..count]);
                let (zeros, row_scales) = (ints.splat(zero), floats.splat(row_scale));
                let parameters = totals.chunks_exact(vector).zip(scales.chunks_exact(vector));
                let parameters = parameters.zip(self.bias.chunks_exact(vector));
                let cells = sums.chunks_exact(vector).zip(out.chunks_exact_mut(vector));
                for ((sums, out), ((totals, scales), bias)) in cells.zip(parameters) {
                    let offset = ints.mul(zeros, ints.load(totals));
                    let sum = ints.to_float(ints.sub(ints.load(sums), offset));
                    let scale = floats.mul(row_scales, floats.load(scales));
                    floats.store(floats.mul_add(sum, scale, floats.load(bias)), out);
                }
                for at in whole..count {
                    let sum = sums[at].wrapping_sub(zero.wrapping_mul(totals[at])) as f32;
                    out[at] = sum.mul_add(row_scale * scales[at], self.bias[at]);
                }
            }
        }
    }
}

struct ReadRow<'a> {
    columns: Columns<'a>,
    row: usize,
    out: &'a mut [f32],
}

impl SimdOp for ReadRow<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        self.columns.read(isa, self.row, self.out);
    }
}

#[cfg(test)]
mod tests {
    use rten_simd::SimdOp;

    use super::super::quantise::RowQuantisation;
    use super::{ReadRow, Rows, Sums};

    #[test]
    fn int8_sums_agree_with_a_plain_loop() {
        let (rows, columns) = (3, 37);
        let sums: Vec<i32> = (0..rows * columns).map(|i| (i as i32 * 7919) % 20_011 - 10_000).collect();
        let totals: Vec<i32> = (0..columns).map(|i| i as i32 * 31 - 500).collect();
        let scales: Vec<f32> = (0..columns).map(|i| 0.01 + i as f32 * 0.001).collect();
        let bias: Vec<f32> = (0..columns).map(|i| i as f32 - 18.0).collect();
        let rules: Vec<RowQuantisation> = (0..rows)
            .map(|i| RowQuantisation { scale: 0.02 * (i + 1) as f32, zero_point: 3 + i as u8 * 60 })
            .collect();
        let product = Rows {
            sums: Sums::Int8 { sums: &sums, rows: &rules, totals: &totals, scales: &scales },
            bias: &bias,
        };
        for row in 0..rows {
            let mut out = vec![0.0; columns];
            product.read(row, &mut out);
            for (column, &value) in out.iter().enumerate() {
                let zero = i32::from(rules[row].zero_point);
                let sum = sums[row * columns + column] - zero * totals[column];
                let expected = f64::from(sum) * f64::from(rules[row].scale) * f64::from(scales[column])
                    + f64::from(bias[column]);
                assert!((f64::from(value) - expected).abs() <= 1e-5 * expected.abs().max(1.0));
            }
            // A head's columns are a part of the row.
            let mut part = vec![0.0; 20];
            ReadRow { columns: product.columns(11..31), row, out: &mut part }.dispatch();
            let largest = part.iter().zip(&out[11..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(largest <= 1e-3, "{largest}");
        }
    }

    #[test]
    fn f32_sums_take_the_bias_in_every_panel() {
        let (rows, columns) = (3, 11);
        let sum = |row: usize, column: usize| (100 * row + column) as f32;
        let bias: Vec<f32> = (0..columns).map(|column| 0.5 * column as f32).collect();
        for panel in [1, 4, 11, 16] {
            let mut sums = Vec::new();
            for first in (0..columns).step_by(panel) {
                for row in 0..rows {
                    sums.extend((first..columns.min(first + panel)).map(|column| sum(row, column)));
                }
            }
            let product = Rows { sums: Sums::F32 { sums: &sums, panel }, bias: &bias };
            assert_eq!(product.len(), rows);
            for row in 0..rows {
                let expected: Vec<f32> = (0..columns).map(|column| sum(row, column) + bias[column]).collect();
                let mut out = vec![0.0; columns];
                product.read(row, &mut out);
                assert_eq!(out, expected);
                let mut part = vec![0.0; 6];
                ReadRow { columns: product.columns(3..9), row, out: &mut part }.dispatch();
                assert_eq!(part, expected[3..9]);
            }
        }
    }
}
