//! `entopic sql`: queries over a file, with entities and topics as functions.

mod rows;

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::error::DataFusionError;
use datafusion::prelude::{
    CsvReadOptions, DataFrame, JsonReadOptions, ParquetReadOptions, SessionConfig, SessionContext,
};
use entopic_datafusion::Functions;
use futures_util::TryStreamExt;
use tracing::level_filters::LevelFilter;

use self::rows::Rows;
use crate::args::SqlArgs;
use crate::failure::Failure;
use crate::load;
use crate::sink::Sink;

/// The name of the file's table.
const TABLE: &str = "documents";

/// Rows that are read at once. With texts of some kilobytes this is enough to keep all threads busy, and little memory.
const BATCH: usize = 1024;

pub(crate) fn run(args: &SqlArgs) -> Result<(), Failure> {
    log_at(LevelFilter::WARN);
    runtime()?.block_on(async {
        let context = context(args).await?;
        register(&context, &args.file).await?;
        let frame = context.sql(&args.query).await.map_err(|error| failure(&error))?;
        write(frame, args).await
    })
}

/// A context that runs queries in this process, or on a cluster.
async fn context(args: &SqlArgs) -> Result<SessionContext, Failure> {
    #[cfg(feature = "cluster")]
    if let Some(scheduler) = &args.scheduler {
        return crate::cluster::context(scheduler).await;
    }
    let config = SessionConfig::new().with_batch_size(BATCH).with_information_schema(true);
    let context = SessionContext::new_with_config(config);
    Functions::new(load::tagger(&args.models)?).strict(args.strict).register(&context);
    Ok(context)
}

/// Makes `file` a table: a file of Parquet, CSV or JSON lines, or a folder of Parquet files.
async fn register(context: &SessionContext, file: &Path) -> Result<(), Failure> {
    let name = file.display().to_string();
    if let Err(error) = std::fs::metadata(file) {
        return Err(Failure::because(format!("{name} cannot be read"), &error));
    }
    let extension = file.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let registered = match extension.as_deref() {
        _ if file.is_dir() => context.register_parquet(TABLE, &name, ParquetReadOptions::default()).await,
        Some("parquet") => context.register_parquet(TABLE, &name, ParquetReadOptions::default()).await,
        Some("csv") => context.register_csv(TABLE, &name, CsvReadOptions::default()).await,
        Some(extension @ ("jsonl" | "ndjson" | "json")) => {
            let options = JsonReadOptions::default().file_extension(extension);
            context.register_json(TABLE, &name, options).await
        }
        _ => {
            return Err(Failure::new(format!(
                "{name} is no table: its name ends in neither .parquet, .csv, .jsonl nor .ndjson, and it is no folder of \
                 Parquet files"
            )));
        }
    };
    registered.map_err(|error| Failure::because(format!("{name} cannot be read as a table"), &error))
}

/// Writes the rows while the query runs. A file has its name when it is complete.
async fn write(frame: DataFrame, args: &SqlArgs) -> Result<(), Failure> {
    let schema: Arc<Schema> = Arc::clone(frame.schema().inner());
    let mut stream = frame.execute_stream().await.map_err(|error| failure(&error))?;
    let sink = match &args.output {
        Some(path) => Sink::create(path)?,
        None => Sink::standard_output(),
    };
    let mut rows = Rows::new(args.format, sink, schema)?;
    loop {
        match stream.try_next().await {
            Ok(Some(batch)) => rows.write(&batch)?,
            Ok(None) => return rows.finish(),
            Err(error) => {
                rows.abandon()?;
                return Err(failure(&error));
            }
        }
    }
}

/// The runtime that queries run on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // A plan is a tree that is walked by recursion.
    builder.enable_all().thread_stack_size(STACK);
    builder.build().map_err(|error| Failure::because("the query engine cannot be started", &error))
}

/// Bytes of stack: as much as Ballista's own scheduler has.
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
    Failure::new(format!("the query failed: {}", error.strip_backtrace()))
}
