//! Threads, and how sequences are put on them.

use std::hint;
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ndarray::{Array2, Axis, Slice};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::backend::{Backend, RaggedBatch, RowsPer, Sequence};
use crate::error::{Error, ErrorKind};
use crate::stage::stage;

/// Tokens that run together through all layers. 64, 128 and 256 measured 18,200, 18,300 and
/// 16,000 tokens a second (a sketch of this engine, six layers of 384, int8, two threads of a Zen 4): beyond 128 the
/// activations of a group outgrow the cache.
const GROUP_TOKENS: usize = 128;

/// Threads that share a lone group. The products of a hidden size of 384 fall into at most 12 parts
/// (rten-gemm shares them out in 128 columns), those of 768 into 24; more threads would only wait.
const MOST_WIDE: usize = 16;

/// Polls for shared work before a waiting thread lets others run: about the time between two products.
const POLLS: u32 = 64;

/// Bytes of text that are worked on at once in a call with many documents. Memory follows it, not
/// the number of documents; it holds some hundred groups, enough to keep many threads busy.
const CHUNK_BYTES: usize = 256 * 1024;

/// What a text costs beside its bytes: its bookkeeping and its result.
const TEXT_BYTES: usize = 256;

/// More threads than any machine has cores for; some ten thousand exhaust the memory for their
/// stacks, and the standard library aborts the process then.
const MOST_THREADS: usize = 1024;

/// Threads of its own: the caller's thread pools are left alone, and products never run outside
/// these, which would start the global one.
pub(crate) struct Runtime {
    workers: Vec<Worker>,
    /// As many threads as there are workers, for a group that runs alone; one at a time, since its
    /// threads stay awake for it.
    wide: Mutex<ThreadPool>,
}

/// A pool of one thread. A group runs through all layers on it with no barriers: in such a pool
/// products do not share their work out.
struct Worker {
    pool: ThreadPool,
    /// Calls that it works for or that wait for it.
    calls: AtomicUsize,
}

impl Runtime {
    /// `threads` workers, or one for each core.
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

    /// `f(0)` to `f(count - 1)` in order, computed on all workers; a single one on the caller's
    /// thread, so `f` must not run products.
    pub(crate) fn map<T: Send>(&self, count: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
        if count < 2 { (0..count).map(f).collect() } else { self.map_on_workers(count, f) }
    }

    /// `a()` and `b()`, beside one another. What they share out among threads stays among these.
    pub(crate) fn both<A: Send, B: Send>(
        &self,
        a: impl FnOnce() -> A + Send,
        b: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        let wide = self.wide.lock().unwrap_or_else(PoisonError::into_inner);
        wide.install(|| rayon::join(a, b))
    }

    /// The backend's rows for each sequence, in the order given.
    pub(crate) fn run(
        &self,
        backend: &dyn Backend,
        sequences: &[Sequence],
    ) -> Vec<Result<Array2<f32>, Error>> {
        let groups = group(sequences);
        let run_group = |index: usize| {
            stage!("group");
            let batch = RaggedBatch::new(groups[index].iter().map(|&index| &sequences[index]));
            backend.run(&batch).map(|rows| split(&rows, &batch, backend.rows_per()))
        };
        let alone = self.alone(groups.len());
        let together = groups.len() - alone;
        let mut outputs = self.map_on_workers(together, run_group);
        let rest = together..groups.len();
        match self.wide.try_lock() {
            Ok(wide) if alone > 0 => outputs.extend(awake(&wide, || rest.map(run_group).collect::<Vec<_>>())),
            // Others are alone as well: they keep all cores busy without sharing.
            _ => outputs.extend(self.map_on_workers(alone, |index| run_group(together + index))),
        }

        let mut results: Vec<Option<Result<Array2<f32>, Error>>> = vec![None; sequences.len()];
        for (group, output) in groups.iter().zip(outputs) {
            match output {
                Ok(parts) => {
                    for (&index, part) in group.iter().zip(parts) {
                        results[index] = Some(Ok(part));
                    }
                }
                Err(error) => {
                    for &index in group {
                        results[index] = Some(Err(error.clone()));
                    }
                }
            }
        }
        // Every sequence is in exactly one group.
        results.into_iter().flatten().collect()
    }

    /// How many of `groups` run one after another, each on all threads: those that are left when
    /// each worker has had as many as the others, if they are so few that most workers would idle.
    /// A third, since a shared group is not sped up by the full number of its threads.
    fn alone(&self, groups: usize) -> usize {
        let workers = self.workers.len();
        let left = groups % workers;
        if workers > 1 && 3 * left <= workers + 1 { left } else { 0 }
    }

    /// `f(0)` to `f(count - 1)` in order, computed on the workers that are least in demand.
    fn map_on_workers<T: Send>(&self, count: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let mut workers: Vec<&Worker> = self.workers.iter().collect();
        workers.sort_by_key(|worker| worker.calls.load(Ordering::Relaxed));
        workers.truncate(count);
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(count));
        on_each(&workers, &|| {
            let mut own = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                own.push((index, f(index)));
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, value)| value).collect()
    }
}

