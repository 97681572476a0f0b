//! Documents in the format of the input, with another text.

use std::io::{self, Write};

use crate::documents::document::{Document, Field};
use crate::failure::Failure;

/// The form of the documents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Jsonl,
    Csv,
}

/// Writes documents in the format of the input.
pub(crate) struct Writer {
    form: Form,
    /// True if the texts come from several files.
    are_many: bool,
    /// The columns of tables, once the first row is written.
    columns: Option<Vec<String>>,
}

impl Writer {
    pub(crate) fn new(form: Form, are_many: bool) -> Self {
        Self { form, are_many, columns: None }
    }

    /// Refuses a row of a table that has other columns than the first.
    pub(crate) fn check(&self, document: &Document) -> Result<(), Failure> {
        let own = || document.fields.iter().map(|(name, _)| name.as_str());
        match &self.columns {
            Some(columns) if !own().eq(columns) => Err(Failure::new(format!(
                "its columns are {}, but those of the first table are {}; redact this table in another run",
                own().collect::<Vec<_>>().join(", "),
                columns.join(", ")
            ))),
            _ => Ok(()),
        }
    }

    /// Writes `document` with `text` in place of its text.
    pub(crate) fn write(&mut self, out: &mut dyn Write, document: &Document, text: &str) -> io::Result<()> {
        match self.form {
            Form::Text => {
                out.write_all(text.as_bytes())?;
                let end = document.end.unwrap_or_default();
                // Texts of different files are separated.
                let apart = self.are_many && end.is_empty() && !text.ends_with('\n');
                out.write_all(if apart { b"\n" } else { end.as_bytes() })
            }
            Form::Jsonl => {
                out.write_all(b"{")?;
                write_fields(out, document, text, |_| true)?;
                out.write_all(b"}\n")
            }
            Form::Csv => {
                let mut rows = csv::Writer::from_writer(out);
                if self.columns.is_none() {
                    let columns: Vec<String> = document.fields.iter().map(|(name, _)| name.clone()).collect();
                    rows.write_record(&columns)?;
                    self.columns = Some(columns);
                }
                rows.write_record(document.fields.iter().map(|(_, field)| cell(field, text)))?;
                rows.flush()
            }
        }
    }
}

/// Writes the fields of the input whose names `keep` accepts, separated by commas, with `text` as the document's text.
/// Returns whether it wrote any.
pub(super) fn write_fields(
    out: &mut dyn Write,
    document: &Document,
    text: &str,
    keep: impl Fn(&str) -> bool,
) -> io::Result<bool> {
    let mut is_first = true;
    for (name, field) in document.fields.iter().filter(|(name, _)| keep(name)) {
        if !std::mem::take(&mut is_first) {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, name)?;
        out.write_all(b":")?;
        match field {
            Field::Text => serde_json::to_writer(&mut *out, text)?,
            Field::Other(value) => out.write_all(value.get().as_bytes())?,
        }
    }
    Ok(!is_first)
}

/// A field as a cell: strings without quotation marks, nothing for null, and all other values as in JSON.
pub(super) fn cell(field: &Field, text: &str) -> String {
    match field {
        Field::Text => text.to_owned(),
        Field::Other(value) if value.get() == "null" => String::new(),
        Field::Other(value) => serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned()),
    }
}
