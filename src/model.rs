//! A loaded model: what it is, its tokenizer, and the backend that runs it.

mod architecture;
mod casing;
mod check;
mod config;
mod graph;
#[cfg(feature = "hub")]
mod hub;
mod layout;
mod pooling;
mod registry;
mod source;
mod tokenizer;
#[cfg(feature = "libtorch")]
mod torch;
mod weights;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub(crate) use architecture::{HeadKind, PromptStyle};
pub(crate) use config::{Config, TagScheme, TokenTypes};
#[cfg(feature = "hub")]
pub use hub::{DownloadProgress, FetchedFile, FetchedModel, Hub};
pub use registry::{ModelEntry, ModelFile, Registry, Source, Task, TokenPooling, WindowPooling};
pub(crate) use tokenizer::{TextTokenizer, Tokens, WordTokens};

#[cfg(feature = "libtorch")]
use crate::backend::{Backend, Device};
use crate::backend::{Native, Precision, Runner, Sequence};
use crate::engine::{Blueprint, Checkpoint, Table};
use crate::error::{Error, ErrorKind};
use crate::schedule::Runtime;
use layout::{Layout, Weights};
use source::Files;

/// A model that is ready to run.
pub(crate) struct Model {
    pub(crate) name: String,
    /// Tells this loaded model from every other, whatever their names.
    pub(crate) identity: Arc<()>,
    pub(crate) config: Config,
    pub(crate) tokenizer: Arc<TextTokenizer>,
    pub(crate) backend: Box<dyn Runner>,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) profile: Profile,
    /// What stands before each text, tokenised.
    pub(crate) text_prefix: Vec<u32>,
    /// What stands before each label, in models that are given labels with the text.
    pub(crate) label_token: Option<u32>,
    /// The longest sequence that the model takes, special tokens included.
    pub(crate) max_length: usize,
    /// The tokens of a window, special tokens included; at most `max_length`.
    pub(crate) window: usize,
}

/// What the registry tells beyond a model's own files; empty for a folder that is in no registry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    /// What the registry says the model is; its config.json must agree.
    kind: Option<(Task, String)>,
    pub(crate) template: Option<String>,
    pub(crate) temperature: Option<f32>,
    pub(crate) multi_label_temperature: Option<f32>,
    pub(crate) threshold: Option<f32>,
    pub(crate) window_pooling: Option<WindowPooling>,
    pub(crate) text_prefix: Option<String>,
    pub(crate) label_prefix: Option<String>,
    pooling: Option<TokenPooling>,
    max_length: Option<usize>,
    window: Option<usize>,
}

/// How models are loaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadOptions {
    pub(crate) registry: Option<Registry>,
    #[cfg(feature = "libtorch")]
    pub(crate) backend: Backend,
    #[cfg(feature = "libtorch")]
    pub(crate) device: Option<Device>,
    pub(crate) precision: Option<Precision>,
    pub(crate) threads: Option<usize>,
    pub(crate) window: Option<usize>,
    pub(crate) text_prefix: Option<String>,
    #[cfg(feature = "hub")]
    pub(crate) hub: Option<Hub>,
}

