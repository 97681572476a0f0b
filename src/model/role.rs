use crate::catalogue::registry::Task;
use crate::tags::TagScheme;

/// The task of a model, with the facts that the task needs.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// A token classifier. `labels` are its tags, in the order of its columns. `kinds` are the labels of further
    /// columns, each an entity type, a colon and a kind.
    Tags { labels: Vec<String>, scheme: Option<TagScheme>, kinds: Vec<String> },
    /// An NLI model. `labels` are its classes, in the order of its columns.
    Nli { labels: Vec<String> },
    /// An embedding model, with the width of its vectors.
    Embedding { hidden: usize },
    /// A model with entity types in its input.
    PromptedEntities(PromptStyle),
    /// A model with topics in its input.
    PromptedTopics(PromptStyle),
}

/// The form of labels in a model's input.
#[derive(Clone, Debug)]
pub(crate) struct PromptStyle {
    /// The name of the architecture in registries.
    pub(crate) architecture: &'static str,
    /// The `model_type` of the encoder.
    pub(crate) encoder: String,
    /// The token before each label.
    pub(crate) label_token: String,
    /// The token between labels and text.
    pub(crate) separator: String,
    /// The id of the label token according to the config. When the model is loaded, it is set to the tokenizer's id.
    pub(crate) label_id: Option<u32>,
    /// True if the token after the label token stands for the label, rather than the label token itself.
    pub(crate) mark_follows: bool,
    /// True if labels come before the text.
    pub(crate) labels_first: bool,
    /// True if labels are lower-cased.
    pub(crate) lower: bool,
    /// Tokens that are added to a tokenizer that lacks the label token, in the order of their ids.
    pub(crate) missing: Vec<String>,
}

/// Returns whether `labels` are the names that transformers gives to labels without names.
pub(crate) fn are_unnamed(labels: &[String]) -> bool {
    labels.iter().enumerate().all(|(at, label)| *label == format!("LABEL_{at}"))
}

impl Role {
    pub(crate) fn task(&self) -> Task {
        match self {
            Self::Tags { .. } => Task::Ner,
            Self::Nli { .. } => Task::Nli,
            Self::Embedding { .. } => Task::Embedding,
            Self::PromptedEntities(_) => Task::ZeroShotNer,
            Self::PromptedTopics(_) => Task::ZeroShotTopics,
        }
    }

    /// The output labels in the order of their columns; none for models other than classifiers.
    pub(crate) fn labels(&self) -> &[String] {
        match self {
            Self::Tags { labels, .. } | Self::Nli { labels } => labels,
            Self::Embedding { .. } | Self::PromptedEntities(_) | Self::PromptedTopics(_) => &[],
        }
    }

    /// The kinds of entities that a token classifier distinguishes.
    pub(crate) fn kinds(&self) -> &[String] {
        match self {
            Self::Tags { kinds, .. } => kinds,
            _ => &[],
        }
    }

    /// The form of the labels in the model's input, if it takes labels.
    pub(crate) fn prompt_mut(&mut self) -> Option<&mut PromptStyle> {
        match self {
            Self::PromptedEntities(style) | Self::PromptedTopics(style) => Some(style),
            Self::Tags { .. } | Self::Nli { .. } | Self::Embedding { .. } => None,
        }
    }

    /// The form of the labels in the model's input, if it takes labels.
    pub(crate) fn prompt(&self) -> Option<&PromptStyle> {
        match self {
            Self::PromptedEntities(style) | Self::PromptedTopics(style) => Some(style),
            Self::Tags { .. } | Self::Nli { .. } | Self::Embedding { .. } => None,
        }
    }
}
