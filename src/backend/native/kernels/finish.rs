use std::ops::Range;

use entopic_kernels::PANEL;
use rten_simd::ops::{BitOps, FloatOps, NumOps, ToFloat};
use rten_simd::{Isa, Simd, SimdOp, SimdUnaryOp};
use rten_vecmath::{ApproxGelu, Sigmoid, Silu, Tanh};

use super::super::activation::{Activation, GeluSigmoid, Relu};
use super::gelu::{Gelu, NearGelu};
use super::quantise::RowQuantisation;

/// The last operations on the sums of a product.
#[derive(Clone, Copy, Default)]
pub(crate) struct Finish {
    /// Applied after the bias is added.
    pub(crate) activation: Option<Activation>,
    /// True if the result is added to the output, rather than written over it.
    pub(crate) added: bool,
}

/// Arrays with one number per column are padded to a multiple of this length, so that they can be read in whole
/// vectors.
pub(crate) const COLUMNS: usize = PANEL;

/// The sums of a product, in some rows and columns.
#[derive(Clone, Copy)]
pub(crate) enum Sums<'a> {
    F32(&'a [f32]),
    /// Each sum stands for `(sum - zero point * total) * scale of the row * scale of the column`.
    Int8 {
        sums: &'a [i32],
        /// The quantisation of each row.
        rows: &'a [RowQuantisation],
        /// The sums of the columns' weights: the amounts that a zero point of 1 adds.
        totals: &'a [f32],
        scales: &'a [f32],
    },
}

/// Turns sums into the product's result, in some of its rows and columns.
pub(crate) struct FinishTile<'a, 'b> {
    pub(crate) finish: Finish,
    /// `[columns]`, padded to a multiple of [`COLUMNS`] like the totals and the scales.
    pub(crate) bias: &'a [f32],
    /// `[rows, stride]`, the last row padded as well.
    pub(crate) sums: Sums<'a>,
    pub(crate) stride: usize,
    /// The rows that receive the results; they may have more columns.
    pub(crate) out: &'a mut [&'b mut [f32]],
    /// The columns of the results in these rows.
    pub(crate) columns: Range<usize>,
}

impl SimdOp for FinishTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match self.finish.activation {
            None => self.run(isa, &Same),
            Some(Activation::Gelu) => self.run(isa, &Gelu),
            Some(Activation::NearGelu) => self.run(isa, &NearGelu),
            Some(Activation::GeluTanh) => self.run(isa, &ApproxGelu {}),
            Some(Activation::GeluSigmoid) => self.run(isa, &GeluSigmoid),
            Some(Activation::Relu) => self.run(isa, &Relu),
            Some(Activation::Silu) => self.run(isa, &Silu {}),
            Some(Activation::Tanh) => self.run(isa, &Tanh {}),
            Some(Activation::Sigmoid) => self.run(isa, &Sigmoid {}),
        }
    }
}

/// No activation.
struct Same;

impl SimdUnaryOp<f32> for Same {
    #[inline(always)]
    fn eval<I: Isa>(&self, _: I, x: I::F32) -> I::F32 {
        x
    }
}

impl FinishTile<'_, '_> {
    #[inline(always)]
    fn run<I: Isa>(self, isa: I, activation: &impl SimdUnaryOp<f32>) {
        let Self { finish, bias, sums, stride, out, columns } = self;
        match sums {
            Sums::F32(sums) => {
                let sums = FloatSums { sums, stride, bias };
                finish_rows(isa, &sums, activation, finish.added, out, columns);
            }
            Sums::Int8 { sums, rows, totals, scales } => {
                let sums = IntSums { sums, stride, rows, totals, scales, bias };
                finish_rows(isa, &sums, activation, finish.added, out, columns);
            }
        }
    }
}

/// Sums, and what turns them into results.
trait Source {
    /// The numbers of a vector of columns.
    type Column<I: Isa>: Copy;

    /// The numbers of the vector of columns that begins at `at`.
    fn column<I: Isa>(&self, isa: I, at: usize) -> Self::Column<I>;

    /// The results in a row, in these columns, which begin at `at`.
    fn result<I: Isa>(&self, isa: I, row: usize, at: usize, column: Self::Column<I>) -> I::F32;
}

struct FloatSums<'a> {
    sums: &'a [f32],
    stride: usize,
    bias: &'a [f32],
}

impl Source for FloatSums<'_> {
    /// The bias.
    type Column<I: Isa> = I::F32;

    #[inline(always)]
    fn column<I: Isa>(&self, isa: I, at: usize) -> I::F32 {
        isa.f32().load(&self.bias[at..])
    }

    #[inline(always)]
    fn result<I: Isa>(&self, isa: I, row: usize, at: usize, bias: I::F32) -> I::F32 {
        isa.f32().add(isa.f32().load(&self.sums[row * self.stride + at..]), bias)
    }
}

struct IntSums<'a> {
    sums: &'a [i32],
    stride: usize,
    rows: &'a [RowQuantisation],
    totals: &'a [f32],
    scales: &'a [f32],
    bias: &'a [f32],
}

