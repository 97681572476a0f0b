//! The loader's view of the backends: each reads a model's description, and then assembles the model.

#[cfg(feature = "libtorch")]
mod libtorch;
mod native;
#[cfg(feature = "onnx")]
mod onnx;
pub(super) mod site;

use self::site::{Described, Site};
use crate::catalogue::layout::Weights;
use crate::error::Error;
#[cfg(not(feature = "onnx"))]
use crate::error::ErrorKind;
use crate::precision::Backend;

/// Describes the model for the backend that will run it.
pub(super) fn describe(site: Site<'_>) -> Result<Described<'_>, Error> {
    match (site.resources.backend, site.layout.weights) {
        #[cfg(feature = "libtorch")]
        (Backend::LibTorch, _) => libtorch::describe(site),
        #[cfg(feature = "onnx")]
        (Backend::Native, Weights::Onnx(_)) => onnx::describe(site),
        #[cfg(not(feature = "onnx"))]
        (Backend::Native, Weights::Onnx(file)) => {
            let message = format!(
                "{} is an ONNX graph, which this build cannot read; build entopic with the feature `onnx`, or add a \
                 model.safetensors",
                site.files.name(file)
            );
            Err(Error::new(ErrorKind::ModelUnavailable, message))
        }
        (Backend::Native, _) => native::describe(site),
    }
}
