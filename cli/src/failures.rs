//! Files that list the documents that failed, with one line of JSON per document.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;

use crate::documents::document::Unread;
use crate::failure::Failure;
use crate::output;

/// The name of such a file in a folder of results.
pub(crate) const IN_FOLDER: &str = "failed.jsonl";

#[derive(Serialize)]
struct Failed<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    error: String,
}

/// The path of such a file next to a file of results.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".failed");
    name.into()
}

/// Removes a file, if it exists.
pub(crate) fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::because(format!("{} cannot be removed", path.display()), &error))
        }
        _ => Ok(()),
    }
}

/// The line for a document.
pub(crate) fn line(unread: &Unread) -> Result<String, Failure> {
    let failed =
        Failed { file: &unread.place.file, line: unread.place.line, error: unread.failure.to_string() };
    Ok(output::json(&failed)? + "\n")
}
