//! `entopic sql`: queries over a file, with entities and topics as functions.

mod rows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{
    CsvReadOptions, JsonReadOptions, ParquetReadOptions, SessionConfig, SessionContext,
};
use entopic_datafusion::Functions;
use futures_util::TryStreamExt;
use tracing::level_filters::LevelFilter;
use url::Url;

use self::rows::{Rows, Unwritten};
use crate::args::query::SqlArgs;
use crate::failure::Failure;
use crate::load;
use crate::query::{BATCH, failure, log_at, message, runtime};
use crate::sink::Sink;

/// The name of the file's table.
const TABLE: &str = "documents";

pub(crate) fn run(args: &SqlArgs) -> Result<ExitCode, Failure> {
    log_at(if is_remote(args) { LevelFilter::OFF } else { LevelFilter::WARN });
    let threads = args.models.run.threads();
    let runtime = runtime(threads)?;
    let ended = runtime.block_on(async {
        let context = context(args, threads).await?;
        register(&context, &args.file).await?;
        let frame = context.sql(&args.query).await.map_err(|error| failure(&error))?;
        let schema: Arc<Schema> = Arc::clone(frame.schema().inner());
        let stream = frame.execute_stream().await.map_err(|error| failure(&error))?;
        let sink = match &args.output {
            Some(path) => Sink::create(path)?,
            None => Sink::standard_output(),
        };
        let unfinished = sink.unfinished();
        let format = args.format;
        let written = tokio::spawn(async move { write(stream, Rows::new(format, sink, schema)?).await });
        let ended = tokio::select! {
            written = written => match written {
                Ok(Ok(())) => return Ok(ExitCode::SUCCESS),
                Ok(Err(Unwritten::Closed)) => Ok(ExitCode::SUCCESS),
                Ok(Err(Unwritten::Failed(failure))) => Err(failure),
                Err(error) => Err(Failure::because("the query failed", &error)),
            },
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(130)),
        };
        if let Some(path) = unfinished {
            // If it cannot be removed, what made the query fail is the better message.
            let _ = fs::remove_file(path);
        }
        ended
    });
    // A model that is still reading is not waited for.
    runtime.shutdown_background();
    ended
}

#[cfg(feature = "cluster")]
fn is_remote(args: &SqlArgs) -> bool {
    args.scheduler.is_some()
}

#[cfg(not(feature = "cluster"))]
fn is_remote(_: &SqlArgs) -> bool {
    false
}

/// A context that runs queries in this process, or on a cluster.
async fn context(args: &SqlArgs, threads: usize) -> Result<SessionContext, Failure> {
    #[cfg(feature = "cluster")]
    if let Some(scheduler) = &args.scheduler {
        return crate::cluster::context(scheduler).await;
    }
    let config = SessionConfig::new()
        .with_batch_size(BATCH)
        .with_target_partitions(threads)
        .with_information_schema(true);
    let context = SessionContext::new_with_config(config);
    Functions::new(load::tagger(&args.models)?).strict(args.strict).register(&context);
    Ok(context)
}

/// Makes `file` a table: a file of Parquet, CSV or JSON lines, or a folder of Parquet files.
async fn register(context: &SessionContext, file: &Path) -> Result<(), Failure> {
    let name = file.display().to_string();
    let url = url_of(file).map_err(|error| Failure::because(format!("{name} cannot be read"), &error))?;
    let own = file.extension().map(|extension| extension.to_string_lossy().into_owned());
    let own = own.unwrap_or_default();
    let parquet =
        |extension| ParquetReadOptions { file_extension: extension, ..ParquetReadOptions::default() };
    let registered = match own.to_lowercase().as_str() {
        _ if file.is_dir() => {
            if !has_parquet(file) {
                return Err(Failure::new(format!("the folder {name} has no .parquet file")));
            }
            context.register_parquet(TABLE, url, parquet(".parquet")).await
        }
        "parquet" => context.register_parquet(TABLE, url, parquet(&own)).await,
        "csv" => context.register_csv(TABLE, url, CsvReadOptions::default().file_extension(&own)).await,
        "jsonl" | "ndjson" => {
            context.register_json(TABLE, url, JsonReadOptions::default().file_extension(&own)).await
        }
        _ => {
            return Err(Failure::new(format!(
                "{name} cannot be read as a table: its name must end in .parquet, .csv, .jsonl or .ndjson, or it must be a \
                 folder of Parquet files"
            )));
        }
    };
    registered.map_err(|error| Failure::new(format!("{name} cannot be read as a table: {}", message(&error))))
}

/// The URL of a file or folder. In a plain path, brackets and colons would be patterns and schemes.
fn url_of(file: &Path) -> std::io::Result<String> {
    let path: PathBuf = std::path::absolute(file)?;
    let url = match fs::metadata(file)?.is_dir() {
        true => Url::from_directory_path(path),
        false => Url::from_file_path(path),
    };
    url.map(String::from).map_err(|()| std::io::Error::other("its path has no URL"))
}

/// True if a folder, or one within it, has a Parquet file.
fn has_parquet(folder: &Path) -> bool {
    let files = walkdir::WalkDir::new(folder).follow_links(true).into_iter().flatten();
    files.into_iter().any(|file| file.path().extension().is_some_and(|extension| extension == "parquet"))
}

/// Writes the rows while the query runs.
async fn write(mut stream: SendableRecordBatchStream, mut rows: Rows) -> Result<(), Unwritten> {
    while let Some(batch) = stream.try_next().await.map_err(|error| failure(&error))? {
        rows.write(&batch)?;
    }
    rows.finish()
}
