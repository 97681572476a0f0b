//! Checks a registry's entry against the model's own files.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::config::{Config, TokenTypes};
use super::pooling_file;
use super::role::are_unnamed;
use crate::catalogue::files::Files;
use crate::catalogue::layout::Description;
use crate::catalogue::registry::{ModelEntry, Source, Task};
use crate::error::{Error, ErrorKind};
use crate::tags::{self, Tag};

impl ModelEntry {
    /// The differences between the entry and the model's own files, one line each: task, architecture, labels, tag
    /// scheme, pooling, casing, and lengths beyond the model's. A field that the entry leaves open does not count as
    /// a difference.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let registry = entopic::Registry::default();
    /// let entry = registry.find("ner-en-small").expect("it should be in the build");
    /// assert!(entry.differences()?.is_empty());
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ModelUnavailable`] if the files are on the hub: fetch them, and pass the folder to
    /// [`differences_in`](Self::differences_in). Otherwise the errors of `differences_in`.
    pub fn differences(&self) -> Result<Vec<String>, Error> {
        match &self.source {
            Source::Bundled(name) => self.compare(&Files::bundled(name)?),
            Source::Folder(folder) => self.differences_in(folder),
            Source::Hub { id, .. } => {
                let message = format!("the model {:?} is on the hub, as {id}: fetch it first", self.name);
                Err(Error::new(ErrorKind::ModelUnavailable, message))
            }
        }
    }

    /// The [`differences`](Self::differences) between the entry and the model in `folder`, whatever source the entry
    /// names.
    ///
    /// ```no_run
    /// # #[cfg(feature = "hub")] {
    /// use entopic::{Hub, Registry};
    ///
    /// let registry = Registry::default();
    /// let entry = registry.find("bge-small-en-v1.5").expect("the registry should have it");
    /// let fetched = Hub::new().fetch_description(&registry, &entry.name)?;
    /// println!("{}", entry.differences_in(&fetched.folder)?.join("\n"));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ModelUnavailable`] if the folder does not exist; [`ErrorKind::Config`] or [`ErrorKind::Tokenizer`]
    /// if a file that describes the model is missing or damaged, has another checksum, or is of a model that entopic
    /// does not run.
    pub fn differences_in(&self, folder: impl AsRef<Path>) -> Result<Vec<String>, Error> {
        self.compare(&Files::folder(folder.as_ref(), &self.files))
    }

    fn compare(&self, files: &Files) -> Result<Vec<String>, Error> {
        let description = files.description()?;
        let json = files.read(description.config, ErrorKind::Config)?;
        let pooling = pooling_file::read(files)?;
        let (config, _) = Config::native(&json, &files.name(description.config), self.pooling.or(pooling))?;
        let mut found = Differences { file: description.config, lines: Vec::new() };
        if self.task != config.role.task() {
            found.add("task", self.task.description(), config.role.task().description());
        }
        if self.architecture != config.architecture {
            found.add("architecture", &self.architecture, &config.architecture);
        }
        self.compare_labels(&config, &mut found);
        let longest = config.longest;
        for (field, said) in [("max_length", self.max_length), ("window", self.window)] {
            if let Some(said) = said.filter(|&said| said > longest) {
                found.add(field, said, format!("at most {longest}"));
            }
        }
        if let (Some(said), Some(own)) = (self.pooling, pooling)
            && said != own
        {
            found.file = pooling_file::FILE;
            found.add("pooling", said, own);
        }
        if let Some(said) = self.cased
            && let Some((file, own)) = cased(files, &description, &config)?
            && said != own
        {
            found.file = file;
            found.add("cased", said, own);
        }
        Ok(found.lines)
    }

