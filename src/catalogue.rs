//! The known models and the locations of their files.

pub(crate) mod files;
#[cfg(feature = "hub")]
pub(crate) mod hub;
pub(crate) mod layout;
pub(crate) mod model_ref;
pub(crate) mod registry;
