#[cfg(any(feature = "libtorch", feature = "onnx"))]
pub(in crate::model) mod foreign;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::architecture::shared::{Source, without_nulls};
use super::architecture::{ARCHITECTURES, Architecture, composite};
use super::role::Role;
use crate::backend::native::blueprint::{Blueprint, Head, States};
use crate::catalogue::registry::Task;
use crate::error::{Error, ErrorKind};
use crate::pooling::TokenPooling;
use crate::tags::TagScheme;
use crate::tokenizer::{casing, place};

/// The description of a model, read from its `config.json`.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// `model_type`, such as `bert`.
    pub(crate) architecture: String,
    pub(crate) role: Role,
    pub(crate) token_types: TokenTypes,
    /// The longest sequence, special tokens included.
    pub(crate) longest: usize,
    /// The size of the vocabulary, if the config specifies it.
    pub(crate) vocabulary: Option<usize>,
}

/// The meaning of a model's token types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenTypes {
    /// No meaning: every token has type 0.
    None,
    /// The text of a pair to which a token belongs.
    Segment,
    /// The casing of the token's word, see [`casing`].
    Casing,
    /// The casing of the token's word and its place in the page, see [`place`], as `casing + 4 * place`.
    CasingAndPlace,
}

/// `token_types` in config.json.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TokenTypesKey {
    #[default]
    Segment,
    Casing,
    #[serde(rename = "casing and place")]
    CasingAndPlace,
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
    token_types: TokenTypesKey,
    tag_scheme: Option<TagScheme>,
    #[serde(default)]
    kinds: Vec<String>,
}

/// A parsed config.json, and its name for messages.
struct Parsed<'a> {
    json: Value,
    shared: Shared,
    origin: &'a str,
}

impl<'a> Parsed<'a> {
    fn read(json: &[u8], origin: &'a str) -> Result<Self, Error> {
        let unusable = |error: serde_json::Error| {
            Error::new(ErrorKind::Config, format!("{origin} is not a usable config.json")).with_source(error)
        };
        let json: Value = serde_json::from_slice(json).map_err(unusable)?;
        let shared = Shared::deserialize(without_nulls(&json)).map_err(unusable)?;
        Ok(Self { json, shared, origin })
    }

