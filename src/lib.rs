//! Entities and topics of a document: transformer named-entity recognition and zero-shot topic
//! classification, offline and without native libraries.
//!
//! ```
//! # #[cfg(feature = "bundled")] {
//! let tagger = entopic::Tagger::bundled()?;
//! let document = tagger.tag("Angela Merkel spoke in Berlin about the price of gas.")?;
//! assert_eq!(document.entities[0].text, "Angela Merkel");
//! # }
//! # Ok::<(), entopic::Error>(())
//! ```
//!
//! * [`Tagger`] does both tasks in one call; [`Ner`] and [`TopicClassifier`] do one each. `bundled()` loads the English
//!   models that are compiled in.
//! * [`Engine`] loads any other model: a model of the [`Registry`] by name, a folder with a checkpoint in the layout of
//!   the Hugging Face hub, [`ModelFiles`] in memory, or with the feature `hub` a model of that hub. It owns the threads
//!   and everything else that models share.
//! * Loaded models are cheap handles. [`EntityOptions`] and [`TopicOptions`] make views with other options, and
//!   [`Limits`] views with a deadline, without loading anything again.
//! * A text is read whole, up to [`Limits::max_bytes`] (256 MiB by default), in windows of whole sentences; only sentences longer than a window are cut.
//!   Every result has a [`Coverage`], which reports the part of the text that the model read.
//! * Every type is `Send + Sync`, every call takes `&self`, and a batch gives the same results as its documents alone
//!   (within 1e-4 with the features `onnx` and `libtorch`). Models run on the threads of the engine, so calls may come
//!   from any thread pool. Calls block until they are done; in an async runtime, call them inside `spawn_blocking`.
//! * [`Aggregation`] has the strategies of transformers, with equal results in [`Precision::F32`]. The default is its
//!   own, [`Word`](Aggregation::Word), which never splits a word. The default precision, [`Precision::Int8`], is faster
//!   than f32 and within a few tenths of a point of F1.
//!
//! The [`guides`] explain one subject each, from the first program to accuracy, and the cookbook among them has
//! recipes.
//!
//! # Features
//!
//! * `bundled` (default): the models `ner-en-small` and `topics-en-small` in the build, 34 MB.
//! * `hub`: models of the Hugging Face hub by their ids, `owner/name` or `owner/name@revision`, from the cache that all
//!   clients of the hub share. Models that are not in it are downloaded; downloads are verified and resumed. The TLS
//!   library of this feature compiles C.
//! * `language`: [`Coverage::foreign_language`], which names the language of a text that looks like one that the model
//!   does not know.
//! * `onnx`: checkpoints that exist only as ONNX (`model.onnx` or `onnx/model.onnx`, or a quantised graph, and no other
//!   weights), of any architecture, run by the crate `rten`: token classification, NLI, embeddings, GLiNER. The graph
//!   sets the number format; [`Precision`] has no effect. A batch gives the same results as its documents alone, within
//!   1e-4. A damaged file is an error, but a hostile graph may take any amount of time and memory: load only graphs that
//!   you trust. `rten` starts one thread pool for the process, with one thread per core, which loads models and then
//!   sleeps. It reads environment variables that begin with `RTEN_`, and prints if `RTEN_TIMING` is set.
//! * `libtorch`: `Backend::LibTorch`, rust-bert's model types on libtorch 2.4, on a CPU or a CUDA device.
//!   docs/backends.md in the repository explains how to install libtorch, what differs, and when to use it. The feature
//!   compiles C++, and libtorch reads its own environment variables.
//! * `tracing`: a span of the crate `tracing` around each stage of a call, with the target `entopic` and the level
//!   `TRACE`. Without the feature, the spans are not compiled.

#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// Groups of modules, each of which depends only on those above it.

mod limits;

mod batch;
mod bytes;
mod characters;
mod error;
mod hex;
mod language;
mod names;
mod pooling;
mod precision;
mod probability;
mod span;
mod spare;
mod stage;
mod tags;

mod fingerprint;

mod checkpoint;

mod backend;

mod schedule;

mod catalogue;

mod tokenizer;

mod model;

mod document;

mod pipeline;

mod labels;
mod prompt;

mod ner;
mod topics;

mod groups;

mod engine;

mod tagger;

mod displacy;
mod page;
mod redaction;

// Only rustdoc reads the guides. Their examples are run in builds that have the bundled models.
#[cfg(any(all(doc, not(doctest)), all(doctest, feature = "bundled")))]
pub mod guides;

#[cfg(test)]
mod goldens;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;

pub use ndarray;

pub use catalogue::files::ModelFiles;
#[cfg(feature = "hub")]
pub use catalogue::hub::Hub;
#[cfg(feature = "hub")]
pub use catalogue::hub::progress::DownloadProgress;
#[cfg(feature = "hub")]
pub use catalogue::hub::request::{FetchedFile, FetchedModel};
pub use catalogue::model_ref::ModelRef;
pub use catalogue::registry::{ModelEntry, ModelFile, Registry, Source, Task};
pub use displacy::{DisplacyDocument, DisplacyEntity};
pub use document::coverage::Coverage;
pub use engine::{Engine, EngineBuilder};
pub use error::{Error, ErrorKind};
pub use groups::{GroupOptions, MentionGroup, groups};
pub use ner::Ner;
pub use ner::aggregation::Aggregation;
pub use ner::entity::{
    Entity, FoundBy, Segment, TaggedText, TaggedWords, TokenLogits, WordEntity, merge, segments,
};
pub use ner::options::EntityOptions;
pub use ner::rules::Rules;
pub use ner::rules::built_in::BuiltIn;
pub use ner::rules::rule::Rule;
pub use page::HtmlOptions;
pub use pooling::{TokenPooling, WindowPooling};
#[cfg(feature = "libtorch")]
pub use precision::Device;
pub use precision::{Backend, Precision};
pub use redaction::{Redacted, Redaction, Replacement, redact};
pub use schedule::Limits;
pub use span::Span;
pub use tagger::{TaggedDocument, Tagger};
pub use tags::{Position, Tag};
pub use topics::label::Label;
pub use topics::label_set::LabelSet;
pub use topics::options::TopicOptions;
pub use topics::result::{ClassifiedText, Evidence, Passage, Topic};
pub use topics::scoring::Scoring;
pub use topics::{TopicClassifier, news_topics};

// The code in README.md is compiled and run with the other examples of the documentation.
#[cfg(all(doctest, feature = "bundled"))]
#[doc = include_str!("../README.md")]
struct Readme;
