//! The options of `entopic sql` and of the parts of a cluster.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::models::Models;

/// Run an SQL query over a file, with entities and topics as functions.
#[derive(Debug, Args)]
#[command(after_help = SQL_HELP)]
pub(crate) struct SqlArgs {
    /// The table `documents`: a file of Parquet, CSV or JSON lines (.parquet, .csv, .jsonl, .ndjson), or a folder of
    /// Parquet files
    pub(crate) file: PathBuf,
    /// The query, in DataFusion's SQL
    pub(crate) query: String,
    /// Stop the query if a text fails, instead of writing null in its row
    #[arg(long)]
    pub(crate) strict: bool,
    /// Run the query on the cluster of this scheduler. Its executors have their own models and options, and must find
    /// the file under the same name
    #[cfg(feature = "cluster")]
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["strict", "Models", "Topics", "Entities", "RuleOptions",
        "RunOptions", "Places"])]
    pub(crate) scheduler: Option<String>,
    /// The format of the rows. `text` keeps all of them in memory; the other formats stream them
    #[arg(long, value_enum, default_value_t = SqlFormat::Text)]
    pub(crate) format: SqlFormat,
    /// Write the rows to this file; it is named FILE.partial until it is complete [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) models: Models,
}

const SQL_HELP: &str = "Functions:
  entities(text)           list of structs: start, end (in characters), label, kind, text, score, found_by
  topics(text [, labels])  list of structs, the likeliest first: label, score, fit
  topic(text [, labels])   the likeliest label
  redact(text)             the text without its entities
labels is a list of strings, such as ['sport', 'politics']; without it the topics are those of --topics.

Examples:
  entopic sql news.parquet \"SELECT topic(text) AS topic, count(*) FROM documents GROUP BY topic\"
  entopic sql news.parquet \"SELECT id, entities(text) AS entities FROM documents\" --format parquet -o tagged.parquet";

/// The format of a result's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SqlFormat {
    /// A plain-text table
    Text,
    /// One line of JSON per row
    Jsonl,
    /// CSV, with a header row
    Csv,
    /// Parquet
    Parquet,
}

/// Plan the queries of a cluster and distribute them to its executors. Anyone who can reach it can run queries, which
/// read and write files: use it only in a network that you trust.
#[cfg(feature = "cluster")]
#[derive(Debug, Args)]
#[command(after_help = CLUSTER_HELP)]
pub(crate) struct SchedulerArgs {
    /// The address and port to listen on
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:50050")]
    pub(crate) listen: std::net::SocketAddr,
    /// The name or address under which executors reach it [default: that of --listen]
    #[arg(long, value_name = "HOST")]
    pub(crate) external_host: Option<String>,
}

/// Run parts of queries for the scheduler of a cluster, with models that are loaded once. Anyone who can reach it can
/// run queries, which read and write files: use it only in a network that you trust.
#[cfg(feature = "cluster")]
#[derive(Debug, Args)]
#[command(after_help = CLUSTER_HELP)]
pub(crate) struct ExecutorArgs {
    /// The address and port of the scheduler
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:50050")]
    pub(crate) scheduler: String,
    /// The address and port from which others fetch results
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:50051")]
    pub(crate) listen: std::net::SocketAddr,
    /// The port for the scheduler's requests [default: the next port after that of --listen]
    #[arg(long, value_name = "PORT")]
    pub(crate) control_port: Option<u16>,
    /// The name or address under which others reach it [default: that of --listen]
    #[arg(long, value_name = "HOST")]
    pub(crate) external_host: Option<String>,
    /// The folder for parts of results [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub(crate) work_dir: Option<PathBuf>,
    /// Stop a query if a text fails, instead of writing null in its row
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) models: Models,
}

#[cfg(feature = "cluster")]
const CLUSTER_HELP: &str = "Example:
  entopic scheduler &
  entopic executor --threads 1 --listen 127.0.0.1:50051 &
  entopic executor --threads 1 --listen 127.0.0.1:50061 &
  entopic sql news.parquet \"SELECT topic(text) FROM documents\" --scheduler localhost:50050";
