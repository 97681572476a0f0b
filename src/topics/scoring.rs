use serde::{Deserialize, Serialize};

use crate::names::named;
use crate::probability::{sigmoid, softmax};

/// Whether topics exclude one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scoring {
    /// One topic holds: the scores of all labels sum to 1.
    #[default]
    SingleLabel,
    /// Each topic holds or does not: each score stands by itself. A single label is always scored so, since there is
    /// nothing to compare it with.
    MultiLabel,
}

named!(Scoring, "a scoring", [
    Scoring::SingleLabel => "single-label",
    Scoring::MultiLabel => "multi-label",
]);

impl Scoring {
    /// The probability of each label, from the evidence for it.
    pub(super) fn probabilities(self, evidence: &[f32]) -> Vec<f32> {
        let mut scores = evidence.to_vec();
        match self {
            Self::SingleLabel => softmax(&mut scores),
            Self::MultiLabel => scores.iter_mut().for_each(|score| *score = sigmoid(*score)),
        }
        scores
    }
}
