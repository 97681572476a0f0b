//! The rows of a result, in the format of the output.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::WriterBuilder;
use datafusion::arrow::json::writer::{LineDelimited, Writer};
use datafusion::arrow::util::pretty::pretty_format_batches_with_schema;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use crate::args::query::SqlFormat;
use crate::failure::Failure;
use crate::sink::Sink;

/// The number of encoded bytes that are collected for one row group.
const GROUP_BYTES: usize = 64 << 20;

/// The reason for which rows are not written.
pub(super) enum Unwritten {
    /// The reader of standard output has gone away, such as `head`.
    Closed,
    Failed(Failure),
}

/// A writer of rows. If it is dropped before [`finish`](Self::finish), the output is incomplete.
pub(super) enum Rows {
    /// Rows are kept until the end, since a column is as wide as its widest row.
    Text {
        sink: Sink,
        schema: Arc<Schema>,
        batches: Vec<RecordBatch>,
    },
    Jsonl(Writer<Sink, LineDelimited>),
    Csv {
        writer: csv::Writer<Sink>,
        schema: Arc<Schema>,
        is_empty: bool,
    },
    Parquet(ArrowWriter<Sink>),
}

impl Rows {
    pub(super) fn new(format: SqlFormat, sink: Sink, schema: Arc<Schema>) -> Result<Self, Unwritten> {
        let mut names = HashSet::new();
        if let Some(twice) = schema.fields().iter().find(|field| !names.insert(field.name())) {
            let name = twice.name();
            return Err(Failure::new(format!("two columns are named {name:?}; rename one with AS")).into());
        }
        Ok(match format {
            SqlFormat::Text => Self::Text { sink, schema, batches: Vec::new() },
            SqlFormat::Jsonl => Self::Jsonl(WriterBuilder::new().with_explicit_nulls(true).build(sink)),
            SqlFormat::Csv => {
                if let Some(field) = schema.fields().iter().find(|field| field.data_type().is_nested()) {
                    let name = field.name();
                    return Err(Failure::new(format!(
                        "CSV has no lists, but the column {name:?} has; unnest it in the query, or use --format jsonl or \
                         parquet"
                    ))
                    .into());
                }
                Self::Csv { writer: csv::Writer::new(sink), schema, is_empty: true }
            }
            SqlFormat::Parquet => {
                let compression = Compression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(compression).build();
                Self::Parquet(ArrowWriter::try_new(sink, schema, Some(properties))?)
            }
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Unwritten> {
        match self {
            Self::Text { batches, .. } => batches.push(batch.clone()),
            Self::Jsonl(writer) => writer.write(batch)?,
            Self::Csv { writer, is_empty, .. } => {
                *is_empty = false;
                writer.write(batch)?;
            }
            Self::Parquet(writer) => {
                writer.write(batch)?;
                if writer.in_progress_size() > GROUP_BYTES {
                    writer.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Ends the output: it is complete.
    pub(super) fn finish(self) -> Result<(), Unwritten> {
        let mut sink = match self {
            Self::Text { mut sink, schema, batches } => {
                writeln!(sink, "{}", pretty_format_batches_with_schema(schema, &batches)?)?;
                sink
            }
            Self::Jsonl(mut writer) => {
                writer.finish()?;
                writer.into_inner()
            }
            Self::Csv { mut writer, schema, is_empty } => {
                if is_empty {
                    writer.write(&RecordBatch::new_empty(schema))?;
                }
                writer.into_inner()
            }
            Self::Parquet(writer) => writer.into_inner()?,
        };
        sink.flush()?;
        Ok(sink.finish()?)
    }
}

impl From<Failure> for Unwritten {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(Failure::because("the rows cannot be written", &error)),
        }
    }
}

impl From<ArrowError> for Unwritten {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => error.into(),
            ArrowError::CsvError(message) => {
                Failure::new(format!("the rows cannot be written: {message}")).into()
            }
            error => Failure::because("the rows cannot be written", &error).into(),
        }
    }
}

impl From<ParquetError> for Unwritten {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(error) => match error.downcast::<io::Error>() {
                Ok(error) => (*error).into(),
                Err(error) => Failure::new(format!("the rows cannot be written: {error}")).into(),
            },
            error => Failure::because("the rows cannot be written", &error).into(),
        }
    }
}
