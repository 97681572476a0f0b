use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The progress of a model's download.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// The model's id on the hub.
    pub id: String,
    /// The path of the file that is downloaded, inside the model.
    pub path: String,
    /// Which of the files to download this is, from 1.
    pub file: usize,
    /// How many files are to be downloaded; those in the cache are not among them.
    pub files: usize,
    /// The bytes of this file that are here, those of earlier calls included.
    pub done: u64,
    /// The bytes of this file.
    pub total: u64,
}

/// What is called with each [`DownloadProgress`].
#[derive(Clone)]
pub(super) struct Callback(pub(super) Arc<dyn Fn(&DownloadProgress) + Send + Sync>);

/// Tells a callback of one file, not more often than it can be looked at.
pub(super) struct Meter<'a> {
    callback: Option<&'a Callback>,
    progress: DownloadProgress,
    told: Option<(Instant, u64)>,
}

/// Ten times a second look like a steady motion.
const INTERVAL: Duration = Duration::from_millis(100);

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("callback")
    }
}

impl<'a> Meter<'a> {
    pub(super) fn new(callback: Option<&'a Callback>, progress: DownloadProgress) -> Self {
        Self { callback, progress, told: None }
    }

    /// Tells that `done` bytes are here: the first and the last time always.
    pub(super) fn tell(&mut self, done: u64) {
        let Some(Callback(callback)) = self.callback else { return };
        let last = done == self.progress.total;
        let due = self
            .told
            .is_none_or(|(when, told)| told != done && (last || done < told || when.elapsed() >= INTERVAL));
        if due {
            self.progress.done = done;
            callback(&self.progress);
            self.told = Some((Instant::now(), done));
        }
    }
}
