//! Threads, and how sequences are put on them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use ndarray::Array2;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::backend::{RaggedBatch, Runner, Sequence, Threads};
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

/// How long a thread polls for nothing before it goes to sleep after all: longer than what lies between
/// the parts of a group that are shared out.
const AWAKE: Duration = Duration::from_micros(500);

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

    /// How many threads it has.
    #[cfg(feature = "libtorch")]
    pub(crate) fn threads(&self) -> usize {
        self.workers.len()
    }

    /// `f(0)` to `f(count - 1)` in order, computed on all workers; a single one on the caller's
    /// thread, so `f` must not run products.
    pub(crate) fn map<T: Send>(&self, count: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
        if count < 2 { (0..count).map(f).collect() } else { self.map_on_workers(count, f) }
    }

    /// `a()` and `b()`, beside one another. What they share out stays in this runtime's threads.
    pub(crate) fn both<A: Send, B: Send>(
        &self,
        a: impl FnOnce() -> A + Send,
        b: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        let wide = self.wide.lock().unwrap_or_else(PoisonError::into_inner);
        outside_pools(|| wide.install(|| rayon::join(a, b)))
    }

    /// The backend's rows for each sequence, in the order given. A sequence that fails costs itself.
    pub(crate) fn run(
        &self,
        backend: &dyn Runner,
        sequences: &[Sequence],
    ) -> Vec<Result<Array2<f32>, Error>> {
        let threads = backend.threads();
        let groups = match threads {
            Threads::Callers => group(sequences, self.workers.len()),
            Threads::Own { batch_tokens, multiple } => group_alike(sequences, batch_tokens, multiple),
        };
        let run_batch =
            |group: &[usize]| backend.run(&RaggedBatch::new(group.iter().map(|&index| &sequences[index])));
        let run_group = |index: usize| -> Vec<Result<Array2<f32>, Error>> {
            stage!("group");
            let group = &groups[index];
            match run_batch(group) {
                Ok(rows) => rows.into_iter().map(Ok).collect(),
                Err(error) if group.len() == 1 => vec![Err(error)],
                Err(_) => group.iter().map(|&index| run_batch(&[index]).and_then(one)).collect(),
            }
        };
        let outputs = match threads {
            Threads::Callers => self.run_groups(groups.len(), run_group),
            Threads::Own { .. } => (0..groups.len()).map(run_group).collect(),
        };

        let missing = || Err(Error::new(ErrorKind::System, "a sequence was in no group"));
        let mut results: Vec<Result<Array2<f32>, Error>> = sequences.iter().map(|_| missing()).collect();
        for (&index, output) in groups.iter().flatten().zip(outputs.into_iter().flatten()) {
            results[index] = output;
        }
        results
    }

    /// `run_group(0)` to `run_group(groups - 1)` in order: on the workers, but for those that are better
    /// run one after another, each on all threads.
    fn run_groups<T: Send>(&self, groups: usize, run_group: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let alone = self.alone(groups);
        let together = groups - alone;
        let mut outputs = self.map_on_workers(together, &run_group);
        if alone > 0 {
            let rest = together..groups;
            let wide = match self.wide.try_lock() {
                Ok(wide) => Some(wide),
                Err(TryLockError::Poisoned(wide)) => Some(wide.into_inner()),
                // Others are alone as well: they keep the cores busy without sharing.
                Err(TryLockError::WouldBlock) => None,
            };
            outputs.extend(match wide {
                Some(wide) => outside_pools(|| awake(&wide, || rest.map(&run_group).collect::<Vec<_>>())),
                None => self.map_on_workers(alone, |index| run_group(together + index)),
            });
        }
        outputs
    }

    /// How many of `groups` run one after another, each on all threads: those that are left when
    /// each worker has had as many as the others, if they are so few that most workers would idle.
    /// A third, since a shared group is not sped up by the full number of its threads.
    fn alone(&self, groups: usize) -> usize {
        let workers = self.workers.len();
        let left = groups % workers;
        if workers > 1 && 3 * left <= workers.min(MOST_WIDE) + 1 { left } else { 0 }
    }

    /// `f(0)` to `f(count - 1)` in order, computed on the workers that are least in demand.
    fn map_on_workers<T: Send>(&self, count: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let mut workers: Vec<&Worker> = self.workers.iter().collect();
        // Cached, since the counts change meanwhile.
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
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
        };
        outside_pools(|| on_each(&workers, &job));
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, value)| value).collect()
    }
}

