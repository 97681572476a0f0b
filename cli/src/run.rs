//! Runs over documents: each document is tagged and written as soon as those before it are.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use entopic::{Error, ErrorKind, TaggedDocument};

use crate::documents::Documents;
use crate::documents::document::{Document, Unread};
use crate::failure::Failure;

/// The text of a document; empty for a document that failed, so that each has a result.
pub(crate) struct Text(Option<Rc<Document>>);

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.0.as_ref().map_or("", |document| &document.text)
    }
}

/// The texts of a run.
pub(crate) type Texts = Box<dyn Iterator<Item = Text>>;

/// A document that waits for its result, or its failure.
type Entry = Result<Rc<Document>, Unread>;

/// The output of a run.
pub(crate) trait Output {
    /// Writes a document; returns `false` if the reader of the output has gone away.
    fn write(&mut self, document: &Document, tagged: &TaggedDocument) -> Result<bool, Failure>;

    /// Records a document that failed.
    fn failed(&mut self, unread: &Unread) -> Result<(), Failure>;
}

/// The end of a run.
pub(crate) enum Ended {
    Complete,
    /// The run was interrupted.
    Stopped,
    /// The reader of the output has gone away.
    Unread,
}

/// Passes the texts of `documents` to `tag`, which returns a result for each, in order, and passes these to `output`.
/// The first `skip` documents are skipped. Documents that have arrived over a pipe are answered before the run waits
/// for more.
pub(crate) fn run<I>(
    documents: Documents,
    skip: usize,
    tag: impl Fn(Texts) -> I,
    output: &mut impl Output,
) -> Result<Ended, Failure>
where
    I: Iterator<Item = Result<TaggedDocument, Error>>,
{
    let is_ready = Rc::clone(&documents.is_ready);
    let source = Rc::new(RefCell::new(documents.skip(skip).peekable()));
    while source.borrow_mut().peek().is_some() {
        let (documents, is_ready) = (Rc::clone(&source), Rc::clone(&is_ready));
        let mut is_over = false;
        let there = std::iter::from_fn(move || {
            if is_over {
                return None;
            }
            let document = documents.borrow_mut().next();
            is_over = !is_ready.get();
            document
        });
        match answer(there, &tag, output)? {
            Ended::Complete => {}
            ended => return Ok(ended),
        }
    }
    Ok(Ended::Complete)
}

/// Does the same for documents that can be read without waiting.
fn answer<I>(
    documents: impl Iterator<Item = Result<Document, Unread>> + 'static,
    tag: impl Fn(Texts) -> I,
    output: &mut impl Output,
) -> Result<Ended, Failure>
where
    I: Iterator<Item = Result<TaggedDocument, Error>>,
{
    // Documents that the library has taken but not yet answered; it takes some hundred at once.
    let waiting: Rc<RefCell<VecDeque<Entry>>> = Rc::default();
    let entries = Rc::clone(&waiting);
    let texts = documents.map(move |document| {
        let entry = document.map(Rc::new);
        let text = Text(entry.as_ref().ok().cloned());
        entries.borrow_mut().push_back(entry);
        text
    });
    for result in tag(Box::new(texts)) {
        let Some(entry) = waiting.borrow_mut().pop_front() else {
            return Err(Failure::new("a result came without its document"));
        };
        match (entry, result) {
            (_, Err(error)) if error.kind() == ErrorKind::Cancelled => return Ok(Ended::Stopped),
            (Err(unread), _) => output.failed(&unread)?,
            (Ok(document), Ok(tagged)) => {
                if !output.write(&document, &tagged)? {
                    return Ok(Ended::Unread);
                }
            }
            (Ok(document), Err(error)) => {
                output.failed(&Unread { place: document.place.clone(), failure: Failure::from(error) })?;
            }
        }
    }
    Ok(Ended::Complete)
}
