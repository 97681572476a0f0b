use rten_simd::ops::{BitOps, NumOps, ToFloat};
use rten_simd::{Isa, SimdOp};

use super::RowQuantisation;

/// `out = (sums - zero point of the row * total of the column) * scale of the row * scale of the
/// column + bias of the column`.
pub(crate) struct Dequantise<'a> {
    /// `[rows, columns]`.
    pub(crate) sums: &'a [i32],
    pub(crate) rows: &'a [RowQuantisation],
    /// One a column: the sum of its weights.
    pub(crate) totals: &'a [i32],
    /// One a column.
    pub(crate) scales: &'a [f32],
    /// One a column.
    pub(crate) bias: &'a [f32],
    /// `[rows, columns]`.
    pub(crate) out: &'a mut [f32],
}

impl SimdOp for Dequantise<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (ints, floats) = (isa.i32(), isa.f32());
        let width = floats.len();
        let columns = self.bias.len();
        let whole = columns - columns % width;
        for ((sums, out), row) in
            self.sums.chunks_exact(columns).zip(self.out.chunks_exact_mut(columns)).zip(self.rows)
        {
            let row_scale = floats.splat(row.scale);
            let zero = i32::from(row.zero_point);
            let zeros = ints.splat(zero);
            for at in (0..whole).step_by(width) {
                let offset = ints.mul(zeros, ints.load(&self.totals[at..]));
                let sum = ints.to_float(ints.sub(ints.load(&sums[at..]), offset));
                let scale = floats.mul(row_scale, floats.load(&self.scales[at..]));
                let value = floats.mul_add(sum, scale, floats.load(&self.bias[at..]));
                floats.store(value, &mut out[at..]);
            }
            for at in whole..columns {
                let sum = (sums[at] - zero * self.totals[at]) as f32;
                out[at] = sum.mul_add(row.scale * self.scales[at], self.bias[at]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rten_simd::SimdOp;

    use super::super::RowQuantisation;
    use super::Dequantise;

    #[test]
    fn agrees_with_a_plain_loop() {
        let (rows, columns) = (3, 37);
        let sums: Vec<i32> = (0..rows * columns).map(|i| (i as i32 * 7919) % 20_011 - 10_000).collect();
        let totals: Vec<i32> = (0..columns).map(|i| i as i32 * 31 - 500).collect();
        let scales: Vec<f32> = (0..columns).map(|i| 0.01 + i as f32 * 0.001).collect();
        let bias: Vec<f32> = (0..columns).map(|i| i as f32 - 18.0).collect();
        let rule: Vec<RowQuantisation> =
            (0..rows).map(|i| RowQuantisation { scale: 0.02 * (i + 1) as f32, zero_point: 3 }).collect();
        let mut out = vec![0.0; rows * columns];
        Dequantise { sums: &sums, rows: &rule, totals: &totals, scales: &scales, bias: &bias, out: &mut out }
            .dispatch();
        for (i, &value) in out.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let sum = sums[i] - 3 * totals[column];
            let expected = f64::from(sum) * f64::from(rule[row].scale) * f64::from(scales[column])
                + f64::from(bias[column]);
            assert!((f64::from(value) - expected).abs() <= 1e-5 * expected.abs().max(1.0));
        }
    }
}
