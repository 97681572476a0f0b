//! Readers of what comes from outside, exposed for fuzzing. They are not part of the API and may change in any version.

use std::path::Path;

use clap::ValueEnum;

use crate::args::inputs::{InputFormat, Inputs, MOST_BYTES};
use crate::documents::document::{Document, Unread};
use crate::documents::{Blank, Documents};
use crate::failure::Failure;
use crate::input::Input;
use crate::{eval, load};

/// Reads the documents of the file `path` in a format of `--input-format`; returns the texts, or messages of failures.
/// Of other files (`conll`, `entities`, `topics` and `labels`), it returns no texts.
///
/// # Errors
///
/// Returns a message if there is no such format, or the file cannot be read.
pub fn documents(path: &Path, format: &str) -> Result<Vec<Result<String, String>>, String> {
    if let Some(read) = other(path, format) {
        return read.map(|()| Vec::new()).map_err(|failure| failure.to_string());
    }
    let input_format = Some(InputFormat::from_str(format, false)?);
    let inputs = Inputs {
        files: vec![path.into()],
        input_format,
        lines: false,
        text_field: None,
        encoding: None,
        max_bytes: MOST_BYTES,
    };
    let documents = Documents::find(&inputs, Blank::Skip).map_err(|failure| failure.to_string())?;
    let text = |document: Result<Document, Unread>| match document {
        Ok(document) => Ok(document.text),
        Err(unread) => Err(unread.failure.to_string()),
    };
    Ok(documents.map(text).collect())
}

/// Reads a file that is not of documents to tag; `None` if there is no such format.
fn other(path: &Path, format: &str) -> Option<Result<(), Failure>> {
    let input = || Input::read(path);
    Some(match format {
        "conll" => input().and_then(|input| eval::sentences::read(&input).map(drop)),
        "entities" => input().and_then(|input| eval::entities::read(&input).map(drop)),
        "topics" => input().and_then(|input| eval::topics::read(&input).map(drop)),
        "labels" => input().and_then(|input| load::labels_of(&input).map(drop)),
        _ => return None,
    })
}

/// Reads the body of a request to one of the paths of the service; returns the number of its texts.
///
/// # Errors
///
/// Returns the message of the answer if the body is refused, or there is no such path.
#[cfg(feature = "serve")]
pub fn request(path: &str, body: &[u8]) -> Result<usize, String> {
    crate::serve::read(path, body)
}
