//! Threads, and how sequences are put on them.

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ndarray::{Array2, Axis, Slice};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::backend::{Backend, RaggedBatch, RowsPer, Sequence};
use crate::error::{Error, ErrorKind};

/// Tokens that run together through all layers. 64, 128 and 256 measured 18,200, 18,300 and
/// 16,000 tokens a second (a sketch of this engine, six layers of 384, int8, two threads of a Zen 4): beyond 128 the
/// activations of a group outgrow the cache.
const GROUP_TOKENS: usize = 128;

/// How many times more workers than groups there must be for groups to run one after another, each
/// on all workers: what lies between products is not shared out.
const FEW_GROUPS: usize = 4;

/// Bytes of text that are worked on at once in a call with many documents. Memory follows it, not
/// the number of documents; it holds some hundred groups, enough to keep many threads busy.
const CHUNK_BYTES: usize = 256 * 1024;

/// What a text costs beside its bytes: its bookkeeping and its result.
const TEXT_BYTES: usize = 256;

/// More threads than any machine has cores for; some ten thousand exhaust the memory for their
/// stacks, and the standard library aborts the process then.
const MOST_THREADS: usize = 1024;

/// Threads of its own: the caller's thread pools are left alone, and products never run outside
/// these.
pub(crate) struct Runtime {
    /// One thread each. A group runs through all layers on one of them, with no barriers: in a
    /// pool of one, products do not share their work out.
    workers: Vec<ThreadPool>,
    /// As many threads as there are workers, for the products of a group that runs alone.
    wide: ThreadPool,
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
        let pool = |threads, name: String| {
            ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(move |thread| format!("{name}-{thread}"))
                .build()
                .map_err(|error| {
                    let message = format!("{threads} threads cannot be started");
                    Error::new(ErrorKind::System, message).with_source(error)
                })
        };
        let workers = (0..threads).map(|worker| pool(1, format!("entopic-{worker}")));
        Ok(Self { workers: workers.collect::<Result<_, _>>()?, wide: pool(threads, "entopic-wide".into())? })
    }

    /// `f(0)` to `f(count - 1)` in order, computed on all workers; a single one on the caller's
    /// thread.
    pub(crate) fn map<T: Send>(&self, count: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
        if count < 2 {
            return (0..count).map(f).collect();
        }
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(count));
        on_each(&self.workers, &|| {
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

    /// `a()` and `b()`, beside one another. What they share out among threads stays among these.
    pub(crate) fn both<A: Send, B: Send>(
        &self,
        a: impl FnOnce() -> A + Send,
        b: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        self.wide.install(|| rayon::join(a, b))
    }

    /// The backend's rows for each sequence, in the order given.
    pub(crate) fn run(
        &self,
        backend: &dyn Backend,
        sequences: &[Sequence],
    ) -> Vec<Result<Array2<f32>, Error>> {
        let groups = group(sequences);
        let run_group = |group: &[usize]| {
            let batch = RaggedBatch::new(group.iter().map(|&index| &sequences[index]));
            backend.run(&batch).map(|rows| split(&rows, &batch, backend.rows_per()))
        };
        // One group, or so few that most workers would idle, share out their products; no product
        // may run outside these pools, which would start the global one.
        let outputs = if groups.len() == 1 || groups.len() * FEW_GROUPS <= self.workers.len() {
            self.wide.install(|| groups.iter().map(|group| run_group(group)).collect())
        } else {
            self.map(groups.len(), |index| run_group(&groups[index]))
        };
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
}

/// Runs `job` once on each worker and waits for all.
fn on_each(workers: &[ThreadPool], job: &(impl Fn() + Sync)) {
    if let [first, rest @ ..] = workers {
        first.in_place_scope(|scope| {
            scope.spawn(|_| job());
            on_each(rest, job);
        });
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
