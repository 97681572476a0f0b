use serde::{Deserialize, Serialize};

use crate::names::named;

/// The way in which the tokens of a sequence become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TokenPooling {
    /// The first token.
    Cls,
    /// The mean of all tokens.
    Mean,
    /// The largest value of all tokens, in each dimension.
    Max,
}

named!(TokenPooling, "a pooling of tokens", [
    TokenPooling::Cls => "cls",
    TokenPooling::Mean => "mean",
    TokenPooling::Max => "max",
]);

/// The way in which the windows of a document become one result.
///
/// The evidence is pooled before softmax or the logistic function: for an NLI model the entailment logit (for
/// [`Scoring::MultiLabel`](crate::Scoring::MultiLabel) and [`fit`](crate::Topic::fit), minus the contradiction logit),
/// for a uni-encoder the logit of the label, for a bi-encoder the cosine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WindowPooling {
    /// The mean of all windows, weighted by their tokens. It shows what the document as a whole is about.
    #[default]
    Mean,
    /// The window with the highest score. It shows whether any part of the document is about the topic.
    Max,
    /// The mean, with the `n`th window weighted by `1 / n`. It suits news articles, which put the most important facts
    /// first.
    Lead,
}

named!(WindowPooling, "a pooling of windows", [
    WindowPooling::Mean => "mean",
    WindowPooling::Max => "max",
    WindowPooling::Lead => "lead",
]);

impl TokenPooling {
    /// Pools `rows`, `[tokens, width]`, into one vector, `[width]`; zeros if there are no rows.
    pub(crate) fn apply(self, rows: &[f32], width: usize) -> Vec<f32> {
        let mut each = rows.chunks_exact(width.max(1));
        let count = each.len().max(1);
        let pooled = match self {
            Self::Cls => each.next().map(<[f32]>::to_vec),
            Self::Mean => {
                let mut mean = vec![0.0; width];
                each.for_each(|row| mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value));
                mean.iter_mut().for_each(|sum| *sum /= count as f32);
                Some(mean)
            }
            Self::Max => each.next().map(<[f32]>::to_vec).map(|mut max| {
                each.for_each(|row| max.iter_mut().zip(row).for_each(|(max, value)| *max = max.max(*value)));
                max
            }),
        };
        pooled.unwrap_or_else(|| vec![0.0; width])
    }
}

#[cfg(test)]
mod tests {
    use super::TokenPooling;

    #[test]
    fn each_pooling_agrees_with_its_definition() {
        let rows = [1.0, 6.0, 3.0, -2.0, 2.0, 5.0];
        for (pooling, expected) in [
            (TokenPooling::Cls, [1.0, 6.0]),
            (TokenPooling::Mean, [2.0, 3.0]),
            (TokenPooling::Max, [3.0, 6.0]),
        ] {
            assert_eq!(pooling.apply(&rows, 2), expected, "{pooling}");
            assert_eq!(pooling.apply(&[], 2), [0.0, 0.0], "{pooling}");
        }
    }
}