/// The setters of [`LoadOptions`] that every builder with a field `load` has.
macro_rules! load_setters {
    () => {
        /// How many threads the builder's models run on, at most 1,024; one for each core if not set.
        /// A short text alone in its call shares its work among as many again, up to 16, so that it
        /// does not wait for longer calls.
        #[must_use]
        pub fn threads(mut self, threads: usize) -> Self {
            self.load.threads = Some(threads);
            self
        }

        /// What runs the builder's models; [`Backend::Native`](crate::Backend::Native) if not set.
        #[cfg(feature = "libtorch")]
        #[must_use]
        pub fn backend(mut self, backend: crate::Backend) -> Self {
            self.load.backend = backend;
            self
        }

        /// Where [`Backend::LibTorch`](crate::Backend::LibTorch) computes;
        /// [`Device::Cpu`](crate::Device::Cpu) if not set.
        #[cfg(feature = "libtorch")]
        #[must_use]
        pub fn device(mut self, device: crate::Device) -> Self {
            self.load.device = Some(device);
            self
        }

        /// How products are computed; if not set, [`Precision::Int8`](crate::Precision::Int8) by the native
        /// engine, and [`Precision::F32`](crate::Precision::F32) by libtorch.
        #[must_use]
        pub fn precision(mut self, precision: crate::Precision) -> Self {
            self.load.precision = Some(precision);
            self
        }

        /// Models to look names up in, before entopic's own.
        #[must_use]
        pub fn registry(mut self, registry: crate::Registry) -> Self {
            self.load.registry = Some(registry);
            self
        }

        /// How models of the Hugging Face hub are found and fetched; as [`Hub::new`](crate::Hub::new)
        /// does if not set.
        #[cfg(feature = "hub")]
        #[must_use]
        pub fn hub(mut self, hub: crate::Hub) -> Self {
            self.load.hub = Some(hub);
            self
        }
    };
}
pub(crate) use load_setters;

/// What a name stands for.
struct Found {
    files: Files,
    /// Of the model whose tokenizer it has, if that is another.
    tokenizer: Option<Files>,
    profile: Profile,
}

impl Found {
    /// A model that is in no registry.
    fn alone(files: Files) -> Self {
        Self { files, tokenizer: None, profile: Profile::default() }
    }
}

/// Loads models that run on the same threads and share what they can.
pub(crate) struct Loader {
    options: LoadOptions,
    registry: Registry,
    runtime: Arc<Runtime>,
    vocabularies: Vec<SharedVocabulary>,
}

struct SharedVocabulary {
    name: &'static str,
    tokenizer: Arc<TextTokenizer>,
    words: Arc<Table>,
}

impl Model {
    /// The sequence of `range` of a text's tokens.
    pub(crate) fn sequence(&self, tokens: &Tokens, range: Range<usize>) -> Sequence {
        let ids = &tokens.ids[range.clone()];
        if !self.text_prefix.is_empty() {
            return self.tokenizer.sequence(&[&self.text_prefix, ids].concat());
        }
        let mut sequence = self.tokenizer.sequence(ids);
        if self.config.token_types == TokenTypes::Casing {
            let first = self.tokenizer.leading_specials();
            sequence.token_types.fill(0);
            sequence.token_types[first..first + range.len()].copy_from_slice(&tokens.casing[range]);
        }
        sequence
    }

    /// The sequence of `range` of a text's tokens and the tokens of a second text.
    pub(crate) fn pair(&self, tokens: &Tokens, range: Range<usize>, second: &[u32]) -> Sequence {
        let mut sequence = self.tokenizer.pair(&tokens.ids[range], second);
        if !self.config.tells_segments {
            // The tokenizer numbers the two texts; the model does not tell them apart.
            sequence.token_types.fill(0);
        }
        sequence
    }

    /// How many of a text's tokens fit a window.
    pub(crate) fn window_budget(&self) -> usize {
        self.window - self.tokenizer.specials() - self.text_prefix.len()
    }
}

/// The id of the token that stands before each label.
fn prompt_token(prompt: &PromptStyle, tokenizer: &TextTokenizer, origin: &str) -> Result<u32, Error> {
    let PromptStyle { label_token, label_id, .. } = prompt;
    let refuse = |message: String| Err(Error::new(ErrorKind::Tokenizer, format!("{origin}: {message}")));
    match (tokenizer.id_of(label_token), label_id) {
        (None, _) => refuse(format!("its tokenizer has no token {label_token:?}, which labels stand after")),
        (Some(found), Some(expected)) if found != *expected => {
            refuse(format!("its tokenizer has {label_token:?} as {found}, its config says {expected}"))
        }
        (Some(found), _) => Ok(found),
    }
}

