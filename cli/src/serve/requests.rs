//! The bodies of requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use entopic::Label;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::labels;
use super::refusal::Refusal;
use super::schema::LabelOrName;
use super::work::{Search, Wanted};
use crate::formats::JsonOptions;
use crate::offsets::Offsets;

/// The most texts of a request.
const MOST_TEXTS: usize = 10_000;

/// A request, whatever its path.
pub(super) struct Asked {
    pub(super) texts: Arc<[String]>,
    /// Whether there is one text and no list.
    pub(super) is_one: bool,
    pub(super) wanted: Wanted,
    pub(super) answer: Answer,
}

/// The form of an answer.
pub(super) enum Answer {
    Json(JsonOptions),
    /// A page with this title.
    Html(Option<String>),
}

/// The body of a path.
pub(super) trait Body: DeserializeOwned {
    fn asked(self) -> Result<Asked, Refusal>;
}

/// Finds entities.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EntitiesRequest {
    /// The document, if there is one.
    text: Option<String>,
    /// The documents, if there are several.
    #[schema(max_items = 10000)]
    texts: Option<Vec<String>>,
    /// The least score of an entity that the model finds.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    threshold: Option<f32>,
    /// The same for entities with a label, by label.
    thresholds: BTreeMap<String, f32>,
    /// The entity types to find, for a model that takes entity types as input (GLiNER).
    entity_types: Option<Vec<String>>,
    /// Built-in rules that find entities next to the model, such as `email`; `all` for all of them.
    built_in: Vec<String>,
    /// Adds the entities grouped by what they name.
    groups: bool,
    /// Adds to each span its place in units of UTF-16, as JavaScript counts.
    utf16: bool,
}

/// Finds topics.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TopicsRequest {
    /// The document, if there is one.
    text: Option<String>,
    /// The documents, if there are several.
    #[schema(max_items = 10000)]
    texts: Option<Vec<String>>,
    /// Candidate topics. Without them the service's own are used.
    #[schema(value_type = Option<Vec<LabelOrName>>, max_items = 500)]
    #[serde(deserialize_with = "labels::read")]
    labels: Option<Vec<Label>>,
    /// Scores each topic by itself, so that several may fit, or none.
    multi_label: Option<bool>,
    /// Adds to each span its place in units of UTF-16, as JavaScript counts.
    utf16: bool,
}

/// Finds entities and topics.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TagRequest {
    /// The document, if there is one.
    text: Option<String>,
    /// The documents, if there are several.
    #[schema(max_items = 10000)]
    texts: Option<Vec<String>>,
    /// Candidate topics. Without them the service's own are used.
    #[schema(value_type = Option<Vec<LabelOrName>>, max_items = 500)]
    #[serde(deserialize_with = "labels::read")]
    labels: Option<Vec<Label>>,
    /// Scores each topic by itself, so that several may fit, or none.
    multi_label: Option<bool>,
    /// The least score of an entity that the model finds.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    threshold: Option<f32>,
    /// The same for entities with a label, by label.
    thresholds: BTreeMap<String, f32>,
    /// The entity types to find, for a model that takes entity types as input (GLiNER).
    entity_types: Option<Vec<String>>,
    /// Built-in rules that find entities next to the model, such as `email`; `all` for all of them.
    built_in: Vec<String>,
    /// Adds the entities grouped by what they name.
    groups: bool,
    /// Adds to each span its place in units of UTF-16, as JavaScript counts.
    utf16: bool,
}

/// Makes a page of a document.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HtmlRequest {
    /// The document.
    #[schema(required = true, nullable = false)]
    text: Option<String>,
    /// The title of the page.
    title: Option<String>,
    /// Candidate topics. Without them the service's own are used.
    #[schema(value_type = Option<Vec<LabelOrName>>, max_items = 500)]
    #[serde(deserialize_with = "labels::read")]
    labels: Option<Vec<Label>>,
    /// Scores each topic by itself, so that several may fit, or none.
    multi_label: Option<bool>,
    /// The least score of an entity that the model finds.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    threshold: Option<f32>,
    /// The same for entities with a label, by label.
    thresholds: BTreeMap<String, f32>,
    /// The entity types to find, for a model that takes entity types as input (GLiNER).
    entity_types: Option<Vec<String>>,
    /// Built-in rules that find entities next to the model, such as `email`; `all` for all of them.
    built_in: Vec<String>,
}

/// The texts of a request, and whether there is one and no list.
fn texts_of(text: Option<String>, texts: Option<Vec<String>>) -> Result<(Arc<[String]>, bool), Refusal> {
    match (text, texts) {
        (Some(text), None) => Ok(([text].into(), true)),
        (None, Some(texts)) if texts.len() > MOST_TEXTS => Err(Refusal::input(format!(
            "a request may have {MOST_TEXTS} texts; this one has {}",
            texts.len()
        ))),
        (None, Some(texts)) => Ok((texts.into(), false)),
        (Some(_), Some(_)) => Err(Refusal::input("the request has both text and texts; send one of them")),
        (None, None) => Err(Refusal::input("the request has no text; send it as text, or several as texts")),
    }
}

fn json(groups: bool, utf16: bool) -> Answer {
    Answer::Json(JsonOptions { groups, offsets: if utf16 { Offsets::Utf16 } else { Offsets::Chars } })
}

impl Body for EntitiesRequest {
    fn asked(self) -> Result<Asked, Refusal> {
        let (texts, is_one) = texts_of(self.text, self.texts)?;
        let Self { threshold, thresholds, entity_types, built_in, .. } = self;
        let wanted =
            Wanted { threshold, thresholds, entity_types, built_in, ..Wanted::new(Search::Entities) };
        Ok(Asked { texts, is_one, wanted, answer: json(self.groups, self.utf16) })
    }
}

impl Body for TopicsRequest {
    fn asked(self) -> Result<Asked, Refusal> {
        let (texts, is_one) = texts_of(self.text, self.texts)?;
        let wanted =
            Wanted { labels: self.labels, multi_label: self.multi_label, ..Wanted::new(Search::Topics) };
        Ok(Asked { texts, is_one, wanted, answer: json(false, self.utf16) })
    }
}

impl Body for TagRequest {
    fn asked(self) -> Result<Asked, Refusal> {
        let (texts, is_one) = texts_of(self.text, self.texts)?;
        let Self { labels, multi_label, threshold, thresholds, entity_types, built_in, .. } = self;
        let search = Search::Both;
        let wanted = Wanted { search, labels, multi_label, threshold, thresholds, entity_types, built_in };
        Ok(Asked { texts, is_one, wanted, answer: json(self.groups, self.utf16) })
    }
}

impl Body for HtmlRequest {
    fn asked(self) -> Result<Asked, Refusal> {
        let (texts, is_one) = texts_of(self.text, None)?;
        let Self { labels, multi_label, threshold, thresholds, entity_types, built_in, .. } = self;
        let search = Search::Both;
        let wanted = Wanted { search, labels, multi_label, threshold, thresholds, entity_types, built_in };
        Ok(Asked { texts, is_one, wanted, answer: Answer::Html(self.title) })
    }
}
