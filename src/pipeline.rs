//! The path of texts through a model and back: documents, windows, sequences, rows, results.

use std::iter;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::Array2;

use crate::batch::Sequence;
use crate::document::Document;
use crate::document::sections::sections;
use crate::document::windows::Windows;
use crate::error::{Error, ErrorKind};
use crate::model::{Framing, Model};
use crate::schedule::{self, Limits};
use crate::span::Position;
use crate::stage::stage;

/// The part of the path that differs between tasks.
pub(crate) trait Reader: Sync {
    /// The result of one sequence, extracted from its rows.
    type Part: Send + Sync;
    /// The result of one document, a section of a text.
    type Section: Send;

    fn model(&self) -> &Model;

    fn limits(&self) -> &Limits;

    fn framing(&self) -> &Framing;

    /// Reads a text into a document.
    fn read<'t>(&self, text: &'t str) -> Result<Document<'t>, Error> {
        Document::read(text, &self.model().tokenizer, self.framing().prepare)
    }

    /// Plans the windows of a document.
    fn windows(&self, document: &Document<'_>) -> Windows;

    /// The number of sequences per window.
    fn sequences_per_window(&self) -> usize {
        1
    }

    /// Sequence `number` of `window`.
    fn sequence(&self, document: &Document<'_>, window: Range<usize>, number: usize) -> Sequence;

    /// Reduces the rows of `sequence` to its result. It runs on the threads of the model, concurrently with other
    /// sequences.
    fn reduce(&self, sequence: &Sequence, rows: Array2<f32>) -> Self::Part;

    /// Makes the result of a document. `parts` has the parts of the first window, then those of the next.
    fn finish(&self, document: &Document<'_>, windows: &Windows, parts: &[Self::Part]) -> Self::Section;
}

/// The most sequences in flight. An NLI model reads every window with every label, so this bounds its memory. It leaves
/// the scheduler up to a thousand groups to choose from.
const IN_FLIGHT: usize = 1024;

/// The number of bytes of text that are processed at once in a call with many documents. Memory grows with it, not with
/// the number of documents. It makes a few hundred groups, enough to keep many threads busy.
const CHUNK_BYTES: usize = 256 * 1024;

/// The cost of a text in addition to its bytes: its bookkeeping and its result.
const TEXT_BYTES: usize = 256;

/// The time that a chunk waits for further texts. If texts arrive slowly, as from a pipe, those that have arrived are
/// processed.
const PATIENCE: Duration = Duration::from_millis(50);

/// The results of `texts`, in their order, computed chunk by chunk on demand. `work` returns one result per text of a
/// chunk, and `bytes` the length of a text.
pub(crate) fn stream<T, O>(
    texts: impl IntoIterator<Item = T>,
    bytes: impl Fn(&T) -> usize,
    mut work: impl FnMut(&[T]) -> Vec<Result<O, Error>>,
) -> impl Iterator<Item = Result<O, Error>> {
    let mut texts = texts.into_iter().peekable();
    let mut ready = Vec::new().into_iter();
    iter::from_fn(move || {
        if let Some(result) = ready.next() {
            return Some(result);
        }
        let started = Instant::now();
        let mut total = 0;
        let mut chunk: Vec<T> = Vec::new();
        while let Some(text) = texts.next_if(|text| {
            total += bytes(text) + TEXT_BYTES;
            total <= CHUNK_BYTES || chunk.is_empty()
        }) {
            chunk.push(text);
            if started.elapsed() > PATIENCE {
                break;
            }
        }
        if chunk.is_empty() {
            return None;
        }
        ready = work(&chunk).into_iter();
        ready.next()
    })
}

/// The result of a section of a text, and the place of the section.
pub(crate) struct Placed<S> {
    /// The place in the text at which the section begins.
    pub(crate) start: Position,
    pub(crate) value: S,
}

/// A section that is to be processed.
struct Piece<T> {
    text: Arc<T>,
    bytes: Range<usize>,
    /// True for the last section of the text.
    is_last: bool,
    /// The error of a text that is too long, of which nothing is processed.
    refused: Option<Error>,
}

/// The results of `texts`, in their order. `work` returns one result per section of a chunk, and `join` combines the
/// results of the sections of a text. Most texts have one section.
pub(crate) fn texts<T: AsRef<str>, S, O>(
    texts: impl IntoIterator<Item = T>,
    limits: Limits,
    mut work: impl FnMut(&[&str]) -> Vec<Result<S, Error>>,
    mut join: impl FnMut(Vec<Placed<S>>) -> O,
) -> impl Iterator<Item = Result<O, Error>> {
    let most = limits.clone();
    let pieces = texts.into_iter().flat_map(move |text| {
        // A text that is too long is rejected as a whole.
        let length = text.as_ref().len();
        let (ranges, refused) = match most.check_length(length) {
            Ok(()) => (sections(text.as_ref()), None),
            Err(error) => (iter::once(0..0).collect(), Some(error)),
        };
        let (text, count) = (Arc::new(text), ranges.len());
        let pieces = ranges.into_iter().enumerate();
        pieces.map(move |(at, bytes)| {
            let (text, refused) = (Arc::clone(&text), refused.clone());
            Piece { text, bytes, is_last: at + 1 == count, refused }
        })
    });
    let mut results = stream(
        pieces,
        |piece| piece.bytes.len(),
        move |chunk: &[Piece<T>]| {
            let parts: Vec<&str> =
                chunk.iter().map(|piece| &(*piece.text).as_ref()[piece.bytes.clone()]).collect();
            let results = work(&parts).into_iter().zip(chunk).zip(parts);
            // The characters of the last section need not be counted.
            let length = |piece: &Piece<T>, part: &str| match piece.is_last {
                true => Position { bytes: part.len(), chars: 0 },
                false => Position::default().behind(part),
            };
            let results = results.map(|((result, piece), part)| {
                let result = piece.refused.clone().map_or(result, Err);
                Ok((piece.is_last, length(piece, part), result))
            });
            results.collect()
        },
    );
    let mut done = 0;
    iter::from_fn(move || {
        let (mut sections, mut failed, mut start) = (Vec::new(), None, Position::default());
        loop {
            let (is_last, length, result) = match results.next()? {
                Ok(result) => result,
                Err(error) => return Some(Err(error)),
            };
            match result {
                Ok(value) => sections.push(Placed { start, value }),
                Err(error) => failed = failed.or(Some(error)),
            }
            start = Position { bytes: start.bytes + length.bytes, chars: start.chars + length.chars };
            done += length.bytes;
            limits.report(done);
            if is_last {
                return Some(failed.map_or_else(|| Ok(join(sections)), Err));
            }
        }
    })
}

/// The first result of a call for one text.
pub(crate) fn first<T>(mut results: impl Iterator<Item = Result<T, Error>>) -> Result<T, Error> {
    let missing = || Err(Error::new(ErrorKind::System, "a call for one text returned no result"));
    results.next().unwrap_or_else(missing)
}

/// Reads each text into a document of `model`, on all threads.
pub(crate) fn read_texts<'t>(
    model: &Model,
    framing: &Framing,
    limits: &Limits,
    texts: &[&'t str],
) -> Vec<Result<Document<'t>, Error>> {
    read_each(model, limits, texts, |text| Document::read(text, &model.tokenizer, framing.prepare))
}

/// Reads each text into a document as `reader` does, on all threads.
pub(crate) fn read_all<'t, R: Reader>(reader: &R, texts: &[&'t str]) -> Vec<Result<Document<'t>, Error>> {
    read_each(reader.model(), reader.limits(), texts, |text| reader.read(text))
}

