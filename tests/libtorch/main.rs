//! The backend LibTorch: what rust-bert's own pipelines get wrong, models shared by many threads, and models that it
//! cannot run. `src/goldens.rs` compares its numbers with transformers'.

#[path = "../support/mod.rs"]
mod support;

mod defects;
mod fixtures;
mod refusal;
mod sharing;
