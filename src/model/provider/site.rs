use crate::backend::Runner;
use crate::catalogue::files::Files;
use crate::catalogue::layout::Layout;
use crate::error::Error;
use crate::model::config::Config;
use crate::model::resources::Resources;
use crate::pooling::TokenPooling;
use crate::tokenizer::TextTokenizer;

/// A model's files, and the pooling that they or the registry specify.
#[derive(Clone, Copy)]
pub(in crate::model) struct Site<'a> {
    pub(in crate::model) files: &'a Files,
    pub(in crate::model) layout: &'a Layout,
    /// config.json.
    pub(in crate::model) json: &'a [u8],
    pub(in crate::model) pooling: Option<TokenPooling>,
    pub(in crate::model) resources: &'a Resources,
}

impl Site<'_> {
    /// The name of config.json in messages.
    pub(super) fn origin(&self) -> String {
        self.files.name(self.layout.description.config)
    }

    /// The file from which the weights are read, or that names the others.
    #[cfg(any(feature = "libtorch", feature = "onnx"))]
    pub(super) fn weights(&self) -> &'static str {
        self.layout.weights.file()
    }
}

/// A described model, ready to be assembled.
pub(in crate::model) struct Described<'a> {
    pub(in crate::model) config: Config,
    pub(in crate::model) assembly: Assembly<'a>,
}

type Loaded = Result<Box<dyn Runner>, Error>;

/// The remaining work of loading.
pub(in crate::model) enum Assembly<'a> {
    /// Loads without the tokenizer, so that both are loaded at the same time.
    Apart(Box<dyn FnOnce() -> Loaded + Send + 'a>),
    /// Loads with the tokenizer.
    #[cfg_attr(
        not(feature = "onnx"),
        expect(dead_code, reason = "only graphs are tried when they are loaded")
    )]
    WithTokenizer(Box<dyn FnOnce(&TextTokenizer) -> Loaded + Send + 'a>),
}
