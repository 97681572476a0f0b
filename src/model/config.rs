#[cfg(any(feature = "libtorch", feature = "onnx"))]
mod foreign;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::architecture::{ARCHITECTURES, HeadKind, PromptStyle, Source, prompted};
use super::registry::{Task, TokenPooling};
use crate::engine::Blueprint;
use crate::engine::blueprint::{Head, Pool};
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
    pub(crate) tag_scheme: Option<TagScheme>,
    /// The width of the last states, and so of an embedding.
    pub(crate) hidden: usize,
    /// The longest sequence, special tokens included.
    pub(crate) longest: usize,
    /// The tokens that the model knows, where its config tells.
    pub(crate) vocabulary: Option<usize>,
    /// Whether the model tells the first text of a pair from the second by their token types.
    pub(crate) tells_segments: bool,
    /// What the native engine makes of it; `None` for what other backends run.
    pub(crate) blueprint: Option<Blueprint>,
    /// How labels are given with a text, if they are.
    pub(crate) prompt: Option<PromptStyle>,
}

impl HeadKind {
    /// What a model with this head does.
    pub(crate) fn task(self) -> Task {
        match self {
            Self::TokenClassification => Task::Ner,
            Self::SequenceClassification => Task::Nli,
            Self::Embedding => Task::Embedding,
            Self::PromptedEntities => Task::ZeroShotNer,
            Self::PromptedTopics => Task::ZeroShotTopics,
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

/// The scheme of a token classifier's labels, where its config.json says that it keeps to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum TagScheme {
    /// Every entity begins with its `B-`, and every other word of it has its `I-`.
    #[serde(rename = "IOB2")]
    Iob2,
    /// One of which nothing follows.
    #[serde(other)]
    Other,
}

/// The keys that all architectures share.
#[derive(Deserialize)]
struct Shared {
    #[serde(default)]
    model_type: String,
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default)]
    id2label: BTreeMap<String, String>,
    #[serde(default)]
    token_types: TokenTypes,
    tag_scheme: Option<TagScheme>,
}

impl Config {
    /// Reads `json`; `origin` names it in messages. `pooling` is how the model's other files say that it
    /// makes one vector of a text, if they do.
    pub(crate) fn parse(json: &[u8], origin: &str, pooling: Option<TokenPooling>) -> Result<Self, Error> {
        let refuse = |message: String| Error::new(ErrorKind::Config, format!("{origin}: {message}"));
        let unusable = |error: serde_json::Error| {
            Error::new(ErrorKind::Config, format!("{origin} is not a usable config.json")).with_source(error)
        };
        let json: Value = serde_json::from_slice(json).map_err(unusable)?;
        let shared = Shared::deserialize(&json).map_err(unusable)?;

        if let Some(prompted) = prompted::translate(&json, &shared.model_type) {
            let (head, blueprint, prompt) = prompted.map_err(refuse)?;
            let (labels, token_types) = (Vec::new(), TokenTypes::Segment);
            let architecture = prompt.architecture.to_owned();
            return Ok(Self {
                architecture,
                head,
                labels,
                token_types,
                tag_scheme: None,
                hidden: blueprint.hidden,
                longest: blueprint.longest,
                vocabulary: blueprint.encoder.embeddings.words.rows,
                tells_segments: false,
                blueprint: Some(blueprint),
                prompt: Some(prompt),
            });
        }
        let architecture = ARCHITECTURES.iter().find(|known| known.model_type == shared.model_type);
        let head = architecture.and_then(|architecture| {
            let classes = || shared.architectures.iter();
            let pretrained = pooling.is_some() && classes().any(|name| architecture.is_pretrained(name));
            let head = classes().find_map(|name| architecture.head_of(name));
            Some((architecture, head.or(pretrained.then_some(HeadKind::Embedding))?))
        });
        let Some((architecture, head)) = head else {
            let classes: Vec<String> = match architecture {
                Some(architecture) => architecture.classes().collect(),
                None => ARCHITECTURES.iter().flat_map(|known| known.classes()).collect(),
            };
            return Err(refuse(format!(
                "model_type {:?} with architectures {:?} is not supported; supported are {}",
                shared.model_type,
                shared.architectures,
                classes.join(", ")
            )));
        };
        let labels = match head {
            HeadKind::TokenClassification | HeadKind::SequenceClassification => {
                order_labels(shared.id2label).map_err(refuse)?
            }
            HeadKind::Embedding | HeadKind::PromptedEntities | HeadKind::PromptedTopics => Vec::new(),
        };
        let source = Source { json: &json, head, labels: labels.len() };
        let mut blueprint = architecture.blueprint(&source).map_err(refuse)?;
        if let (HeadKind::Embedding, Some(TokenPooling::Cls), Head::Dense { pool, .. }) =
            (head, pooling, &mut blueprint.head)
        {
            *pool = Pool::First;
        }
        let token_types = shared.token_types;
        let rows =
            blueprint.encoder.embeddings.token_types.as_ref().and_then(|table| table.rows).unwrap_or(0);
        if token_types == TokenTypes::Casing && rows < super::casing::CLASSES {
            let needed = super::casing::CLASSES;
            return Err(refuse(format!("token_types \"casing\" needs type_vocab_size {needed}, not {rows}")));
        }
        Ok(Self {
            architecture: shared.model_type,
            head,
            labels,
            token_types,
            tag_scheme: shared.tag_scheme,
            hidden: blueprint.hidden,
            longest: blueprint.longest,
            vocabulary: blueprint.encoder.embeddings.words.rows,
            tells_segments: rows > 1,
            blueprint: Some(blueprint),
            prompt: None,
        })
    }

