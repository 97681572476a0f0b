//! Pools the evidence of windows into that of the document.

use crate::pooling::WindowPooling;

/// The evidence for the document, `[labels]`, from that of each window, `[windows][labels]`, and the number of tokens
/// in each window.
pub(super) fn pool(evidence: &[&[f32]], tokens: &[usize], pooling: WindowPooling) -> Vec<f32> {
    let [first, rest @ ..] = evidence else { return Vec::new() };
    if rest.is_empty() {
        return first.to_vec();
    }
    if pooling == WindowPooling::Max {
        return rest.iter().fold(first.to_vec(), |mut max, row| {
            max.iter_mut().zip(*row).for_each(|(max, value)| *max = max.max(*value));
            max
        });
    }
    let mut sum = vec![0.0; first.len()];
    let mut total = 0.0;
    for (window, (row, &tokens)) in evidence.iter().zip(tokens).enumerate() {
        let place = if pooling == WindowPooling::Lead { (window + 1) as f32 } else { 1.0 };
        let weight = tokens as f32 / place;
        sum.iter_mut().zip(*row).for_each(|(sum, value)| *sum += weight * value);
        total += weight;
    }
    sum.iter_mut().for_each(|sum| *sum /= total);
    sum
}

#[cfg(test)]
mod tests {
    use super::{WindowPooling, pool};

    #[test]
    fn windows_weigh_what_their_pooling_says() {
        let evidence = [&[1.0, 0.0][..], &[0.0, 3.0]];
        assert_eq!(pool(&evidence, &[30, 10], WindowPooling::Mean), [0.75, 0.75]);
        assert_eq!(pool(&evidence, &[30, 10], WindowPooling::Max), [1.0, 3.0]);
        assert_eq!(pool(&evidence, &[10, 10], WindowPooling::Lead), [1.0 / 1.5, 1.0]);
        assert_eq!(pool(&evidence[..1], &[10], WindowPooling::Lead), [1.0, 0.0]);
    }
}