    fn compare_labels(&self, config: &Config, found: &mut Differences) {
        let said: BTreeSet<&str> = self.labels.iter().map(String::as_str).collect();
        match config.role.task() {
            Task::Ner => {
                let labels = config.role.labels();
                let tags: Vec<Tag> = labels.iter().map(|label| Tag::parse(label)).collect();
                let types = tags::entity_types(&tags);
                let own: BTreeSet<&str> = types.iter().map(String::as_str).collect();
                if !said.is_empty() && said != own {
                    found.add("labels", list(&self.labels), list(&types));
                }
                let schemes = tags::schemes(labels);
                if let Some(scheme) = &self.tag_scheme
                    && !schemes.contains(&scheme.as_str())
                {
                    found.add("tag_scheme", scheme, schemes.join(" or "));
                }
            }
            Task::Nli => {
                let differ = if are_unnamed(config.role.labels()) {
                    self.labels.len() != config.role.labels().len()
                } else {
                    self.labels != config.role.labels()
                };
                if !said.is_empty() && differ {
                    found.add("labels", list(&self.labels), list(config.role.labels()));
                }
            }
            _ if !said.is_empty() => found.add("labels", list(&self.labels), "none: the model has no labels"),
            _ => {}
        }
    }
}

struct Differences {
    /// The file that is compared with the registry.
    file: &'static str,
    lines: Vec<String>,
}

impl Differences {
    fn add(&mut self, field: &str, said: impl std::fmt::Display, own: impl std::fmt::Display) {
        self.lines.push(format!("{field}: the registry says {said}, {} says {own}", self.file));
    }
}

/// The keys of tokenizer.json and tokenizer_config.json that concern case.
#[derive(Deserialize)]
struct Normalizing {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    do_lower_case: Option<bool>,
}

/// Returns whether the model is case-sensitive, and the file that says so, if one does.
fn cased(
    files: &Files,
    description: &Description,
    config: &Config,
) -> Result<Option<(&'static str, bool)>, Error> {
    if config.token_types == TokenTypes::Casing {
        return Ok(Some((description.config, true)));
    }
    let read = |file: &'static str| {
        let Some(json) = files.find(file, ErrorKind::Tokenizer)? else { return Ok(None) };
        let parsed = serde_json::from_slice::<Normalizing>(&json).map_err(|error| {
            Error::new(ErrorKind::Tokenizer, format!("{} is not usable", files.name(file))).with_source(error)
        });
        parsed.map(Some)
    };
    // The tokenizer that texts go through is read before the config from which it was made.
    if let Some(tokenizer) = read("tokenizer.json")?
        && let Some(lower) = lower_cases(&tokenizer.normalizer)
    {
        return Ok(Some(("tokenizer.json", !lower)));
    }
    let config = read("tokenizer_config.json")?.and_then(|config| config.do_lower_case);
    Ok(config.map(|lower| ("tokenizer_config.json", !lower)))
}

/// Returns whether a normaliser lower-cases; `None` if a compiled table of SentencePiece may do so.
fn lower_cases(normalizer: &Value) -> Option<bool> {
    match normalizer["type"].as_str() {
        Some("Lowercase") => Some(true),
        Some("BertNormalizer") => Some(normalizer["lowercase"].as_bool().unwrap_or(true)),
        Some("Precompiled") => None,
        Some("Sequence") => {
            let parts = normalizer["normalizers"].as_array().map_or(&[][..], Vec::as_slice);
            let parts: Vec<Option<bool>> = parts.iter().map(lower_cases).collect();
            let known = !parts.contains(&None);
            if parts.contains(&Some(true)) { Some(true) } else { known.then_some(false) }
        }
        _ => Some(false),
    }
}

