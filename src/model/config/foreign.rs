//! The config.json of a model that the native backend does not run.

use serde_json::Value;

use super::{Config, Parsed, composite};
use crate::backend::native::blueprint::{EntityScores, Head};
use crate::backend::padded::{Output, Rows, WordScores};
use crate::catalogue::registry::Task;
use crate::error::{Error, ErrorKind};
use crate::limits::LARGEST_DIMENSION;
use crate::model::architecture::CLASSES;
use crate::model::role::Role;
use crate::pooling::TokenPooling;

/// The most tokens of a window. Other backends keep the attention between all tokens in memory at once: with twelve
/// heads, 3.2 GB for this many tokens. If a config allows longer sequences, they are read in windows of this length.
const LONGEST: usize = 1 << 13;

/// The facts about a model that are not in its config.json.
#[derive(Clone, Copy, Default)]
pub(in crate::model) struct Outside<'a> {
    pub(in crate::model) pooling: Option<TokenPooling>,
    /// `tokenizer_config.json`, which may specify the longest sequence.
    pub(in crate::model) tokenizer_config: Option<&'a [u8]>,
    /// The longest sequence if no file specifies it.
    pub(in crate::model) unstated: Option<usize>,
}

impl Config {
    /// Reads `json` for a backend other than the native one; also returns the form of that backend's output. A known
    /// architecture is read as the native backend reads it, and any other by the keys that most configs have.
    pub(in crate::model) fn foreign(
        json: &[u8],
        origin: &str,
        outside: Outside<'_>,
    ) -> Result<(Self, Output), Error> {
        let (mut config, head) = match Self::native(json, origin, outside.pooling) {
            Ok((config, blueprint)) => (config, Some(blueprint.head)),
            Err(error) if Self::takes_labels(json, origin)? => return Err(error),
            Err(_) => (Self::any(json, origin, outside)?, None),
        };
        if let Role::Tags { kinds, .. } = &mut config.role {
            // Other backends compute the classifier alone.
            kinds.clear();
        }
        let words = match head {
            Some(Head::Entities(head)) => match head.scores {
                EntityScores::Spans { widest, .. } => Some(WordScores::Spans { widest }),
                EntityScores::Words { .. } => Some(WordScores::Words),
            },
            _ => None,
        };
        let rows = match &config.role {
            _ if words.is_some() => None,
            Role::Tags { labels, .. } => Some(Rows::EveryToken { labels: labels.len() }),
            Role::Nli { labels } => Some(Rows::Sequence { labels: labels.len() }),
            Role::Embedding { hidden } => {
                let pooling = outside.pooling.unwrap_or(TokenPooling::Mean);
                Some(Rows::Pooled { pooling, hidden: *hidden })
            }
            Role::PromptedEntities(_) | Role::PromptedTopics(_) => None,
        };
        let output = rows.map(Output::Rows).or(words.map(Output::Words));
        let output = output.ok_or_else(|| config.native_alone(origin))?;
        Ok((Self { longest: config.longest.min(LONGEST), ..config }, output))
    }

    /// The error for a model that only the native backend runs.
    pub(in crate::model) fn native_alone(&self, origin: &str) -> Error {
        let message = format!(
            "{origin}: only the native backend runs {}, and it reads model.safetensors; export the model in that \
             format",
            self.architecture
        );
        Error::new(ErrorKind::Config, message)
    }

    /// Returns whether the config is that of a model with labels in its input, which has special keys.
    fn takes_labels(json: &[u8], origin: &str) -> Result<bool, Error> {
        let parsed = Parsed::read(json, origin)?;
        Ok(composite::is_one(&parsed.json, &parsed.shared.model_type))
    }

