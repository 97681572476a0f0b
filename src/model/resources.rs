use std::sync::Arc;

use super::vocabularies::Vocabularies;
#[cfg(feature = "hub")]
use crate::catalogue::hub::Hub;
use crate::catalogue::registry::Registry;
#[cfg(feature = "libtorch")]
use crate::precision::Device;
use crate::precision::{Backend, Precision};
use crate::schedule::Workers;

/// The resources that the models of one engine share.
pub(crate) struct Resources {
    pub(crate) workers: Arc<Workers>,
    pub(crate) backend: Backend,
    #[cfg(feature = "libtorch")]
    pub(crate) device: Option<Device>,
    pub(crate) precision: Option<Precision>,
    pub(crate) registry: Registry,
    #[cfg(feature = "hub")]
    pub(crate) hub: Hub,
    pub(crate) vocabularies: Vocabularies,
}