    /// Whether the native engine has the architecture `model_type`.
    #[cfg(feature = "libtorch")]
    pub(crate) fn knows(model_type: &str) -> bool {
        ARCHITECTURES.iter().any(|known| known.model_type == model_type)
    }

    /// The `model_type` whose tokenizer it has: that of the encoder.
    pub(crate) fn tokenizer_type(&self) -> &str {
        self.prompt.as_ref().map_or(&self.architecture, |prompt| &prompt.encoder)
    }
}

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
    use super::{Config, HeadKind, TagScheme};
    use crate::model::TokenPooling;

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

    fn parse(change: &str, pooling: Option<TokenPooling>) -> Result<Config, crate::Error> {
        Config::parse(config(change).as_bytes(), "config.json", pooling)
    }

    #[test]
    fn labels_are_in_the_order_of_their_ids() {
        let ids = r#"id2label={"10":"k","2":"c","0":"a","1":"b","3":"d","4":"e","5":"f","6":"g","7":"h","8":"i","9":"j"}"#;
        let config = parse(ids, None).expect("is valid");
        assert_eq!(config.labels.concat(), "abcdefghijk");
        assert_eq!(config.head, HeadKind::TokenClassification);
    }

    #[test]
    fn a_pretrained_encoder_embeds_if_its_pooling_is_known() {
        let class = "architectures=[\"BertForMaskedLM\"]";
        assert!(parse(class, None).is_err());
        let config = parse(class, Some(TokenPooling::Mean)).expect("is an embedding model");
        assert_eq!(config.head, HeadKind::Embedding);
    }

    #[test]
    fn a_tag_scheme_that_is_not_known_is_no_fault() {
        for (change, expected) in
            [("tag_scheme=\"IOB2\"", TagScheme::Iob2), ("tag_scheme=\"BIO\"", TagScheme::Other)]
        {
            assert_eq!(parse(change, None).expect("is valid").tag_scheme, Some(expected));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (change, named) in [
            ("hidden_size=0", "hidden_size is 0"),
            ("hidden_size=33", "not divisible"),
            ("hidden_size=99999999999", "hidden_size is 99999999999"),
            ("hidden_size=\"wide\"", "invalid type"),
            ("num_hidden_layers=10000000", "num_hidden_layers is 10000000"),
            ("hidden_act=\"swiglu\"", "supported are gelu"),
            ("model_type=\"llama\"", "supported are BertForTokenClassification"),
            ("architectures=[\"BertForQuestionAnswering\"]", "supported are BertForTokenClassification"),
            ("id2label={\"0\":\"O\",\"2\":\"B\"}", "id2label has the id \"2\""),
            ("id2label={\"0\":\"O\",\"00\":\"B\"}", "twice"),
            ("position_embedding_type=\"relative_key\"", "relative_key"),
            ("token_types=\"casing\"", "type_vocab_size 4"),
        ] {
            let error = parse(change, None).expect_err(change);
            assert!(error.to_string().contains(named), "{error} does not say {named}");
        }
        assert!(Config::parse(b"{\"model_type\": ", "config.json", None).is_err());
    }
}
