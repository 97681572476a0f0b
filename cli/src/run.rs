//! A run over documents: each is tagged and written as soon as those before it are.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use entopic::{Error, ErrorKind, TaggedDocument};

use crate::documents::Documents;
use crate::documents::document::{Document, Unread};
use crate::failure::Failure;

/// A document on its way: its text is read, or it failed already.
enum Waiting {
    Text(Rc<Document>),
    Failed(Unread),
}

/// A document that the library reads.
pub(crate) struct Text(Rc<Document>);

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0.text
    }
}

/// The documents of a run that have a text.
pub(crate) type Texts = Box<dyn Iterator<Item = Text>>;

/// What becomes of the documents of a run.
pub(crate) trait Output {
    /// Writes a document; `false` if nobody reads the output any more.
    fn write(&mut self, document: &Document, tagged: &TaggedDocument) -> Result<bool, Failure>;

    /// Notes a document that failed.
    fn failed(&mut self, unread: &Unread) -> Result<(), Failure>;
}

/// How a run ended.
pub(crate) enum Ended {
    Complete,
    /// It was interrupted.
    Stopped,
    /// Nobody reads the output any more.
    Unread,
}

/// Hands the texts of `documents` to `tag`, which gives a result for each, in their order, and those to `output`. The first
/// `skip` documents are left out.
pub(crate) fn run<I>(
    documents: Documents,
    skip: usize,
    tag: impl FnOnce(Texts) -> I,
    output: &mut impl Output,
) -> Result<Ended, Failure>
where
    I: Iterator<Item = Result<TaggedDocument, Error>>,
{
    let waiting: Rc<RefCell<VecDeque<Waiting>>> = Rc::default();
    let entries = Rc::clone(&waiting);
    let texts = documents.skip(skip).filter_map(move |document| {
        let (entry, text) = match document {
            Ok(document) => {
                let document = Rc::new(document);
                (Waiting::Text(Rc::clone(&document)), Some(Text(document)))
            }
            Err(unread) => (Waiting::Failed(unread), None),
        };
        entries.borrow_mut().push_back(entry);
        text
    });
    let next = || waiting.borrow_mut().pop_front();
    for result in tag(Box::new(texts)) {
        // Documents that failed before they had a text stand between those that have results.
        let document = loop {
            match next() {
                Some(Waiting::Failed(unread)) => output.failed(&unread)?,
                Some(Waiting::Text(document)) => break document,
                None => return Err(Failure::new("a result came without its document")),
            }
        };
        match result {
            Ok(tagged) => {
                if !output.write(&document, &tagged)? {
                    return Ok(Ended::Unread);
                }
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(Ended::Stopped),
            Err(error) => {
                output.failed(&Unread { place: document.place.clone(), failure: Failure::from(error) })?;
            }
        }
    }
    while let Some(Waiting::Failed(unread)) = next() {
        output.failed(&unread)?;
    }
    Ok(Ended::Complete)
}
