//! A thread that owns a model which threads cannot share.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use ndarray::Array2;

use crate::batch::RaggedBatch;
use crate::error::{Error, ErrorKind, panic_message};

/// The number of batches that may wait for the thread; further callers block. One waiting batch keeps a device busy,
/// and memory is proportional to the number of callers.
const WAITING: usize = 1;

type Results = Result<Vec<Array2<f32>>, Error>;

/// The computation of each batch. It never leaves the thread.
pub(super) type Compute = Box<dyn FnMut(&RaggedBatch) -> Results>;

/// A handle to the thread, which ends when the handle is dropped.
pub(super) struct Worker {
    origin: String,
    /// `None` only while the handle is dropped.
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    batch: RaggedBatch,
    reply: SyncSender<Results>,
}

impl Worker {
    /// Starts the thread, which loads a model with `load`. `origin` names the model in messages.
    pub(super) fn start(
        origin: String,
        load: impl FnOnce() -> Result<Compute, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let refuse = |error: io::Error| {
            Error::new(ErrorKind::System, format!("{origin}: no thread can be started")).with_source(error)
        };
        let (jobs, queue) = sync_channel(WAITING);
        let (loaded, answer) = sync_channel(1);
        let name = origin.clone();
        let work = move || match caught(&name, ErrorKind::Weights, load) {
            Ok(compute) => {
                let _unheard = loaded.send(Ok(()));
                serve(&name, compute, &queue);
            }
            Err(error) => {
                let _unheard = loaded.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name("entopic-libtorch".into()).spawn(work).map_err(refuse)?;
        let worker = Self { origin, jobs: Some(jobs), thread: Some(thread) };
        answer.recv().unwrap_or_else(|_| Err(worker.ended()))?;
        Ok(worker)
    }

    /// Runs `batch` on the thread and waits for the results.
    pub(super) fn run(&self, batch: RaggedBatch) -> Results {
        let (reply, answer) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or_else(|| self.ended())?;
        jobs.send(Job { batch, reply }).map_err(|_| self.ended())?;
        answer.recv().unwrap_or_else(|_| Err(self.ended()))
    }

    fn ended(&self) -> Error {
        Error::new(ErrorKind::System, format!("{}: its thread has ended; load the model again", self.origin))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic while the thread drops its model no longer matters to anyone.
            let _panicked = thread.join();
        }
    }
}

fn serve(origin: &str, mut compute: Compute, queue: &Receiver<Job>) {
    while let Ok(Job { batch, reply }) = queue.recv() {
        // No half-done state is used again: a batch does not change the weights.
        let _gone = reply.send(caught(origin, ErrorKind::System, || compute(&batch)));
    }
}

/// Calls `f` and turns a panic into an error of this call alone.
fn caught<T>(origin: &str, kind: ErrorKind, f: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let message = super::message::brief(panic_message(&*panic));
        Err(Error::new(kind, format!("{origin}: libtorch or rust-bert panicked: {message}")))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use ndarray::array;

    use super::{Compute, Worker};
    use crate::batch::{RaggedBatch, Sequence};
    use crate::error::{Error, ErrorKind};

    fn batch(id: u32) -> RaggedBatch {
        let sequence = Sequence { ids: vec![id], token_types: vec![0], ..Sequence::default() };
        RaggedBatch::new([&sequence])
    }

    /// Returns the first id; panics at 13. `marker` is dropped with the thread.
    fn echo(marker: Arc<()>) -> impl FnOnce() -> Result<Compute, Error> + Send + 'static {
        move || {
            Ok(Box::new(move |batch: &RaggedBatch| {
                let _marker = &marker;
                assert_ne!(batch.ids[0], 13, "unlucky");
                Ok(vec![array![[batch.ids[0] as f32]]])
            }))
        }
    }

    #[test]
    fn a_panic_costs_its_own_call() {
        let worker = Worker::start("m".into(), echo(Arc::default())).expect("it should start");
        let error = worker.run(batch(13)).expect_err("it should panic");
        assert_eq!(error.kind(), ErrorKind::System);
        assert!(error.to_string().contains("unlucky"), "{error}");
        assert_eq!(worker.run(batch(4)).expect("lives on"), [array![[4.0]]]);
    }

    #[test]
    fn what_fails_or_panics_while_loading_is_an_error() {
        let fail = || Err(Error::new(ErrorKind::Config, "no such thing"));
        assert_eq!(Worker::start("m".into(), fail).err().map(|error| error.kind()), Some(ErrorKind::Config));
        let error = Worker::start("m".into(), || panic!("no such size")).err().expect("panics").to_string();
        assert!(error.contains("no such size"), "{error}");
    }

    #[test]
    fn each_of_many_callers_gets_its_own_answer_and_the_thread_ends_with_its_owner() {
        let marker = Arc::new(());
        let worker = Worker::start("m".into(), echo(Arc::clone(&marker))).expect("it should start");
        thread::scope(|scope| {
            for caller in 0..32_u32 {
                let worker = &worker;
                scope.spawn(move || {
                    for round in 0..50 {
                        let id = 100 + caller * 100 + round;
                        assert_eq!(worker.run(batch(id)).expect("it should run"), [array![[id as f32]]]);
                    }
                });
            }
        });
        assert_eq!(Arc::strong_count(&marker), 2);
        drop(worker);
        assert_eq!(Arc::strong_count(&marker), 1);
    }
}