    fn refuse(&self, message: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Config, format!("{}: {message}", self.origin))
    }

    /// The role of a model with an architecture of transformers; `hidden` is the width of its states.
    fn role(&self, task: Task, labels: Vec<String>, hidden: usize) -> Role {
        match task {
            Task::Ner => {
                Role::Tags { labels, scheme: self.shared.tag_scheme, kinds: self.shared.kinds.clone() }
            }
            Task::Nli => Role::Nli { labels },
            _ => Role::Embedding { hidden },
        }
    }

    /// The output labels of a classifier.
    fn labels(&self, task: Task) -> Result<Vec<String>, Error> {
        match task {
            Task::Ner | Task::Nli => {
                order_labels(&self.shared.id2label).map_err(|message| self.refuse(message))
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The meaning of token types. `rows` is the number of types that the model has, if the config specifies it.
    fn token_types(&self, rows: Option<usize>) -> Result<TokenTypes, Error> {
        let (token_types, name, needed) = match (self.shared.token_types, rows) {
            (TokenTypesKey::Segment, Some(0 | 1)) => return Ok(TokenTypes::None),
            (TokenTypesKey::Segment, _) => return Ok(TokenTypes::Segment),
            (TokenTypesKey::Casing, _) => (TokenTypes::Casing, "casing", casing::CLASSES),
            (TokenTypesKey::CasingAndPlace, _) => {
                (TokenTypes::CasingAndPlace, "casing and place", casing::CLASSES * place::PLACES)
            }
        };
        let rows = rows.unwrap_or(0);
        if rows < needed as usize {
            return Err(
                self.refuse(format!("token_types {name:?} needs type_vocab_size {needed}, not {rows}"))
            );
        }
        Ok(token_types)
    }
}

impl Config {
    /// Reads `json` for the native backend; `origin` names it in messages. `pooling` is the pooling that the registry
    /// or the model's other files specify.
    pub(crate) fn native(
        json: &[u8],
        origin: &str,
        pooling: Option<TokenPooling>,
    ) -> Result<(Self, Blueprint), Error> {
        let parsed = Parsed::read(json, origin)?;
        let Shared { model_type, architectures, .. } = &parsed.shared;
        if let Some(translated) = composite::translate(&parsed.json, model_type) {
            let (role, blueprint) = translated.map_err(|message| parsed.refuse(message))?;
            let architecture = role.prompt().map_or(model_type.as_str(), |style| style.architecture);
            let config = Self {
                architecture: architecture.to_owned(),
                role,
                token_types: TokenTypes::None,
                longest: blueprint.longest,
                vocabulary: blueprint.encoder.embeddings.words.rows,
            };
            return Ok((config, blueprint));
        }
        let architecture = Architecture::find(model_type);
        let task = architecture.and_then(|architecture| {
            let mut classes = architectures.iter();
            let pretrained =
                || pooling.is_some() && architectures.iter().any(|name| architecture.is_pretrained(name));
            let task = classes.find_map(|name| architecture.task_of(name));
            Some((architecture, task.or_else(|| pretrained().then_some(Task::Embedding))?))
        });
        let Some((architecture, task)) = task else {
            let classes: Vec<String> = match architecture {
                Some(architecture) => architecture.classes().collect(),
                None => ARCHITECTURES.iter().flat_map(Architecture::classes).collect(),
            };
            return Err(parsed.refuse(format!(
                "model_type {model_type:?} with architectures {architectures:?} is not supported; supported are {}",
                classes.join(", ")
            )));
        };
        let labels = parsed.labels(task)?;
        let source = Source { json: &parsed.json, task, labels: labels.len() };
        let mut blueprint = (architecture.translate)(&source).map_err(|message| parsed.refuse(message))?;
        if let (Task::Embedding, Some(pooling), Head::Dense { states, .. }) =
            (task, pooling, &mut blueprint.head)
        {
            *states = States::Pooled(pooling);
        }
        if task == Task::Ner && !parsed.shared.kinds.is_empty() {
            let refused = || parsed.refuse("kinds are supported only for token classifiers");
            blueprint.head.add_kinds(parsed.shared.kinds.len()).ok_or_else(refused)?;
        }
        let table = blueprint.encoder.embeddings.token_types.as_ref();
        let token_types = parsed.token_types(Some(table.and_then(|table| table.rows).unwrap_or(0)))?;
        let config = Self {
            architecture: model_type.clone(),
            role: parsed.role(task, labels, blueprint.hidden),
            token_types,
            longest: blueprint.longest,
            vocabulary: blueprint.encoder.embeddings.words.rows,
        };
        Ok((config, blueprint))
    }

    /// The `model_type` that determines the tokenizer: that of the encoder.
    pub(crate) fn tokenizer_type(&self) -> &str {
        self.role.prompt().map_or(&self.architecture, |style| &style.encoder)
    }
}

/// The labels by column. transformers gives a config without `id2label` two unnamed labels.
fn order_labels(id2label: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    if id2label.is_empty() {
        return Ok(vec!["LABEL_0".into(), "LABEL_1".into()]);
    }
    let mut labels = vec![None; id2label.len()];
    for (id, label) in id2label {
        match id.parse::<usize>().ok().and_then(|id| labels.get_mut(id)) {
            Some(slot) => *slot = Some(label.clone()),
            None => return Err(format!("id2label has the id {id:?}; ids must be 0 to {}", labels.len() - 1)),
        }
    }
    // There are as many distinct ids as slots, and all are in range, so every slot is filled unless two ids are the
    // same number in different spellings.
    labels.into_iter().collect::<Option<_>>().ok_or_else(|| "id2label names an id twice".into())
}

#[cfg(test)]
mod tests {
    use super::{Config, Role, TagScheme, Task};
    use crate::pooling::TokenPooling;

    fn config(change: &str) -> String {
        let (key, value) = change.split_once('=').unwrap_or(("unused", "0"));
        let mut json = serde_json::json!({
            "model_type": "bert", "architectures": ["BertForTokenClassification"], "vocab_size": 100,
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
            "id2label": {"0": "O", "1": "B-PER"}
        });
        json[key] = serde_json::from_str(value).expect("the test's own JSON should be valid");
        json.to_string()
    }

    fn parse(change: &str, pooling: Option<TokenPooling>) -> Result<Config, crate::Error> {
        Config::native(config(change).as_bytes(), "config.json", pooling).map(|(config, _)| config)
    }

    #[test]
    fn labels_are_in_the_order_of_their_ids() {
        let ids = r#"id2label={"10":"k","2":"c","0":"a","1":"b","3":"d","4":"e","5":"f","6":"g","7":"h","8":"i","9":"j"}"#;
        let config = parse(ids, None).expect("it should be valid");
        assert_eq!(config.role.labels().concat(), "abcdefghijk");
        assert_eq!(config.role.task(), Task::Ner);
    }

    #[test]
    fn a_pretrained_encoder_embeds_if_its_pooling_is_known() {
        let class = "architectures=[\"BertForMaskedLM\"]";
        assert!(parse(class, None).is_err());
        let config = parse(class, Some(TokenPooling::Mean)).expect("it should be an embedding model");
        assert_eq!(config.role.task(), Task::Embedding);
    }

    #[test]
    fn a_tag_scheme_that_is_not_known_is_no_fault() {
        for (change, expected) in
            [("tag_scheme=\"IOB2\"", TagScheme::Iob2), ("tag_scheme=\"BIO\"", TagScheme::Other)]
        {
            let role = parse(change, None).expect("the config should be valid").role;
            assert!(matches!(role, Role::Tags { scheme: Some(scheme), .. } if scheme == expected));
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
            ("token_types=\"casing and place\"", "type_vocab_size 16"),
        ] {
            let error = parse(change, None).expect_err(change);
            assert!(error.to_string().contains(named), "{error} does not say {named}");
        }
        assert!(Config::native(b"{\"model_type\": ", "config.json", None).is_err());
    }
}
