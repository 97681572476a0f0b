use std::borrow::Cow;
use std::path::Path;
use std::{fs, io};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::registry::{ModelEntry, TokenPooling};
use crate::error::{Error, ErrorKind};

/// The bytes of a model's files.
pub(crate) struct Files {
    /// What messages call the model's place.
    pub(crate) origin: String,
    pub(crate) config: Cow<'static, [u8]>,
    pub(crate) weights: Cow<'static, [u8]>,
    pub(crate) vocabulary: Vocabulary,
    /// What the model's own files say of its pooling.
    pub(crate) pooling: Option<TokenPooling>,
}

/// A tokenizer, and the word embedding where it is not among the weights.
pub(crate) enum Vocabulary {
    Own {
        tokenizer: Cow<'static, [u8]>,
    },
    #[cfg_attr(
        not(feature = "bundled"),
        expect(dead_code, reason = "only bundled models share a vocabulary")
    )]
    /// Models with the same `name` share one tokenizer and one word embedding.
    Shared {
        name: &'static str,
        tokenizer: &'static [u8],
        /// The pieces of one safetensors file.
        words: [&'static [u8]; 2],
    },
}

impl Files {
    /// Holds files that were read from a folder against the checksums of the registry's `entry`.
    pub(crate) fn check(&self, entry: &ModelEntry) -> Result<(), Error> {
        let Vocabulary::Own { tokenizer } = &self.vocabulary else { return Ok(()) };
        for (path, bytes, kind) in [
            ("config.json", &self.config, ErrorKind::Config),
            ("tokenizer.json", tokenizer, ErrorKind::Tokenizer),
            ("model.safetensors", &self.weights, ErrorKind::Weights),
        ] {
            let known = entry.files.iter().find(|file| file.path == path);
            let Some(expected) = known.and_then(|file| file.sha256.as_deref()) else { continue };
            let found: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            if found != expected.to_lowercase() {
                let message = format!(
                    "{}/{path} has sha256 {found}, but the registry's {:?} has {expected}: it is another \
                     revision or damaged; fetch it again, or load the folder by another path",
                    self.origin, entry.name
                );
                return Err(Error::new(kind, message));
            }
        }
        Ok(())
    }
}

/// The files of a model that is in the build.
#[cfg(feature = "bundled")]
pub(crate) fn bundled(name: &str) -> Result<Files, Error> {
    let (config, weights) = match name {
        "ner-en-small" => (entopic_ner_en_small::CONFIG, entopic_ner_en_small::WEIGHTS),
        "topics-en-small" => (entopic_topics_en_small::CONFIG, entopic_topics_en_small::WEIGHTS),
        _ => {
            let message =
                format!("no model {name:?} is in the build; there are ner-en-small and topics-en-small");
            return Err(Error::new(ErrorKind::UnknownModel, message));
        }
    };
    Ok(Files {
        origin: name.to_owned(),
        config: Cow::Borrowed(config),
        weights: Cow::Borrowed(weights),
        vocabulary: Vocabulary::Shared {
            name: "words-en",
            tokenizer: entopic_words_en_1::TOKENIZER,
            words: [entopic_words_en_1::WORDS, entopic_words_en_2::WORDS],
        },
        pooling: None,
    })
}

/// The files of a model that is in the build.
#[cfg(not(feature = "bundled"))]
pub(crate) fn bundled(name: &str) -> Result<Files, Error> {
    let message = format!("the model {name:?} is in builds with the feature `bundled`, which this one lacks");
    Err(Error::new(ErrorKind::ModelUnavailable, message))
}

/// The files of a model in a folder, laid out as on the Hugging Face hub.
pub(crate) fn folder(folder: &Path) -> Result<Files, Error> {
    let read = |name: &str, kind| {
        let path = folder.join(name);
        fs::read(&path).map(Cow::Owned).map_err(|error| {
            let message = format!(
                "{} cannot be read; a model folder holds config.json, tokenizer.json and model.safetensors",
                path.display()
            );
            Error::new(kind, message).with_source(error)
        })
    };
    Ok(Files {
        origin: folder.display().to_string(),
        config: read("config.json", ErrorKind::Config)?,
        weights: read("model.safetensors", ErrorKind::Weights)?,
        vocabulary: Vocabulary::Own { tokenizer: read("tokenizer.json", ErrorKind::Tokenizer)? },
        pooling: folder_pooling(folder)?,
    })
}

/// What sentence-transformers keeps in `1_Pooling/config.json`.
#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

fn folder_pooling(folder: &Path) -> Result<Option<TokenPooling>, Error> {
    let path = folder.join("1_Pooling").join("config.json");
    let refuse =
        || Error::new(ErrorKind::Config, format!("{} is not a usable pooling config", path.display()));
    let json = match fs::read(&path) {
        Ok(json) => json,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refuse().with_source(error)),
    };
    let config: PoolingConfig = serde_json::from_slice(&json).map_err(|error| refuse().with_source(error))?;
    match (config.pooling_mode_mean_tokens, config.pooling_mode_cls_token) {
        (true, false) => Ok(Some(TokenPooling::Mean)),
        (false, true) => Ok(Some(TokenPooling::Cls)),
        _ => {
            Err(refuse()
                .with_source("supported is one of pooling_mode_mean_tokens and pooling_mode_cls_token"))
        }
    }
}
