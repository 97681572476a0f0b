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
    /// The number of this file among the files to download, counted from 1.
    pub file: usize,
    /// The number of files to download, not counting those in the cache.
    pub files: usize,
    /// The number of bytes of this file that have been downloaded, including earlier calls.
    pub done: u64,
    /// The size of this file in bytes.
    pub total: u64,
}

/// A function that is called with each [`DownloadProgress`].
#[derive(Clone)]
pub(super) struct Callback(pub(super) Arc<dyn Fn(&DownloadProgress) + Send + Sync>);

/// Reports the progress of one file to a callback, no more often than a person can follow.
pub(super) struct Meter<'a> {
    callback: Option<&'a Callback>,
    progress: DownloadProgress,
    reported: Option<(Instant, u64)>,
}

/// The shortest time between two reports. Ten per second look like steady motion.
const INTERVAL: Duration = Duration::from_millis(100);

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("callback")
    }
}

impl<'a> Meter<'a> {
    pub(super) fn new(callback: Option<&'a Callback>, progress: DownloadProgress) -> Self {
        Self { callback, progress, reported: None }
    }

    /// Reports that `done` bytes have been downloaded; the first and the last report are always made.
    pub(super) fn report(&mut self, done: u64) {
        let Some(Callback(callback)) = self.callback else { return };
        let last = done == self.progress.total;
        let due = self.reported.is_none_or(|(when, reported)| {
            reported != done && (last || done < reported || when.elapsed() >= INTERVAL)
        });
        if due {
            self.progress.done = done;
            callback(&self.progress);
            self.reported = Some((Instant::now(), done));
        }
    }
}