impl Source for IntSums<'_> {
    /// Bias, total and scale.
    type Column<I: Isa> = [I::F32; 3];

    #[inline(always)]
    fn column<I: Isa>(&self, isa: I, at: usize) -> [I::F32; 3] {
        let floats = isa.f32();
        [floats.load(&self.bias[at..]), floats.load(&self.totals[at..]), floats.load(&self.scales[at..])]
    }

    #[inline(always)]
    fn result<I: Isa>(&self, isa: I, row: usize, at: usize, [bias, total, scale]: [I::F32; 3]) -> I::F32 {
        let (ints, floats) = (isa.i32(), isa.f32());
        let rule = &self.rows[row];
        let sums = ints.to_float(ints.load(&self.sums[row * self.stride + at..]));
        let sums = floats.mul_sub_from(total, floats.splat(rule.zero_point), sums);
        floats.mul_add(sums, floats.mul(scale, floats.splat(rule.scale)), bias)
    }
}

/// Writes or adds the results of all rows, two vectors of columns at a time, and then one. The numbers of a column are
/// read once.
#[inline(always)]
fn finish_rows<I: Isa, S: Source>(
    isa: I,
    source: &S,
    activation: &impl SimdUnaryOp<f32>,
    added: bool,
    out: &mut [&mut [f32]],
    columns: Range<usize>,
) {
    let floats = isa.f32();
    let width = floats.len();
    let mut at = 0;
    while columns.len() - at >= 2 * width {
        let (left, right) = (source.column(isa, at), source.column(isa, at + width));
        let first = columns.start + at;
        for (row, out) in out.iter_mut().enumerate() {
            let (to_left, to_right) = out[first..first + 2 * width].split_at_mut(width);
            let mut left = activation.eval(isa, source.result(isa, row, at, left));
            let mut right = activation.eval(isa, source.result(isa, row, at + width, right));
            if added {
                left = floats.add(left, floats.load(to_left));
                right = floats.add(right, floats.load(to_right));
            }
            floats.store(left, to_left);
            floats.store(right, to_right);
        }
        at += 2 * width;
    }
    while at < columns.len() {
        let column = source.column(isa, at);
        let range = columns.start + at..columns.end.min(columns.start + at + width);
        for (row, out) in out.iter_mut().enumerate() {
            let to = &mut out[range.clone()];
            let mut result = activation.eval(isa, source.result(isa, row, at, column));
            if added {
                result = floats.add(result, floats.load_pad(to).0);
            }
            to.iter_mut().zip(result.to_array()).for_each(|(to, value)| *to = value);
        }
        at += width;
    }
}

#[cfg(test)]
mod tests {
    use rten_simd::SimdOp;

    use super::super::quantise::RowQuantisation;
    use super::{COLUMNS, Finish, FinishTile, Sums};

    #[test]
    fn int8_sums_agree_with_a_plain_loop() {
        for (rows, columns) in [(1, 1_usize), (3, 16), (3, 37), (2, 48)] {
            let padded = columns.next_multiple_of(COLUMNS);
            let stride = padded + 16;
            let sums: Vec<i32> = (0..rows * stride).map(|i| (i as i32 * 7919) % 20_011 - 10_000).collect();
            let totals: Vec<f32> = (0..padded).map(|i| i as f32 * 31.0 - 500.0).collect();
            let scales: Vec<f32> = (0..padded).map(|i| 0.01 + i as f32 * 0.001).collect();
            let bias: Vec<f32> = (0..padded).map(|i| i as f32 - 18.0).collect();
            let rules: Vec<RowQuantisation> = (0..rows)
                .map(|i| RowQuantisation { scale: 0.02 * (i + 1) as f32, zero_point: (3 + i * 60) as f32 })
                .collect();
            // Columns that lie between others.
            let mut out = vec![vec![7.0; columns + 9]; rows];
            let sums_of = Sums::Int8 { sums: &sums, rows: &rules, totals: &totals, scales: &scales };
            let mut rows_of: Vec<&mut [f32]> = out.iter_mut().map(|row| &mut row[..]).collect();
            let (finish, out_of) = (Finish::default(), &mut rows_of[..]);
            FinishTile { finish, bias: &bias, sums: sums_of, stride, out: out_of, columns: 4..columns + 4 }
                .dispatch();
            let each = out.iter().enumerate();
            for (row, column, value) in
                each.flat_map(|(row, out)| out.iter().zip(0..).map(move |(&value, at)| (row, at, value)))
            {
                let Some(column) = usize::checked_sub(column, 4).filter(|column| *column < columns) else {
                    assert_eq!(value, 7.0, "nothing should be written outside the columns");
                    continue;
                };
                let zero = f64::from(rules[row].zero_point);
                let sum = f64::from(sums[row * stride + column]) - zero * f64::from(totals[column]);
                let expected =
                    sum * f64::from(rules[row].scale) * f64::from(scales[column]) + f64::from(bias[column]);
                assert!((f64::from(value) - expected).abs() <= 1e-5 * expected.abs().max(1.0));
            }
        }
    }
}
