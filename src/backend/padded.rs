//! Input and output of backends that need padding: puts sequences into padded runs, and splits the output of a run.

use std::cmp::Reverse;
use std::ops::Range;

use ndarray::Array2;

#[cfg(feature = "onnx")]
use crate::batch::Marks;
use crate::batch::RaggedBatch;
use crate::error::{Error, ErrorKind};
use crate::pooling::TokenPooling;

/// The rows to read from an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// All of `[batch, tokens, labels]`.
    EveryToken { labels: usize },
    /// `[batch, labels]`.
    Sequence { labels: usize },
    /// One pooled vector per sequence, of `[batch, tokens, hidden]`.
    Pooled { pooling: TokenPooling, hidden: usize },
}

/// The form of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Rows(Rows),
    /// Scores of words for labels that are in the input (GLiNER).
    Words(WordScores),
}

/// The scores of a GLiNER, in the rows of the native backend's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordScores {
    /// `[words * widest, labels]` of `[batch, words, widest, labels]`: the spans that begin at each word.
    Spans { widest: usize },
    /// `[words, 3 * labels]` of `[batch, words, labels, 3]`: start, end and inside of each word.
    Words,
}

/// The sequences that may run together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Together {
    None,
    #[cfg_attr(not(feature = "libtorch"), allow(dead_code, reason = "graphs run together, or alone"))]
    SameLength,
    /// Any sequences, because the model masks padding. At most half of a run is padding.
    Padded,
}

/// The sequences of one run: token ranges of a batch, the longest first.
pub(super) struct Run<'a> {
    batch: &'a RaggedBatch,
    /// The indices of the sequences in the batch.
    places: &'a [usize],
    pub(super) sequences: &'a [Range<usize>],
}

