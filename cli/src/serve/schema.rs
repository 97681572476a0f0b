//! The shapes of answers, for the description in OpenAPI. They are the library's own; the tests compare both.

#![expect(dead_code, reason = "these types are only described")]

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A candidate topic.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Label {
    /// The name, which the answer repeats.
    name: String,
    /// A few words about the texts that belong to it.
    #[schema(required = false)]
    description: Option<String>,
    /// Texts that belong to it, for models that compare texts.
    #[schema(required = false)]
    examples: Vec<String>,
}

/// A candidate topic: its name, or an object with its name and more.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum LabelOrName {
    Name(String),
    Label(Label),
}

/// A range of offsets, with an exclusive end.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    start: usize,
    end: usize,
}

/// A place in the text.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    /// The place in bytes of UTF-8.
    bytes: Range,
    /// The place in code points, as Python counts.
    chars: Range,
    /// The place in UTF-16 units, if the request asks for it.
    #[schema(required = false, nullable = false)]
    utf16: Option<Range>,
}

/// A mention.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Entity {
    /// The model's label, such as `PER`, or a rule's.
    label: String,
    /// The finer kind within the label, such as `city`, if the model knows it.
    #[schema(required = false, nullable = false)]
    kind: Option<String>,
    /// The text of the mention.
    text: String,
    /// `rule` if a rule found it, and nothing if the model did.
    #[schema(required = false, nullable = false)]
    found_by: Option<String>,
    /// The probability of the entity, from 0 to 1.
    score: f32,
    span: Span,
}

/// A part of the text that supports a topic.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Evidence {
    span: Span,
    score: f32,
}

/// A topic and its probability.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Topic {
    label: String,
    /// The probability of the topic: among the labels, or, with `multi_label`, on its own.
    score: f32,
    /// The probability that the topic fits, judged on its own.
    fit: f32,
    evidence: Vec<Evidence>,
}

/// The scores of all topics in a part of the text.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Passage {
    span: Span,
    scores: Vec<f32>,
}

/// The amount of text that was read.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Coverage {
    chars: usize,
    chars_read: usize,
    tokens: usize,
    unknown_tokens: usize,
    windows: usize,
    /// The language that the text looks like, if the models do not know it.
    #[schema(required = false, nullable = false)]
    foreign_language: Option<String>,
}

/// The mentions of one person or thing.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    name: String,
    label: String,
    #[schema(required = false, nullable = false)]
    kind: Option<String>,
    /// The indices of its entities in `entities`.
    mentions: Vec<usize>,
    /// The weight of the group among all groups, from 0 to 1.
    salience: f32,
    /// For a nationality, the index of its country in `groups`, if the text names the country.
    #[schema(required = false, nullable = false)]
    country: Option<usize>,
}

/// The entities of a text.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Entities {
    entities: Vec<Entity>,
    coverage: Coverage,
    #[schema(required = false, nullable = false)]
    groups: Option<Vec<Group>>,
}

/// The topics of a text, the likeliest first.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Topics {
    topics: Vec<Topic>,
    passages: Vec<Passage>,
    coverage: Coverage,
}

/// The entities and topics of a text.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tagged {
    entities: Vec<Entity>,
    topics: Vec<Topic>,
    passages: Vec<Passage>,
    coverage: Coverage,
    #[schema(required = false, nullable = false)]
    groups: Option<Vec<Group>>,
}

/// One object for `text`, and a list of objects for `texts`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum OneOrList<T: ToSchema> {
    One(T),
    List(Vec<T>),
}
