use std::fmt;
use std::sync::Arc;

#[cfg(feature = "hub")]
use crate::catalogue::hub::Hub;
use crate::catalogue::model_ref::ModelRef;
use crate::catalogue::registry::Registry;
use crate::error::Error;
use crate::limits::MOST_THREADS;
use crate::model::load::load;
use crate::model::resources::Resources;
use crate::model::vocabularies::Vocabularies;
use crate::ner::{self, Ner};
#[cfg(feature = "libtorch")]
use crate::precision::Device;
use crate::precision::{Backend, Precision};
use crate::schedule::Workers;
use crate::topics::label_cache::LabelCache;
use crate::topics::{self, TopicClassifier};

/// Loads models, and owns what they share: threads, precision, registry, hub, vocabularies, and a cache of label
/// embeddings.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// use entopic::{Engine, Precision, Tagger};
///
/// let engine = Engine::builder().threads(2).precision(Precision::Int8).build()?;
/// let ner = engine.ner("ner-en-small")?;
/// let topics = engine.topics("topics-en-small")?;
/// let labels = topics.label_set(["politics", "sport"])?;
/// let tagger = Tagger::new(ner, topics, labels)?;
/// assert_eq!(tagger.tag("Kenya's parliament voted.")?.topics[0].label, "politics");
/// # }
/// # Ok::<(), entopic::Error>(())
/// ```
///
/// # Cost
///
/// An engine starts one thread per core, or as many as [`EngineBuilder::threads`] says, and a second pool of at most 16
/// threads for short texts. Idle threads sleep. Share one engine: the threads of several compete for the cores.
///
/// Each call of [`ner`](Self::ner) and [`topics`](Self::topics) reads the weights and packs them for the CPU; clone a
/// model instead of loading it again. The two bundled models share a word embedding and a tokenizer, if one engine
/// loads both. [`Ner`](Ner#cost) and [`Tagger`](crate::Tagger#cost) have figures for speed, memory and the time to
/// load; docs/performance.md in the repository has more.
///
/// # Cloning
///
/// An `Engine` is a handle. A clone is cheap and shares everything. The threads end when the last handle and the last
/// model are dropped.
///
/// # Cancelling
///
/// Loading cannot be cancelled and has no deadline. A download fails if the hub is silent for the time of
/// `Hub::timeout`. To limit the calls of a loaded model, use [`Ner::within`], or `within` of the other models.
///
/// # Errors
///
/// * [`new`](Self::new) and [`EngineBuilder::build`] return the kinds `Options` and `System`.
/// * [`ner`](Self::ner) and [`topics`](Self::topics) return:
///   * `UnknownModel`, `ModelUnavailable` and `Registry` if the model cannot be found,
///   * `Config`, `Tokenizer` and `Weights` if its files are unusable,
///   * `WrongTask` if it does another task, and `Options` if the backend, the precision or the device cannot run it,
///   * for models of the hub also `Download`, `Access`, `Checksum`, `Lock` and `System`.
///
/// [`ErrorKind`](crate::ErrorKind) describes each kind.
#[derive(Clone)]
pub struct Engine {
    resources: Arc<Resources>,
    labels: Arc<LabelCache>,
}

/// Builds an [`Engine`].
///
/// ```
/// use entopic::{Engine, Precision, Registry};
///
/// let engine = Engine::builder()
///     .threads(1)
///     .precision(Precision::F32)
///     .registry(Registry::default())
///     .label_cache(100)
///     .build()?;
/// assert_eq!(engine.threads(), 1);
/// # Ok::<(), entopic::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EngineBuilder {
    threads: Option<usize>,
    backend: Backend,
    #[cfg(feature = "libtorch")]
    device: Option<Device>,
    precision: Option<Precision>,
    registry: Option<Registry>,
    #[cfg(feature = "hub")]
    hub: Option<Hub>,
    label_cache: Option<usize>,
}

/// The default number of labels in the cache: 6 MB with 384 values per label, and at most 4 MB of names.
const LABEL_CACHE: usize = 4096;

impl Engine {
    /// The most threads that an engine may have: 1,024.
    pub const MAX_THREADS: usize = MOST_THREADS;

