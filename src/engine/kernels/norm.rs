use rten_simd::SimdOp;
use rten_vecmath::{Normalize, NormalizeOptions, Sum, SumSquareSub};

/// `x = normalise(x + y) * weight + bias` for each row of `weight.len()` values:
/// layer normalisation after a residual sum (<https://arxiv.org/abs/1607.06450>).
pub(crate) fn add_and_normalise(
    x: &mut [f32],
    y: Option<&[f32]>,
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
) {
    let hidden = weight.len();
    if let Some(y) = y {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }
    for row in x.chunks_exact_mut(hidden) {
        let mean = Sum::new(row).dispatch() / hidden as f32;
        let variance = SumSquareSub::new(row, mean).dispatch() / hidden as f32;
        Normalize::new_mut(
            row,
            NormalizeOptions {
                pre_scale_bias: mean,
                scale: 1.0 / (variance + epsilon).sqrt(),
                element_scale: Some(weight),
                element_bias: Some(bias),
                ..NormalizeOptions::default()
            },
        )
        .dispatch();
    }
}

#[cfg(test)]
mod tests {
    use super::add_and_normalise;

    #[test]
    fn agrees_with_a_plain_loop() {
        for hidden in [8, 32, 37, 384] {
            let x: Vec<f32> = (0..hidden * 2).map(|i| ((i * 31 % 17) as f32 - 8.0) * 0.3).collect();
            let y: Vec<f32> = (0..hidden * 2).map(|i| ((i * 13 % 11) as f32 - 5.0) * 0.7).collect();
            let weight: Vec<f32> = (0..hidden).map(|i| 1.0 + (i % 5) as f32 * 0.1).collect();
            let bias: Vec<f32> = (0..hidden).map(|i| (i % 3) as f32 * 0.2).collect();
            let mut out = x.clone();
            add_and_normalise(&mut out, Some(&y), &weight, &bias, 1e-12);
            for row in 0..2 {
                let sums: Vec<f64> = (0..hidden)
                    .map(|i| f64::from(x[row * hidden + i]) + f64::from(y[row * hidden + i]))
                    .collect();
                let mean = sums.iter().sum::<f64>() / hidden as f64;
                let variance = sums.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / hidden as f64;
                for i in 0..hidden {
                    let expected = (sums[i] - mean) / (variance + 1e-12).sqrt() * f64::from(weight[i])
                        + f64::from(bias[i]);
                    assert!((f64::from(out[row * hidden + i]) - expected).abs() < 2e-5);
                }
            }
        }
    }
}
