//! The checks of labels that callers give.

use crate::error::{Error, ErrorKind};

/// Checks labels that a caller gives; `noun` is the word for one in messages, and `example` is one.
pub(crate) fn check(labels: &[String], noun: &str, example: &str) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::new(ErrorKind::Labels, message));
    if labels.is_empty() {
        return refuse(format!("there is no {noun}; give at least one, such as {example:?}"));
    }
    for (at, label) in labels.iter().enumerate() {
        if label.trim().is_empty() {
            return refuse(format!("{noun} number {} is blank: {label:?}; remove it", at + 1));
        }
        if let Some(first) = labels[..at].iter().position(|other| other == label) {
            return refuse(format!(
                "the {noun} {label:?} is given twice, as number {} and {}; remove one",
                first + 1,
                at + 1
            ));
        }
    }
    Ok(())
}
