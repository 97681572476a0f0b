use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bytes::text_of;
use crate::error::{Error, ErrorKind};
use crate::limits::LONGEST_WINDOW;
use crate::names::named;
use crate::pooling::{TokenPooling, WindowPooling};

/// The models known by name: entopic's own `models.toml`, and a caller's files in the same format.
///
/// The default contains entopic's own models.
///
/// ```
/// let own: entopic::Registry = r#"
///     [[model]]
///     name = "legal-ner"
///     task = "ner"
///     architecture = "bert"
///     source = { folder = "models/legal-ner" }
/// "#.parse()?;
/// let registry = entopic::Registry::default().with(own);
/// assert!(registry.find("legal-ner").is_some() && registry.find("ner-en-small").is_some());
/// # Ok::<(), entopic::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Registry {
    entries: Vec<ModelEntry>,
    /// The file that it was read from.
    file: Option<PathBuf>,
}

/// The format of a registry file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    #[serde(rename = "model", default)]
    models: Vec<ModelEntry>,
}

/// An entry of a registry: what is known about one model. A field is empty if no public source states it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelEntry {
    /// The name under which the model is loaded.
    pub name: String,
    /// The task of the model.
    pub task: Task,
    /// The `model_type` of the model in transformers.
    pub architecture: String,
    /// The place of the files of the model.
    pub source: Source,
    /// The hub model whose tokenizer the model uses, if it has none.
    #[serde(default)]
    pub tokenizer: Option<String>,
    /// The files of the model, with their checksums where known.
    #[serde(default)]
    pub files: Vec<ModelFile>,
    /// The licence of the model, as an SPDX expression.
    #[serde(default)]
    pub licence: Option<String>,
    /// The corpora that the model was trained on.
    #[serde(default)]
    pub training_data: Vec<String>,
    /// The languages that the model reads, as ISO 639-1 codes.
    #[serde(default)]
    pub languages: Vec<String>,
    /// The entity types, or the classes of an NLI head, as strings.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The scheme of the tags of the model: `IOB2`, `IOB1`, `BIOES`, `BMEWO`, `BILOU` or `IO`. It informs the reader;
    /// the model is decoded by the tags in its config.json.
    #[serde(default)]
    pub tag_scheme: Option<String>,
    /// The sentence into which a topic is inserted, with `{}` in its place.
    #[serde(default)]
    pub template: Option<String>,
    /// True if the model is case-sensitive.
    #[serde(default)]
    pub cased: Option<bool>,
    /// Embedding models: the prefix of each text, such as `query: `.
    #[serde(default)]
    pub text_prefix: Option<String>,
    /// Embedding models: the prefix of each topic's sentence.
    #[serde(default)]
    pub label_prefix: Option<String>,
    /// Embedding models: the pooling of tokens.
    #[serde(default)]
    pub pooling: Option<TokenPooling>,
    /// Embedding models: the divisor of cosines before softmax.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// Embedding models: the divisor of (cosine − midpoint) before the logistic function; `temperature` if empty.
    #[serde(default)]
    pub multi_label_temperature: Option<f32>,
    /// Embedding models: the cosine at which a topic is as likely as not.
    #[serde(default)]
    pub midpoint: Option<f32>,
    /// Topic models: the pooling of windows.
    #[serde(default)]
    pub window_pooling: Option<WindowPooling>,
    /// The longest sequence in tokens, special tokens included.
    #[serde(default)]
    pub max_length: Option<usize>,
    /// The tokens of a window, special tokens included.
    #[serde(default)]
    pub window: Option<usize>,
    /// True if texts are prepared before they are tokenised; see
    /// [`EntityOptions::prepare_text`](crate::EntityOptions::prepare_text).
    #[serde(default)]
    pub prepare_text: bool,
}

/// The task of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// Tags tokens with entity types.
    Ner,
    /// Decides whether one text entails another, and so whether a topic fits.
    Nli,
    /// Turns texts and topics into vectors, which are close to each other if the topic fits.
    Embedding,
    /// Finds entities of types that are part of its input (GLiNER).
    ZeroShotNer,
    /// Scores topics that are part of its input (GLiClass).
    ZeroShotTopics,
}

named!(Task, "a task", [
    Task::Ner => "ner",
    Task::Nli => "nli",
    Task::Embedding => "embedding",
    Task::ZeroShotNer => "zero-shot-ner",
    Task::ZeroShotTopics => "zero-shot-topics",
]);

