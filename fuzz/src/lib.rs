//! Input from outside, read by functions that panic if entopic does something wrong with it. The programs in `targets`
//! call them with what libFuzzer makes; the test `replay` calls them with the files in `seeds`, among which is every
//! input that was once read wrong.
//!
//! The first bytes of an input choose a model or a format; the rest is the text or the file.

use std::sync::{Mutex, Once, PoisonError};
use std::{panic, process};

mod command;
mod damage;
mod models;
mod page;
mod texts;

pub use command::{documents, requests};
pub use models::{config, onnx, registry, tokenizer, weights};
pub use page::page;
pub use texts::{entities, rules, sentences, topics};

/// A function that reads an input.
pub type Target = fn(&[u8]);

/// The functions, by the names of their programs and of their folders of seeds.
pub const TARGETS: [(&str, Target); 12] = [
    ("entities", entities),
    ("topics", topics),
    ("sentences", sentences),
    ("page", page),
    ("rules", rules),
    ("registry", registry),
    ("weights", weights),
    ("config", config),
    ("tokenizer", tokenizer),
    ("onnx", onnx),
    ("documents", documents),
    ("requests", requests),
];

/// Calls `target`, and aborts the process, as libFuzzer expects, if it panics. Panics that entopic catches, those of
/// the libraries that read damaged tokenizers and Parquet files, are none of its faults.
pub fn run(target: Target, data: &[u8]) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string()
        }))
    });
    if panic::catch_unwind(|| target(data)).is_err() {
        eprintln!("{}", LAST.lock().unwrap_or_else(PoisonError::into_inner));
        process::abort();
    }
}

/// The message of the last panic.
static LAST: Mutex<String> = Mutex::new(String::new());

/// The first byte, or 0, and the others.
fn first(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((0, data), |(&first, rest)| (usize::from(first), rest))
}
