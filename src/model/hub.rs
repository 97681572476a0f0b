//! Models of the Hugging Face hub: found in the cache that its clients share, or fetched into it.

mod cache;
mod digest;
mod failure;
mod fetch;
mod listing;
mod lock;
mod progress;
mod remote;
mod settings;
mod transfer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::layout::{Part, Tokenizer};
use super::registry::{ModelFile, Registry, Source};
use crate::error::{Error, ErrorKind};
pub(crate) use lock::lock_beside;
use progress::Callback;
pub use progress::DownloadProgress;

/// How models of the Hugging Face hub are found and fetched; for what is not set, the environment
/// variables that the hub's own clients read.
///
/// Files are kept in the cache that these clients share, so what Python has fetched is found, and the
/// other way round. Only the files that a model is loaded from are fetched. Each is held against
/// the hub's own checksum before it is used, and a transfer that was cut off is resumed. A model
/// at a whole commit asks nothing of the hub once it is in the cache; a branch or a tag is looked up at
/// each load, unless a lock file or [`offline`](Self::offline) says what it is.
///
/// ```no_run
/// let hub = entopic::Hub::new().cache("models").lock("models.lock");
/// let ner = entopic::Ner::builder("dslim/bert-base-NER@main").hub(hub).build()?;
/// # Ok::<(), entopic::Error>(())
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Hub {
    cache: Option<PathBuf>,
    endpoint: Option<String>,
    token: Option<String>,
    proxy: Option<String>,
    timeout: Option<Duration>,
    offline: Option<bool>,
    lock: Option<PathBuf>,
    progress: Option<Callback>,
}

/// A model that is in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FetchedModel {
    /// Its id on the hub.
    pub id: String,
    /// What was asked for: a branch, a tag or a commit.
    pub revision: String,
    /// The commit that this is.
    pub commit: String,
    /// The folder that holds its files; every builder loads it by this path, if the weights are there.
    pub folder: PathBuf,
    /// The files that it is loaded from, or [described](Hub::fetch_description) by.
    pub files: Vec<FetchedFile>,
    /// The model whose tokenizer it has, where it has none itself: of that, the files of the tokenizer.
    #[serde(default)]
    pub tokenizer: Option<Box<FetchedModel>>,
}

/// One file of a [`FetchedModel`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FetchedFile {
    /// Its path inside the model.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Whether this call downloaded it; otherwise it was in the cache.
    pub downloaded: bool,
}

/// A model as it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) id: &'a str,
    /// `main` if not given, the hub's default branch.
    pub(crate) revision: Option<&'a str>,
    /// What a registry says of its files.
    pub(crate) known: &'a [ModelFile],
    pub(crate) part: Part,
}

/// As long as hf-hub's Python sibling waits for the start of a file, three times over.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest part of an id that the hub gives.
const LONGEST_NAME: usize = 96;

