//! Translates config.json into the blocks of the native backend. An architecture is a file in the folder of the same
//! name and a line in the table below; docs/adding-an-architecture.md names the other places.

mod albert;
mod backbone;
mod bart;
mod bert;
pub(super) mod composite;
mod deberta;
mod distilbert;
mod gliclass;
mod gliner;
mod modernbert;
mod mpnet;
pub(crate) mod shared;

use self::shared::Source;
use crate::backend::native::blueprint::Blueprint;
use crate::catalogue::registry::Task;

/// An architecture of transformers.
pub(super) struct Architecture {
    /// `model_type` in config.json.
    pub(super) model_type: &'static str,
    /// The beginning of the names of its classes.
    stem: &'static str,
    /// The tasks of its classes that the native backend runs.
    tasks: &'static [Task],
    /// Returns the blueprint; an error says what is wrong with the config.
    pub(super) translate: fn(&Source<'_>) -> Result<Blueprint, String>,
}

const ALL: &[Task] = &[Task::Ner, Task::Nli, Task::Embedding];

/// The architectures that the native backend runs.
pub(super) const ARCHITECTURES: [Architecture; 11] = [
    Architecture::new("bert", "Bert", ALL, bert::bert),
    Architecture::new("distilbert", "DistilBert", ALL, distilbert::translate),
    Architecture::new("roberta", "Roberta", ALL, bert::roberta),
    Architecture::new("xlm-roberta", "XLMRoberta", ALL, bert::roberta),
    Architecture::new("camembert", "Camembert", ALL, bert::roberta),
    Architecture::new("electra", "Electra", ALL, bert::electra),
    Architecture::new("albert", "Albert", ALL, albert::translate),
    Architecture::new("mpnet", "MPNet", ALL, mpnet::translate),
    Architecture::new("deberta-v2", "DebertaV2", ALL, deberta::translate),
    Architecture::new("modernbert", "ModernBert", ALL, modernbert::translate),
    Architecture::new("bart", "Bart", &[Task::Nli], bart::translate),
];

/// The ends of the names of transformers' classes, and their tasks.
pub(super) const CLASSES: [(&str, Task); 3] = [
    ("ForTokenClassification", Task::Ner),
    ("ForSequenceClassification", Task::Nli),
    ("Model", Task::Embedding),
];

impl Architecture {
    const fn new(
        model_type: &'static str,
        stem: &'static str,
        tasks: &'static [Task],
        translate: fn(&Source<'_>) -> Result<Blueprint, String>,
    ) -> Self {
        Self { model_type, stem, tasks, translate }
    }

    /// The architecture with this `model_type`.
    pub(super) fn find(model_type: &str) -> Option<&'static Self> {
        ARCHITECTURES.iter().find(|known| known.model_type == model_type)
    }

    /// Returns whether the native backend runs the architecture for `task`.
    pub(super) fn does(&self, task: Task) -> bool {
        self.tasks.contains(&task)
    }

    /// The task of the class `name`, if it is one of this architecture that the native backend runs.
    pub(super) fn task_of(&self, name: &str) -> Option<Task> {
        let end = name.strip_prefix(self.stem)?;
        let (_, task) = CLASSES.into_iter().find(|(known, _)| *known == end)?;
        self.does(task).then_some(task)
    }

    /// Returns whether the class `name` is this architecture after pretraining, before any task; its states may serve
    /// as an embedding.
    pub(super) fn is_pretrained(&self, name: &str) -> bool {
        let end = name.strip_prefix(self.stem);
        self.does(Task::Embedding) && matches!(end, Some("ForMaskedLM" | "ForPreTraining"))
    }

    /// The classes that the native backend runs.
    pub(super) fn classes(&self) -> impl Iterator<Item = String> + '_ {
        let known = CLASSES.into_iter().filter(|(_, task)| self.does(*task));
        known.map(|(end, _)| format!("{}{end}", self.stem))
    }
}