    /// An engine with the defaults: one thread per core, int8, entopic's own registry.
    ///
    /// ```
    /// let engine = entopic::Engine::new()?;
    /// assert!(engine.threads() >= 1);
    /// assert!(engine.registry().find("ner-en-small").is_some());
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`](crate::ErrorKind::System) if the threads cannot be started.
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// A builder for an engine, with the defaults of [`new`](Self::new).
    ///
    /// ```
    /// use entopic::Engine;
    ///
    /// let engine = Engine::builder().threads(2).label_cache(100).build()?;
    /// assert_eq!(engine.threads(), 2);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Loads a model for named-entity recognition. `model` is a string with a name in the [registry](Self::registry)
    /// or, with the feature `hub`, a model of the Hugging Face hub (`owner/name` or `owner/name@revision`); a folder as
    /// a [`Path`](std::path::Path); or [`ModelFiles`](crate::ModelFiles).
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use std::path::Path;
    /// use entopic::{Engine, ErrorKind};
    ///
    /// let engine = Engine::new()?;
    /// let ner = engine.ner("ner-en-small")?;
    /// assert_eq!(ner.entity_types(), ["PER", "LOC", "ORG", "MISC"]);
    /// // A string is never a folder; a path is.
    /// let error = engine.ner(Path::new("no/such/folder")).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ModelUnavailable);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Errors name the file or value that is unknown, missing, damaged or out of range, and the valid choices; see
    /// [`ErrorKind`](crate::ErrorKind).
    pub fn ner(&self, model: impl Into<ModelRef>) -> Result<Ner, Error> {
        Ner::new(load(&self.resources, model.into(), &ner::TASKS, ner::PURPOSE)?)
    }

    /// Loads a model for topic classification, named as for [`ner`](Self::ner). A sequence classifier is treated as an
    /// NLI model, and a bare encoder as an embedding model.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{Engine, ErrorKind};
    ///
    /// let engine = Engine::new()?;
    /// let classifier = engine.topics("topics-en-small")?;
    /// assert_eq!(classifier.name(), "topics-en-small");
    /// // A model for another task is refused.
    /// let error = engine.topics("ner-en-small").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::WrongTask);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`ner`](Self::ner).
    pub fn topics(&self, model: impl Into<ModelRef>) -> Result<TopicClassifier, Error> {
        let model = load(&self.resources, model.into(), &topics::TASKS, topics::PURPOSE)?;
        TopicClassifier::new(model, Arc::clone(&self.labels))
    }

    /// The models known by name.
    ///
    /// ```
    /// let engine = entopic::Engine::new()?;
    /// let entry = engine.registry().find("bert-base-ner").expect("it should be known");
    /// assert_eq!(entry.languages, ["en"]);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn registry(&self) -> &Registry {
        &self.resources.registry
    }

    /// The number of threads on which the engine runs models.
    ///
    /// ```
    /// let engine = entopic::Engine::new()?;
    /// // One per core, unless the builder says otherwise.
    /// assert!(engine.threads() >= 1);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn threads(&self) -> usize {
        self.resources.workers.count()
    }
}