impl Task {
    /// The task in words, for messages.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Ner => "named-entity recognition",
            Self::Nli => "natural-language inference",
            Self::Embedding => "text embedding",
            Self::ZeroShotNer => "zero-shot named-entity recognition",
            Self::ZeroShotTopics => "zero-shot topic classification",
        }
    }
}

/// The place of a model's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Source {
    /// Compiled into the library, with the feature `bundled`.
    Bundled(String),
    /// In a folder. A relative path is relative to the folder of the registry file, or to the working directory if the
    /// registry was not read from a file.
    Folder(PathBuf),
    /// On the Hugging Face hub.
    Hub {
        /// `owner/name`.
        id: String,
        /// A commit, tag or branch.
        #[serde(default)]
        revision: Option<String>,
    },
}

/// A file of a model in a registry, with its checksum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelFile {
    /// The path of the file inside the model.
    pub path: String,
    /// The SHA-256 of the file in lower-case hexadecimal, if it is known. Files in folders and on the hub are checked
    /// against it when they are read.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// The number of names that a message about an unknown name suggests.
const NEAREST: usize = 3;

/// The Jaro-Winkler similarity above which a name is suggested, from 0 to 1. clap takes this limit for its suggestions,
/// by the Jaro similarity.
const SIMILAR: f64 = 0.7;

const BUILTIN: &str = include_str!("../../models.toml");

impl Registry {
    /// A registry without models.
    ///
    /// ```
    /// assert!(entopic::Registry::empty().entries().is_empty());
    /// ```
    pub fn empty() -> Self {
        Self { entries: Vec::new(), file: None }
    }