/// Runs `job` once on each worker and waits for all.
fn on_each(workers: &[&Worker], job: &(impl Fn() + Sync)) {
    if let [first, rest @ ..] = workers {
        first.calls.fetch_add(1, Ordering::Relaxed);
        first.pool.in_place_scope(|scope| {
            scope.spawn(|_| job());
            on_each(rest, job);
        });
        first.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `job` in `pool` while its other threads poll for what `job` shares out. Asleep, they would
/// take longer to wake up than a product takes. Only one such job may run in a pool at a time: two
/// could wait for one another on the same stack.
fn awake<T: Send>(pool: &ThreadPool, job: impl FnOnce() -> T + Send) -> T {
    let done = AtomicBool::new(false);
    let done = &done;
    pool.scope(|scope| {
        let own = rayon::current_thread_index();
        scope.spawn_broadcast(move |_, context| {
            let mut polls = 0;
            // The thread of `job` may come here while it waits for the others.
            while own != Some(context.index()) && !done.load(Ordering::Acquire) {
                if rayon::yield_now() == Some(rayon::Yield::Executed) {
                    polls = 0;
                } else if polls < POLLS {
                    polls += 1;
                    hint::spin_loop();
                } else {
                    thread::yield_now();
                }
            }
        });
        // Set also when `job` panics.
        let _guard = SetOnDrop(done);
        job()
    })
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Groups of about `GROUP_TOKENS` tokens, as indices into `sequences`. Longest first: the long
/// ones start early and the short ones fill the ends.
fn group(sequences: &[Sequence]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(sequences[index].ids.len()));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut tokens = usize::MAX;
    for index in order {
        let length = sequences[index].ids.len();
        if tokens.saturating_add(length) > GROUP_TOKENS {
            groups.push(Vec::new());
            tokens = 0;
        }
        tokens += length;
        if let Some(group) = groups.last_mut() {
            group.push(index);
        }
    }
    groups
}

/// The rows of each sequence of `batch`.
fn split(rows: &Array2<f32>, batch: &RaggedBatch, rows_per: RowsPer) -> Vec<Array2<f32>> {
    let part = |range: Range<usize>| rows.slice_axis(Axis(0), Slice::from(range)).to_owned();
    match rows_per {
        RowsPer::Token => batch.sequences().map(part).collect(),
        RowsPer::Sequence => (0..batch.bounds.len() - 1).map(|index| part(index..index + 1)).collect(),
    }
}

/// Consecutive runs of `texts` that are worked on at once; `bytes` tells a text's length.
pub(crate) fn chunks<T>(texts: &[T], bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = texts;
    std::iter::from_fn(move || {
        let mut total = 0;
        let fits = |text: &&T| {
            total += bytes(text) + TEXT_BYTES;
            total <= CHUNK_BYTES
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (chunk, after) = rest.split_at_checked(count)?;
        rest = after;
        Some(chunk)
    })
}

/// The only result of a batch of one.
pub(crate) fn single<T>(results: Vec<Result<T, Error>>) -> Result<T, Error> {
    let missing = || Err(Error::new(ErrorKind::System, "a batch of one gave no result"));
    results.into_iter().next().unwrap_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_BYTES, GROUP_TOKENS, Runtime, Sequence, chunks, group};

    #[test]
    fn every_sequence_is_in_one_group_within_the_budget() {
        let lengths = [3, 128, 7, 200, 64, 64, 1, 127, 2];
        let sequences: Vec<Sequence> =
            lengths.iter().map(|&n| Sequence { ids: vec![0; n], token_types: vec![0; n] }).collect();
        let groups = group(&sequences);
        let mut seen: Vec<usize> = groups.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        for group in groups {
            let tokens: usize = group.iter().map(|&index| lengths[index]).sum();
            assert!(tokens <= GROUP_TOKENS || group.len() == 1, "{tokens} tokens in {group:?}");
        }
    }

    #[test]
    fn chunks_hold_every_text_once_in_order() {
        let big = "x".repeat(CHUNK_BYTES + 1);
        let texts = ["a", &big, "b", "c", &big[1..], "d"];
        let joined: Vec<&str> = chunks(&texts, |text| text.len()).flatten().copied().collect();
        assert_eq!(joined, texts);
        assert!(chunks(&texts, |text| text.len()).count() > 2);
        assert!(chunks(&[""; 10_000], |text| text.len()).count() > 2);
        assert_eq!(chunks(&[""; 0], |text| text.len()).count(), 0);
    }

    #[test]
    fn map_keeps_the_order_also_inside_another_pool() {
        let runtime = Runtime::new(Some(3)).expect("threads");
        let expected: Vec<usize> = (0..100).map(|i| i * i).collect();
        assert_eq!(runtime.map(100, |i| i * i), expected);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
        let (a, b) =
            pool.install(|| rayon::join(|| runtime.map(100, |i| i * i), || runtime.map(100, |i| i * i)));
        assert_eq!((a, b), (expected.clone(), expected));
    }

    #[test]
    fn no_threads_or_too_many_are_an_error() {
        assert!(Runtime::new(Some(0)).is_err());
        assert!(Runtime::new(Some(100_000)).is_err());
    }
}
