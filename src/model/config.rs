use std::collections::BTreeMap;

use serde::Deserialize;

use super::registry::Task;
use crate::engine::Activation;
use crate::error::{Error, ErrorKind};

/// What a model is, read from its `config.json`.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// `model_type`, such as `bert`.
    pub(crate) architecture: String,
    pub(crate) head: HeadKind,
    /// The output labels in the order of their columns; empty for an embedding.
    pub(crate) labels: Vec<String>,
    pub(crate) token_types: TokenTypes,
    pub(crate) vocabulary: usize,
    pub(crate) hidden: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) intermediate: usize,
    /// The longest sequence, special tokens included.
    pub(crate) positions: usize,
    pub(crate) token_type_count: usize,
    pub(crate) activation: Activation,
    pub(crate) norm_epsilon: f32,
}

/// What a model computes from its last hidden states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadKind {
    TokenClassification,
    SequenceClassification,
    /// The mean of all tokens, as sentence-transformers takes it by default.
    MeanPooling,
    /// The first token.
    FirstToken,
}

impl HeadKind {
    /// What a model with this head does.
    pub(crate) fn task(self) -> Task {
        match self {
            Self::TokenClassification => Task::Ner,
            Self::SequenceClassification => Task::Nli,
            Self::MeanPooling | Self::FirstToken => Task::Embedding,
        }
    }
}

/// What a model's token types tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenTypes {
    /// Which of two texts a token belongs to.
    #[default]
    Segment,
    /// The casing of the token's word, see [`casing`](super::casing).
    Casing,
}

/// `model_type`, and the classes it may name in `architectures` with their heads.
const ARCHITECTURES: [(&str, &str, HeadKind); 3] = [
    ("bert", "BertForTokenClassification", HeadKind::TokenClassification),
    ("bert", "BertForSequenceClassification", HeadKind::SequenceClassification),
    ("bert", "BertModel", HeadKind::MeanPooling),
];

/// The keys that are read, with transformers' defaults for BERT.
#[derive(Deserialize)]
struct RawConfig {
    model_type: String,
    architectures: Vec<String>,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "default_positions")]
    max_position_embeddings: usize,
    #[serde(default = "default_token_types")]
    type_vocab_size: usize,
    #[serde(default = "default_activation")]
    hidden_act: String,
    #[serde(default = "default_epsilon")]
    layer_norm_eps: f32,
    #[serde(default)]
    position_embedding_type: Option<String>,
    #[serde(default)]
    id2label: BTreeMap<String, String>,
    #[serde(default)]
    token_types: TokenTypes,
}

fn default_positions() -> usize {
    512
}

fn default_token_types() -> usize {
    2
}

fn default_activation() -> String {
    "gelu".into()
}

fn default_epsilon() -> f32 {
    1e-12
}

impl Config {
    /// Reads `json`; `origin` names it in messages.
    pub(crate) fn parse(json: &[u8], origin: &str) -> Result<Self, Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, format!("{origin}: {message}")));
        let raw: RawConfig = serde_json::from_slice(json).map_err(|error| {
            Error::new(ErrorKind::Config, format!("{origin} is not a usable config.json")).with_source(error)
        })?;

        let found = ARCHITECTURES.iter().find(|(model_type, class, _)| {
            *model_type == raw.model_type && raw.architectures.iter().any(|name| name == class)
        });
        let Some(&(_, _, head)) = found else {
            let classes = ARCHITECTURES.map(|(_, class, _)| class).join(", ");
            return refuse(format!(
                "model_type {:?} with architectures {:?} is not supported; supported are {classes}",
                raw.model_type, raw.architectures
            ));
        };
        let Some((_, activation)) = Activation::NAMES.into_iter().find(|(name, _)| *name == raw.hidden_act)
        else {
            let names = Activation::NAMES.map(|(name, _)| name).join(", ");
            return refuse(format!(
                "hidden_act {:?} is not supported; supported are {names}",
                raw.hidden_act
            ));
        };
        if let Some(kind) = raw.position_embedding_type
            && kind != "absolute"
        {
            return refuse(format!(
                "position_embedding_type {kind:?} is not supported; supported is absolute"
            ));
        }
        for (key, value) in [
            ("vocab_size", raw.vocab_size),
            ("hidden_size", raw.hidden_size),
            ("num_hidden_layers", raw.num_hidden_layers),
            ("num_attention_heads", raw.num_attention_heads),
            ("intermediate_size", raw.intermediate_size),
            ("max_position_embeddings", raw.max_position_embeddings),
            ("type_vocab_size", raw.type_vocab_size),
        ] {
            if value == 0 || value > LARGEST {
                return refuse(format!("{key} is {value}; it must be between 1 and {LARGEST}"));
            }
        }
        if !raw.hidden_size.is_multiple_of(raw.num_attention_heads) {
            return refuse(format!(
                "hidden_size {} is not divisible by num_attention_heads {}",
                raw.hidden_size, raw.num_attention_heads
            ));
        }
        if raw.token_types == TokenTypes::Casing && raw.type_vocab_size < super::casing::CLASSES {
            return refuse(format!(
                "token_types \"casing\" needs type_vocab_size {}, not {}",
                super::casing::CLASSES,
                raw.type_vocab_size
            ));
        }
        let labels = match head {
            HeadKind::TokenClassification | HeadKind::SequenceClassification => {
                match order_labels(raw.id2label) {
                    Ok(labels) => labels,
                    Err(message) => return refuse(message),
                }
            }
            HeadKind::MeanPooling | HeadKind::FirstToken => Vec::new(),
        };
        Ok(Self {
            architecture: raw.model_type,
            head,
            labels,
            token_types: raw.token_types,
            vocabulary: raw.vocab_size,
            hidden: raw.hidden_size,
            layers: raw.num_hidden_layers,
            heads: raw.num_attention_heads,
            intermediate: raw.intermediate_size,
            positions: raw.max_position_embeddings,
            token_type_count: raw.type_vocab_size,
            activation,
            norm_epsilon: raw.layer_norm_eps,
        })
    }
}