    /// Reads a registry file, a TOML list of `[[model]]` tables with the fields of [`ModelEntry`]. Relative
    /// folders in it are relative to the file's own folder.
    ///
    /// ```no_run
    /// use entopic::{Engine, Registry};
    ///
    /// let registry = Registry::default().with(Registry::from_file("own.toml")?);
    /// let ner = Engine::builder().registry(registry).build()?.ner("legal-ner")?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Registry`] if the file cannot be read or is not in this format.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let origin = path.display().to_string();
        let text = text_of(path).map_err(|error| {
            let message = format!("the registry {origin} cannot be read");
            Error::new(ErrorKind::Registry, message).with_source(error)
        })?;
        let mut registry = Self::parse(&text, &origin)?;
        for entry in &mut registry.entries {
            if let Source::Folder(folder) = &mut entry.source
                && folder.is_relative()
                && let Some(parent) = path.parent()
            {
                *folder = parent.join(&folder);
            }
        }
        registry.file = Some(path.to_owned());
        Ok(registry)
    }

    /// Adds the models of `other`. On a name clash, the added model wins.
    ///
    /// ```
    /// let own: entopic::Registry = r#"
    ///     [[model]]
    ///     name = "ner-en-small"
    ///     task = "ner"
    ///     architecture = "electra"
    ///     source = { folder = "models/my-ner" }
    /// "#.parse()?;
    /// let registry = entopic::Registry::default().with(own);
    /// let entry = registry.find("ner-en-small").expect("it should be known");
    /// assert_eq!(entry.architecture, "electra");
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn with(mut self, other: Registry) -> Self {
        let added: HashSet<&str> = other.entries.iter().map(|entry| entry.name.as_str()).collect();
        self.entries.retain(|entry| !added.contains(entry.name.as_str()));
        self.entries.extend(other.entries);
        self.file = other.file.or(self.file);
        self
    }

    /// The file that was read or added last.
    #[cfg(feature = "hub")]
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// All models, in the order of their files.
    ///
    /// ```
    /// use entopic::{Registry, Task};
    ///
    /// let registry = Registry::default();
    /// let names: Vec<&str> =
    ///     registry.entries().iter().filter(|entry| entry.task == Task::Ner).map(|entry| &*entry.name).collect();
    /// assert!(names.contains(&"ner-en-small"));
    /// ```
    pub fn entries(&self) -> &[ModelEntry] {
        &self.entries
    }

    /// The model with this name, or with this id on the hub.
    ///
    /// ```
    /// let registry = entopic::Registry::default();
    /// let entry = registry.find("bge-small-en-v1.5").expect("it should be known");
    /// assert_eq!(entry.licence.as_deref(), Some("MIT"));
    /// assert!(registry.find("BAAI/bge-small-en-v1.5").is_some());
    /// assert!(registry.find("no-such-model").is_none());
    /// ```
    pub fn find(&self, name: &str) -> Option<&ModelEntry> {
        let by_name = self.entries.iter().find(|entry| entry.name == name);
        by_name.or_else(|| {
            let on_hub = |entry: &&ModelEntry| matches!(&entry.source, Source::Hub { id, .. } if id == name);
            // Added models come last in the list, and take precedence.
            self.entries.iter().rev().find(on_hub)
        })
    }

    /// The models whose names are most similar to `name`: at most three, of those for which `wanted` is true, the most
    /// similar first. Names that are not similar are left out.
    ///
    /// ```
    /// use entopic::{Registry, Task};
    ///
    /// let registry = Registry::default();
    /// let near = registry.nearest("bert-base-NRE", |entry| entry.task == Task::Ner);
    /// assert_eq!(near[0].name, "bert-base-ner");
    /// assert!(registry.nearest("zzz", |_| true).is_empty());
    /// ```
    pub fn nearest(&self, name: &str, wanted: impl Fn(&ModelEntry) -> bool) -> Vec<&ModelEntry> {
        let name = name.to_lowercase();
        let mut known: Vec<(f64, &ModelEntry)> = self
            .entries
            .iter()
            .filter(|entry| wanted(entry))
            .map(|entry| (strsim::jaro_winkler(&name, &entry.name.to_lowercase()), entry))
            .filter(|(similarity, _)| *similarity > SIMILAR)
            .collect();
        known.sort_by(|a, b| b.0.total_cmp(&a.0));
        known.into_iter().take(NEAREST).map(|(_, entry)| entry).collect()
    }

    /// The suggestion in a message on the unknown model `name`: the names nearest to it, or else the bundled models,
    /// of those for which `wanted` is true. It ends with "; ", or is empty.
    pub(crate) fn suggestion(&self, name: &str, wanted: impl Fn(&ModelEntry) -> bool) -> String {
        let near = self.nearest(name, &wanted);
        if !near.is_empty() {
            let names: Vec<String> = near.into_iter().map(ModelEntry::suggested).collect();
            return format!("similar names: {}; ", names.join(", "));
        }
        let bundled = |entry: &&ModelEntry| matches!(entry.source, Source::Bundled(_)) && wanted(entry);
        let names: Vec<&str> = self.entries.iter().filter(bundled).map(|entry| entry.name.as_str()).collect();
        if names.is_empty() || !cfg!(feature = "bundled") {
            return String::new();
        }
        format!("this build has {}; ", names.join(", "))
    }

    fn parse(text: &str, origin: &str) -> Result<Self, Error> {
        let Tables { models: entries } = toml::from_str(text).map_err(|error| {
            let message =
                format!("{origin} is not a TOML list of [[model]] tables with the fields of models.toml");
            Error::new(ErrorKind::Registry, message).with_source(error)
        })?;
        let mut names = HashSet::new();
        for entry in &entries {
            let is_new = names.insert(&entry.name);
            let fault = entry.fault().or_else(|| (!is_new).then(|| "the name is used twice".into()));
            if let Some(fault) = fault {
                let message = format!("{origin}: model {:?}: {fault}", entry.name);
                return Err(Error::new(ErrorKind::Registry, message));
            }
        }
        Ok(Self { entries, file: None })
    }
}

impl Default for Registry {
    /// entopic's own models.
    fn default() -> Self {
        // The file is compiled in, and a test reads it, so this cannot fail in a released build.
        Self::parse(BUILTIN, "models.toml").unwrap_or_else(|_| Self::empty())
    }
}

/// Reads the text of a registry file. Relative folders in it are relative to the working directory. Returns an error of
/// the kind [`ErrorKind::Registry`] if the text is not in the format of a registry file.
impl FromStr for Registry {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text, "the text")
    }
}

impl ModelEntry {
    /// The name in a suggestion, with what this build lacks to load the model.
    fn suggested(&self) -> String {
        let lacks = match self.source {
            Source::Hub { .. } if !cfg!(feature = "hub") => " (needs the feature `hub`)",
            Source::Bundled(_) if !cfg!(feature = "bundled") => " (needs the feature `bundled`)",
            _ => "",
        };
        format!("{}{lacks}", self.name)
    }

