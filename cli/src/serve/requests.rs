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

/// The maximum number of texts in a request.
const MOST_TEXTS: usize = 10_000;

/// A request, whatever its path.
pub(super) struct Asked {
    pub(super) texts: Arc<[String]>,
    /// True if the request has one text, not a list.
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

/// The body of a request to one of the paths.
pub(super) trait Body: DeserializeOwned {
    fn asked(self) -> Result<Asked, Refusal>;
}

/// Reads a body, which must be a JSON object.
pub(super) fn read<B: Body>(body: &[u8]) -> Result<B, Refusal> {
    // serde would also read the fields from a list, in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::input("the body must be an object, such as {\"text\": \"…\"}"));
    }
    serde_json::from_slice(body).map_err(|error| Refusal::input(format!("the body is invalid: {error}")))
}

/// A request for entities.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EntitiesRequest {
    /// The document, if there is one.
    text: Option<String>,
    /// The documents, if there are several.
    #[schema(max_items = 10000)]
    texts: Option<Vec<String>>,
    /// The score that an entity of the model must exceed.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    threshold: Option<f32>,
    /// The scores that entities with certain labels must exceed, by label.
    thresholds: BTreeMap<String, f32>,
    /// The entity types to find, for a model that takes entity types as input (GLiNER).
    entity_types: Option<Vec<String>>,
    /// Built-in rules that find further entities, such as `email`; `all` for all of them.
    built_in: Vec<String>,
    /// Adds the entities grouped by the person or thing that they name.
    groups: bool,
    /// Adds to each span its offsets in UTF-16 units, as JavaScript counts.
    utf16: bool,
}

/// A request for topics.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TopicsRequest {
    /// The document, if there is one.
    text: Option<String>,
    /// The documents, if there are several.
    #[schema(max_items = 10000)]
    texts: Option<Vec<String>>,
    /// Candidate topics; the service's own by default.
    #[schema(value_type = Option<Vec<LabelOrName>>, max_items = 500)]
    #[serde(deserialize_with = "labels::read")]
    labels: Option<Vec<Label>>,
    /// Scores each topic independently, so that several may fit, or none.
    multi_label: Option<bool>,
    /// Adds to each span its offsets in UTF-16 units, as JavaScript counts.
    utf16: bool,
}

/// A request for entities and topics.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TagRequest {
    /// The document, if there is one.
    text: Option<String>,
    /// The documents, if there are several.
    #[schema(max_items = 10000)]
    texts: Option<Vec<String>>,
    /// Candidate topics; the service's own by default.
    #[schema(value_type = Option<Vec<LabelOrName>>, max_items = 500)]
    #[serde(deserialize_with = "labels::read")]
    labels: Option<Vec<Label>>,
    /// Scores each topic independently, so that several may fit, or none.
    multi_label: Option<bool>,
    /// The score that an entity of the model must exceed.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    threshold: Option<f32>,
    /// The scores that entities with certain labels must exceed, by label.
    thresholds: BTreeMap<String, f32>,
    /// The entity types to find, for a model that takes entity types as input (GLiNER).
    entity_types: Option<Vec<String>>,
    /// Built-in rules that find further entities, such as `email`; `all` for all of them.
    built_in: Vec<String>,
    /// Adds the entities grouped by the person or thing that they name.
    groups: bool,
    /// Adds to each span its offsets in UTF-16 units, as JavaScript counts.
    utf16: bool,
}

/// A request for an HTML page of a document.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HtmlRequest {
    /// The document.
    #[schema(required = true, nullable = false)]
    text: Option<String>,
    /// The title of the page.
    title: Option<String>,
    /// Candidate topics; the service's own by default.
    #[schema(value_type = Option<Vec<LabelOrName>>, max_items = 500)]
    #[serde(deserialize_with = "labels::read")]
    labels: Option<Vec<Label>>,
    /// Scores each topic independently, so that several may fit, or none.
    multi_label: Option<bool>,
    /// The score that an entity of the model must exceed.
    #[schema(minimum = 0.0, exclusive_maximum = 1.0)]
    threshold: Option<f32>,
    /// The scores that entities with certain labels must exceed, by label.
    thresholds: BTreeMap<String, f32>,
    /// The entity types to find, for a model that takes entity types as input (GLiNER).
    entity_types: Option<Vec<String>>,
    /// Built-in rules that find further entities, such as `email`; `all` for all of them.
    built_in: Vec<String>,
}

/// The texts of a request, and whether it has one text, not a list.
fn texts_of(text: Option<String>, texts: Option<Vec<String>>) -> Result<(Arc<[String]>, bool), Refusal> {
    match (text, texts) {
        (Some(text), None) => Ok(([text].into(), true)),
        (None, Some(texts)) if texts.len() > MOST_TEXTS => Err(Refusal::input(format!(
            "a request may have at most {MOST_TEXTS} texts; this one has {}",
            texts.len()
        ))),
        (None, Some(texts)) => Ok((texts.into(), false)),
        (Some(_), Some(_)) => Err(Refusal::input("the request has both text and texts; send one of them")),
        (None, None) => Err(Refusal::input("the request has no text; send one as text, or several as texts")),
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
