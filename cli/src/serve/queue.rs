//! Requests of all connections on their way to the models.
//!
//! Short requests wait in one lane, where one thread answers those that wait together in a batch: one call with many
//! texts costs less than many calls. Requests with more text than such a batch wait in a second lane, where they take
//! turns, some texts at a time. Both lanes run in parallel and share the engine's threads.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

use crossbeam_channel::{Receiver, Sender, unbounded};
use entopic::{Error, Limits};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::work::{Found, Work};

/// The size of a batch: some tenths of a second of work on two threads.
const BATCH: usize = 48 * 1024;

/// The size that a text adds to a batch in addition to its bytes, so that empty texts count, too.
const TEXT: usize = 256;

/// The time that a request waits for others, if the batch before it had several requests.
const PATIENCE: Duration = Duration::from_millis(2);

/// The results of a request, one for each of its texts. After an error the rest may be missing.
pub(super) type Answer = Vec<Result<Found, Error>>;

/// Counts the requests of a batch.
pub(super) type Observer = Arc<dyn Fn(usize) + Send + Sync>;

/// A request for the queue.
pub(super) struct Request {
    pub(super) work: Arc<Work>,
    pub(super) texts: Arc<[String]>,
    pub(super) deadline: Instant,
    /// The request's share of the memory for bodies.
    pub(super) memory: Option<Arc<OwnedSemaphorePermit>>,
}

/// A request in a lane.
struct Job {
    work: Arc<Work>,
    texts: Arc<[String]>,
    deadline: Instant,
    client: Arc<Client>,
    answer: oneshot::Sender<Answer>,
    place: Place,
    _memory: Option<Arc<OwnedSemaphorePermit>>,
}

/// The client of a request.
#[derive(Default)]
struct Client {
    has_left: AtomicBool,
    /// The batch that the request is read in.
    batch: OnceLock<Arc<Batch>>,
}

/// Requests that are read together.
struct Batch {
    /// Weak references, since each client refers to its batch.
    clients: Vec<Weak<Client>>,
    /// Stops the work; raised when all clients have left.
    stop: Arc<AtomicBool>,
}

impl Batch {
    fn stop_if_all_left(&self) {
        let has_left = |client: &Weak<Client>| {
            client.upgrade().is_none_or(|client| client.has_left.load(Ordering::SeqCst))
        };
        if self.clients.iter().all(has_left) {
            self.stop.store(true, Ordering::SeqCst);
        }
    }
}

/// A place in a lane, which becomes free again when this is dropped.
struct Place {
    taken: Arc<AtomicUsize>,
    all_bytes: Arc<AtomicUsize>,
    /// The bytes of the request's texts.
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
        self.all_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The lane is full.
#[derive(Debug)]
pub(super) struct Full;

/// The sending end of a lane.
struct Lane {
    sender: Sender<Job>,
    taken: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Lane {
    fn start(name: &str, work: impl FnOnce(Receiver<Job>) + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = unbounded();
        let thread = thread::Builder::new().name(name.into()).spawn(move || work(receiver))?;
        Ok(Self { sender, taken: Arc::default(), thread })
    }
}

/// The sending end of the queue.
pub(super) struct Queue {
    short: Lane,
    long: Lane,
    bytes: Arc<AtomicUsize>,
    /// The number of places in each lane.
    places: usize,
}

/// An answer to come. The work for it stops when this is dropped, which happens when the client leaves.
pub(super) struct Pending {
    answer: oneshot::Receiver<Answer>,
    waiting: Waiting,
}

struct Waiting(Arc<Client>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.has_left.store(true, Ordering::SeqCst);
        if let Some(batch) = self.0.batch.get() {
            batch.stop_if_all_left();
        }
    }
}

impl Pending {
    /// The answer; `None` if the work for it failed.
    pub(super) async fn answer(self) -> Option<Answer> {
        let Self { answer, waiting } = self;
        let answer = answer.await.ok();
        drop(waiting);
        answer
    }
}

impl Queue {
    /// An empty queue with `places` for requests in each lane.
    pub(super) fn start(places: usize, observer: Observer) -> io::Result<Self> {
        let observed = Arc::clone(&observer);
        Ok(Self {
            short: Lane::start("entopic-short", move |lane| in_batches(&lane, &observed))?,
            long: Lane::start("entopic-long", move |lane| in_turns(&lane, &observer))?,
            bytes: Arc::default(),
            places,
        })
    }

    /// Puts a request at the end of its lane.
    pub(super) fn put(&self, request: Request) -> Result<Pending, Full> {
        let bytes = request.texts.iter().map(String::len).sum();
        let lane = if size(&request.texts) > BATCH { &self.long } else { &self.short };
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let before = lane.taken.fetch_add(1, Ordering::Relaxed);
        let place = Place { taken: Arc::clone(&lane.taken), all_bytes: Arc::clone(&self.bytes), bytes };
        if before >= self.places {
            return Err(Full);
        }
        let (sender, answer) = oneshot::channel();
        let client: Arc<Client> = Arc::default();
        let waiting = Waiting(Arc::clone(&client));
        let Request { work, texts, deadline, memory } = request;
        let job = Job { work, texts, deadline, client, answer: sender, place, _memory: memory };
        // If the lane's thread has ended, the receiver sees that there is no answer.
        let _ = lane.sender.send(job);
        Ok(Pending { answer, waiting })
    }

