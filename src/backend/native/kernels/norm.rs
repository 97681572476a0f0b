use rten_simd::{Isa, SimdOp};
use rten_vecmath::{Normalize, NormalizeOptions, Sum, SumSquareSub};

/// Layer normalisation of one row, in place (<https://arxiv.org/abs/1607.06450>):
/// `(row - mean) / sqrt(variance + epsilon) * weight + bias`.
pub(crate) struct Normalise<'a> {
    pub(crate) row: &'a mut [f32],
    /// Has the length of `row`.
    pub(crate) weight: &'a [f32],
    /// Has the length of `row`.
    pub(crate) bias: &'a [f32],
    pub(crate) epsilon: f32,
}

impl SimdOp for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { row, weight, bias, epsilon } = self;
        let count = row.len() as f32;
        let mean = Sum::new(row).eval(isa) / count;
        let variance = SumSquareSub::new(row, mean).eval(isa) / count;
        let options = NormalizeOptions {
            pre_scale_bias: mean,
            scale: 1.0 / (variance + epsilon).sqrt(),
            element_scale: Some(weight),
            element_bias: Some(bias),
            ..NormalizeOptions::default()
        };
        Normalize::new_mut(row, options).eval(isa);
    }
}

#[cfg(test)]
mod tests {
    use rten_simd::SimdOp;

    use super::Normalise;

    #[test]
    fn agrees_with_a_plain_loop() {
        for hidden in [8, 32, 37, 384] {
            let row: Vec<f32> = (0..hidden).map(|i| ((i * 31 % 17) as f32 - 8.0) * 0.3).collect();
            let weight: Vec<f32> = (0..hidden).map(|i| 1.0 + (i % 5) as f32 * 0.1).collect();
            let bias: Vec<f32> = (0..hidden).map(|i| (i % 3) as f32 * 0.2).collect();
            let mut out = row.clone();
            Normalise { row: &mut out, weight: &weight, bias: &bias, epsilon: 1e-12 }.dispatch();
            let exact: Vec<f64> = row.iter().map(|&value| f64::from(value)).collect();
            let mean = exact.iter().sum::<f64>() / hidden as f64;
            let variance = exact.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / hidden as f64;
            for i in 0..hidden {
                let expected =
                    (exact[i] - mean) / (variance + 1e-12).sqrt() * f64::from(weight[i]) + f64::from(bias[i]);
                assert!((f64::from(out[i]) - expected).abs() < 2e-5);
            }
        }
    }
}