/// Divides `batch` into runs and calls `run` for each, which returns one result per sequence of the run. Returns the
/// results in the batch's order.
pub(super) fn in_runs(
    batch: &RaggedBatch,
    together: Together,
    mut run: impl FnMut(Run<'_>) -> Result<Vec<Array2<f32>>, Error>,
) -> Result<Vec<Array2<f32>>, Error> {
    let mut order: Vec<(usize, Range<usize>)> = batch.sequences().enumerate().collect();
    order.sort_by_key(|(_, sequence)| Reverse(sequence.len()));
    let (places, sequences): (Vec<usize>, Vec<Range<usize>>) = order.into_iter().unzip();
    let mut results = vec![Array2::zeros((0, 0)); places.len()];
    let mut done = 0;
    while let [first, ..] = &sequences[done..] {
        let fits = |sequence: &&Range<usize>| match together {
            Together::None => false,
            Together::SameLength => sequence.len() == first.len(),
            Together::Padded => 2 * sequence.len() >= first.len(),
        };
        let count = sequences[done..].iter().take_while(fits).count().max(1);
        let run_of = done..done + count;
        let rows = run(Run { batch, places: &places[run_of.clone()], sequences: &sequences[run_of] })?;
        for (&place, rows) in places[done..].iter().zip(rows) {
            results[place] = rows;
        }
        done += count;
    }
    Ok(results)
}

impl Run<'_> {
    /// The number of tokens of the longest sequence.
    pub(super) fn longest(&self) -> usize {
        self.sequences.first().map_or(0, Range::len)
    }

    /// The tokens' ids, `[sequences, longest]`, padded with `padding`.
    pub(super) fn ids<T: Copy>(&self, padding: T, convert: impl Fn(u32) -> T) -> Vec<T> {
        self.block(padding, |token| convert(self.batch.ids[token]))
    }

    /// The tokens' types, `[sequences, longest]`.
    pub(super) fn token_types<T: Copy>(&self, padding: T, convert: impl Fn(u32) -> T) -> Vec<T> {
        self.block(padding, |token| convert(self.batch.token_types[token]))
    }

    /// `real` for each token and `padding` behind them, `[sequences, longest]`.
    pub(super) fn mask<T: Copy>(&self, padding: T, real: T) -> Vec<T> {
        self.block(padding, |_| real)
    }

    /// The marks of each sequence.
    #[cfg(feature = "onnx")]
    pub(super) fn marks(&self) -> impl Iterator<Item = &Marks> {
        self.places.iter().map(|&place| &self.batch.marks[place])
    }

    /// The largest number of words in a sequence.
    #[cfg(feature = "onnx")]
    pub(super) fn most_words(&self) -> usize {
        self.marks().map(|marks| marks.words.len()).max().unwrap_or(0)
    }

    /// Splits an output of `shape`, with `values` in row-major order, into the scores of each sequence's words.
    /// `origin` names the model in messages.
    #[cfg(feature = "onnx")]
    pub(super) fn split_words(
        &self,
        scores: WordScores,
        origin: &str,
        shape: &[usize],
        values: &[f32],
    ) -> Result<Vec<Array2<f32>>, Error> {
        let refuse = |message: String| Error::new(ErrorKind::Weights, format!("{origin}: {message}"));
        let labels = self.marks().next().map_or(0, |marks| marks.labels.len());
        let words = self.most_words();
        let (expected, rows_per_word, columns) = match scores {
            WordScores::Spans { widest } => ([self.sequences.len(), words, widest, labels], widest, labels),
            WordScores::Words => ([self.sequences.len(), words, labels, 3], 1, 3 * labels),
        };
        if shape != expected || values.len() != expected.iter().product::<usize>() {
            return Err(refuse(format!(
                "its output for {words} words and {labels} labels has shape {shape:?}, but its config requires \
                 {expected:?}"
            )));
        }
        let per_sequence = words * rows_per_word * columns;
        let read = |(part, marks): (&[f32], &Marks)| {
            let rows = marks.words.len() * rows_per_word;
            let given = part.get(..rows * columns).unwrap_or_default().to_vec();
            if !given.iter().all(|value| value.is_finite()) {
                return Err(refuse("its output has values that are not finite".into()));
            }
            Array2::from_shape_vec((rows, columns), given)
                .map_err(|error| refuse("its output has another shape".into()).with_source(error))
        };
        values.chunks(per_sequence.max(1)).zip(self.marks()).map(read).collect()
    }

    fn block<T: Copy>(&self, padding: T, value: impl Fn(usize) -> T) -> Vec<T> {
        let longest = self.longest();
        let mut block = vec![padding; self.sequences.len() * longest];
        for (row, sequence) in block.chunks_mut(longest.max(1)).zip(self.sequences) {
            row.iter_mut().zip(sequence.clone()).for_each(|(slot, token)| *slot = value(token));
        }
        block
    }

    /// Splits an output of `shape`, with `values` in row-major order, into the `rows` of each sequence. `origin`
    /// names the model in messages.
    pub(super) fn split(
        &self,
        rows: Rows,
        origin: &str,
        shape: &[usize],
        values: &[f32],
    ) -> Result<Vec<Array2<f32>>, Error> {
        let refuse = |message: String| Error::new(ErrorKind::Weights, format!("{origin}: {message}"));
        let (sequences, longest, columns) = (self.sequences.len(), self.longest(), rows.columns());
        let (expected, per_sequence) = match rows {
            Rows::Sequence { .. } => (vec![sequences, columns], 1),
            _ => (vec![sequences, longest, columns], longest),
        };
        if shape != expected || values.len() != expected.iter().product::<usize>() {
            let what = match rows {
                Rows::Sequence { .. } | Rows::EveryToken { .. } => "labels",
                Rows::Pooled { .. } => "hidden units",
            };
            return Err(refuse(format!(
                "its output for {sequences} sequences of {longest} tokens has shape {shape:?}, but config.json, with \
                 {columns} {what}, requires {expected:?}"
            )));
        }
        let read = |(part, sequence): (&[f32], &Range<usize>)| {
            let tokens = &part[..sequence.len().min(per_sequence) * columns];
            let given = match rows {
                Rows::EveryToken { .. } | Rows::Sequence { .. } => tokens.to_vec(),
                Rows::Pooled { pooling, .. } => pooling.apply(tokens, columns),
            };
            let given = Array2::from_shape_vec((given.len() / columns.max(1), columns), given)
                .map_err(|error| refuse("its output has another shape".into()).with_source(error))?;
            if given.iter().all(|value| value.is_finite()) {
                return Ok(given);
            }
            Err(refuse("its output has values that are not finite".into()))
        };
        values.chunks((per_sequence * columns).max(1)).zip(self.sequences).map(read).collect()
    }
}