impl Loader {
    pub(crate) fn new(options: &LoadOptions) -> Result<Self, Error> {
        let mut registry = Registry::builtin()?;
        if let Some(own) = &options.registry {
            registry = registry.with(own.clone());
        }
        let runtime = Arc::new(Runtime::new(options.threads)?);
        Ok(Self { options: options.clone(), registry, runtime, vocabularies: Vec::new() })
    }

    /// Loads the model `name` of the registry, or of the folder `name`, which must do one of `heads`.
    pub(crate) fn load(&mut self, name: &str, task: &str, heads: &[HeadKind]) -> Result<Model, Error> {
        let Found { files, tokenizer: tokenizer_files, profile } = self.find(name)?;
        let layout = files.layout()?;
        let tokenizer_files = tokenizer_files.as_ref().unwrap_or(&files);
        let json = files.read(layout.description.config, ErrorKind::Config)?;
        let pooling = profile.pooling.or(pooling::read(&files)?);
        let config = self.config(&files, &layout, &json, pooling)?;
        if !heads.contains(&config.head) {
            let message = format!(
                "the model {name:?} does not do {task}: by its config.json it does {}; choose another model \
                 for this, or use it for that",
                config.head.task()
            );
            return Err(Error::new(ErrorKind::WrongTask, message));
        }
        if let Some((task, architecture)) = &profile.kind
            && (*task, architecture) != (config.head.task(), &config.architecture)
        {
            let message = format!(
                "the registry says that {name:?} does {task} with architecture {architecture:?}, but its \
                 config.json says {} with {:?}",
                config.head.task(),
                config.architecture
            );
            return Err(Error::new(ErrorKind::Registry, message));
        }
        let (tokenizer, backend) = match &config.blueprint {
            Some(blueprint) => self.native(&files, &layout, tokenizer_files, &config, blueprint)?,
            None => {
                let tokenizer = self.tokenizer(tokenizer_files, &config)?;
                let backend = self.foreign(&files, &layout, &config, &json, pooling, &tokenizer)?;
                (tokenizer, backend)
            }
        };
        // The bundled vocabulary is tested; looking through one takes some milliseconds.
        if let (None, Some(known)) = (files.words(), config.vocabulary)
            && tokenizer.largest_id() as usize >= known
        {
            let message = format!(
                "{}: its tokenizer has ids up to {}, but {} says vocab_size {known}",
                tokenizer_files.origin,
                tokenizer.largest_id(),
                layout.description.config,
            );
            return Err(Error::new(ErrorKind::Tokenizer, message));
        }
        let label_token = match &config.prompt {
            Some(prompt) => Some(prompt_token(prompt, &tokenizer, &tokenizer_files.origin)?),
            None => None,
        };

        let max_length = profile.max_length.unwrap_or(usize::MAX).min(config.longest);
        let window = self.options.window.or(profile.window).unwrap_or(max_length);
        let given = self.options.text_prefix.as_ref().or(profile.text_prefix.as_ref());
        if let Some(prefix) = given.filter(|_| config.head != HeadKind::Embedding) {
            let message = format!("the model {name:?} embeds no texts, so a prefix {prefix:?} is of no use");
            return Err(Error::new(ErrorKind::Options, message));
        }
        let text_prefix = match self.options.text_prefix.as_ref().or(profile.text_prefix.as_ref()) {
            Some(prefix) => tokenizer.encode(prefix)?.ids,
            None => Vec::new(),
        };
        let smallest = tokenizer.specials() + text_prefix.len() + 1;
        if window < smallest || window > max_length {
            let message =
                format!("the window {window} of {name:?} must be between {smallest} and {max_length}");
            return Err(Error::new(ErrorKind::Options, message));
        }
        Ok(Model {
            name: name.to_owned(),
            identity: Arc::default(),
            config,
            tokenizer,
            backend,
            runtime: Arc::clone(&self.runtime),
            profile,
            text_prefix,
            label_token,
            max_length,
            window,
        })
    }

