use rten_simd::ops::{BitOps, FloatOps, NarrowSaturate, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

/// The quantisation of one row of activations: `value = (code - zero_point) * scale`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowQuantisation {
    pub(crate) scale: f32,
    /// An integer, stored as a float like the sums that it corrects.
    pub(crate) zero_point: f32,
}

/// Quantises `row` to `0..=largest` over the range of its values.
///
/// The range always contains 0, so that 0 is exact. Rounding may give `largest + 1`, which does not overflow the
/// saturating kernels: 128 * 127 * 2 < 2^15.
pub(crate) struct QuantiseRow<'a> {
    pub(crate) row: &'a [f32],
    pub(crate) largest: u8,
    /// Has the length of `row`.
    pub(crate) codes: &'a mut [u8],
}

impl SimdOp for QuantiseRow<'_> {
    type Output = RowQuantisation;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> RowQuantisation {
        let Self { row, largest, codes } = self;
        let (ints, floats) = (isa.i32(), isa.f32());
        let width = floats.len();

        let (vectors, rest) = row.split_at(row.len() - row.len() % (4 * width));
        let (mut min, mut max) = ([floats.zero(); 4], [floats.zero(); 4]);
        for values in vectors.chunks_exact(4 * width) {
            for ((min, max), value) in min.iter_mut().zip(&mut max).zip(floats.load_many::<4>(values)) {
                *min = floats.min(value, *min);
                *max = floats.max(value, *max);
            }
        }
        let min = min.into_iter().fold(floats.zero(), |a, b| floats.min(a, b));
        let max = max.into_iter().fold(floats.zero(), |a, b| floats.max(a, b));
        let lowest = rest.iter().fold(0.0, |a: f32, &b| a.min(b));
        let highest = rest.iter().fold(0.0, |a: f32, &b| a.max(b));
        let min = min.to_array().into_iter().fold(lowest, f32::min);
        let max = max.to_array().into_iter().fold(highest, f32::max);

        let scale = if max > min { (max - min) / f32::from(largest) } else { 1.0 };
        let zero_point = (-min / scale).round_ties_even() as u8;
        let (inverse, zero) = (1.0 / scale, i32::from(zero_point));
        let (inverses, zeros) = (floats.splat(inverse), ints.splat(zero));
        let (to, to_rest) = codes.split_at_mut(vectors.len());
        for (values, to) in vectors.chunks_exact(4 * width).zip(to.chunks_exact_mut(4 * width)) {
            let mut steps = [ints.zero(); 4];
            for (step, value) in steps.iter_mut().zip(floats.load_many::<4>(values)) {
                *step = ints.add(floats.to_int_round(floats.mul(value, inverses)), zeros);
            }
            let [a, b, c, d] = steps;
            let (low, high) = (ints.narrow_saturate(a, b), ints.narrow_saturate(c, d));
            isa.u8().store(isa.i16().narrow_saturate(low, high), to);
        }
        for (value, to) in rest.iter().zip(to_rest) {
            *to = ((value * inverse).round_ties_even() as i32).saturating_add(zero).clamp(0, 255) as u8;
        }
        RowQuantisation { scale, zero_point: f32::from(zero_point) }
    }
}

#[cfg(test)]
mod tests {
    use rten_simd::SimdOp;

    use super::QuantiseRow;

    #[test]
    fn every_value_is_the_nearest_code() {
        for (largest, len) in [(255, 384), (127, 1536), (255, 7), (127, 1), (127, 131)] {
            let row: Vec<f32> = (0..len).map(|i| ((i * 7919 % 1000) as f32 - 310.0) * 0.01).collect();
            let mut codes = vec![0; len];
            let rule = QuantiseRow { row: &row, largest, codes: &mut codes }.dispatch();
            for (&value, &code) in row.iter().zip(&codes) {
                assert!(code <= largest.saturating_add(1));
                let plain = (value * (1.0 / rule.scale)).round_ties_even() + rule.zero_point;
                assert_eq!(f32::from(code), plain.clamp(0.0, 255.0), "{value} of {len}");
                let back = (f32::from(code) - rule.zero_point) * rule.scale;
                assert!((value - back).abs() <= rule.scale * 1.001, "{value} became {back}");
            }
        }
    }

    #[test]
    fn rows_that_are_no_numbers_do_not_panic() {
        for value in [0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            QuantiseRow { row: &[value; 150], largest: 255, codes: &mut [0; 150] }.dispatch();
        }
    }
}
