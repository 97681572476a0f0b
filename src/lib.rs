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
//! * [`Tagger`] does both tasks in one call; [`Ner`] and [`TopicClassifier`] do one each.
//! * `bundled()` loads the English models that are in the build; `builder(name)` loads a model of
//!   the [`Registry`], or a folder with a checkpoint as the Hugging Face hub lays it out, or, with
//!   the feature `hub`, a model of that hub.
//! * A text of any length is read whole, in windows of whole sentences; every result has a
//!   [`Coverage`] that says how much of it the model read.
//! * Every type is `Send + Sync`, every call takes `&self`, and batches give what their documents
//!   give alone. Models run on threads of their own, so calls may come from any thread pool. They
//!   block until they are done: inside an async runtime, use its way to run blocking code.
//! * [`Aggregation`] has transformers' strategies, equal to its pipelines with
//!   [`Precision::F32`], and a better default. [`Precision::Int8`] is the default: faster, and
//!   within some tenths of a point of F1.
//!
//! # Features
//!
//! * `bundled` (default): the models `ner-en-small` and `topics-en-small` in the build, 34 MB.
//! * `hub`: models of the Hugging Face hub by their ids, `owner/name` or `owner/name@revision`, found in
//!   the cache that its clients share or downloaded into it, verified and resumed. Its TLS compiles C.
//! * `onnx`: checkpoints that exist as ONNX only (`model.onnx` or `onnx/model.onnx`, and no other
//!   weights), run by the crate `rten`, of any architecture: token classification, NLI, embeddings. The
//!   graph decides how products are computed, whatever the [`Precision`]. A batch gives what its documents
//!   give alone within 1e-4. A damaged file is an error, but a hostile graph may take any time and memory:
//!   take graphs only from those you trust. `rten` starts one pool of its own for the process, a thread
//!   for each core, which loads models and sleeps after, and reads environment variables that begin with
//!   `RTEN_`; where `RTEN_TIMING` is set, it prints.
//! * `libtorch`: `Backend::LibTorch`, rust-bert's model types on libtorch 2.4, on a CPU or a CUDA device.
//!   docs/backends.md of the repository tells how libtorch is found, what differs and for whom it is. It
//!   compiles C++. libtorch reads environment variables of its own.
//! * `tracing`: a span of the crate `tracing` around each stage of a call, with the target `entopic`
//!   and the level `TRACE`. Without it, nothing of that is compiled.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backend;
mod document;
mod engine;
mod error;
mod inference;
#[doc(hidden)]
pub mod measure;
mod model;
mod ner;
mod schedule;
mod span;
mod stage;
mod tagger;
mod topics;

pub use backend::Precision;
#[cfg(feature = "libtorch")]
pub use backend::{Backend, Device};
pub use document::Coverage;
pub use error::{Error, ErrorKind};
#[cfg(feature = "hub")]
pub use model::{DownloadProgress, FetchedFile, FetchedModel, Hub};
pub use model::{ModelEntry, ModelFile, Registry, Source, Task, TokenPooling};
pub use ner::{Aggregation, Entity, Ner, NerBuilder, TaggedText, TaggedWords, TokenLogits, WordEntity};
pub use span::Span;
pub use tagger::{TaggedDocument, Tagger, TaggerBuilder};
pub use topics::{
    ClassifiedText, Evidence, LabelSet, NEWS_TOPICS, Scoring, Topic, TopicClassifier, TopicClassifierBuilder,
    WindowPooling,
};

// The code in README.md is compiled and run with the other examples of the documentation.
#[cfg(all(doctest, feature = "bundled"))]
#[doc = include_str!("../README.md")]
struct Readme;
