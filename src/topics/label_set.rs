use std::fmt;

use serde::{Deserialize, Serialize};

use super::label::Label;
use crate::fingerprint::Fingerprint;
use crate::prompt::Prompt;

/// Candidate topics, prepared once for a model and used for any number of texts.
///
/// [`TopicClassifier::label_set`](crate::TopicClassifier::label_set) makes it. It works with every classifier that has
/// the weights of that model, if the labels fit its windows. It can be stored: it implements serde's traits.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// use entopic::{LabelSet, TopicClassifier};
///
/// let classifier = TopicClassifier::bundled()?;
/// let labels = classifier.label_set(["economy", "sport"])?;
/// let stored = serde_json::to_string(&labels)?;
/// let labels: LabelSet = serde_json::from_str(&stored)?;
/// assert_eq!(classifier.classify("The striker scored twice.", &labels)?.topics.len(), 2);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct LabelSet {
    pub(super) labels: Vec<Label>,
    /// The sentence into which labels were put.
    pub(super) template: String,
    pub(crate) prepared: Prepared,
    /// The name of the model for which the set was prepared.
    pub(super) model: String,
    pub(super) fingerprint: Fingerprint,
}

/// The labels in the form that the model takes.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Prepared {
    /// NLI: the tokens of the hypothesis of each label.
    Hypotheses(Vec<Vec<u32>>),
    /// Bi-encoder: one vector per label, of length 1 unless labels have examples.
    Embeddings(Vec<Vec<f32>>),
    /// Uni-encoder: the tokens of all labels together.
    Prompt(Prompt),
}

impl LabelSet {
    /// The labels, in the order given.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{Label, TopicClassifier};
    ///
    /// let sport = Label::new("sport").description("matches and athletes");
    /// let labels = TopicClassifier::bundled()?.label_set([sport.clone(), Label::new("health")])?;
    /// assert_eq!(labels.labels()[0], sport);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The names of the labels, in the order given.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let labels = entopic::TopicClassifier::bundled()?.label_set(["sport", "health"])?;
    /// assert_eq!(labels.names().collect::<Vec<_>>(), ["sport", "health"]);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.labels.iter().map(Label::name)
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LabelSet")
            .field("model", &self.model)
            .field("labels", &self.names().collect::<Vec<_>>())
            .finish()
    }
}
