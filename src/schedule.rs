//! Runs sequences through a backend, in groups on several threads.

mod groups;
mod limits;
mod workers;

use ndarray::Array2;

pub use limits::Limits;
pub(crate) use workers::Workers;

use crate::backend::{Runner, Threads};
use crate::batch::{RaggedBatch, Sequence};
use crate::error::{Error, ErrorKind};
use crate::stage::stage;

/// Runs `sequences` and returns `reduce(index, rows)` for each, in the given order. `reduce` is called on the thread
/// that ran the group, so that rows it does not need are freed early. A sequence that fails does not affect the
/// others.
pub(crate) fn run<T: Send>(
    workers: &Workers,
    backend: &dyn Runner,
    sequences: &[Sequence],
    limits: &Limits,
    reduce: impl Fn(usize, Array2<f32>) -> T + Sync,
) -> Vec<Result<T, Error>> {
    let threads = backend.threads();
    let groups = match threads {
        Threads::Callers => groups::balanced(sequences, workers.count()),
        Threads::Own { batch_tokens, multiple } => groups::alike(sequences, batch_tokens, multiple),
    };
    let run_batch = |group: &[usize]| {
        limits.check()?;
        backend.run(&RaggedBatch::new(group.iter().map(|&index| &sequences[index])))
    };
    let run_group = |index: usize| -> Vec<Result<T, Error>> {
        stage!("group");
        let group = &groups[index];
        let rows: Vec<Result<Array2<f32>, Error>> = match run_batch(group) {
            Ok(rows) => rows.into_iter().map(Ok).collect(),
            Err(error) if group.len() == 1 => vec![Err(error)],
            Err(_) => group.iter().map(|&index| run_batch(&[index]).and_then(only)).collect(),
        };
        group.iter().zip(rows).map(|(&index, rows)| Ok(reduce(index, rows?))).collect()
    };
    let outputs = match threads {
        Threads::Callers => workers.run_groups(groups.len(), run_group),
        Threads::Own { .. } => (0..groups.len()).map(run_group).collect(),
    };

    let missing = || Err(Error::new(ErrorKind::System, "the backend returned no rows for a sequence"));
    let mut results: Vec<Result<T, Error>> = sequences.iter().map(|_| missing()).collect();
    for (group, outputs) in groups.iter().zip(outputs) {
        for (&index, output) in group.iter().zip(outputs) {
            results[index] = output;
        }
    }
    results
}

