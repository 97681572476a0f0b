use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// The models known by name: entopic's own `models.toml`, and a caller's files of the same form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    #[serde(rename = "model", default)]
    entries: Vec<ModelEntry>,
    /// Beside the file that it was read from.
    #[cfg(feature = "hub")]
    #[serde(skip)]
    lock: Option<PathBuf>,
}

/// What is known of one model. Fields that a public source does not tell are empty.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelEntry {
    /// The name that it is loaded by.
    pub name: String,
    /// What it does.
    pub task: Task,
    /// Its `model_type` in transformers.
    pub architecture: String,
    /// Where its files are.
    pub source: Source,
    /// The model on the hub whose tokenizer it has, where it has none beside its weights.
    #[serde(default)]
    pub tokenizer: Option<String>,
    /// Its files, with their checksums where known.
    #[serde(default)]
    pub files: Vec<ModelFile>,
    /// An SPDX expression.
    #[serde(default)]
    pub licence: Option<String>,
    /// The corpora that it was trained on.
    #[serde(default)]
    pub training_data: Vec<String>,
    /// The languages that it reads, as ISO 639-1 codes.
    #[serde(default)]
    pub languages: Vec<String>,
    /// The entity types, or the classes of an NLI head, as texts.
    #[serde(default)]
    pub labels: Vec<String>,
    /// How its tags mark the bounds of entities: `IOB2`, `IOB1`, `BIOES`, `BILOU` or `IO`.
    #[serde(default)]
    pub tag_scheme: Option<String>,
    /// The sentence that a topic is put into, with `{}` where it stands.
    #[serde(default)]
    pub template: Option<String>,
    /// Whether it tells capitals.
    #[serde(default)]
    pub cased: Option<bool>,
    /// Embedding models: what is put before each text, such as `query: `.
    #[serde(default)]
    pub text_prefix: Option<String>,
    /// Embedding models: what is put before each topic's sentence.
    #[serde(default)]
    pub label_prefix: Option<String>,
    /// How an embedding model pools its tokens.
    #[serde(default)]
    pub pooling: Option<TokenPooling>,
    /// Embedding models: what cosines are divided by before softmax.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// Embedding models: what a cosine's lead over the threshold is divided by before the logistic
    /// function; `temperature` if empty.
    #[serde(default)]
    pub multi_label_temperature: Option<f32>,
    /// Embedding models: the cosine at which a topic is as likely as not.
    #[serde(default)]
    pub threshold: Option<f32>,
    /// Topics: how the windows of a document make one judgement.
    #[serde(default)]
    pub window_pooling: Option<WindowPooling>,
    /// The longest sequence in tokens, special tokens included.
    #[serde(default)]
    pub max_length: Option<usize>,
    /// The tokens of a window, special tokens included.
    #[serde(default)]
    pub window: Option<usize>,
}

/// What a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// Tags tokens with entity types.
    Ner,
    /// Tells whether one text entails another, and so whether a topic fits.
    Nli,
    /// Turns texts into vectors, and so texts and topics into near or far ones.
    Embedding,
    /// Finds entities of types that are given with the text.
    ZeroShotNer,
    /// Scores topics that are given with the text.
    ZeroShotTopics,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ner => "named-entity recognition",
            Self::Nli => "natural-language inference",
            Self::Embedding => "text embedding",
            Self::ZeroShotNer => "zero-shot named-entity recognition",
            Self::ZeroShotTopics => "zero-shot topic classification",
        })
    }
}

/// Where a model's files are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Source {
    /// In the build, by the feature `bundled`.
    Bundled(String),
    /// In a folder; a relative path starts at the registry file's own folder.
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

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelFile {
    /// Its path inside the model.
    pub path: String,
    /// Its SHA-256 in lower-case hexadecimal, where it is known. Files read from a folder are held
    /// against it.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// How an embedding model makes one vector of its tokens'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TokenPooling {
    /// The mean of all tokens.
    Mean,
    /// The first token.
    Cls,
}

/// How the windows of a document make one judgement.
///
/// What is pooled is the evidence before softmax or the logistic function: for an NLI model the
/// entailment logit (its lead over contradiction, with many labels), for a bi-encoder the cosine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WindowPooling {
    /// The mean of all windows, weighted by their tokens: what the document is about as a whole.
    #[default]
    Mean,
    /// The strongest window: whether the document touches the topic anywhere.
    Max,
    /// The mean, with the `n`th window counting `1 / n`: news say first what matters most.
    Lead,
}

const BUILTIN: &str = include_str!("../../models.toml");

impl Registry {
    /// The models that entopic knows.
    ///
    /// # Errors
    ///
    /// None in a released build: its `models.toml` is compiled in and tested.
    pub fn builtin() -> Result<Self, Error> {
        Self::parse(BUILTIN, "models.toml")
    }

    /// Reads a registry file, a TOML list of `[[model]]` tables with the fields of [`ModelEntry`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Registry`] if the file cannot be read or is not of this form.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::Registry, format!("the registry {origin} cannot be read"))
                .with_source(error)
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
        #[cfg(feature = "hub")]
        {
            registry.lock = Some(super::hub::lock_beside(path));
        }
        Ok(registry)
    }

    /// Adds `other`'s models; of two with one name the added one is found.
    #[must_use]
    pub fn with(mut self, other: Registry) -> Self {
        self.entries.retain(|entry| other.find(&entry.name).is_none());
        self.entries.extend(other.entries);
        #[cfg(feature = "hub")]
        {
            self.lock = other.lock.or(self.lock);
        }
        self
    }

    /// Where models of the hub are locked: beside the file that was read, or added, last.
    #[cfg(feature = "hub")]
    pub(crate) fn lock(&self) -> Option<&Path> {
        self.lock.as_deref()
    }

    /// All models, in the order of their files.
    pub fn entries(&self) -> &[ModelEntry] {
        &self.entries
    }

    /// The model of this name, or of this id on the hub.
    pub fn find(&self, name: &str) -> Option<&ModelEntry> {
        let by_name = self.entries.iter().find(|entry| entry.name == name);
        by_name.or_else(|| {
            let on_hub = |entry: &&ModelEntry| matches!(&entry.source, Source::Hub { id, .. } if id == name);
            self.entries.iter().find(on_hub)
        })
    }

    fn parse(text: &str, origin: &str) -> Result<Self, Error> {
        let registry: Self = toml::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Registry, format!("{origin} is not a registry of models"))
                .with_source(error)
        })?;
        for (at, entry) in registry.entries.iter().enumerate() {
            if let Some(fault) = entry.fault() {
                return Err(Error::new(
                    ErrorKind::Registry,
                    format!("{origin}: model {:?}: {fault}", entry.name),
                ));
            }
            if registry.entries[..at].iter().any(|other| other.name == entry.name) {
                let message = format!("{origin}: two models are named {:?}", entry.name);
                return Err(Error::new(ErrorKind::Registry, message));
            }
        }
        Ok(registry)
    }
}

impl ModelEntry {
    /// What is wrong with the entry's own values.
    fn fault(&self) -> Option<String> {
        if self.name.is_empty() {
            return Some("the name is empty".into());
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
        if self.threshold.is_some_and(|threshold| !(-1.0..=1.0).contains(&threshold)) {
            return Some("the threshold is a cosine and must be between -1 and 1".into());
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
