//! The backend LibTorch: against transformers and the native engine, on what rust-bert's own pipelines get
//! wrong, shared by many threads, and refusing what it cannot run.

mod defects;
mod fixtures;
mod parity;
mod refusal;
mod sharing;
