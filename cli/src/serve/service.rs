//! The state that all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use entopic::{ErrorKind, Limits};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use super::body;
use super::metrics::Metrics;
use super::queue::{self, Queue};
use super::refusal::Refusal;
use super::work::{Found, Wanted, Work, Works};

pub(super) struct Service {
    pub(super) works: Works,
    pub(super) queue: Queue,
    pub(super) metrics: Metrics,
    pub(super) bodies: body::Limits,
    /// The time that an answer may take once its request is read.
    pub(super) timeout: Duration,
    /// The token that requests must send, if one is required.
    pub(super) token: Option<String>,
    /// Permits for background work: preparing labels, writing large answers.
    pub(super) background: Arc<Semaphore>,
    pub(super) is_ending: AtomicBool,
}

/// Raises a flag when it is dropped.
struct Raise(Arc<AtomicBool>);

impl Drop for Raise {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Service {
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Reports whether a request with the token `given` is allowed. The time of the comparison depends only on the
    /// length.
    pub(super) fn admits(&self, given: Option<&str>) -> bool {
        match (&self.token, given) {
            (None, _) => true,
            (Some(token), Some(given)) => token.as_bytes().ct_eq(given.as_bytes()).into(),
            (Some(_), None) => false,
        }
    }

    pub(super) fn check_ready(&self) -> Result<(), Refusal> {
        if self.is_ending.load(Ordering::Relaxed) {
            return Err(Refusal::ending());
        }
        match self.queue.is_full() {
            true => Err(Refusal::full()),
            false => Ok(()),
        }
    }

    /// The time by which an answer must be ready.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    fn late(&self) -> Refusal {
        Refusal::deadline(self.timeout.as_secs())
    }

    /// The results for `texts`, in their order.
    pub(super) async fn ask(
        self: &Arc<Self>,
        wanted: Wanted,
        texts: Arc<[String]>,
        memory: Option<Arc<OwnedSemaphorePermit>>,
        deadline: Instant,
    ) -> Result<Vec<Found>, Refusal> {
        let work = self.work(wanted, deadline).await?;
        work.check(texts.len())?;
        let request = queue::Request { work, texts: Arc::clone(&texts), deadline, memory };
        let pending = self.queue.put(request).map_err(|_| Refusal::full())?;
        let results = timeout_at(deadline.into(), pending.answer()).await.map_err(|_| self.late())?;
        let results = results.ok_or_else(|| Refusal::failed("the service failed to read this text"))?;
        let is_one = texts.len() == 1;
        let found = results.into_iter().enumerate().map(|(at, found)| {
            found.map_err(|error| match error.kind() {
                ErrorKind::Deadline => self.late(),
                _ => Refusal::from(error).at((!is_one).then_some(at)),
            })
        });
        let found = found.collect::<Result<_, _>>()?;
        self.metrics.read(&texts);
        Ok(found)
    }

    /// The prepared work for a request; it is prepared now if it is new.
    async fn work(self: &Arc<Self>, mut wanted: Wanted, deadline: Instant) -> Result<Arc<Work>, Refusal> {
        let key = wanted.key()?;
        if let Some(work) = self.works.find(&key) {
            return Ok(work);
        }
        let raise = Raise(Arc::default());
        let limits = Limits::new().deadline(deadline).cancel(Arc::clone(&raise.0));
        let service = Arc::clone(self);
        let prepared =
            self.in_background(deadline, move || service.works.prepare(key, &wanted, &limits)).await?;
        drop(raise);
        prepared
    }

    /// Runs `work` outside the tasks of the connections; a few run at once, and others wait.
    pub(super) async fn in_background<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let done = async {
            let permit = Arc::clone(&self.background).acquire_owned().await;
            let done = spawn_blocking(move || {
                let _permit = permit;
                work()
            });
            done.await.map_err(|error| Refusal::failed(error.to_string()))
        };
        timeout_at(deadline.into(), done).await.map_err(|_| self.late())?
    }
}
