//! Precision, recall and F1 from counts.

use serde::Serialize;

/// Counts of a label: correct, predicted, and annotated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) correct: usize,
    pub(crate) predicted: usize,
    pub(crate) gold: usize,
}

/// Precision, recall and F1 of one label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Scores {
    pub(crate) precision: f64,
    pub(crate) recall: f64,
    pub(crate) f1: f64,
    /// The number of times the label is in the data.
    pub(crate) support: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.correct += other.correct;
        self.predicted += other.predicted;
        self.gold += other.gold;
    }

    /// The scores; a ratio with denominator 0 counts as 0, as in seqeval and scikit-learn.
    pub(crate) fn scores(self) -> Scores {
        let share = |of: usize| if of == 0 { 0.0 } else { self.correct as f64 / of as f64 };
        let (precision, recall) = (share(self.predicted), share(self.gold));
        let sum = precision + recall;
        let f1 = if sum == 0.0 { 0.0 } else { 2.0 * precision * recall / sum };
        Scores { precision, recall, f1, support: self.gold }
    }
}
