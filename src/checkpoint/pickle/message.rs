//! The errors of pickles.

use crate::error::{Error, ErrorKind};

/// The start of a name from a file, which may be as long as the file.
pub(super) fn clip(name: &str) -> &str {
    name.char_indices().nth(80).map_or(name, |(end, _)| &name[..end])
}

/// The error for a file that may be valid, but is not read.
pub(super) fn refuse(file: &str, what: &str) -> Error {
    let message = format!(
        "{file} is not read: {what}; the only pickles that are read are plain state dicts, and nothing in them is \
         run. If you trust its source, load the model with transformers and save it by \
         save_pretrained(folder, safe_serialization=True), which writes model.safetensors"
    );
    Error::new(ErrorKind::Weights, message)
}

/// The error for a file that cannot be valid.
pub(super) fn damaged(file: &str, what: &str) -> Error {
    Error::new(ErrorKind::Weights, format!("{file} is damaged: {what}; fetch it again"))
}