    /// The number of requests that wait or are being read.
    pub(super) fn requests(&self) -> usize {
        self.short.taken.load(Ordering::Relaxed) + self.long.taken.load(Ordering::Relaxed)
    }

    /// The number of bytes of their texts.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Reports whether a lane is full.
    pub(super) fn is_full(&self) -> bool {
        [&self.short, &self.long].iter().any(|lane| lane.taken.load(Ordering::Relaxed) >= self.places)
    }

    /// Reports whether both threads are still running.
    pub(super) fn is_alive(&self) -> bool {
        !self.short.thread.is_finished() && !self.long.thread.is_finished()
    }
}

/// The size of texts, as counted for batches.
fn size(texts: &[String]) -> usize {
    texts.iter().map(|text| text.len() + TEXT).sum()
}

/// Answers the requests of a lane together with those that wait behind them, until its sending end is dropped.
fn in_batches(lane: &Receiver<Job>, observer: &Observer) {
    let mut had_company = false;
    while let Ok(first) = lane.recv() {
        let mut all = size(&first.texts);
        let mut jobs = vec![first];
        let until = Instant::now() + if had_company { PATIENCE } else { Duration::ZERO };
        while all < BATCH
            && let Ok(job) = lane.recv_deadline(until)
        {
            all += size(&job.texts);
            jobs.push(job);
        }
        had_company = jobs.len() > 1;
        observer(jobs.len());
        answer(jobs);
    }
}

/// Answers `jobs`, those with the same work in one call.
fn answer(mut jobs: Vec<Job>) {
    jobs.retain(|job| !job.client.has_left.load(Ordering::SeqCst));
    while let Some(first) = jobs.first() {
        let work = Arc::clone(&first.work);
        let (same, others): (Vec<Job>, Vec<Job>) =
            jobs.into_iter().partition(|job| Arc::ptr_eq(&job.work, &work));
        jobs = others;
        let stop = Arc::new(AtomicBool::new(false));
        let clients = same.iter().map(|job| Arc::downgrade(&job.client)).collect();
        let batch = Arc::new(Batch { clients, stop: Arc::clone(&stop) });
        for job in &same {
            // A request is in only one batch.
            let _ = job.client.batch.set(Arc::clone(&batch));
        }
        batch.stop_if_all_left();
        let mut limits = Limits::new().cancel(stop);
        // Short requests end together, and soon; the task that waits for a request enforces its deadline.
        if let Some(deadline) = same.iter().map(|job| job.deadline).max() {
            limits = limits.deadline(deadline);
        }
        let texts: Vec<&str> = same.iter().flat_map(|job| job.texts.iter().map(String::as_str)).collect();
        let Some(results) = run(&work, &texts, &limits) else { continue };
        let mut results = results.into_iter();
        for job in same {
            let own = results.by_ref().take(job.texts.len()).collect();
            send(job, own);
        }
    }
}

/// A long request, some of whose texts have been read.
struct Part {
    job: Job,
    found: Answer,
    stop: Arc<AtomicBool>,
}

impl Part {
    fn new(job: Job) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let batch = Arc::new(Batch { clients: vec![Arc::downgrade(&job.client)], stop: Arc::clone(&stop) });
        let _ = job.client.batch.set(Arc::clone(&batch));
        batch.stop_if_all_left();
        Self { job, found: Vec::new(), stop }
    }

    /// Reads the next texts, as many as make a batch; returns the request, unless it is now answered.
    fn step(mut self) -> Option<Self> {
        let mut all = 0;
        let rest = self.job.texts[self.found.len()..].iter();
        let next: Vec<&str> = rest
            .take_while(|text| {
                let is_in = all < BATCH;
                all += text.len() + TEXT;
                is_in
            })
            .map(String::as_str)
            .collect();
        let limits = Limits::new().cancel(Arc::clone(&self.stop)).deadline(self.job.deadline);
        let found = run(&self.job.work, &next, &limits)?;
        let has_failed = found.iter().any(Result::is_err);
        self.found.extend(found);
        if has_failed || self.found.len() == self.job.texts.len() {
            send(self.job, self.found);
            return None;
        }
        Some(self)
    }
}

/// Answers the requests of a lane, which take turns, until its sending end is dropped.
fn in_turns(lane: &Receiver<Job>, observer: &Observer) {
    let mut parts: VecDeque<Part> = VecDeque::new();
    loop {
        if parts.is_empty() {
            let Ok(job) = lane.recv() else { return };
            parts.push_back(Part::new(job));
            observer(1);
        }
        for job in lane.try_iter() {
            parts.push_back(Part::new(job));
            observer(1);
        }
        parts.retain(|part| !part.stop.load(Ordering::SeqCst));
        let next = parts.pop_front().and_then(Part::step);
        parts.extend(next);
    }
}

/// Runs `work`; returns `None` if it panics, which it should not.
fn run(work: &Work, texts: &[&str], limits: &Limits) -> Option<Answer> {
    catch_unwind(AssertUnwindSafe(|| work.run(texts, limits))).ok()
}

/// Answers a request.
fn send(job: Job, found: Answer) {
    let Job { answer, place, .. } = job;
    // The place becomes free before the client gets the answer.
    drop(place);
    // The client may have left.
    let _ = answer.send(found);
}
