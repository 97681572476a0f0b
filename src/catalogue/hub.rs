//! Models of the Hugging Face hub, which are found in the cache that its clients share, or fetched into it.

mod cache;
mod digest;
mod failure;
mod fetch;
mod listing;
mod lock;
mod options;
pub(crate) mod progress;
mod remote;
pub(crate) mod request;
mod settings;
mod transfer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::lock::lock_beside;
use self::options::Options;
use self::progress::{Callback, DownloadProgress};
use self::request::{FetchedModel, Wanted};
use super::layout::{Part, Tokenizer};
use super::registry::{Registry, Source};
use crate::error::{Error, ErrorKind};

/// The options for finding and fetching models of the Hugging Face hub. Options that are not set come from the
/// environment variables of the hub's own clients.
///
/// Files are kept in the cache that these clients share, so models that Python has fetched are found here, and vice
/// versa. Only the files from which a model is loaded are fetched. Each is checked against the hub's own checksum
/// before it is used, and a transfer that was cut off is resumed. A model at a complete commit hash needs no request
/// to the hub once it is in the cache; a branch or a tag is looked up at each load, unless a lock file or
/// [`offline`](Self::offline) determines the commit.
///
/// ```no_run
/// let hub = entopic::Hub::new().cache("models").lock("models.lock");
/// let ner = entopic::Engine::builder().hub(hub).build()?.ner("dslim/bert-base-NER@main")?;
/// # Ok::<(), entopic::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Hub(Options);

