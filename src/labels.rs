//! Checks of labels that callers pass.

use std::collections::HashMap;

use crate::error::{Error, ErrorKind};
use crate::limits::LONGEST_LABEL;

/// Checks labels that a caller passes. In messages, `noun` is the word for a label, and `example` is an example of one.
pub(crate) fn check(labels: &[String], noun: &str, example: &str) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::new(ErrorKind::Labels, message));
    if labels.is_empty() {
        return refuse(format!("there is no {noun}; give at least one, such as {example:?}"));
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (at, label) in labels.iter().enumerate() {
        if label.trim().is_empty() {
            return refuse(format!("{noun} number {} is blank: {label:?}; remove it", at + 1));
        }
        check_length(label, || format!("{noun} number {}", at + 1))?;
        if let Some(first) = seen.insert(label, at) {
            return refuse(format!(
                "the {noun} {label:?} is given twice, as number {} and {}; remove one",
                first + 1,
                at + 1
            ));
        }
    }
    Ok(())
}

/// Rejects a label, or its description, that is too long to be tokenised. In the message, `name` is its name.
pub(crate) fn check_length(text: &str, name: impl FnOnce() -> String) -> Result<(), Error> {
    if text.len() <= LONGEST_LABEL {
        return Ok(());
    }
    let (name, bytes) = (name(), text.len());
    let message = format!("{name} has {bytes} bytes, but at most {LONGEST_LABEL} are allowed; shorten it");
    Err(Error::new(ErrorKind::Labels, message))
}

/// Rejects labels that differ by case or white space alone: most models read them as the same label, and would split
/// its score among them.
pub(crate) fn check_apart(labels: &[String], noun: &str) -> Result<(), Error> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for label in labels {
        let plain = label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        if let Some(other) = seen.insert(plain, label) {
            let message = format!(
                "the {noun}s {other:?} and {label:?} differ by case or white space alone; remove one"
            );
            return Err(Error::new(ErrorKind::Labels, message));
        }
    }
    Ok(())
}
