//! Documents as rows of CSV or TSV, with a header row.

use std::rc::Rc;

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use super::document::{Document, Field, Place, Results, TEXT, Unread};
use crate::failure::Failure;
use crate::stream::{Stream, too_long};

/// The documents of a table. Its column `field` has the texts, by default the column `text` or the only column.
pub(super) fn read(stream: Stream, delimiter: u8, field: Option<&str>) -> Result<Results, Failure> {
    let name = stream.name.clone();
    let file: Rc<str> = name.as_str().into();
    let most = stream.most;
    let (reader, count) = stream.into_reader();
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(reader);
    let columns = reader.headers().cloned();
    let columns = columns.map_err(|error| Failure::because(format!("{name} cannot be read"), &error))?;
    let column =
        column_of(columns.iter(), field).map_err(|message| Failure::new(format!("{name}: {message}")))?;
    let mut is_over = false;
    let rows = std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        count.set(0);
        let mut row = StringRecord::new();
        let line = |reader: &csv::Reader<_>| reader.position().line();
        let before = line(&reader);
        match reader.read_record(&mut row) {
            Ok(false) => None,
            Ok(true) => {
                let place = Place { file: Rc::clone(&file), line: row.position().map(csv::Position::line) };
                if row.as_slice().len() as u64 > most {
                    let failure = Failure::new(format!("the row {}", too_long(most)));
                    return Some(Err(Unread { place, failure }));
                }
                let mut text = String::new();
                let fields = columns.iter().zip(&row).enumerate().map(|(at, (name, value))| {
                    if at == column {
                        value.clone_into(&mut text);
                        return (name.to_owned(), Field::Text);
                    }
                    (name.to_owned(), Field::of(value))
                });
                let fields = fields.collect();
                Some(Ok(Document { place, text, fields, end: None }))
            }
            Err(error) => {
                is_over = matches!(error.kind(), ErrorKind::Io(_));
                let line = error.position().map_or(before, csv::Position::line);
                let place = Place { file: Rc::clone(&file), line: Some(line) };
                Some(Err(Unread { place, failure: Failure::new(message(&error)) }))
            }
        }
    });
    Ok(Box::new(rows))
}

fn message(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} columns, but the header has {expected_len}")
        }
        ErrorKind::Utf8 { err, .. } => {
            format!("column {} is not UTF-8; name the encoding with --encoding", err.field() + 1)
        }
        ErrorKind::Io(error) => format!("this row and all rows after it cannot be read: {error}"),
        _ => error.to_string(),
    }
}

/// The column with the texts.
pub(super) fn column_of<'a>(
    columns: impl Iterator<Item = &'a str> + Clone,
    field: Option<&str>,
) -> Result<usize, String> {
    let sought = field.unwrap_or(TEXT);
    if let Some(at) = columns.clone().position(|column| column == sought) {
        return Ok(at);
    }
    if field.is_none() && columns.clone().count() == 1 {
        return Ok(0);
    }
    let names: Vec<String> = columns.map(|column| format!("{column:?}")).collect();
    Err(format!(
        "no column is named {sought:?}; the columns are {}; choose one with --text-column",
        names.join(", ")
    ))
}