impl Hub {
    /// Creates options with nothing set.
    ///
    /// ```no_run
    /// // The cache and the token are those of the environment, as for `hf download`.
    /// let engine = entopic::Engine::builder().hub(entopic::Hub::new()).build()?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The folder of the cache. If not set, it is `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or `huggingface/hub` in
    /// `XDG_CACHE_HOME`, or `.cache/huggingface/hub` in the user's home.
    ///
    /// ```no_run
    /// let hub = entopic::Hub::new().cache("/srv/models");
    /// let engine = entopic::Engine::builder().hub(hub).build()?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.0.cache = Some(folder.into());
        self
    }

    /// The URL of the hub, or of a compatible one; `HF_ENDPOINT` or `https://huggingface.co` if not set.
    ///
    /// ```no_run
    /// let hub = entopic::Hub::new().endpoint("https://hub.example.org").token("hf_example");
    /// let engine = entopic::Engine::builder().hub(hub).build()?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.0.endpoint = Some(url.into());
        self
    }

    /// The token for private and gated models; none is sent if it is empty. If not set, it is `HF_TOKEN`, or the
    /// contents of the file `HF_TOKEN_PATH`, or of the file `token` in `HF_HOME`. It is sent to the endpoint only, not
    /// to hosts to which the endpoint redirects.
    ///
    /// ```
    /// let hub = entopic::Hub::new().token("hf_example");
    /// // The debug output, which may end up in logs, does not contain the token.
    /// assert!(!format!("{hub:?}").contains("hf_example"));
    /// let engine = entopic::Engine::builder().hub(hub).build()?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.0.token = Some(token.into());
        self
    }

    /// The URL of a proxy for all connections. If not set, no proxy is used, whatever the environment says.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// let hub = entopic::Hub::new().proxy("http://proxy.example.org:8080").timeout(Duration::from_secs(10));
    /// let engine = entopic::Engine::builder().hub(hub).build()?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.0.proxy = Some(url.into());
        self
    }

    /// The time that the hub may be silent before a request fails; 30 seconds if not set.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let hub = entopic::Hub::new().timeout(Duration::from_secs(10));
    /// assert!(format!("{hub:?}").contains("timeout: Some(10s)"));
    /// let engine = entopic::Engine::builder().hub(hub).build()?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = Some(timeout);
        self
    }

    /// Sets whether to open no connection and load everything from the cache; `HF_HUB_OFFLINE` if not set.
    ///
    /// ```no_run
    /// let hub = entopic::Hub::new().offline(true);
    /// let ner = entopic::Engine::builder().hub(hub).build()?.ner("dslim/bert-base-NER")?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.0.offline = Some(offline);
        self
    }

    /// The path of the lock file, which records the commit of a model and the SHA-256 of its files at the first load;
    /// later loads must match. If not set, it is next to the registry, if that was read from a file: `own.lock` next to
    /// `own.toml`. Otherwise there is no lock file.
    ///
    /// ```no_run
    /// let hub = entopic::Hub::new().lock("models.lock");
    /// let ner = entopic::Engine::builder().hub(hub).build()?.ner("dslim/bert-base-NER")?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn lock(mut self, file: impl Into<PathBuf>) -> Self {
        self.0.lock = Some(file.into());
        self
    }

    /// A callback for the progress of downloads: at the start and end of each file, and a few times per second in
    /// between. It is called on a different thread from the one that waits for the model.
    ///
    /// ```no_run
    /// let hub = entopic::Hub::new().progress(|now| eprintln!("{}: {} of {}", now.path, now.done, now.total));
    /// let ner = entopic::Engine::builder().hub(hub).build()?.ner("dslim/bert-base-NER")?;
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn progress(mut self, callback: impl Fn(&DownloadProgress) + Send + Sync + 'static) -> Self {
        self.0.progress = Some(Callback(Arc::new(callback)));
        self
    }

    /// Fetches the model `name` without loading it: a name of `registry` whose source is the hub, or
    /// `owner/name` or `owner/name@revision`. Files in the cache are not fetched again.
    ///
    /// ```no_run
    /// let registry = entopic::Registry::default();
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
    /// [`Lock`](ErrorKind::Lock) and [`System`](ErrorKind::System) as [`ErrorKind`] describes them;
    /// [`Options`](ErrorKind::Options) if an option is not a valid URL, or there is nothing to fetch because
    /// the model is in the build or in a folder; [`Config`](ErrorKind::Config),
    /// [`Weights`](ErrorKind::Weights) or [`Tokenizer`](ErrorKind::Tokenizer) if it has no file of
    /// that kind.
    pub fn fetch(&self, registry: &Registry, name: &str) -> Result<FetchedModel, Error> {
        self.fetch_part(registry, name, Part::Whole)
    }

    /// Fetches the files that describe the model `name`, without its weights, for
    /// [`ModelEntry::differences_in`](crate::ModelEntry::differences_in).
    ///
    /// ```no_run
    /// let registry = entopic::Registry::default();
    /// let model = entopic::Hub::new().fetch_description(&registry, "bge-small-en-v1.5")?;
    /// println!("{:?}", model.files.iter().map(|file| &file.path).collect::<Vec<_>>());
    /// # Ok::<(), entopic::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as those of [`fetch`](Self::fetch), whatever the format of the weights.
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
                let suggestion =
                    registry.suggestion(name, |entry| matches!(entry.source, Source::Hub { .. }));
                let message = format!(
                    "no model is named {name:?}; {suggestion}give a name of the registry, or owner/name or \
                     owner/name@revision as on the hub"
                );
                Error::new(ErrorKind::UnknownModel, message)
            })?,
        };
        let mut model = self.find_or_fetch(wanted, registry)?;
        let names: Vec<String> = model.files.iter().map(|file| file.path.clone()).collect();
        let other = entry.and_then(|entry| entry.tokenizer.as_deref());
        if let Some(tokenizer) = other.filter(|_| Tokenizer::choose(&names).is_none()) {
            model.tokenizer = Some(Box::new(self.find_or_fetch(Wanted::tokenizer(tokenizer)?, registry)?));
        }
        Ok(model)
    }

    /// Finds the model in the cache, or fetches it; names are looked up in `registry`.
    pub(crate) fn find_or_fetch(
        &self,
        wanted: Wanted<'_>,
        registry: &Registry,
    ) -> Result<FetchedModel, Error> {
        let lock = self.0.lock.clone().or_else(|| registry.file().map(lock_beside));
        fetch::fetch(&self.0, wanted, lock.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::Hub;

    #[test]
    fn a_token_is_not_printed() {
        let hub = Hub::new().token("hf_secret").proxy("http://me:secret@proxy");
        assert!(!format!("{hub:?}").contains("secret"), "{hub:?}");
    }
}
