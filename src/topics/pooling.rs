//! From windows to the document, and from evidence to probabilities.

use ndarray::{Array1, Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::model::WindowPooling;

/// Whether topics exclude one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scoring {
    /// One topic holds: the scores of all labels sum to 1.
    #[default]
    SingleLabel,
    /// Each topic holds or does not: each score stands by itself. A single label is always scored
    /// so, since there is nothing to compare it with.
    MultiLabel,
}

/// How the cosines of a bi-encoder become evidence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calibration {
    pub(crate) temperature: f32,
    pub(crate) multi_label_temperature: f32,
    /// The cosine at which a topic is as likely as not.
    pub(crate) threshold: f32,
}

impl Calibration {
    pub(crate) fn evidence(&self, cosine: f32, scoring: Scoring) -> f32 {
        match scoring {
            Scoring::SingleLabel => cosine / self.temperature,
            Scoring::MultiLabel => (cosine - self.threshold) / self.multi_label_temperature,
        }
    }
}

/// The evidence for the document, `[labels]`, from `evidence`, `[windows, labels]`, and the number
/// of tokens in each window.
pub(crate) fn pool(evidence: &Array2<f32>, tokens: &[usize], pooling: WindowPooling) -> Array1<f32> {
    if pooling == WindowPooling::Max {
        let lowest = Array1::from_elem(evidence.ncols(), f32::NEG_INFINITY);
        return evidence.rows().into_iter().fold(lowest, |mut max, row| {
            max.zip_mut_with(&row, |max, &value| *max = max.max(value));
            max
        });
    }
    let mut sum = Array1::zeros(evidence.ncols());
    let mut total = 0.0;
    for (window, row) in evidence.rows().into_iter().enumerate() {
        let place = if pooling == WindowPooling::Lead { (window + 1) as f32 } else { 1.0 };
        let weight = tokens[window] as f32 / place;
        sum.scaled_add(weight, &row);
        total += weight;
    }
    if evidence.nrows() == 1 { evidence.row(0).to_owned() } else { sum / total }
}

/// The probability of each label.
pub(crate) fn probabilities(evidence: ArrayView1<'_, f32>, scoring: Scoring) -> Array1<f32> {
    match scoring {
        Scoring::SingleLabel => {
            let max = evidence.fold(f32::NEG_INFINITY, |max, &value| max.max(value));
            let exp = evidence.mapv(|value| (value - max).exp());
            let total = exp.sum();
            exp / total
        }
        Scoring::MultiLabel => evidence.mapv(|value| 1.0 / (1.0 + (-value).exp())),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::{Scoring, WindowPooling, pool, probabilities};

    #[test]
    fn windows_weigh_what_their_pooling_says() {
        let evidence = array![[1.0, 0.0], [0.0, 3.0]];
        assert_eq!(pool(&evidence, &[30, 10], WindowPooling::Mean), array![0.75, 0.75]);
        assert_eq!(pool(&evidence, &[30, 10], WindowPooling::Max), array![1.0, 3.0]);
        assert_eq!(pool(&evidence, &[10, 10], WindowPooling::Lead), array![1.0 / 1.5, 1.0]);
    }

    #[test]
    fn scores_are_probabilities() {
        let evidence = array![200.0, 0.0, -3000.0];
        let single = probabilities(evidence.view(), Scoring::SingleLabel);
        assert!((single.sum() - 1.0).abs() < 1e-6);
        let multi = probabilities(evidence.view(), Scoring::MultiLabel);
        assert_eq!(multi, array![1.0, 0.5, 0.0]);
    }
}
