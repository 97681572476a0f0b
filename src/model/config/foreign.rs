//! The config.json of a model that the native engine does not run.

use serde::Deserialize;
use serde_json::Value;

use super::{Config, HeadKind, Shared, TokenTypes, order_labels};
use crate::backend::Rows;
use crate::error::{Error, ErrorKind};
use crate::model::{TokenPooling, casing};

/// Tokens of a window. Other backends hold the attention of all tokens to all at once: with twelve heads,
/// 3.2 GB for as many. Longer ones that a config promises are read in windows of this.
const LONGEST: usize = 1 << 13;

impl Config {
    /// Reads `json` for another backend than the native engine: an architecture that this knows as there,
    /// and any other by the keys that most have. `tokenizer_config` may tell the longest sequence, which is
    /// `unstated` if neither tells it.
    pub(crate) fn parse_foreign(
        json: &[u8],
        origin: &str,
        pooling: Option<TokenPooling>,
        tokenizer_config: Option<&[u8]>,
        unstated: Option<usize>,
    ) -> Result<Self, Error> {
        let config = match Self::parse(json, origin, pooling) {
            Ok(config) => config,
            Err(_) => Self::parse_any(json, origin, pooling, tokenizer_config, unstated)?,
        };
        Ok(Self { blueprint: None, longest: config.longest.min(LONGEST), ..config })
    }

    /// What of a backend's output is given.
    pub(crate) fn rows(&self, pooling: Option<TokenPooling>) -> Rows {
        match (self.head, pooling) {
            (HeadKind::TokenClassification, _) => Rows::EveryToken { labels: self.labels.len() },
            (HeadKind::SequenceClassification, _) => Rows::Sequence { labels: self.labels.len() },
            (_, Some(TokenPooling::Cls)) => Rows::First { hidden: self.hidden },
            (_, _) => Rows::Mean { hidden: self.hidden },
        }
    }

    fn parse_any(
        json: &[u8],
        origin: &str,
        pooling: Option<TokenPooling>,
        tokenizer_config: Option<&[u8]>,
        unstated: Option<usize>,
    ) -> Result<Self, Error> {
        let refuse = |message: String| Error::new(ErrorKind::Config, format!("{origin}: {message}"));
        let unusable = |error: serde_json::Error| {
            Error::new(ErrorKind::Config, format!("{origin} is not a usable config.json")).with_source(error)
        };
        let json: Value = serde_json::from_slice(json).map_err(unusable)?;
        let shared = Shared::deserialize(&json).map_err(unusable)?;
        let head = shared.architectures.iter().find_map(|class| head_of(class));
        let Some(head) = head.or(pooling.map(|_| HeadKind::Embedding)) else {
            return Err(refuse(format!(
                "architectures {:?} are not supported; a class's name must end with \
                 ForTokenClassification, ForSequenceClassification or Model",
                shared.architectures
            )));
        };
        let labels = match head {
            HeadKind::TokenClassification | HeadKind::SequenceClassification => {
                order_labels(shared.id2label).map_err(refuse)?
            }
            _ => Vec::new(),
        };
        let hidden = ["hidden_size", "d_model", "dim", "emb_dim", "n_embd"];
        let hidden = hidden.into_iter().find_map(|key| size(&json, key));
        let hidden = match head {
            HeadKind::Embedding => hidden.ok_or_else(|| refuse("hidden_size is missing".into()))?,
            _ => hidden.unwrap_or(0),
        };
        let tokenizer_config = tokenizer_config.and_then(|json| serde_json::from_slice::<Value>(json).ok());
        let lengths = [
            size(&json, "max_position_embeddings"),
            tokenizer_config.and_then(|json| size(&json, "model_max_length")),
        ];
        let longest = lengths.into_iter().flatten().min().or(unstated).ok_or_else(|| {
            refuse(
                "nothing says how long a sequence may be; give max_position_embeddings here, or \
                 model_max_length in tokenizer_config.json"
                    .into(),
            )
        })?;
        let token_types = json.get("type_vocab_size").and_then(Value::as_u64);
        if shared.token_types == TokenTypes::Casing
            && token_types.is_none_or(|rows| rows < casing::CLASSES as u64)
        {
            return Err(refuse(format!("token_types \"casing\" needs type_vocab_size {}", casing::CLASSES)));
        }
        Ok(Self {
            architecture: shared.model_type,
            head,
            labels,
            token_types: shared.token_types,
            tag_scheme: shared.tag_scheme,
            hidden,
            longest,
            vocabulary: size(&json, "vocab_size"),
            tells_segments: token_types.is_none_or(|rows| rows > 1),
            blueprint: None,
            prompt: None,
        })
    }
}