    fn any(json: &[u8], origin: &str, outside: Outside<'_>) -> Result<Self, Error> {
        let parsed = Parsed::read(json, origin)?;
        let json = &parsed.json;
        let classes = &parsed.shared.architectures;
        let task = classes.iter().find_map(|class| {
            CLASSES.into_iter().find(|(end, _)| class.ends_with(end)).map(|(_, task)| task)
        });
        let Some(task) = task.or(outside.pooling.map(|_| Task::Embedding)) else {
            let ends = CLASSES.map(|(end, _)| end).join(", ");
            return Err(parsed.refuse(format!(
                "architectures {classes:?} are not supported; a class's name must end with one of {ends}"
            )));
        };
        let labels = parsed.labels(task)?;
        let hidden = ["hidden_size", "d_model", "dim", "emb_dim", "n_embd"];
        let hidden = hidden.into_iter().find_map(|key| size(json, key));
        if task == Task::Embedding && hidden.is_none() {
            return Err(parsed.refuse("hidden_size is missing"));
        }
        let tokenizer_config =
            outside.tokenizer_config.and_then(|json| serde_json::from_slice::<Value>(json).ok());
        let lengths = [
            size(json, "max_position_embeddings"),
            tokenizer_config.and_then(|json| size(&json, "model_max_length")),
        ];
        let longest = lengths.into_iter().flatten().min().or(outside.unstated).ok_or_else(|| {
            parsed.refuse(
                "no file says how long a sequence may be; give max_position_embeddings here, or \
                 model_max_length in tokenizer_config.json",
            )
        })?;
        let rows = json.get("type_vocab_size").and_then(Value::as_u64);
        let rows = rows.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX));
        Ok(Self {
            architecture: parsed.shared.model_type.clone(),
            role: parsed.role(task, labels, hidden.unwrap_or(0)),
            token_types: parsed.token_types(rows)?,
            longest,
            vocabulary: size(json, "vocab_size"),
        })
    }
}

/// The size under `key`, if a model may have it; tokenizers without a limit have 1e30.
fn size(json: &Value, key: &str) -> Option<usize> {
    let size = json.get(key)?.as_u64()?;
    usize::try_from(size).ok().filter(|size| (1..=LARGEST_DIMENSION).contains(size))
}

#[cfg(test)]
mod tests {
    use super::{Config, LONGEST, Outside, Task};
    use crate::error::Error;
    use crate::model::config::TokenTypes;

    fn parse(changes: &str, tokenizer_config: &str) -> Result<Config, Error> {
        let mut json = serde_json::json!({
            "model_type": "novel", "architectures": ["NovelForTokenClassification"], "vocab_size": 100,
            "id2label": {"0": "O", "1": "B-PER"}
        });
        let changes: serde_json::Value =
            serde_json::from_str(changes).expect("the test's own JSON should be valid");
        for (key, value) in changes.as_object().expect("it should be an object") {
            json[key] = value.clone();
        }
        let json = json.to_string();
        let outside = Outside { tokenizer_config: Some(tokenizer_config.as_bytes()), ..Outside::default() };
        Config::foreign(json.as_bytes(), "config.json", outside).map(|(config, _)| config)
    }

    #[test]
    fn the_shorter_of_two_lengths_applies() {
        for (config, tokenizer, longest) in [
            (r#"{"max_position_embeddings": 514}"#, r#"{"model_max_length": 512}"#, 512),
            (r#"{"max_position_embeddings": 128}"#, r#"{"model_max_length": 1e30}"#, 128),
            (r#"{"max_position_embeddings": -1}"#, r#"{"model_max_length": 64}"#, 64),
            (r#"{"max_position_embeddings": 1000000}"#, "{}", LONGEST),
        ] {
            let config = parse(config, tokenizer).expect("it should be a config");
            assert_eq!(config.longest, longest);
            assert_eq!(config.role.task(), Task::Ner);
            assert_eq!(config.token_types, TokenTypes::Segment);
        }
        let error =
            parse("{}", r#"{"model_max_length": 1e30}"#).expect_err("it should fail: it has no length");
        assert!(error.to_string().contains("model_max_length"), "{error}");
    }

    #[test]
    fn a_known_architecture_is_read_as_the_engine_reads_it() {
        // RoBERTa's positions begin behind its padding.
        let known = r#"{"model_type": "roberta", "architectures": ["RobertaForTokenClassification"],
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
            "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}"#;
        let config = parse(known, "{}").expect("it should be a config");
        assert_eq!((config.longest, config.token_types), (512, TokenTypes::None));
    }

    #[test]
    fn a_class_of_another_kind_is_refused() {
        let error = parse(r#"{"architectures": ["NovelForQuestionAnswering"]}"#, "{}")
            .expect_err("it should fail: it is no task");
        assert!(error.to_string().contains("ForTokenClassification"), "{error}");
    }
}
