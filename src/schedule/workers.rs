//! The threads on which models run.

use std::cell::Cell;
use std::hint;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, ErrorKind};
use crate::limits::MOST_THREADS;

/// The most threads that share a lone group. The products of a hidden size of 384 are divided into 6 to 24 parts,
/// those of 768 into 12 to 48; more threads would mostly wait.
const MOST_WIDE: usize = 16;

/// The number of polls for shared work before a waiting thread lets others run: about the time between two products.
const POLLS: u32 = 64;

/// The time that a thread polls in vain before it goes to sleep: longer than the time between the shared parts of a
/// group.
const AWAKE: Duration = Duration::from_micros(500);

/// The crate's own threads. The caller's thread pools are left alone, and products never run outside these threads,
/// because that would start rayon's global pool.
pub(crate) struct Workers {
    workers: Vec<Worker>,
    /// A pool with a thread per worker, up to `MOST_WIDE`, for a group that runs alone. Groups use it one at a time,
    /// because its threads stay awake for the group.
    wide: Mutex<ThreadPool>,
}

/// A pool of one thread. A group runs through all layers on it without barriers, because products in such a pool do
/// not divide their work.
struct Worker {
    pool: ThreadPool,
    /// The number of calls that run on it or wait for it.
    calls: AtomicUsize,
}

impl Workers {
    /// Starts `threads` workers, or one per core.
    pub(crate) fn new(threads: Option<usize>) -> Result<Self, Error> {
        let threads = match threads {
            Some(threads) if (1..=MOST_THREADS).contains(&threads) => threads,
            Some(threads) => {
                let message = format!("threads is {threads}; it must be between 1 and {MOST_THREADS}");
                return Err(Error::new(ErrorKind::Options, message));
            }
            None => thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS),
        };
        let pool = |count, name: String| {
            ThreadPoolBuilder::new()
                .num_threads(count)
                .thread_name(move |thread| format!("{name}-{thread}"))
                .build()
                .map_err(|error| {
                    let message = format!("{threads} threads cannot be started");
                    Error::new(ErrorKind::System, message).with_source(error)
                })
        };
        let worker = |index| {
            let pool = pool(1, format!("entopic-{index}"))?;
            Ok(Worker { pool, calls: AtomicUsize::new(0) })
        };
        let workers = (0..threads).map(worker).collect::<Result<_, Error>>()?;
        let wide = Mutex::new(pool(threads.min(MOST_WIDE), "entopic-wide".into())?);
        Ok(Self { workers, wide })
    }

    /// The number of threads.
    pub(crate) fn count(&self) -> usize {
        self.workers.len()
    }

    /// Returns `f(0)` to `f(count - 1)` in order, computed on all workers. A single one is computed on the caller's
    /// thread, so `f` must not run products.
    pub(crate) fn map<T: Send>(&self, count: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
        if count < 2 { (0..count).map(f).collect() } else { self.map_on_workers(count, f) }
    }

    /// Returns whether no call runs on a thread or waits for one.
    #[cfg(test)]
    pub(super) fn are_idle(&self) -> bool {
        self.workers.iter().all(|worker| worker.calls.load(Ordering::Relaxed) == 0)
    }

    /// Runs `a()` and `b()` at the same time. Work that they divide stays on these threads.
    pub(crate) fn both<A: Send, B: Send>(
        &self,
        a: impl FnOnce() -> A + Send,
        b: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        let wide = self.wide.lock().unwrap_or_else(PoisonError::into_inner);
        outside_pools(|| wide.install(|| rayon::join(a, b)))
    }

    /// Returns `run_group(0)` to `run_group(groups - 1)` in order. They run on the workers, except for those that are
    /// better run one after another, each on all threads.
    pub(super) fn run_groups<T: Send>(&self, groups: usize, run_group: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let alone = self.alone(groups);
        let together = groups - alone;
        let mut outputs = self.map_on_workers(together, &run_group);
        if alone > 0 {
            let rest = together..groups;
            let wide = match self.wide.try_lock() {
                Ok(wide) => Some(wide),
                Err(TryLockError::Poisoned(wide)) => Some(wide.into_inner()),
                // Other calls also run lone groups, and keep the cores busy without sharing.
                Err(TryLockError::WouldBlock) => None,
            };
            outputs.extend(match wide {
                Some(wide) => outside_pools(|| awake(&wide, || rest.map(&run_group).collect::<Vec<_>>())),
                None => self.map_on_workers(alone, |index| run_group(together + index)),
            });
        }
        outputs
    }

    /// The number of `groups` that run one after another, each on all threads: those that are left when all workers
    /// have had the same number, if these are so few that most workers would be idle. The limit is a third of the
    /// workers, because sharing a group does not speed it up by the full number of threads.
    fn alone(&self, groups: usize) -> usize {
        let workers = self.workers.len();
        let left = groups % workers;
        if workers > 1 && 3 * left <= workers.min(MOST_WIDE) + 1 { left } else { 0 }
    }

    /// Returns `f(0)` to `f(count - 1)` in order, computed on the least busy workers.
    fn map_on_workers<T: Send>(&self, count: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let mut workers: Vec<&Worker> = self.workers.iter().collect();
        // Cached, because the counts change during the sort.
        workers.sort_by_cached_key(|worker| worker.calls.load(Ordering::Relaxed));
        workers.truncate(count);
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(count));
        let job = || {
            let mut own = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                own.push((index, f(index)));
                give_way();
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
        };
        outside_pools(|| on_each(&workers, &job));
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, value)| value).collect()
    }
}

