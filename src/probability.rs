//! Converts logits to probabilities.

/// Softmax in place, shifted by the maximum.
pub(crate) fn softmax(values: &mut [f32]) {
    let max = values.iter().fold(f32::NEG_INFINITY, |max, &value| max.max(value));
    values.iter_mut().for_each(|value| *value = (*value - max).exp());
    let total: f32 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= total);
}

/// The logistic function.
pub(crate) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::{sigmoid, softmax};

    #[test]
    fn probabilities_of_extreme_logits_are_finite() {
        let mut values = [200.0, 0.0, -3000.0];
        softmax(&mut values);
        assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-6 && values[0] > 0.999);
        assert_eq!([200.0, 0.0, -3000.0].map(sigmoid), [1.0, 0.5, 0.0]);
    }
}
