use rten_simd::SimdOp;
use rten_vecmath::{ExtendInit, MinMax, Quantize};

/// How one row of activations was quantised: `value = (quantised - zero_point) * scale`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowQuantisation {
    pub(crate) scale: f32,
    pub(crate) zero_point: u8,
}

/// Appends `row`, quantised to `0..=largest` over its own range, to `quantised`.
///
/// The range always holds 0, so that 0 is exact. Rounding may give `largest + 1`, which the
/// saturating kernels still hold: 128 * 127 * 2 < 2^15.
pub(crate) fn quantise_row(row: &[f32], largest: u8, quantised: &mut Vec<u8>) -> RowQuantisation {
    let (min, max) = MinMax::new(row).dispatch();
    let (min, max) = (min.min(0.0), max.max(0.0));
    let scale = if max > min { (max - min) / f32::from(largest) } else { 1.0 };
    let zero_point = (-min / scale).round_ties_even() as u8;
    quantised.reserve(row.len());
    quantised
        .extend_init(|spare| Quantize::new(row, &mut spare[..row.len()], 1.0 / scale, zero_point).dispatch());
    RowQuantisation { scale, zero_point }
}

#[cfg(test)]
mod tests {
    use super::quantise_row;

    #[test]
    fn every_value_is_within_a_step() {
        for (largest, len) in [(255, 384), (127, 1536), (255, 7), (127, 1)] {
            let row: Vec<f32> = (0..len).map(|i| ((i * 7919 % 1000) as f32 - 310.0) * 0.01).collect();
            let mut quantised = Vec::new();
            let rule = quantise_row(&row, largest, &mut quantised);
            assert_eq!(quantised.len(), len);
            for (&value, &code) in row.iter().zip(&quantised) {
                assert!(code <= largest.saturating_add(1));
                let back = (f32::from(code) - f32::from(rule.zero_point)) * rule.scale;
                assert!((value - back).abs() <= rule.scale * 1.001, "{value} became {back}");
            }
        }
    }

    #[test]
    fn rows_that_are_no_numbers_do_not_panic() {
        for value in [0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            quantise_row(&[value; 20], 255, &mut Vec::new());
        }
    }
}