    /// The fault of the entry's own values, if there is one.
    fn fault(&self) -> Option<String> {
        if self.name.is_empty() {
            return Some("the name is empty".into());
        }
        let entities = matches!(self.task, Task::Ner | Task::ZeroShotNer);
        let of_topics =
            [("template", self.template.is_some()), ("window_pooling", self.window_pooling.is_some())];
        let of_embeddings = [
            ("text_prefix", self.text_prefix.is_some()),
            ("label_prefix", self.label_prefix.is_some()),
            ("pooling", self.pooling.is_some()),
            ("temperature", self.temperature.is_some()),
            ("multi_label_temperature", self.multi_label_temperature.is_some()),
            ("midpoint", self.midpoint.is_some()),
        ];
        let of_topics = of_topics.into_iter().filter(|_| entities);
        let of_embeddings = of_embeddings.into_iter().filter(|_| self.task != Task::Embedding);
        if let Some((field, _)) = of_topics.chain(of_embeddings).find(|(_, is_set)| *is_set) {
            return Some(format!(
                "a model for {} has no use for {field}; remove it",
                self.task.description()
            ));
        }
        for (field, length) in [("window", self.window), ("max_length", self.max_length)] {
            if length.is_some_and(|length| length > LONGEST_WINDOW) {
                return Some(format!(
                    "{field} is above {LONGEST_WINDOW} tokens, the longest window; lower it"
                ));
            }
        }
        if self.template.as_ref().is_some_and(|template| !template.contains("{}")) {
            return Some("the template has no {} for the topic".into());
        }
        let temperatures = [self.temperature, self.multi_label_temperature];
        if temperatures
            .into_iter()
            .flatten()
            .any(|temperature| !temperature.is_finite() || temperature <= 0.0)
        {
            return Some("a temperature must be above 0".into());
        }
        if self.midpoint.is_some_and(|midpoint| !(-1.0..=1.0).contains(&midpoint)) {
            return Some("the midpoint is a cosine and must be between -1 and 1".into());
        }
        match (self.window, self.max_length) {
            (Some(0), _) | (_, Some(0)) => Some("window and max_length must be above 0".into()),
            (Some(window), Some(limit)) if window > limit => {
                Some(format!("the window {window} is longer than max_length {limit}"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ModelEntry, Registry, Task};

    #[test]
    fn the_own_registry_is_valid() {
        let own = Registry::parse(super::BUILTIN, "models.toml").expect("models.toml should be valid");
        assert!(own.entries().len() > 40);
        assert_eq!(Registry::default().entries().len(), own.entries().len());
    }

    #[test]
    fn near_names_are_suggested_by_task() {
        let registry = Registry::default();
        let of = |task: Task| move |entry: &ModelEntry| entry.task == task;
        assert_eq!(registry.nearest("bert-base-NRE", of(Task::Ner))[0].name, "bert-base-ner");
        assert_eq!(registry.nearest("ner-small", of(Task::Ner))[0].name, "ner-en-small");
        let embedding = registry.nearest("ner-en-small", of(Task::Embedding));
        assert!(embedding.iter().all(|entry| entry.name != "ner-en-small"));
    }

    #[test]
    fn a_name_that_is_near_no_other_is_answered_with_the_bundled_models() {
        let registry = Registry::default();
        let of = |task: Task| move |entry: &ModelEntry| entry.task == task;
        assert!(registry.nearest("zzz", |_| true).is_empty());
        let bundled = if cfg!(feature = "bundled") { "this build has ner-en-small; " } else { "" };
        assert_eq!(registry.suggestion("zzz", of(Task::Ner)), bundled);
        assert_eq!(registry.suggestion("zzz", of(Task::ZeroShotNer)), "");
        let near = registry.suggestion("bert-base-NRE", of(Task::Ner));
        assert!(near.starts_with("similar names: bert-base-ner"), "{near}");
        assert_eq!(near.contains("needs the feature `hub`"), !cfg!(feature = "hub"), "{near}");
    }

    #[test]
    fn a_registry_with_a_fault_names_the_model() {
        let model = |more: &str| {
            format!(
                "[[model]]\nname = \"a\"\ntask = \"ner\"\narchitecture = \"bert\"\n\
                 source = {{ folder = \"x\" }}\n{more}\n"
            )
        };
        for (more, fault) in [
            ("template = \"about\"", "no use for template"),
            ("temperature = 0.1", "no use for temperature"),
            ("text_prefix = \"query: \"", "no use for text_prefix"),
            ("window = 9\nmax_length = 8", "longer than max_length"),
        ] {
            let error = model(more)
                .parse::<Registry>()
                .expect_err("it should fail: the model has a fault")
                .to_string();
            assert!(error.contains("model \"a\"") && error.contains(fault), "{error}");
        }
        let twice = format!("{}{}", model(""), model(""));
        let error =
            twice.parse::<Registry>().expect_err("it should fail: two models have one name").to_string();
        assert!(error.contains("used twice"), "{error}");
    }
}
