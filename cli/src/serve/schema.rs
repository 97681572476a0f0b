//! The shapes of answers, for the description in OpenAPI. They are the library's own; the tests compare both.

#![expect(dead_code, reason = "these types are only described")]

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A candidate topic.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Label {
    /// Its name, which the answer has.
    name: String,
    /// What belongs under it, in a few words.
    #[schema(required = false)]
    description: Option<String>,
    /// Texts that belong under it, for models that compare texts.
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

/// A range of places, its end exclusive.
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
    /// In bytes of UTF-8.
    bytes: Range,
    /// In code points, as Python counts.
    chars: Range,
    /// In units of UTF-16, if the request asks for them.
    #[schema(required = false, nullable = false)]
    utf16: Option<Range>,
}

/// A mention.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Entity {
    /// The model's label, such as `PER`, or a rule's.
    label: String,
    /// The kind of thing within the label, such as `city`, if the model knows it.
    #[schema(required = false, nullable = false)]
    kind: Option<String>,
    /// The text of the mention.
    text: String,
    /// `rule` if a rule found it, and nothing if the model did.
    #[schema(required = false, nullable = false)]
    found_by: Option<String>,
    /// From 0 to 1.
    score: f32,
    span: Span,
}

/// A part of the text that spoke for a topic.
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
    /// Its probability: among the labels, or, with `multi_label`, by itself.
    score: f32,
    /// The probability that it fits, judged by itself.
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

/// How much of the text was read.
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

/// The mentions of one thing.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    name: String,
    label: String,
    #[schema(required = false, nullable = false)]
    kind: Option<String>,
    /// The places of its entities in `entities`.
    mentions: Vec<usize>,
    /// From 0 to 1.
    salience: f32,
    /// For a nationality the place of its country in `groups`, if the text names it.
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