/// The head of a class by the end of its name, which all of transformers' share.
fn head_of(class: &str) -> Option<HeadKind> {
    let ends = [
        ("ForTokenClassification", HeadKind::TokenClassification),
        ("ForSequenceClassification", HeadKind::SequenceClassification),
        ("Model", HeadKind::Embedding),
    ];
    ends.into_iter().find(|(end, _)| class.ends_with(end)).map(|(_, head)| head)
}

/// The size under `key`, if it is one that a model may have; tokenizers without a limit have 1e30.
fn size(json: &Value, key: &str) -> Option<usize> {
    let size = json.get(key)?.as_u64()?;
    usize::try_from(size).ok().filter(|size| (1..=1 << 24).contains(size))
}

#[cfg(test)]
mod tests {
    use super::{Config, HeadKind, LONGEST};
    use crate::error::Error;

    fn parse(changes: &str, tokenizer_config: &str) -> Result<Config, Error> {
        let mut json = serde_json::json!({
            "model_type": "novel", "architectures": ["NovelForTokenClassification"], "vocab_size": 100,
            "id2label": {"0": "O", "1": "B-PER"}
        });
        let changes: serde_json::Value = serde_json::from_str(changes).expect("the test's own JSON");
        for (key, value) in changes.as_object().expect("an object") {
            json[key] = value.clone();
        }
        let json = json.to_string();
        Config::parse_foreign(json.as_bytes(), "config.json", None, Some(tokenizer_config.as_bytes()), None)
    }

    #[test]
    fn the_shorter_of_two_lengths_holds() {
        for (config, tokenizer, longest) in [
            (r#"{"max_position_embeddings": 514}"#, r#"{"model_max_length": 512}"#, 512),
            (r#"{"max_position_embeddings": 128}"#, r#"{"model_max_length": 1e30}"#, 128),
            (r#"{"max_position_embeddings": -1}"#, r#"{"model_max_length": 64}"#, 64),
            (r#"{"max_position_embeddings": 1000000}"#, "{}", LONGEST),
        ] {
            let config = parse(config, tokenizer).expect("is a config");
            assert_eq!(config.longest, longest);
            assert_eq!(config.head, HeadKind::TokenClassification);
            assert!(config.tells_segments && config.blueprint.is_none());
        }
        let error = parse("{}", r#"{"model_max_length": 1e30}"#).expect_err("has no length");
        assert!(error.to_string().contains("model_max_length"), "{error}");
    }

    #[test]
    fn a_known_architecture_is_read_as_the_engine_reads_it() {
        // RoBERTa's positions begin behind its padding.
        let known = r#"{"model_type": "roberta", "architectures": ["RobertaForTokenClassification"],
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
            "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}"#;
        let config = parse(known, "{}").expect("is a config");
        assert_eq!((config.longest, config.tells_segments, config.hidden), (512, false, 32));
    }

    #[test]
    fn a_class_of_another_kind_is_refused() {
        let error =
            parse(r#"{"architectures": ["NovelForQuestionAnswering"]}"#, "{}").expect_err("is no task");
        assert!(error.to_string().contains("ForTokenClassification"), "{error}");
    }
}
