use crate::catalogue::registry::{ModelEntry, Task};
use crate::pooling::{TokenPooling, WindowPooling};

/// The facts that the registry adds to a model's own files; empty for a model that is not in a registry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    /// The task and architecture according to the registry; config.json must agree.
    pub(super) kind: Option<(Task, String)>,
    pub(crate) template: Option<String>,
    pub(crate) temperature: Option<f32>,
    pub(crate) multi_label_temperature: Option<f32>,
    pub(crate) midpoint: Option<f32>,
    pub(crate) window_pooling: Option<WindowPooling>,
    pub(crate) text_prefix: Option<String>,
    pub(crate) label_prefix: Option<String>,
    pub(super) pooling: Option<TokenPooling>,
    pub(super) max_length: Option<usize>,
    pub(crate) window: Option<usize>,
    pub(crate) prepare_text: bool,
    /// ISO 639-1 codes; none if they are not known.
    pub(crate) languages: Vec<String>,
    /// The classes of an NLI head, in the order of its columns.
    pub(super) labels: Vec<String>,
}

impl Profile {
    pub(super) fn of(entry: &ModelEntry) -> Self {
        Self {
            kind: Some((entry.task, entry.architecture.clone())),
            template: entry.template.clone(),
            temperature: entry.temperature,
            multi_label_temperature: entry.multi_label_temperature,
            midpoint: entry.midpoint,
            window_pooling: entry.window_pooling,
            text_prefix: entry.text_prefix.clone(),
            label_prefix: entry.label_prefix.clone(),
            pooling: entry.pooling,
            max_length: entry.max_length,
            window: entry.window,
            prepare_text: entry.prepare_text,
            languages: entry.languages.clone(),
            labels: entry.labels.clone(),
        }
    }
}
