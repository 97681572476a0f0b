use std::sync::Arc;

use ndarray::Array2;

use super::hypotheses::Columns;
use super::pooling::Calibration;
use super::prompt::TopicPrompt;

/// Candidate topics, prepared once for one model and used for any number of texts.
///
/// Made by [`TopicClassifier::label_set`](crate::TopicClassifier::label_set).
#[derive(Clone, Debug)]
pub struct LabelSet {
    pub(crate) labels: Vec<String>,
    pub(crate) prepared: Prepared,
    /// The name of the model that it was prepared for.
    pub(crate) model: String,
    /// That model itself.
    pub(crate) identity: Arc<()>,
}

/// The labels in the form that the model takes.
#[derive(Clone, Debug)]
pub(crate) enum Prepared {
    /// NLI: the tokens of each label's hypothesis.
    Hypotheses { hypotheses: Vec<Vec<u32>>, columns: Columns },
    /// Bi-encoder: a unit vector a label, `[labels, hidden]`.
    Embeddings { embeddings: Array2<f32>, calibration: Calibration },
    /// Uni-encoder: the tokens of all labels together.
    Prompt(TopicPrompt),
}

impl LabelSet {
    /// The labels, in the order given.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }
}