/// The only item of a batch of one.
fn only<T>(items: Vec<T>) -> Result<T, Error> {
    let missing =
        || Error::new(ErrorKind::System, "the backend returned no rows for a batch of one sequence");
    items.into_iter().next().ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

    use ndarray::Array2;
    use rayon::iter::{IntoParallelIterator, ParallelIterator};

    use super::{Limits, Workers};
    use crate::backend::{Runner, Threads};
    use crate::batch::{RaggedBatch, Sequence};
    use crate::error::{Error, ErrorKind};

    fn rows(workers: &Workers, sequences: &[Sequence]) -> Vec<Result<Array2<f32>, Error>> {
        super::run(workers, &ECHO, sequences, &Limits::new(), |_, rows| rows)
    }

    #[test]
    fn work_stops_at_the_deadline_and_when_it_is_cancelled() {
        let workers = Workers::new(Some(2)).expect("the threads should start");
        let cancelled = Limits::new().cancel(Arc::new(AtomicBool::new(true)));
        for (limits, kind) in
            [(Limits::new().deadline(Instant::now()), ErrorKind::Deadline), (cancelled, ErrorKind::Cancelled)]
        {
            for output in super::run(&workers, &ECHO, &numbered(30), &limits, |_, rows| rows) {
                assert_eq!(output.expect_err("nothing should run").kind(), kind);
            }
        }
    }

    /// Returns the first id and the length of each sequence; refuses or panics at marked ones.
    struct Echo {
        threads: Threads,
    }

    const ECHO: Echo = Echo { threads: Threads::Callers };
    const REFUSED: u32 = 1_000;
    const PANICS: u32 = 2_000;

    impl Runner for Echo {
        fn threads(&self) -> Threads {
            self.threads
        }

        fn run(&self, batch: &RaggedBatch) -> Result<Vec<Array2<f32>>, Error> {
            let firsts: Vec<u32> = batch.sequences().map(|sequence| batch.ids[sequence.start]).collect();
            assert!(!firsts.contains(&PANICS), "asked to panic");
            if firsts.contains(&REFUSED) {
                return Err(Error::new(ErrorKind::System, "asked to refuse"));
            }
            // Parallel work, for the case of several threads.
            let lengths: Vec<usize> = (0..firsts.len())
                .into_par_iter()
                .map(|index| (batch.bounds[index]..batch.bounds[index + 1]).into_par_iter().count())
                .collect();
            let row = |(&first, &length): (&u32, &usize)| ndarray::arr2(&[[first as f32, length as f32]]);
            Ok(firsts.iter().zip(&lengths).map(row).collect())
        }
    }

    proptest::proptest! {
        #[test]
        fn every_sequence_gets_its_own_rows_whatever_the_budget(
            lengths in proptest::collection::vec(1_usize..200, 0..60),
            own in proptest::option::of((0_usize..2_000, 0_usize..80)),
            threads in 1_usize..5,
        ) {
            let own = own.map(|(batch_tokens, multiple)| Threads::Own { batch_tokens, multiple });
            let echo = Echo { threads: own.unwrap_or(Threads::Callers) };
            let workers = Workers::new(Some(threads)).expect("the threads should start");
            let ids = lengths.iter().enumerate().map(|(index, &length)| vec![index as u32; length]);
            let sequences: Vec<_> = ids.map(|ids| Sequence { ids, ..Sequence::default() }).collect();
            let outputs = super::run(&workers, &echo, &sequences, &Limits::new(), |index, rows| (index, rows));
            proptest::prop_assert_eq!(outputs.len(), lengths.len());
            for (at, output) in outputs.into_iter().enumerate() {
                let (index, rows) = output.expect("it should not be refused");
                proptest::prop_assert_eq!(index, at);
                proptest::prop_assert_eq!(rows, ndarray::arr2(&[[at as f32, lengths[at] as f32]]));
            }
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
            let workers = Workers::new(Some(threads)).expect("the threads should start");
            for count in (0..20).chain([40, 333]) {
                let sequences = numbered(count);
                let outputs = rows(&workers, &sequences);
                assert_eq!(outputs.len(), count);
                for (index, output) in outputs.into_iter().enumerate() {
                    let expected = [index as f32, sequences[index].ids.len() as f32];
                    assert_eq!(output.expect("it should not be refused").as_slice(), Some(&expected[..]));
                }
            }
        }
    }

    #[test]
    fn a_refused_sequence_costs_itself_and_a_panic_its_call() {
        let workers = Workers::new(Some(2)).expect("the threads should start");
        let mut sequences = numbered(30);
        sequences[7].ids.fill(REFUSED);
        for (index, output) in rows(&workers, &sequences).into_iter().enumerate() {
            assert_eq!(output.is_err(), index == 7, "{index}");
        }
        let panicking = Sequence { ids: vec![PANICS; 5], ..Sequence::default() };
        for count in [1, 30] {
            let sequences = vec![panicking.clone(); count];
            let run = std::panic::AssertUnwindSafe(|| rows(&workers, &sequences));
            assert!(std::panic::catch_unwind(run).is_err());
        }
        assert!(workers.are_idle());
        assert!(rows(&workers, &numbered(1))[0].is_ok());
    }

    #[test]
    fn callers_may_be_many_and_jobs_of_another_pool() {
        let workers = Workers::new(Some(2)).expect("the threads should start");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("the threads should start");
        let call = |count: usize| {
            let outputs = rows(&workers, &numbered(count));
            assert!(outputs.len() == count && outputs.iter().all(Result::is_ok));
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..200).for_each(|round| call(1 + round % 4)));
            }
            // If a call waited by running other jobs of the pool, calls would pile up until the stack is full.
            pool.scope(|jobs| (0..3_000).for_each(|_| jobs.spawn(|_| call(1))));
        });
    }
}