impl EngineBuilder {
    /// The number of threads, at most [`Engine::MAX_THREADS`]; one per core by default. A second pool, with as many
    /// threads but at most 16, divides a group of windows that runs alone, such as that of a single short text.
    ///
    /// ```
    /// use entopic::{Engine, ErrorKind};
    ///
    /// assert_eq!(Engine::builder().threads(3).build()?.threads(), 3);
    /// let error = Engine::builder().threads(Engine::MAX_THREADS + 1).build().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Options);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// The backend that runs models; [`Backend::Native`] by default.
    ///
    /// ```
    /// use entopic::{Backend, Engine};
    ///
    /// // A name from a file of settings.
    /// let backend: Backend = "native".parse()?;
    /// let engine = Engine::builder().backend(backend).build()?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// The device of [`Backend::LibTorch`]; [`Device::Cpu`] by default.
    ///
    /// ```no_run
    /// use entopic::{Backend, Device, Engine};
    ///
    /// let engine = Engine::builder().backend(Backend::LibTorch).device(Device::Cuda(0)).build()?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[cfg(feature = "libtorch")]
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.device = Some(device);
        self
    }

    /// The number format of products; by default [`Precision::Int8`] with the native backend, and [`Precision::F32`]
    /// with libtorch.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{Engine, Precision};
    ///
    /// let text = "Ada Lovelace lived in London.";
    /// let exact = Engine::builder().precision(Precision::F32).build()?.ner("ner-en-small")?;
    /// let fast = Engine::builder().precision(Precision::Int8).build()?.ner("ner-en-small")?;
    /// // The logits differ slightly. The number of entities is the same.
    /// assert_ne!(exact.logits(text)?.logits, fast.logits(text)?.logits);
    /// assert_eq!(exact.tag(text)?.entities.len(), fast.tag(text)?.entities.len());
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = Some(precision);
        self
    }

    /// The registry: the models that are known by name; [`Registry::default`] if not set. To add your own models, pass
    /// `Registry::default().with(own)`.
    ///
    /// ```
    /// let own: entopic::Registry = r#"
    ///     [[model]]
    ///     name = "legal-ner"
    ///     task = "ner"
    ///     architecture = "bert"
    ///     source = { folder = "models/legal-ner" }
    /// "#.parse()?;
    /// let registry = entopic::Registry::default().with(own);
    /// let engine = entopic::Engine::builder().registry(registry).build()?;
    /// assert!(engine.registry().find("legal-ner").is_some());
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// The options for the Hugging Face hub; those of [`Hub::new`] by default.
    ///
    /// ```
    /// use entopic::{Engine, ErrorKind, Hub};
    ///
    /// let hub = Hub::new().cache("no/such/folder").offline(true);
    /// let engine = Engine::builder().hub(hub).build()?;
    /// // The model is not in the cache, and the engine does not download it.
    /// let error = engine.ner("dslim/bert-base-NER").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ModelUnavailable);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[cfg(feature = "hub")]
    #[must_use]
    pub fn hub(mut self, hub: Hub) -> Self {
        self.hub = Some(hub);
        self
    }

    /// The most label embeddings that are cached, for all models together; 4,096 by default, and none with 0. The least
    /// recently used are evicted first.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::Engine;
    ///
    /// let cached = Engine::builder().label_cache(1000).build()?.topics("topics-en-small")?;
    /// let plain = Engine::builder().label_cache(0).build()?.topics("topics-en-small")?;
    /// // The cache saves time and does not change the results.
    /// let (text, names) = ("The striker scored twice.", ["economy", "sport"]);
    /// let classified = cached.classify(text, &cached.label_set(names)?)?;
    /// assert_eq!(classified, plain.classify(text, &plain.label_set(names)?)?);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn label_cache(mut self, labels: usize) -> Self {
        self.label_cache = Some(labels);
        self
    }

    /// Makes the engine, and starts its threads.
    ///
    /// ```
    /// use entopic::{Engine, ErrorKind};
    ///
    /// assert_eq!(Engine::builder().threads(2).build()?.threads(), 2);
    /// let error = Engine::builder().threads(0).build().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Options);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`](crate::ErrorKind::Options) if a value is out of range, or the native backend is given a
    /// device; [`ErrorKind::System`](crate::ErrorKind::System) if the threads cannot be started. Whether a backend has
    /// a precision or a device is checked when a model is loaded.
    pub fn build(self) -> Result<Engine, Error> {
        #[cfg(feature = "libtorch")]
        if self.backend == Backend::Native && self.device.is_some() {
            let message = "the native backend runs on the CPU and takes no device; leave it out, or choose \
                           Backend::LibTorch";
            return Err(Error::new(crate::error::ErrorKind::Options, message));
        }
        let resources = Resources {
            workers: Arc::new(Workers::new(self.threads)?),
            backend: self.backend,
            #[cfg(feature = "libtorch")]
            device: self.device,
            precision: self.precision,
            registry: self.registry.unwrap_or_default(),
            #[cfg(feature = "hub")]
            hub: self.hub.unwrap_or_default(),
            vocabularies: Vocabularies::default(),
        };
        let labels = LabelCache::new(self.label_cache.unwrap_or(LABEL_CACHE));
        Ok(Engine { resources: Arc::new(resources), labels: Arc::new(labels) })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Resources { backend, precision, .. } = &*self.resources;
        f.debug_struct("Engine")
            .field("threads", &self.threads())
            .field("backend", backend)
            .field("precision", precision)
            .finish()
    }
}

impl Ner {
    /// The name of the bundled model.
    pub const BUNDLED: &str = "ner-en-small";

    /// The bundled English model `ner-en-small`: `PER`, `LOC`, `ORG` and `MISC`. It runs on a new [`Engine`].
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?;
    /// assert_eq!(ner.name(), "ner-en-small");
    /// assert_eq!(ner.entity_types(), ["PER", "LOC", "ORG", "MISC"]);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ModelUnavailable`](crate::ErrorKind::ModelUnavailable) in a build without the feature `bundled`;
    /// otherwise the errors of [`Engine::new`].
    pub fn bundled() -> Result<Self, Error> {
        Engine::new()?.ner(Self::BUNDLED)
    }
}

impl TopicClassifier {
    /// The name of the bundled model.
    pub const BUNDLED: &str = "topics-en-small";

    /// The bundled English model `topics-en-small`, a bi-encoder. It runs on a new [`Engine`].
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let classifier = entopic::TopicClassifier::bundled()?;
    /// assert_eq!(classifier.name(), "topics-en-small");
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ModelUnavailable`](crate::ErrorKind::ModelUnavailable) in a build without the feature `bundled`;
    /// otherwise the errors of [`Engine::new`].
    pub fn bundled() -> Result<Self, Error> {
        Engine::new()?.topics(Self::BUNDLED)
    }
}
