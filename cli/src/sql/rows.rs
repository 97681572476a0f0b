//! The rows of a result, in the form that is asked for.

use std::io::{self, Write};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::LineDelimitedWriter;
use datafusion::arrow::util::pretty::pretty_format_batches_with_schema;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use crate::args::SqlFormat;
use crate::failure::Failure;
use crate::sink::Sink;

/// Bytes that are encoded before they are written as a group of rows.
const GROUP_BYTES: usize = 64 << 20;

/// A writer of rows.
pub(super) enum Rows {
    /// Kept until the end: the columns are as wide as their widest row.
    Text {
        sink: Sink,
        schema: Arc<Schema>,
        batches: Vec<RecordBatch>,
    },
    Jsonl(LineDelimitedWriter<Sink>),
    Csv {
        writer: csv::Writer<Sink>,
        schema: Arc<Schema>,
        is_empty: bool,
    },
    Parquet(ArrowWriter<Sink>),
}

impl Rows {
    pub(super) fn new(format: SqlFormat, sink: Sink, schema: Arc<Schema>) -> Result<Self, Failure> {
        Ok(match format {
            SqlFormat::Text => Self::Text { sink, schema, batches: Vec::new() },
            SqlFormat::Jsonl => Self::Jsonl(LineDelimitedWriter::new(sink)),
            SqlFormat::Csv => {
                if let Some(field) = schema.fields().iter().find(|field| field.data_type().is_nested()) {
                    let name = field.name();
                    sink.abandon()?;
                    return Err(Failure::new(format!(
                        "CSV has no lists, and the column {name:?} has some; unnest it in the query, or use --format jsonl \
                         or parquet"
                    )));
                }
                Self::Csv { writer: csv::Writer::new(sink), schema, is_empty: true }
            }
            SqlFormat::Parquet => {
                let compression = Compression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(compression).build();
                let writer = ArrowWriter::try_new(sink, schema, Some(properties));
                Self::Parquet(writer.map_err(|error| unwritten(&error))?)
            }
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        match self {
            Self::Text { batches, .. } => {
                batches.push(batch.clone());
                Ok(())
            }
            Self::Jsonl(writer) => writer.write(batch).map_err(|error| unwritten(&error)),
            Self::Csv { writer, is_empty, .. } => {
                *is_empty = false;
                writer.write(batch).map_err(|error| unwritten(&error))
            }
            Self::Parquet(writer) => {
                writer.write(batch).map_err(|error| unwritten(&error))?;
                if writer.in_progress_size() > GROUP_BYTES {
                    writer.flush().map_err(|error| unwritten(&error))?;
                }
                Ok(())
            }
        }
    }

    /// Ends the output: it is complete.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Text { mut sink, schema, batches } => {
                let table = pretty_format_batches_with_schema(schema, &batches);
                let table = table.map_err(|error| unwritten(&error))?;
                writeln!(sink, "{table}").map_err(|error| unwritten(&error))?;
                sink.finish()
            }
            Self::Jsonl(mut writer) => {
                writer.finish().map_err(|error| unwritten(&error))?;
                writer.into_inner().finish()
            }
            Self::Csv { mut writer, schema, is_empty } => {
                if is_empty {
                    writer.write(&RecordBatch::new_empty(schema)).map_err(|error| unwritten(&error))?;
                }
                writer.into_inner().finish()
            }
            Self::Parquet(writer) => writer.into_inner().map_err(|error| unwritten(&error))?.finish(),
        }
    }

    /// Takes the output back: the query failed.
    pub(super) fn abandon(self) -> Result<(), Failure> {
        match self {
            Self::Text { sink, .. } => sink.abandon(),
            Self::Jsonl(writer) => writer.into_inner().abandon(),
            Self::Csv { writer, .. } => writer.into_inner().abandon(),
            // What was encoded is not written. On standard output nothing is taken back.
            Self::Parquet(writer) => writer.into_inner().map_err(|error| unwritten(&error))?.abandon(),
        }
    }
}

/// Errors of what writes rows.
trait Unwritten: std::error::Error {
    /// The error of the operating system, if it is one.
    fn of_system(&self) -> Option<&io::Error>;
}

impl Unwritten for io::Error {
    fn of_system(&self) -> Option<&io::Error> {
        Some(self)
    }
}

impl Unwritten for ArrowError {
    fn of_system(&self) -> Option<&io::Error> {
        match self {
            Self::IoError(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Unwritten for ParquetError {
    fn of_system(&self) -> Option<&io::Error> {
        match self {
            Self::External(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

fn unwritten(error: &impl Unwritten) -> Failure {
    match error.of_system() {
        Some(error) => Failure::because("the rows cannot be written", error),
        None => Failure::because("the rows cannot be written", error),
    }
}