fn list<S: AsRef<str>>(labels: &[S]) -> String {
    labels.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::{ErrorKind, ModelEntry, Registry};

    /// An entry for the fixture `model`, with the lines `more`.
    fn entry(model: &str, task: &str, architecture: &str, more: &str) -> ModelEntry {
        let folder = format!("{}/tests/goldens/{model}", env!("CARGO_MANIFEST_DIR"));
        let text = format!(
            "[[model]]\nname = \"own\"\ntask = {task:?}\narchitecture = {architecture:?}\n\
             source = {{ folder = {folder:?} }}\n{more}\n"
        );
        let file = tempfile::NamedTempFile::new().expect("it should be a temporary file");
        std::fs::write(&file, text).expect("it should be writable");
        let registry = Registry::from_file(file.path()).expect("it should be a registry");
        registry.entries()[0].clone()
    }

    #[test]
    fn what_agrees_is_no_difference() {
        for (model, task, architecture, more) in [
            ("ner-wordpiece-cased", "ner", "bert", ""),
            (
                "ner-wordpiece-cased",
                "ner",
                "bert",
                "labels = [\"ORG\", \"PER\", \"MISC\", \"LOC\"]\ntag_scheme = \"IOB1\"\ncased = true\nmax_length = 32\nwindow = 24",
            ),
            ("ner-bioes", "ner", "bert", "tag_scheme = \"BIOES\""),
            ("ner-wordpiece-uncased", "ner", "bert", "cased = false"),
            ("nli-cne", "nli", "bert", "labels = [\"contradiction\", \"neutral\", \"entailment\"]"),
            ("nli-unnamed", "nli", "bert", "labels = [\"contradiction\", \"neutral\", \"entailment\"]"),
            ("embed-cls", "embedding", "bert", "pooling = \"cls\""),
            ("embed-cls", "embedding", "bert", "cased = false"),
            ("gliner-span", "zero-shot-ner", "gliner", ""),
            ("gliclass-deberta", "zero-shot-topics", "GLiClass", ""),
            ("modernbert-ner", "ner", "modernbert", "cased = true"),
        ] {
            let entry = entry(model, task, architecture, more);
            let lines = entry.differences().expect("it should be a model");
            assert!(lines.is_empty(), "{model} {more}: {lines:?}");
        }
    }

    #[test]
    fn each_difference_has_a_line() {
        for (model, task, architecture, more, line) in [
            (
                "ner-bioes",
                "nli",
                "bert",
                "",
                "task: the registry says natural-language inference, config.json says",
            ),
            (
                "ner-bioes",
                "ner",
                "roberta",
                "",
                "architecture: the registry says roberta, config.json says bert",
            ),
            (
                "ner-bioes",
                "ner",
                "bert",
                "labels = [\"PER\", \"X\"]",
                "labels: the registry says PER, X, config.json",
            ),
            (
                "ner-bioes",
                "ner",
                "bert",
                "tag_scheme = \"IOB2\"",
                "tag_scheme: the registry says IOB2, config.json says BIOES",
            ),
            (
                "ner-bioes",
                "ner",
                "bert",
                "max_length = 4096",
                "max_length: the registry says 4096, config.json says at most",
            ),
            (
                "ner-bioes",
                "ner",
                "bert",
                "cased = false",
                "cased: the registry says false, tokenizer.json says true",
            ),
            (
                "nli-cne",
                "nli",
                "bert",
                "labels = [\"entailment\", \"neutral\", \"contradiction\"]",
                "labels: the registry says entailment, neutral, contradiction, config.json says contradiction, neutral",
            ),
            (
                "embed-cls",
                "embedding",
                "bert",
                "pooling = \"mean\"",
                "pooling: the registry says mean, 1_Pooling/config.json says cls",
            ),
            (
                "embed-cls",
                "embedding",
                "bert",
                "labels = [\"a\"]",
                "labels: the registry says a, config.json says none",
            ),
            (
                "gliner-token",
                "ner",
                "gliner",
                "",
                "task: the registry says named-entity recognition, gliner_config.json",
            ),
        ] {
            let lines = entry(model, task, architecture, more).differences().expect("it should be a model");
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].starts_with(line), "{lines:?} is not {line}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        let missing = entry("no-such-model", "ner", "bert", "")
            .differences()
            .expect_err("it should fail: the folder does not exist");
        assert_eq!(missing.kind(), ErrorKind::ModelUnavailable);
        let other = "files = [{ path = \"config.json\", sha256 = \"00\" }]";
        let changed = entry("ner-bioes", "ner", "bert", other)
            .differences()
            .expect_err("it should fail: it is another revision");
        assert_eq!(changed.kind(), ErrorKind::Config);
        let registry = Registry::default();
        let on_hub = registry.find("bert-base-ner").expect("it should be known").differences();
        assert_eq!(
            on_hub.expect_err("it should fail: the files are on the hub").kind(),
            ErrorKind::ModelUnavailable
        );
    }

    #[cfg(feature = "bundled")]
    #[test]
    fn the_bundled_models_are_as_the_registry_says() {
        for entry in Registry::default().entries() {
            if let crate::Source::Bundled(_) = entry.source {
                assert_eq!(
                    entry.differences().expect("it should be in the build"),
                    [""; 0],
                    "{}",
                    entry.name
                );
            }
        }
    }
}
