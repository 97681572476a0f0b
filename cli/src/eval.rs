//! `entopic eval` scores models on annotated data.

pub(crate) mod entities;
mod iob;
mod mentions;
mod multi_label;
pub(crate) mod ner;
mod partial;
mod scores;
pub(crate) mod sentences;
pub(crate) mod topics;

use crate::labels::LabelMap;
use crate::output;

/// Warns of labels in `map` that are not in the data: usually a typo, but one map may also serve several files.
fn note_unused(map: &LabelMap, data: &str, has: impl Fn(&str) -> bool) {
    let unused: Vec<&str> = map.names().filter(|name| !has(name)).collect();
    if !unused.is_empty() {
        output::warn(&format!("note: {data} has no label {}, which --map names", unused.join(", ")));
    }
}
