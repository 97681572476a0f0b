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
        let (ints, floats) = (isa.i32(), isa.f32());
        let width = floats.len();
        let Self { finish: Finish { added, .. }, bias, sums, stride, out, columns } = self;
        // One vector of columns for all rows, then the next, so that the numbers of a column are read once.
        for at in (0..columns.len()).step_by(width) {
            let bias = floats.load(&bias[at..]);
            let columns = columns.start + at..columns.end.min(columns.start + at + width);
            match sums {
                Sums::F32(sums) => {
                    for (row, out) in out.iter_mut().enumerate() {
                        let value = floats.add(floats.load(&sums[row * stride + at..]), bias);
                        write(isa, activation, value, added, &mut out[columns.clone()]);
                    }
                }
                Sums::Int8 { sums, rows, totals, scales } => {
                    let (totals, scales) = (floats.load(&totals[at..]), floats.load(&scales[at..]));
                    for ((row, rule), out) in rows.iter().enumerate().zip(&mut *out) {
                        let sums = ints.to_float(ints.load(&sums[row * stride + at..]));
                        let sums = floats.mul_sub_from(totals, floats.splat(rule.zero_point), sums);
                        let scales = floats.mul(scales, floats.splat(rule.scale));
                        let value = floats.mul_add(sums, scales, bias);
                        write(isa, activation, value, added, &mut out[columns.clone()]);
                    }
                }
            }
        }
    }
}

/// Writes `activation(value)` to `out`, or adds it; `out` may be shorter than a vector.
#[inline(always)]
fn write<I: Isa>(isa: I, activation: &impl SimdUnaryOp<f32>, value: I::F32, added: bool, out: &mut [f32]) {
    let floats = isa.f32();
    let value = activation.eval(isa, value);
    if out.len() == floats.len() {
        floats.store(if added { floats.add(value, floats.load(out)) } else { value }, out);
    } else {
        let value = if added { floats.add(value, floats.load_pad(out).0) } else { value };
        out.iter_mut().zip(value.to_array()).for_each(|(to, value)| *to = value);
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