impl Rows {
    fn columns(self) -> usize {
        match self {
            Self::EveryToken { labels: columns }
            | Self::Sequence { labels: columns }
            | Self::Pooled { hidden: columns, .. } => columns,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::{Rows, Run, Together, TokenPooling, in_runs};
    use crate::batch::{RaggedBatch, Sequence};

    fn batch(lengths: &[usize]) -> RaggedBatch {
        let sequences: Vec<Sequence> = lengths
            .iter()
            .map(|&length| Sequence {
                ids: (0..length as u32).map(|token| 100 * length as u32 + token).collect(),
                token_types: vec![1; length],
                ..Sequence::default()
            })
            .collect();
        RaggedBatch::new(&sequences)
    }

    /// Returns the lengths in each run, and checks the results.
    fn runs(lengths: &[usize], together: Together) -> Vec<Vec<usize>> {
        let mut seen = Vec::new();
        let results = in_runs(&batch(lengths), together, |run: Run<'_>| {
            seen.push(run.sequences.iter().map(std::ops::Range::len).collect());
            let values = run.ids(0.0, |id| id as f32);
            let shape = [run.sequences.len(), run.longest(), 1];
            run.split(Rows::EveryToken { labels: 1 }, "test", &shape, &values)
        });
        let results = results.expect("all are finite");
        for (rows, &length) in results.iter().zip(lengths) {
            let expected: Vec<f32> = (0..length).map(|token| (100 * length + token) as f32).collect();
            assert_eq!(rows.column(0).to_vec(), expected);
        }
        seen
    }

    #[test]
    fn runs_have_what_may_run_together() {
        let lengths = [2, 5, 4, 2, 1, 5];
        let padded: [&[usize]; 2] = [&[5, 5, 4], &[2, 2, 1]];
        assert_eq!(runs(&lengths, Together::Padded), padded);
        let same: [&[usize]; 4] = [&[5, 5], &[4], &[2, 2], &[1]];
        assert_eq!(runs(&lengths, Together::SameLength), same);
        assert_eq!(runs(&lengths, Together::None).len(), lengths.len());
        assert!(runs(&[], Together::Padded).is_empty());
    }

    #[test]
    fn padding_is_behind_and_counts_for_nothing() {
        let batch = batch(&[3, 2]);
        let sequences: Vec<_> = batch.sequences().collect();
        let run = Run { batch: &batch, places: &[0, 1], sequences: &sequences };
        assert_eq!(run.ids(7, |id| id), [300, 301, 302, 200, 201, 7]);
        assert_eq!(run.mask(0, 1), [1, 1, 1, 1, 1, 0]);
        assert_eq!(run.token_types(9, |kind| kind), [1, 1, 1, 1, 1, 9]);
        let values = [1.0, 2.0, 3.0, 5.0, 7.0, f32::NAN];
        let split = |rows, shape: &[usize], values| run.split(rows, "test", shape, values);
        let pooled = |pooling| Rows::Pooled { pooling, hidden: 1 };
        let means = split(pooled(TokenPooling::Mean), &[2, 3, 1], &values).expect("they should be finite");
        assert_eq!(means, [array![[2.0]], array![[6.0]]]);
        let firsts = split(pooled(TokenPooling::Cls), &[2, 3, 1], &values).expect("they should be finite");
        assert_eq!(firsts, [array![[1.0]], array![[5.0]]]);
        for (rows, shape, values, named) in [
            (Rows::Sequence { labels: 2 }, &[2, 3][..], &values[..], "[2, 3]"),
            (Rows::Sequence { labels: 1 }, &[2, 1], &[1.0, f32::NAN], "finite"),
        ] {
            let error = split(rows, shape, values).expect_err("it should be refused").to_string();
            assert!(error.contains(named) && error.contains("test"), "{error}");
        }
    }
}
