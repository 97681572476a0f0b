//! Inputs of the command: files of documents, and requests to its service.

use std::fs;

use entopic_cli::internals;
use tempfile::TempDir;

use crate::first;

/// Formats of documents, then other files.
const FORMATS: [&str; 10] =
    ["text", "lines", "jsonl", "csv", "tsv", "parquet", "conll", "entities", "topics", "labels"];

const PATHS: [&str; 5] = ["/v1/entities", "/v1/topics", "/v1/tag", "/v1/html", "/"];

/// Reads a file in one of the command's formats. It may be compressed.
pub fn documents(data: &[u8]) {
    let (format, data) = first(data);
    let folder = TempDir::new().expect("a folder should be made");
    let path = folder.path().join("input");
    fs::write(&path, data).expect("the file should be written");
    if let Ok(documents) = internals::documents(&path, FORMATS[format % FORMATS.len()]) {
        for failure in documents.into_iter().filter_map(Result::err) {
            assert!(!failure.trim().is_empty());
        }
    }
}

/// Reads the body of a request.
pub fn requests(data: &[u8]) {
    let (path, data) = first(data);
    if let Err(message) = internals::request(PATHS[path % PATHS.len()], data) {
        assert!(!message.trim().is_empty());
    }
}
