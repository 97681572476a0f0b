//! Models whose weights are a graph in ONNX.

#[cfg(feature = "onnx")]
pub(super) use with::{config, load};
#[cfg(not(feature = "onnx"))]
pub(super) use without::{config, load};

#[cfg(feature = "onnx")]
mod with {
    use crate::backend::{Onnx, Runner, Sequence};
    use crate::error::{Error, ErrorKind};
    use crate::model::layout::Layout;
    use crate::model::source::Files;
    use crate::model::{Config, TextTokenizer, TokenPooling};

    const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

    /// Tokens of the texts that a graph is tried with.
    const PROBES: [usize; 2] = [3, 5];

    /// The config `json`, which messages call `origin`.
    pub(in crate::model) fn config(
        files: &Files,
        _layout: &Layout,
        json: &[u8],
        origin: &str,
        pooling: Option<TokenPooling>,
    ) -> Result<Config, Error> {
        let tokenizer_config = files.find(TOKENIZER_CONFIG, ErrorKind::Config)?;
        Config::parse_foreign(json, origin, pooling, tokenizer_config.as_deref(), None)
    }

    /// The graph.
    pub(in crate::model) fn load(
        files: &Files,
        layout: &Layout,
        config: &Config,
        pooling: Option<TokenPooling>,
        tokenizer: &TextTokenizer,
    ) -> Result<Box<dyn Runner>, Error> {
        let path = layout.weights.file();
        let bytes = files.read(path, ErrorKind::Weights)?.into_owned();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let beside = |name: &str| {
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            files.read(&path, ErrorKind::Weights).map(|bytes| bytes.into_owned())
        };
        let rows = config.rows(pooling);
        let probes = probes(config, tokenizer);
        Ok(Box::new(Onnx::load(files.name(path), bytes, beside, rows, &probes)?))
    }

    /// Sequences of tokens from all over the vocabulary.
    fn probes(config: &Config, tokenizer: &TextTokenizer) -> [Sequence; 2] {
        let room = config.longest.saturating_sub(tokenizer.specials());
        let known =
            config.vocabulary.unwrap_or(usize::MAX).saturating_sub(1).min(tokenizer.largest_id() as usize);
        PROBES.map(|tokens| {
            let tokens = tokens.min(room);
            let ids: Vec<u32> =
                (0..tokens).map(|token| (known * (token + 1) / (tokens + 1)) as u32).collect();
            tokenizer.sequence(&ids)
        })
    }
}

#[cfg(not(feature = "onnx"))]
mod without {
    use crate::backend::Runner;
    use crate::error::{Error, ErrorKind};
    use crate::model::layout::Layout;
    use crate::model::source::Files;
    use crate::model::{Config, TextTokenizer, TokenPooling};

    pub(in crate::model) fn config(
        files: &Files,
        layout: &Layout,
        _json: &[u8],
        _origin: &str,
        _pooling: Option<TokenPooling>,
    ) -> Result<Config, Error> {
        Err(refusal(files, layout))
    }

    pub(in crate::model) fn load(
        files: &Files,
        layout: &Layout,
        _config: &Config,
        _pooling: Option<TokenPooling>,
        _tokenizer: &TextTokenizer,
    ) -> Result<Box<dyn Runner>, Error> {
        Err(refusal(files, layout))
    }

    fn refusal(files: &Files, layout: &Layout) -> Error {
        let message = format!(
            "{} can be read by builds with the feature `onnx`, which this one lacks; or put a \
             model.safetensors beside it",
            files.name(layout.weights.file())
        );
        Error::new(ErrorKind::ModelUnavailable, message)
    }
}
