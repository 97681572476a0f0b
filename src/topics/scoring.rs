use serde::{Deserialize, Serialize};

use crate::names::named;
use crate::probability::{sigmoid, softmax};

/// The relation of topics to one another: exclusive or independent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scoring {
    /// One topic applies: the scores of all labels sum to 1.
    #[default]
    SingleLabel,
    /// Each topic applies or does not: the scores are independent. A single label is always scored this way, since
    /// there is nothing to compare it with.
    MultiLabel,
}

named!(Scoring, "a scoring", [
    Scoring::SingleLabel => "single-label",
    Scoring::MultiLabel => "multi-label",
]);

/// The evidence that a window gives for a label, as logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Support {
    /// The evidence for the label against the other labels.
    pub(super) choice: f32,
    /// The evidence that the label applies, whatever the others.
    pub(super) fit: f32,
}

/// The evidence for each label, in rows of one value per label.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelEvidence {
    pub(super) choice: Vec<f32>,
    pub(super) fit: Vec<f32>,
}

impl LabelEvidence {
    pub(super) fn extend(&mut self, other: Self) {
        self.choice.extend(other.choice);
        self.fit.extend(other.fit);
    }

    /// The probability that each label applies, whatever the others.
    pub(super) fn fits(&self) -> Vec<f32> {
        self.fit.iter().copied().map(sigmoid).collect()
    }

    /// The probability of each label.
    pub(super) fn probabilities(&self, scoring: Scoring) -> Vec<f32> {
        match scoring {
            Scoring::SingleLabel => {
                let mut scores = self.choice.clone();
                softmax(&mut scores);
                scores
            }
            Scoring::MultiLabel => self.fits(),
        }
    }
}

impl FromIterator<Support> for LabelEvidence {
    fn from_iter<I: IntoIterator<Item = Support>>(supports: I) -> Self {
        let (choice, fit) = supports.into_iter().map(|Support { choice, fit }| (choice, fit)).unzip();
        Self { choice, fit }
    }
}