/// No known model comes near it in any dimension; sizes beyond it are damage, and products of
/// two sizes below it cannot overflow.
const LARGEST: usize = 1 << 24;

/// The labels by column. transformers gives a config without `id2label` two unnamed labels.
fn order_labels(id2label: BTreeMap<String, String>) -> Result<Vec<String>, String> {
    if id2label.is_empty() {
        return Ok(vec!["LABEL_0".into(), "LABEL_1".into()]);
    }
    let mut labels = vec![None; id2label.len()];
    for (id, label) in id2label {
        match id.parse::<usize>().ok().and_then(|id| labels.get_mut(id)) {
            Some(slot) => *slot = Some(label),
            None => return Err(format!("id2label has the id {id:?}; ids must be 0 to {}", labels.len() - 1)),
        }
    }
    // As many distinct ids as slots, each in range: every slot is filled unless two ids are the
    // same number in different spellings.
    labels.into_iter().collect::<Option<_>>().ok_or_else(|| "id2label names an id twice".into())
}

#[cfg(test)]
mod tests {
    use super::{Config, HeadKind};

    fn config(change: &str) -> String {
        let (key, value) = change.split_once('=').unwrap_or(("unused", "0"));
        let mut json = serde_json::json!({
            "model_type": "bert", "architectures": ["BertForTokenClassification"], "vocab_size": 100,
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
            "id2label": {"0": "O", "1": "B-PER"}
        });
        json[key] = serde_json::from_str(value).expect("the test's own JSON");
        json.to_string()
    }

    #[test]
    fn labels_are_in_the_order_of_their_ids() {
        let ids = r#"id2label={"10":"k","2":"c","0":"a","1":"b","3":"d","4":"e","5":"f","6":"g","7":"h","8":"i","9":"j"}"#;
        let config = Config::parse(config(ids).as_bytes(), "config.json").expect("is valid");
        assert_eq!(config.labels.concat(), "abcdefghijk");
        assert_eq!(config.head, HeadKind::TokenClassification);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (change, named) in [
            ("hidden_size=0", "hidden_size is 0"),
            ("hidden_size=33", "not divisible"),
            ("hidden_size=99999999999", "hidden_size is 99999999999"),
            ("hidden_act=\"swiglu\"", "supported are gelu"),
            ("model_type=\"llama\"", "supported are BertForTokenClassification"),
            ("id2label={\"0\":\"O\",\"2\":\"B\"}", "id2label has the id \"2\""),
            ("id2label={\"0\":\"O\",\"00\":\"B\"}", "twice"),
            ("position_embedding_type=\"relative_key\"", "relative_key"),
            ("token_types=\"casing\"", "type_vocab_size 4"),
        ] {
            let error = Config::parse(config(change).as_bytes(), "config.json").expect_err(change);
            assert!(error.to_string().contains(named), "{error} does not say {named}");
        }
        assert!(Config::parse(b"{\"model_type\": ", "config.json").is_err());
    }
}