    /// What the model's config.json, `json`, says to the backend that is to run it.
    fn config(
        &self,
        files: &Files,
        layout: &Layout,
        json: &[u8],
        pooling: Option<TokenPooling>,
    ) -> Result<Config, Error> {
        let origin = files.name(layout.description.config);
        #[cfg(feature = "libtorch")]
        match self.options.backend {
            Backend::LibTorch => return torch::config(files, json, &origin, pooling),
            Backend::Native if self.options.device.is_some() => {
                let message = "the native backend runs on the CPU; a device is for Backend::LibTorch";
                return Err(Error::new(ErrorKind::Options, message));
            }
            Backend::Native => {}
        }
        match layout.weights {
            Weights::Onnx(_) => graph::config(files, layout, json, &origin, pooling),
            _ => Config::parse(json, &origin, pooling),
        }
    }

    /// What runs a model that the native engine does not.
    #[cfg_attr(not(feature = "libtorch"), expect(unused_variables, reason = "libtorch alone reads it again"))]
    fn foreign(
        &self,
        files: &Files,
        layout: &Layout,
        config: &Config,
        json: &[u8],
        pooling: Option<TokenPooling>,
        tokenizer: &TextTokenizer,
    ) -> Result<Box<dyn Runner>, Error> {
        #[cfg(feature = "libtorch")]
        if self.options.backend == Backend::LibTorch {
            let threads = self.runtime.threads();
            let model = torch::load(files, layout, config, json, pooling, &self.options, threads)?;
            return Ok(Box::new(model));
        }
        graph::load(files, layout, config, pooling, tokenizer)
    }

    /// The model's tokenizer, and the native engine with its weights.
    fn native(
        &mut self,
        files: &Files,
        layout: &Layout,
        tokenizer_files: &Files,
        config: &Config,
        blueprint: &Blueprint,
    ) -> Result<(Arc<TextTokenizer>, Box<dyn Runner>), Error> {
        let weights = weights::read(files, layout)?;
        let checkpoint = weights.open(&blueprint.aliases)?;
        let precision = self.options.precision.unwrap_or(Precision::Int8).native().ok_or_else(|| {
            let message = "the native backend computes in Int8 or F32; F16 is for Backend::LibTorch";
            Error::new(ErrorKind::Options, message)
        })?;
        // Parsing a large vocabulary takes as long as packing a small model.
        let (tokenizer, backend) = self.runtime.both(
            || self.tokenizer(tokenizer_files, config),
            || {
                let words = self.words(files, blueprint)?;
                Ok((Native::load(&checkpoint, blueprint, words.clone(), precision)?, words))
            },
        );
        let (tokenizer, (backend, words)) = (tokenizer?, backend?);
        self.share(files, &tokenizer, words);
        Ok((tokenizer, Box::new(backend)))
    }

    fn find(&self, name: &str) -> Result<Found, Error> {
        let Some(entry) = self.registry.find(name) else {
            let path = Path::new(name);
            if path.is_dir() {
                return Ok(Found::alone(Files::folder(path, &[])));
            }
            #[cfg(feature = "hub")]
            if let Some(wanted) = hub::Wanted::parse(name) {
                return Ok(Found::alone(self.fetch(wanted)?));
            }
            let names: Vec<&str> = self.registry.entries().iter().map(|entry| entry.name.as_str()).collect();
            let on_hub = if cfg!(feature = "hub") {
                "owner/name of a model on the Hugging Face hub"
            } else {
                "(with the feature `hub` of entopic) owner/name of a model on the Hugging Face hub"
            };
            let message = format!(
                "no model is named {name:?}, and no folder is; give the path of a model folder, {on_hub}, or one \
                 of {}",
                names.join(", ")
            );
            return Err(Error::new(ErrorKind::UnknownModel, message));
        };
        let files = match &entry.source {
            Source::Bundled(name) => Files::bundled(name)?,
            Source::Folder(folder) => Files::folder(folder, &entry.files),
            Source::Hub { id, .. } if Path::new(id).is_dir() => Files::folder(Path::new(id), &entry.files),
            #[cfg(feature = "hub")]
            Source::Hub { id, revision } => {
                let revision = revision.as_deref();
                self.fetch(hub::Wanted { id, revision, known: &entry.files, part: layout::Part::Whole })?
            }
            #[cfg(not(feature = "hub"))]
            Source::Hub { id, .. } => {
                let message = format!(
                    "the model {name:?} is on the Hugging Face hub, and this build of entopic does not download: \
                     build it with the feature `hub`, or put the files of {id} into the folder {id}, or into \
                     another and load that by its path"
                );
                return Err(Error::new(ErrorKind::ModelUnavailable, message));
            }
        };
        let profile = Profile {
            kind: Some((entry.task, entry.architecture.clone())),
            template: entry.template.clone(),
            temperature: entry.temperature,
            multi_label_temperature: entry.multi_label_temperature,
            threshold: entry.threshold,
            window_pooling: entry.window_pooling,
            text_prefix: entry.text_prefix.clone(),
            label_prefix: entry.label_prefix.clone(),
            pooling: entry.pooling,
            max_length: entry.max_length,
            window: entry.window,
        };
        let tokenizer = match &entry.tokenizer {
            Some(other) if files.tokenizer().is_err() => self.other_tokenizer(other)?,
            _ => None,
        };
        Ok(Found { files, tokenizer, profile })
    }

