//! The command `entopic`: tags documents with entities and topics, and measures quality and speed.
//!
//! As a library it has only what its program calls. Programs use the crate `entopic`.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod args;
mod bench;
#[cfg(feature = "cluster")]
mod cluster;
mod documents;
mod eval;
mod failure;
mod failures;
mod formats;
mod input;
#[cfg(feature = "internals")]
pub mod internals;
mod labels;
mod load;
mod models;
mod offsets;
mod output;
mod pace;
mod progress;
#[cfg(feature = "sql")]
mod query;
mod redact;
mod run;
#[cfg(any(feature = "serve", feature = "sql"))]
mod runtime;
#[cfg(feature = "serve")]
mod serve;
mod shell;
mod sink;
#[cfg(feature = "sql")]
mod sql;
mod stop;
mod stream;
mod style;
mod tag;
mod text;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, Eval};
use failure::Failure;

/// Runs the command with the arguments of the process, and returns its exit status.
pub fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            output::warn(&format!("error: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Models(command) => return models::run(command),
        Command::Tag(args) => return tag::run(args),
        Command::Redact(args) => return redact::run(args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(args),
        #[cfg(feature = "sql")]
        Command::Sql(args) => return sql::run(args),
        #[cfg(feature = "cluster")]
        Command::Scheduler(args) => cluster::scheduler(args),
        #[cfg(feature = "cluster")]
        Command::Executor(args) => cluster::executor(args),
        Command::Completions(args) => shell::completions(args),
        Command::Man(args) => shell::man(args),
        Command::Eval(Eval::Ner(args)) => eval::ner::run(args),
        Command::Eval(Eval::Entities(args)) => eval::entities::run(args),
        Command::Eval(Eval::Topics(args)) => eval::topics::run(args),
        Command::Bench(args) => bench::run(args),
    }?;
    Ok(ExitCode::SUCCESS)
}