fn read_each<'t>(
    model: &Model,
    limits: &Limits,
    texts: &[&'t str],
    read: impl Fn(&'t str) -> Result<Document<'t>, Error> + Sync,
) -> Vec<Result<Document<'t>, Error>> {
    model.workers.map(texts.len(), |index| {
        limits.check()?;
        limits.check_length(texts[index].len())?;
        read(texts[index])
    })
}

/// The progress of a document.
struct Progress<P> {
    windows: Windows,
    parts: Vec<P>,
}

/// The results of documents that were read for `reader`. A document that could not be read, or that fails later, has an
/// error as its result and does not affect the others.
pub(crate) fn run_documents<R: Reader>(
    reader: &R,
    documents: &[Result<Document<'_>, Error>],
) -> Vec<Result<R::Section, Error>> {
    let model = reader.model();
    let plan = |document: &Result<Document<'_>, Error>| {
        stage!("windows");
        match document {
            Ok(document) => {
                // The document may have been read for another model, with other limits.
                reader.limits().check_length(document.text.len())?;
                Ok(Progress { windows: reader.windows(document), parts: Vec::new() })
            }
            Err(error) => Err(error.clone()),
        }
    };
    let mut all: Vec<Result<Progress<R::Part>, Error>> = documents.iter().map(plan).collect();
    let counts: Vec<usize> =
        all.iter().map(|plan| plan.as_ref().map_or(0, |plan| plan.windows.ranges().len())).collect();
    // All sequences of all windows of all documents.
    let mut cells = counts.into_iter().enumerate().flat_map(|(document, windows)| {
        (0..windows).flat_map(move |window| {
            (0..reader.sequences_per_window()).map(move |number| (document, window, number))
        })
    });
    loop {
        // A document that has failed needs no further sequences.
        let sequence = |(index, window, number): (usize, usize, usize)| {
            let (Ok(document), Ok(plan)) = (&documents[index], &all[index]) else { return None };
            let window = plan.windows.ranges()[window].clone();
            Some((index, reader.sequence(document, window, number)))
        };
        let block: Vec<(usize, usize, usize)> = cells.by_ref().take(IN_FLIGHT).collect();
        if block.is_empty() {
            break;
        }
        let (owners, sequences): (Vec<usize>, Vec<Sequence>) = block.into_iter().filter_map(sequence).unzip();
        let reduce = |index: usize, rows| reader.reduce(&sequences[index], rows);
        let parts = schedule::run(&model.workers, &*model.backend, &sequences, reader.limits(), reduce);
        for (owner, part) in owners.into_iter().zip(parts) {
            match (&mut all[owner], part) {
                (Ok(plan), Ok(part)) => plan.parts.push(part),
                (failed @ Ok(_), Err(error)) => *failed = Err(error),
                (Err(_), _) => {}
            }
        }
    }
    model.workers.map(documents.len(), |index| match (&documents[index], &all[index]) {
        (Ok(document), Ok(plan)) => Ok(reader.finish(document, &plan.windows, &plan.parts)),
        (Err(error), _) | (_, Err(error)) => Err(error.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_BYTES, PATIENCE, stream};

    /// The chunks into which `texts` are divided.
    fn chunks<'t>(texts: &[&'t str]) -> Vec<Vec<&'t str>> {
        let mut chunks = Vec::new();
        let results = stream(
            texts.iter().copied(),
            |text| text.len(),
            |chunk: &[&str]| {
                chunks.push(chunk.to_vec());
                chunk.iter().map(|text| Ok(*text)).collect()
            },
        );
        let texts_again: Vec<&str> = results.map(|text| text.expect("nothing fails here")).collect();
        assert_eq!(texts_again, texts);
        chunks
    }

    #[test]
    fn chunks_have_every_text_once_in_order() {
        let big = "x".repeat(CHUNK_BYTES + 1);
        let texts = ["a", &big, "b", "c", &big[1..], "d"];
        assert!(chunks(&texts).len() > 2);
        assert!(chunks(&[""; 10_000]).len() > 2);
        assert!(chunks(&[]).is_empty());
    }

    #[test]
    fn slow_texts_do_not_wait_for_one_another() {
        let taken = std::cell::Cell::new(0);
        let slow = (0..4).inspect(|_| {
            std::thread::sleep(2 * PATIENCE);
            taken.set(taken.get() + 1);
        });
        let results = stream(slow, |_| 1, |chunk: &[i32]| chunk.iter().map(|text| Ok(*text)).collect());
        for (at, text) in results.enumerate() {
            assert_eq!((text.expect("nothing fails here"), taken.get()), (at as i32, at + 1));
        }
        assert_eq!(taken.get(), 4);
    }
}