impl Hub {
    /// With nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The folder of the cache. If not set: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else
    /// `huggingface/hub` in `XDG_CACHE_HOME` or in `.cache` of the user's home.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// The URL of the hub, or of one like it; `HF_ENDPOINT` or `https://huggingface.co` if not set.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The token for private and gated models; none is sent if it is empty. If not set: `HF_TOKEN`,
    /// else what is in the file `HF_TOKEN_PATH`, or `token` in `HF_HOME`. It is sent to the endpoint
    /// only, not to hosts that this redirects to.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The URL of a proxy that all connections go through; none if not set, whatever the
    /// environment says.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// How long the hub may be silent before a request fails; 30 seconds if not set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether to open no connection and to take everything from the cache; `HF_HUB_OFFLINE` if not
    /// set.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = Some(offline);
        self
    }

    /// The lock file: what a model was at its first load, its commit and its files with their SHA-256,
    /// is written there, and later loads hold to it. If not set, it is beside the registry, if
    /// that was read from a file: `own.lock` beside `own.toml`. Without either there is none.
    #[must_use]
    pub fn lock(mut self, file: impl Into<PathBuf>) -> Self {
        self.lock = Some(file.into());
        self
    }

    /// What to call while files are downloaded: at the start and the end of each, and some times a second
    /// between. It is called on another thread than the one that waits for the model.
    #[must_use]
    pub fn progress(mut self, callback: impl Fn(&DownloadProgress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Callback(Arc::new(callback)));
        self
    }

    /// Fetches the model `name` without loading it: a name of `registry` whose source is the hub, or
    /// `owner/name` or `owner/name@revision`. What is in the cache is not fetched again.
    ///
    /// ```no_run
    /// let registry = entopic::Registry::builtin()?;
    /// let model = entopic::Hub::new().fetch(&registry, "bge-small-en-v1.5")?;
    /// println!("{} of {} is in {}", model.commit, model.id, model.folder.display());
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownModel`] if neither the registry nor the hub knows the model, or it has no
    /// such revision; [`Access`](ErrorKind::Access) if it is private or gated;
    /// [`ModelUnavailable`](ErrorKind::ModelUnavailable) if it is not in the cache and nothing may be
    /// fetched; [`Download`](ErrorKind::Download), [`Checksum`](ErrorKind::Checksum),
    /// [`Lock`](ErrorKind::Lock) and [`System`](ErrorKind::System) as they say;
    /// [`Options`](ErrorKind::Options) if an option is no URL, or there is nothing to fetch because
    /// the model is in the build or in a folder; [`Config`](ErrorKind::Config),
    /// [`Weights`](ErrorKind::Weights) or [`Tokenizer`](ErrorKind::Tokenizer) if it has no file of
    /// that kind.
    pub fn fetch(&self, registry: &Registry, name: &str) -> Result<FetchedModel, Error> {
        self.fetch_part(registry, name, Part::Whole)
    }

    /// [`fetch`](Self::fetch), but for the weights: what says what the model is, which
    /// [`ModelEntry::differences_in`](crate::ModelEntry::differences_in) compares, and which is small.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch), whatever its weights are in.
    pub fn fetch_description(&self, registry: &Registry, name: &str) -> Result<FetchedModel, Error> {
        self.fetch_part(registry, name, Part::Description)
    }

    fn fetch_part(&self, registry: &Registry, name: &str, part: Part) -> Result<FetchedModel, Error> {
        let entry = registry.find(name);
        let wanted = match entry {
            Some(entry) => match &entry.source {
                Source::Hub { id, revision } => {
                    let revision = revision.as_deref();
                    Wanted { id, revision, known: &entry.files, part }
                }
                Source::Bundled(_) | Source::Folder(_) => {
                    let message = format!("the model {name:?} is not on the hub: there is nothing to fetch");
                    return Err(Error::new(ErrorKind::Options, message));
                }
            },
            None => Wanted::parse(name).map(|wanted| Wanted { part, ..wanted }).ok_or_else(|| {
                let names = registry.entries().iter().filter(|entry| matches!(entry.source, Source::Hub { .. }));
                let names: Vec<&str> = names.map(|entry| entry.name.as_str()).collect();
                let message = format!(
                    "no model is named {name:?}; give owner/name or owner/name@revision as on the hub, or one of {}",
                    names.join(", ")
                );
                Error::new(ErrorKind::UnknownModel, message)
            })?,
        };
        let mut model = self.take(wanted, registry)?;
        let names: Vec<String> = model.files.iter().map(|file| file.path.clone()).collect();
        let other = entry.and_then(|entry| entry.tokenizer.as_deref());
        if let Some(tokenizer) = other.filter(|_| Tokenizer::choose(&names).is_none()) {
            model.tokenizer = Some(Box::new(self.take(Wanted::tokenizer(tokenizer)?, registry)?));
        }
        Ok(model)
    }

    /// Finds the model in the cache, or fetches it; `registry` is the one that names are looked up in.
    pub(crate) fn take(&self, wanted: Wanted<'_>, registry: &Registry) -> Result<FetchedModel, Error> {
        let lock = self.lock.as_deref().or(registry.lock());
        fetch::fetch(self, wanted, lock)
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cache, endpoint, token, proxy, timeout, offline, lock, progress } = self;
        let mut debug = f.debug_struct("Hub");
        debug.field("cache", cache).field("endpoint", endpoint);
        // Logs are no place for secrets; a proxy's URL may hold a password.
        debug.field("token", &token.as_ref().map(|_| "set")).field("proxy", &proxy.as_ref().map(|_| "set"));
        debug.field("timeout", timeout).field("offline", offline).field("lock", lock);
        debug.field("progress", progress).finish()
    }
}

impl<'a> Wanted<'a> {
    /// Reads `owner/name` or `owner/name@revision`; nothing if `name` has another form.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let (id, revision) = match name.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (name, None),
        };
        let wanted = Self { id, revision, known: &[], part: Part::Whole };
        (id.contains('/') && wanted.fault().is_none()).then_some(wanted)
    }

    /// The tokenizer of the model `name`, by itself.
    pub(crate) fn tokenizer(name: &'a str) -> Result<Self, Error> {
        let wanted = Self::parse(name).ok_or_else(|| {
            let message = format!("the tokenizer {name:?} is no model of the hub, whose form is owner/name");
            Error::new(ErrorKind::Registry, message)
        })?;
        Ok(Self { part: Part::Tokenizer, ..wanted })
    }

    /// What is wrong with the id or the revision, which become parts of URLs and paths.
    fn fault(&self) -> Option<String> {
        let part = |part: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            let edge = |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, b'-' | b'.'));
            let bytes = part.as_bytes();
            part.bytes().all(plain)
                && !(edge(bytes.first()) || edge(bytes.last()))
                && !(part.contains("--") || part.contains(".."))
                && part.len() <= LONGEST_NAME
        };
        if self.id.split('/').count() > 2 || !self.id.split('/').all(part) {
            return Some(format!("{:?} is no id of the hub, which has the form owner/name", self.id));
        }
        let revision = self.revision?;
        let outside = !super::source::stays_inside(revision) || revision.contains(char::is_control);
        (outside || revision.len() > 255)
            .then(|| format!("{revision:?} is no revision of {}: give a branch, a tag or a commit", self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::{Hub, Wanted};

    #[test]
    fn names_of_the_hub_are_told_from_others() {
        for (name, id, revision) in [
            ("dslim/bert-base-NER", "dslim/bert-base-NER", None),
            ("a/b@refs/pr/1", "a/b", Some("refs/pr/1")),
            ("a/b.c_d@v1.0", "a/b.c_d", Some("v1.0")),
        ] {
            let wanted = Wanted::parse(name).expect("has the form");
            assert_eq!((wanted.id, wanted.revision), (id, revision));
        }
        for name in [
            "model", "a/b/c", "/a/b", "./a", "../a", "a/..", "a/b@", "a/b@..", "a/b@../x", "a/b@/etc",
            "a b/c", "a/b--c", "a\\b/c", "C:/x", "a/b@x\ny", "", "/", "a/",
        ] {
            assert!(Wanted::parse(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let hub = Hub::new().token("hf_secret").proxy("http://me:secret@proxy");
        assert!(!format!("{hub:?}").contains("secret"), "{hub:?}");
    }
}
