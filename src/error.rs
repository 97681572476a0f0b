use std::fmt;
use std::sync::Arc;

/// The kind of an error, for callers that act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No model has the given name, or the hub does not know it.
    UnknownModel,
    /// The model is known, but not available on this machine or in this build; or its folder does not exist or cannot
    /// be read.
    ModelUnavailable,
    /// The model cannot do the task of the call.
    WrongTask,
    /// The `config.json` of a model is missing, damaged or contradictory, or it describes a model that entopic does not
    /// support.
    Config,
    /// The tokenizer files of a model are missing or unusable, or the tokenizer rejected a text.
    Tokenizer,
    /// A weight file is missing or cut off, or a tensor in it is missing or has the wrong shape.
    Weights,
    /// A registry (`models.toml`) cannot be read, or contradicts the files of a model.
    Registry,
    /// Labels or entity types are missing or unusable.
    Labels,
    /// A model could not be downloaded, because of the network, the hub or its response. Trying again may help.
    Download,
    /// A model is private or gated, and the token is missing or has no access to it.
    Access,
    /// A file from the hub does not match its checksum there or in a registry. For a model in a folder, such a file has
    /// the kind `Config`, `Tokenizer` or `Weights`.
    Checksum,
    /// A lock file cannot be read or written, or a model differs from its entry there.
    Lock,
    /// A rule for entities, or a file of rules, is unusable.
    Rules,
    /// An option has an invalid value, or the model does not support it.
    Options,
    /// A text is longer than the limit of its call.
    TooLong,
    /// The deadline of a call passed before it was done.
    Deadline,
    /// A call was cancelled before it was done.
    Cancelled,
    /// The operating system refused something, such as a thread or space on the disk.
    System,
}

/// The error type of every call in this crate.
///
/// The message names the file, tensor, model or label, what is wrong with it, and the valid choices. `Display` prints
/// the message, `source` returns the underlying cause if there is one, and `Debug` prints both. Cloning is cheap.
///
/// ```
/// use entopic::{Engine, ErrorKind};
///
/// let error = Engine::new()?.ner("no-such-model").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::UnknownModel);
/// assert!(error.to_string().contains("no-such-model"));
/// # Ok::<(), entopic::Error>(())
/// ```
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// The kind of the error.
    ///
    /// ```
    /// use entopic::{Engine, ErrorKind};
    ///
    /// let error = Engine::new()?.ner("no-such-model").unwrap_err();
    /// // The status with which a web service might respond.
    /// let status = match error.kind() {
    ///     ErrorKind::UnknownModel => 404,
    ///     ErrorKind::TooLong => 413,
    ///     _ => 500,
    /// };
    /// assert_eq!(status, 404);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// The message of a panic.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("the panic has no message")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    // `fn main() -> Result<(), entopic::Error>` prints this form: the message and its causes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
