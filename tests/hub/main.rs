//! Models of a hub are found in the cache or fetched into it, verified, resumed and locked, and what a
//! hub may do wrong gives an error that says what to do. The hub is a server of this test.

#![cfg(feature = "hub")]

#[path = "../support/mod.rs"]
mod support;

mod cache;
mod faults;
mod lock;
mod part;
mod place;
mod refusal;
mod server;
mod settings;
mod transfer;
