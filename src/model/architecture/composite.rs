//! Models with labels in their input, on encoders of other architectures. A format is one file and one line in
//! this table.

use serde_json::Value;

use super::{gliclass, gliner};
use crate::backend::native::blueprint::Blueprint;
use crate::model::role::Role;

/// A format of such models: whether a config is of it, and its translation.
type Format = (fn(&Value, &str) -> bool, fn(&Value) -> Result<(Role, Blueprint), String>);

const FORMATS: [Format; 2] = [(gliclass::is_it, gliclass::translate), (gliner::is_it, gliner::translate)];

/// Whether a config is of one of these formats.
#[cfg(any(feature = "libtorch", feature = "onnx"))]
pub(in crate::model) fn is_one(json: &Value, model_type: &str) -> bool {
    FORMATS.iter().any(|(is_it, _)| is_it(json, model_type))
}

/// The role and the blueprint of a model of one of these formats; `None` if it is of none.
pub(in crate::model) fn translate(
    json: &Value,
    model_type: &str,
) -> Option<Result<(Role, Blueprint), String>> {
    FORMATS.iter().find(|(is_it, _)| is_it(json, model_type)).map(|(_, translate)| translate(json))
}
