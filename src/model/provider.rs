//! The backends as the loader sees them: each reads a model's description, and then assembles it.

#[cfg(feature = "libtorch")]
mod libtorch;
mod native;
#[cfg(feature = "onnx")]
mod onnx;

use super::config::Config;
use super::resources::Resources;
use crate::backend::Runner;
use crate::catalogue::files::Files;
use crate::catalogue::layout::{Layout, Weights};
use crate::error::Error;
#[cfg(not(feature = "onnx"))]
use crate::error::ErrorKind;
use crate::pooling::TokenPooling;
use crate::precision::{Backend, Precision};
use crate::tokenizer::TextTokenizer;

/// A model's files, and the pooling that they or the registry state.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) files: &'a Files,
    pub(super) layout: &'a Layout,
    /// config.json.
    pub(super) json: &'a [u8],
    pub(super) pooling: Option<TokenPooling>,
    pub(super) resources: &'a Resources,
}

/// A described model, ready to be assembled.
pub(super) struct Described<'a> {
    pub(super) config: Config,
    pub(super) assembly: Assembly<'a>,
}

type Loaded = Result<Box<dyn Runner>, Error>;

/// The rest of the work of loading.
pub(super) enum Assembly<'a> {
    /// Without the tokenizer: both are loaded at the same time.
    Apart(Box<dyn FnOnce() -> Loaded + Send + 'a>),
    /// With the tokenizer.
    #[cfg_attr(
        not(feature = "onnx"),
        expect(dead_code, reason = "only graphs are tried when they are loaded")
    )]
    WithTokenizer(Box<dyn FnOnce(&TextTokenizer) -> Loaded + Send + 'a>),
}

impl<'a> Site<'a> {
    /// The name of config.json in messages.
    fn origin(&self) -> String {
        self.files.name(self.layout.description.config)
    }

    /// The file that the weights are read from, or that leads to the others.
    #[cfg_attr(not(any(feature = "libtorch", feature = "onnx")), allow(dead_code))]
    fn weights(&self) -> &'static str {
        self.layout.weights.file()
    }

    /// Describes the model for the backend that is to run it.
    pub(super) fn describe(self) -> Result<Described<'a>, Error> {
        match (self.resources.backend, self.layout.weights) {
            #[cfg(feature = "libtorch")]
            (Backend::LibTorch, _) => libtorch::describe(self),
            (Backend::Native, Weights::Onnx(_)) => graph(self),
            (Backend::Native, _) => native::describe(self),
        }
    }
}

#[cfg(feature = "onnx")]
fn graph(site: Site<'_>) -> Result<Described<'_>, Error> {
    onnx::describe(site)
}

#[cfg(not(feature = "onnx"))]
fn graph(site: Site<'_>) -> Result<Described<'_>, Error> {
    let message = format!(
        "{} is an ONNX graph, which this build cannot read; build entopic with the feature `onnx`, or add a \
         model.safetensors",
        site.files.name(site.layout.weights.file())
    );
    Err(Error::new(ErrorKind::ModelUnavailable, message))
}

/// The precision of the native backend if none is chosen.
const DEFAULT_PRECISION: Precision = Precision::Int8;
