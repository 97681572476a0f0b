//! The query engine, DataFusion, as `entopic sql` and the parts of a cluster use it: its threads, its log and its
//! errors.

use datafusion::error::DataFusionError;
use tracing::level_filters::LevelFilter;

use crate::failure::Failure;
use crate::runtime;

/// The number of rows that are read at once. With texts of some kilobytes this is enough to keep all threads busy, and
/// needs little memory.
pub(crate) const BATCH: usize = 1024;

/// The runtime that queries run on.
pub(crate) fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    runtime::start(threads, STACK)
        .map_err(|error| Failure::because("the query engine cannot be started", &error))
}

/// Bytes of stack. Plans are trees that are walked by recursion; Ballista's own scheduler has as much.
const STACK: usize = 32 << 20;

/// Writes what DataFusion and Ballista log to standard error.
pub(crate) fn log_at(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .log_internal_errors(false)
        .with_ansi(false)
        .init();
}

/// The failure of a query.
pub(crate) fn failure(error: &DataFusionError) -> Failure {
    Failure::new(format!("the query failed: {}", message(error)))
}

/// The message of an error, without the layers that it passed.
pub(crate) fn message(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Context(context, error) => format!("{context}: {}", message(error)),
        DataFusionError::Shared(error) => message(error),
        DataFusionError::External(error) => match error.downcast_ref::<DataFusionError>() {
            Some(error) => message(error),
            None => error.to_string(),
        },
        DataFusionError::ArrowError(error, _) => error.to_string(),
        DataFusionError::Execution(message) => message.clone(),
        DataFusionError::Plan(message) => plain(message).to_owned(),
        _ => error.strip_backtrace(),
    }
}

/// The part of a message about wrong arguments that the function itself wrote.
fn plain(message: &str) -> &str {
    let own = message.split_once("user-defined coercion failed with: Error during planning: ");
    let own = own.and_then(|(_, rest)| rest.split_once(". No function matches"));
    own.map_or(message, |(own, _)| own)
}
