//! Models with labels in their input, on encoders of other architectures. A format is one file and one line in the
//! table below.

use serde_json::Value;

use super::{gliclass, gliner};
use crate::backend::native::blueprint::Blueprint;
use crate::model::role::Role;

/// A format of such models: a function that recognises its configs, and one that translates them.
type Format = (fn(&Value, &str) -> bool, fn(&Value) -> Result<(Role, Blueprint), String>);

const FORMATS: [Format; 2] = [(gliclass::is_it, gliclass::translate), (gliner::is_it, gliner::translate)];

/// Returns whether a config is of one of these formats.
#[cfg(any(feature = "libtorch", feature = "onnx"))]
pub(in crate::model) fn is_one(json: &Value, model_type: &str) -> bool {
    FORMATS.iter().any(|(is_it, _)| is_it(json, model_type))
}

/// Returns the role and the blueprint of a model in one of these formats; `None` if its config is of another format.
pub(in crate::model) fn translate(
    json: &Value,
    model_type: &str,
) -> Option<Result<(Role, Blueprint), String>> {
    FORMATS.iter().find(|(is_it, _)| is_it(json, model_type)).map(|(_, translate)| translate(json))
}
