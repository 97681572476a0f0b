//! Guides: one page per subject, and a cookbook.
//!
//! Begin with [`getting_started`]. Each guide can be read alone. In the repository they are files in `docs/guide`,
//! except for [`service`] and [`cookbook`], which are in `docs`.

// The links of a guide to other guides are defined at its end, with the names of files. Where a definition is given
// twice, the first counts: the definitions here make the links lead to modules.

/// [guide on labels]: own_labels
/// [guide on performance]: performance
/// [your own models]: own_models
/// [long documents]: long_documents
/// [rules and redaction]: rules_and_redaction
/// [SQL]: sql
/// [speed]: performance
/// [accuracy]: accuracy
/// [cookbook]: cookbook
///
#[doc = include_str!("../docs/guide/getting-started.md")]
///
/// ## See also
///
/// [`Tagger`](crate::Tagger), [`Ner`](crate::Ner), [`TopicClassifier`](crate::TopicClassifier),
/// [`Engine`](crate::Engine), [`Entity`](crate::Entity), [`Topic`](crate::Topic), [`Coverage`](crate::Coverage),
/// [`Error`](crate::Error). The next guides: [`own_labels`], [`own_models`], [`long_documents`].
pub mod getting_started {}

/// [guide on accuracy]: accuracy
/// [guide on your own models]: own_models
///
#[doc = include_str!("../docs/guide/own-labels.md")]
///
/// ## See also
///
/// [`TopicClassifier`](crate::TopicClassifier), [`Label`](crate::Label), [`LabelSet`](crate::LabelSet),
/// [`TopicOptions`](crate::TopicOptions), [`Scoring`](crate::Scoring), [`Topic::fits`](crate::Topic::fits),
/// [`EntityOptions::entity_types`](crate::EntityOptions::entity_types). Related guides: [`own_models`],
/// [`rules_and_redaction`], [`accuracy`].
pub mod own_labels {}

#[doc = include_str!("../docs/guide/own-models.md")]
///
/// ## See also
///
/// [`Engine`](crate::Engine), [`ModelRef`](crate::ModelRef), [`ModelFiles`](crate::ModelFiles),
/// [`Registry`](crate::Registry), [`ModelEntry`](crate::ModelEntry), [`Aggregation`](crate::Aggregation),
/// [`Precision`](crate::Precision), [`ErrorKind`](crate::ErrorKind). Related guides: [`own_labels`], [`accuracy`].
pub mod own_models {}

#[doc = include_str!("../docs/guide/long-documents.md")]
///
/// ## See also
///
/// [`Coverage`](crate::Coverage), [`Evidence`](crate::Evidence), [`Passage`](crate::Passage),
/// [`WindowPooling`](crate::WindowPooling), [`MentionGroup`](crate::MentionGroup), [`groups`](crate::groups()),
/// [`Limits`](crate::Limits), [`Tagger::tag_iter`](crate::Tagger::tag_iter). Related guide: [`performance`].
pub mod long_documents {}

/// [guide on accuracy]: accuracy
///
#[doc = include_str!("../docs/guide/rules-and-redaction.md")]
///
/// ## See also
///
/// [`Rules`](crate::Rules), [`Rule`](crate::Rule), [`BuiltIn`](crate::BuiltIn),
/// [`EntityOptions::rules`](crate::EntityOptions::rules), [`redact`](crate::redact()),
/// [`Redaction`](crate::Redaction), [`Redacted`](crate::Redacted). Related guide: [`accuracy`].
pub mod rules_and_redaction {}

#[doc = include_str!("../docs/service.md")]
///
/// ## See also
///
/// [`Limits`](crate::Limits), [`Tagger`](crate::Tagger). Related guides: [`sql`], [`performance`].
pub mod service {}

#[doc = include_str!("../docs/guide/sql.md")]
///
/// ## See also
///
/// [`Tagger::tag_iter`](crate::Tagger::tag_iter), [`Topic`](crate::Topic), [`Entity`](crate::Entity). Related guides:
/// [`service`], [`own_labels`].
pub mod sql {}

/// [guide on accuracy]: accuracy
///
#[doc = include_str!("../docs/guide/performance.md")]
///
/// ## See also
///
/// [`Engine::builder`](crate::Engine::builder), [`EngineBuilder`](crate::EngineBuilder),
/// [`Precision`](crate::Precision), [`Tagger::tag_batch`](crate::Tagger::tag_batch). Related guides:
/// [`long_documents`], [`accuracy`].
pub mod performance {}

/// [guide on long documents]: long_documents
///
#[doc = include_str!("../docs/guide/accuracy.md")]
///
/// ## See also
///
/// [`Entity::score`](crate::Entity::score), [`Topic`](crate::Topic), [`EntityOptions`](crate::EntityOptions),
/// [`Scoring`](crate::Scoring). Related guides: [`own_labels`], [`rules_and_redaction`].
pub mod accuracy {}

/// [guide on rules and redaction]: rules_and_redaction
/// [guide on your own labels]: own_labels
///
#[doc = include_str!("../docs/cookbook.md")]
pub mod cookbook {}
