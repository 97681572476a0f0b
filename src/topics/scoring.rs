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

/// The evidence that a window gives for a label, as logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Support {
    /// Against the other labels.
    pub(super) choice: f32,
    /// That the label holds, whatever the others.
    pub(super) fit: f32,
}

/// The evidence for each label, in rows.
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

    /// The probability that each label holds by itself.
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
