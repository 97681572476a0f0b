//! The checks of labels that callers give.

use std::collections::HashMap;

use crate::error::{Error, ErrorKind};

/// Checks labels that a caller gives; `noun` is the word for one in messages, and `example` is one.
pub(crate) fn check(labels: &[String], noun: &str, example: &str) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::new(ErrorKind::Labels, message));
    if labels.is_empty() {
        return refuse(format!("there is no {noun}; give at least one, such as {example:?}"));
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (at, label) in labels.iter().enumerate() {
        if label.trim().is_empty() {
            return refuse(format!("{noun} number {} is blank: {label:?}; remove it", at + 1));
        }
        // Most models read labels that differ in this way alike, and would share one's score among them.
        let plain = label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        if let Some(first) = seen.insert(plain, at) {
            let (number, other) = (first + 1, &labels[first]);
            return refuse(match other == label {
                true => format!(
                    "the {noun} {label:?} is given twice, as number {number} and {}; remove one",
                    at + 1
                ),
                false => format!(
                    "the {noun}s {other:?} and {label:?}, number {number} and {}, differ by case or white space alone; \
                     remove one",
                    at + 1
                ),
            });
        }
    }
    Ok(())
}
