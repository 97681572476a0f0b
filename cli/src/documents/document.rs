//! A document and its place in the inputs.

use std::fmt;
use std::rc::Rc;

use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::stream::STANDARD_INPUT;

/// A document: its text, and the other fields of its input.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) place: Place,
    pub(crate) text: String,
    /// The fields of the input in their order.
    pub(crate) fields: Vec<(String, Field)>,
    /// The line end after the text, if the text is one line of a file.
    pub(crate) end: Option<&'static str>,
}

/// A field of a document.
#[derive(Debug)]
pub(crate) enum Field {
    /// The text of the document.
    Text,
    /// Another field, as JSON.
    Other(Box<RawValue>),
}

impl Field {
    /// A field with a plain value.
    pub(crate) fn of<T: serde::Serialize + ?Sized>(value: &T) -> Self {
        // Strings and numbers can always be written as JSON.
        serde_json::value::to_raw_value(value).map_or(Self::Other(RawValue::NULL.to_owned()), Self::Other)
    }
}

impl AsRef<str> for Document {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// The source of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The path, or [`STANDARD_INPUT`].
    pub(crate) file: Rc<str>,
    /// The number of its line or row, from 1, in a file with several documents.
    pub(crate) line: Option<u64>,
}

impl Place {
    pub(crate) fn is_standard_input(&self) -> bool {
        &*self.file == STANDARD_INPUT
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}: line {line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// A document that cannot be read.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) place: Place,
    /// The cause, which may include the place.
    pub(crate) failure: Failure,
}

impl Unread {
    /// The message, with the place.
    pub(crate) fn message(&self) -> String {
        let failure = self.failure.to_string();
        match failure.starts_with(&*self.place.file) {
            true => failure,
            false => format!("{}: {failure}", self.place),
        }
    }
}

/// Documents one after another.
pub(super) type Results = Box<dyn Iterator<Item = Result<Document, Unread>>>;

/// The field or column that has the text, if no option names another.
pub(super) const TEXT: &str = "text";
