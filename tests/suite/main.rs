//! The behaviour of the library through its public API, in one program: linking the bundled models takes longer than
//! most tests.

#[path = "../support/mod.rs"]
mod support;

mod any_text;
#[cfg(feature = "bundled")]
mod api;
mod broken_models;
#[cfg(feature = "bundled")]
mod bundled;
mod config_keys;
mod mention_groups;
mod options;
mod properties;
#[cfg(feature = "bundled")]
mod real_text;
#[cfg(feature = "bundled")]
mod robustness;
mod structure;
mod tokenizers;
mod weight_formats;
