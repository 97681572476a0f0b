//! The traits of formats.

use std::io::{self, Write};
use std::path::PathBuf;

use entopic::TaggedDocument;

use crate::documents::document::Document;
use crate::failure::Failure;
use crate::sink::Folder;

/// The reason why a document was not written.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The output cannot be written.
    Output(io::Error),
    /// The document does not fit the format.
    Document(Failure),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Writes tagged documents one after another.
pub(crate) trait Writer {
    fn write(&mut self, document: &Document, tagged: &TaggedDocument) -> Result<(), Problem>;

    /// The failure of a write.
    fn failure(&self, error: &io::Error) -> Failure;

    /// Flushes the results written so far.
    fn flush(&mut self) -> io::Result<()>;

    /// Finishes the output, which is complete.
    fn finish(self: Box<Self>) -> Result<(), Failure>;

    /// Records a document that failed, as a line of JSON, and returns the file of failures; `None` if failures go to
    /// standard error.
    fn failed(&mut self, _line: &str) -> io::Result<Option<PathBuf>> {
        Ok(None)
    }

    /// Removes an incomplete folder; an incomplete file is left to `LongRun::abandon`.
    fn abandon(self: Box<Self>) -> Result<(), Failure> {
        Ok(())
    }

    /// The place of an incomplete output, unless it is a file.
    fn incomplete(&self) -> Option<String> {
        None
    }
}

/// A format of documents one after another in one stream.
pub(super) trait Streamed {
    /// Writes the part before the first document.
    fn begin(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn document(
        &mut self,
        out: &mut dyn Write,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem>;

    /// Writes the part after the last document.
    fn end(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// A format of files in a folder.
pub(super) trait Filed {
    /// Writes the files of a document.
    fn document(
        &mut self,
        folder: &mut Folder,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem>;

    /// Writes the file that covers all documents.
    fn end(&mut self, folder: &Folder) -> io::Result<()>;
}