/// Runs `wait`, which waits for pools. A thread of the caller's own rayon pool would take up other jobs
/// of that pool meanwhile, each of which may come here again, until its stack is full; so it waits for
/// a thread of no pool instead.
fn outside_pools<T: Send>(wait: impl FnOnce() -> T + Send) -> T {
    if rayon::current_thread_index().is_none() {
        return wait();
    }
    thread::scope(|scope| scope.spawn(wait).join().unwrap_or_else(|panic| resume_unwind(panic)))
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

/// Runs `job` in `pool` while its other threads poll for what `job` shares out: asleep, they would take
/// longer to wake up than a product takes.
///
/// A thread may come to poll on top of work of `job` that it has taken before, and `job` waits for
/// that work; so no thread polls in vain for long. One such job runs in a pool at a time: two would wait
/// for one another's polls.
fn awake<T: Send>(pool: &ThreadPool, job: impl FnOnce() -> T + Send) -> T {
    let done = AtomicBool::new(false);
    let done = &done;
    pool.scope(|scope| {
        let own = rayon::current_thread_index();
        scope.spawn_broadcast(move |_, context| {
            let (mut polls, mut last) = (0, Instant::now());
            // The thread of `job` may come here while it waits for the others.
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
        // Set also when `job` panics.
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

/// Groups of about `GROUP_TOKENS` tokens or less (or up to one sequence more), as indices into
/// `sequences`, the heaviest first. There are as many for each worker, if there are sequences enough,
/// and they are about as heavy: the longest sequence that is left goes to the lightest group.
fn group(sequences: &[Sequence], workers: usize) -> Vec<Vec<usize>> {
    let tokens = |index: usize| sequences[index].ids.len();
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&index| Reverse(tokens(index)));
    let total: usize = (0..sequences.len()).map(tokens).sum();
    let count = total.div_ceil(GROUP_TOKENS).max(1).next_multiple_of(workers).min(sequences.len());
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut lightest: BinaryHeap<Reverse<(usize, usize)>> =
        (0..count).map(|group| Reverse((0, group))).collect();
    for index in order {
        if let Some(mut light) = lightest.peek_mut() {
            let Reverse((weight, group)) = *light;
            groups[group].push(index);
            *light = Reverse((weight + tokens(index), group));
        }
    }
    groups.sort_by_cached_key(|group| Reverse(group.iter().map(|&index| tokens(index)).sum::<usize>()));
    groups
}

/// Groups of sequences about as long as one another, as indices into `sequences`, the longest first. Padded
/// to its longest, and that to a multiple of `multiple`, a group has at most `tokens` tokens, or one sequence.
fn group_alike(sequences: &[Sequence], tokens: usize, multiple: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&index| Reverse(sequences[index].ids.len()));
    let mut groups = Vec::new();
    let mut rest = order.as_slice();
    while let [first, ..] = rest {
        let longest = sequences[*first].ids.len().max(1).next_multiple_of(multiple.max(1));
        let count = (tokens / longest).clamp(1, rest.len());
        let (group, after) = rest.split_at(count);
        groups.push(group.to_vec());
        rest = after;
    }
    groups
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

/// The only part of a batch of one.
fn one(parts: Vec<Array2<f32>>) -> Result<Array2<f32>, Error> {
    single(parts.into_iter().map(Ok).collect())
}

/// The only result of a batch of one.
pub(crate) fn single<T>(results: Vec<Result<T, Error>>) -> Result<T, Error> {
    let missing = || Err(Error::new(ErrorKind::System, "a batch of one gave no result"));
    results.into_iter().next().unwrap_or_else(missing)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use ndarray::Array2;
    use rayon::iter::{IntoParallelIterator, ParallelIterator};

    use super::{CHUNK_BYTES, Runtime, Sequence, chunks, group, group_alike};
    use crate::backend::{RaggedBatch, Runner};
    use crate::error::{Error, ErrorKind};

    fn grouped(lengths: &[usize], workers: usize) -> Vec<usize> {
        let sequence = |&length: &usize| Sequence {
            ids: vec![0; length],
            token_types: vec![0; length],
            ..Sequence::default()
        };
        let sequences: Vec<Sequence> = lengths.iter().map(sequence).collect();
        let groups = group(&sequences, workers);
        let mut seen: Vec<usize> = groups.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        groups.into_iter().map(|group| group.into_iter().map(|index| lengths[index]).sum()).collect()
    }

    #[test]
    fn alike_groups_hold_their_budget_with_padding() {
        let sequences = [3, 90, 7, 200, 64, 64, 1, 30]
            .map(|length| Sequence { ids: vec![0; length], ..Sequence::default() });
        let groups = group_alike(&sequences, 128, 1);
        assert_eq!(groups, [&[3][..], &[1], &[4, 5], &[7, 2, 0, 6]]);
        assert_eq!(group_alike(&sequences, 128, 64).len(), 5);
        assert!(group_alike(&[], 128, 1).is_empty());
    }

    #[test]
    fn groups_are_balanced_within_the_budget() {
        assert_eq!(grouped(&[3, 128, 7, 200, 64, 64, 1, 127, 2], 1), [200, 128, 127, 71, 70]);
        // Each worker has as much to do, also where fewer groups would hold all tokens.
        assert_eq!(grouped(&[20; 8], 2), [80, 80]);
        assert_eq!(grouped(&[20; 8], 4), [40; 4]);
        assert_eq!(grouped(&[20; 15], 2), [80, 80, 80, 60]);
        assert_eq!(grouped(&[20; 3], 8), [20; 3]);
        assert_eq!(grouped(&[500], 2), [500]);
        assert_eq!(grouped(&[], 2), [0; 0]);
        assert_eq!(grouped(&[0, 0], 2), [0, 0]);
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

    /// Gives each sequence its first id and its length; refuses, or panics at, marked ones.
    struct Echo;

    const REFUSED: u32 = 1_000;
    const PANICS: u32 = 2_000;

    impl Runner for Echo {
        fn run(&self, batch: &RaggedBatch) -> Result<Vec<Array2<f32>>, Error> {
            let firsts: Vec<u32> = batch.sequences().map(|sequence| batch.ids[sequence.start]).collect();
            assert!(!firsts.contains(&PANICS), "asked to panic");
            if firsts.contains(&REFUSED) {
                return Err(Error::new(ErrorKind::System, "asked to refuse"));
            }
            // Work to share out, where threads are many.
            let lengths: Vec<usize> = (0..firsts.len())
                .into_par_iter()
                .map(|index| (batch.bounds[index]..batch.bounds[index + 1]).into_par_iter().count())
                .collect();
            let row = |(&first, &length): (&u32, &usize)| ndarray::arr2(&[[first as f32, length as f32]]);
            Ok(firsts.iter().zip(&lengths).map(row).collect())
        }
    }

    fn numbered(count: usize) -> Vec<Sequence> {
        let length = |index: usize| 1 + index * 37 % 90;
        let sequence = |index| Sequence { ids: vec![index as u32; length(index)], ..Sequence::default() };
        (0..count).map(sequence).collect()
    }

    #[test]
    fn every_sequence_gets_its_own_rows_whatever_the_threads() {
        for threads in [1, 2, 3, 5, 17] {
            let runtime = Runtime::new(Some(threads)).expect("threads");
            for count in (0..20).chain([40, 333]) {
                let sequences = numbered(count);
                let outputs = runtime.run(&Echo, &sequences);
                assert_eq!(outputs.len(), count);
                for (index, output) in outputs.into_iter().enumerate() {
                    let expected = [index as f32, sequences[index].ids.len() as f32];
                    assert_eq!(output.expect("is not refused").as_slice(), Some(&expected[..]));
                }
            }
        }
    }

    #[test]
    fn a_refused_sequence_costs_itself_and_a_panic_its_call() {
        let runtime = Runtime::new(Some(2)).expect("threads");
        let mut sequences = numbered(30);
        sequences[7].ids.fill(REFUSED);
        for (index, output) in runtime.run(&Echo, &sequences).into_iter().enumerate() {
            assert_eq!(output.is_err(), index == 7, "{index}");
        }
        let panicking = Sequence { ids: vec![PANICS; 5], ..Sequence::default() };
        for count in [1, 30] {
            let sequences = vec![panicking.clone(); count];
            let run = std::panic::AssertUnwindSafe(|| runtime.run(&Echo, &sequences));
            assert!(std::panic::catch_unwind(run).is_err());
        }
        assert!(runtime.workers.iter().all(|worker| worker.calls.load(Ordering::Relaxed) == 0));
        assert!(runtime.run(&Echo, &numbered(1))[0].is_ok());
    }

    #[test]
    fn callers_may_be_many_and_jobs_of_another_pool() {
        let runtime = Runtime::new(Some(2)).expect("threads");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
        let call = |count: usize| {
            let outputs = runtime.run(&Echo, &numbered(count));
            assert!(outputs.len() == count && outputs.iter().all(Result::is_ok));
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..200).for_each(|round| call(1 + round % 4)));
            }
            // Waiting in the pool's own way, one call would pile up on another until the stack is full.
            pool.scope(|jobs| (0..3_000).for_each(|_| jobs.spawn(|_| call(1))));
        });
    }
}