    /// The files of the tokenizer of the model `id` of the hub, which another uses.
    fn other_tokenizer(&self, id: &str) -> Result<Option<Files>, Error> {
        if Path::new(id).is_dir() {
            return Ok(Some(Files::folder(Path::new(id), &[])));
        }
        #[cfg(feature = "hub")]
        return self.fetch(hub::Wanted::tokenizer(id)?).map(Some);
        #[cfg(not(feature = "hub"))]
        Ok(None)
    }

    /// The files of a model of the hub.
    #[cfg(feature = "hub")]
    fn fetch(&self, wanted: hub::Wanted<'_>) -> Result<Files, Error> {
        let hub = self.options.hub.clone().unwrap_or_default();
        let fetched = hub.take(wanted, &self.registry)?;
        Ok(Files::folder(&fetched.folder, wanted.known))
    }

    /// The model's tokenizer.
    fn tokenizer(&self, files: &Files, config: &Config) -> Result<Arc<TextTokenizer>, Error> {
        if let Some(shared) = files.words().and_then(|words| self.shared(words.name)) {
            return Ok(Arc::clone(&shared.tokenizer));
        }
        let mut tokenizer = TextTokenizer::load(files, files.tokenizer()?, config.tokenizer_type())?;
        if let Some(prompt) = &config.prompt
            && tokenizer.id_of(&prompt.label_token).is_none()
        {
            tokenizer.add_tokens(&prompt.missing, &files.origin)?;
        }
        Ok(Arc::new(tokenizer))
    }

    /// The model's word embedding, where it is not among its weights.
    fn words(&self, files: &Files, blueprint: &Blueprint) -> Result<Option<Arc<Table>>, Error> {
        let Some(words) = files.words() else { return Ok(None) };
        if let Some(shared) = self.shared(words.name) {
            return Ok(Some(Arc::clone(&shared.words)));
        }
        let bytes = words.pieces.concat();
        let file = format!("{}/words.safetensors", words.name);
        let plan = &blueprint.encoder.embeddings;
        let checkpoint = Checkpoint::open(&[(&file, &bytes)], &blueprint.aliases)?;
        Table::load(&checkpoint, &plan.words, plan.width).map(|words| Some(Arc::new(words)))
    }

    fn shared(&self, name: &str) -> Option<&SharedVocabulary> {
        self.vocabularies.iter().find(|shared| shared.name == name)
    }

    /// Keeps what later models may share.
    fn share(&mut self, files: &Files, tokenizer: &Arc<TextTokenizer>, words: Option<Arc<Table>>) {
        if let (Some(shared), Some(words)) = (files.words(), words)
            && self.shared(shared.name).is_none()
        {
            let tokenizer = Arc::clone(tokenizer);
            self.vocabularies.push(SharedVocabulary { name: shared.name, tokenizer, words });
        }
    }
}