/// The most calls that may be nested on the stack of a worker.
const MOST_STACKED: usize = 4;

thread_local! {
    /// The number of calls that are nested on the stack of this thread.
    static STACKED: Cell<usize> = const { Cell::new(0) };
}

/// Lets the next call that waits for this worker run, so that no short call waits for the end of a long one.
fn give_way() {
    let stacked = STACKED.get();
    if stacked < MOST_STACKED {
        STACKED.set(stacked + 1);
        let _reset = OnDrop(|| STACKED.set(stacked));
        rayon::yield_now();
    }
}

/// Runs `wait`, which waits for pools. A thread of the caller's own rayon pool would meanwhile start other jobs of
/// that pool, each of which may get here again, until its stack is full. So on such a thread, `wait` runs on a new
/// thread outside all pools; if the system refuses one, it runs on this thread after all.
fn outside_pools<T: Send>(wait: impl FnOnce() -> T + Send) -> T {
    if rayon::current_thread_index().is_none() {
        return wait();
    }
    let wait = Mutex::new(Some(wait));
    let run = || wait.lock().unwrap_or_else(PoisonError::into_inner).take().map(|wait| wait());
    let done = thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, run).ok()?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    match done.or_else(run) {
        Some(done) => done,
        // The new thread takes it, or this one does if there is no new thread.
        None => unreachable!("what waits is run once"),
    }
}

/// Runs `job` once on each worker and waits for all.
fn on_each(workers: &[&Worker], job: &(impl Fn() + Sync)) {
    if let [first, rest @ ..] = workers {
        first.calls.fetch_add(1, Ordering::Relaxed);
        let _done = OnDrop(|| {
            first.calls.fetch_sub(1, Ordering::Relaxed);
        });
        first.pool.in_place_scope(|scope| {
            scope.spawn(|_| job());
            on_each(rest, job);
        });
    }
}

/// Runs `job` in `pool` while the pool's other threads poll for the work that `job` divides: if they slept, they
/// would take longer to wake up than a product takes.
///
/// A thread may start to poll on top of work of `job` that it took before, and `job` waits for that work; so no
/// thread polls in vain for long. Only one such job runs in a pool at a time: two would wait for each other's polls.
fn awake<T: Send>(pool: &ThreadPool, job: impl FnOnce() -> T + Send) -> T {
    let done = AtomicBool::new(false);
    let done = &done;
    pool.scope(|scope| {
        let own = rayon::current_thread_index();
        scope.spawn_broadcast(move |_, context| {
            let (mut polls, mut last) = (0, Instant::now());
            // The thread of `job` may get here while it waits for the others.
            while own != Some(context.index()) && !done.load(Ordering::Acquire) {
                if rayon::yield_now() == Some(rayon::Yield::Executed) {
                    (polls, last) = (0, Instant::now());
                } else if polls < POLLS {
                    polls += 1;
                    hint::spin_loop();
                } else if last.elapsed() < AWAKE {
                    thread::yield_now();
                } else {
                    break;
                }
            }
        });
        // Also set if `job` panics.
        let _done = OnDrop(|| done.store(true, Ordering::Release));
        job()
    })
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::Workers;

    #[test]
    fn map_keeps_the_order_also_inside_another_pool() {
        let workers = Workers::new(Some(3)).expect("the threads should start");
        let expected: Vec<usize> = (0..100).map(|i| i * i).collect();
        assert_eq!(workers.map(100, |i| i * i), expected);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("the threads should start");
        let (a, b) =
            pool.install(|| rayon::join(|| workers.map(100, |i| i * i), || workers.map(100, |i| i * i)));
        assert_eq!((a, b), (expected.clone(), expected));
    }

    #[test]
    fn a_short_call_does_not_wait_for_the_end_of_a_long_one() {
        const LAST: usize = 999;
        let workers = Workers::new(Some(1)).expect("the threads should start");
        let (begun, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let was_done = thread::scope(|scope| {
            let long = scope.spawn(|| {
                workers.map(LAST + 1, |index| {
                    begun.store(true, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(1));
                    index < LAST || done.load(Ordering::SeqCst)
                })
            });
            while !begun.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            assert_eq!(workers.map(3, |index| index), [0, 1, 2]);
            done.store(true, Ordering::SeqCst);
            long.join().expect("no group should panic")
        });
        assert!(was_done.into_iter().all(|was_done| was_done));
    }

    #[test]
    fn no_threads_or_too_many_are_an_error() {
        assert!(Workers::new(Some(0)).is_err());
        assert!(Workers::new(Some(100_000)).is_err());
    }
}
