//! Parquet: one row per document, with lists of its entities and topics.

use std::io;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, StringBuilder, UInt64Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use entopic::TaggedDocument;
use entopic_arrow::{EntityColumn, TopicColumn};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::writer::{Problem, Writer};
use crate::documents::document::{Document, Field as DocumentField};
use crate::failure::Failure;
use crate::offsets::{Offsets, Places};
use crate::output;
use crate::sink::{Sink, unwritten};

/// The number of rows, and of bytes of their texts and fields, that are collected for one batch.
const ROWS: usize = 1024;
const BYTES: usize = 16 << 20;

/// The most bytes of one document. A batch has at most these and [`BYTES`], and Arrow counts bytes in 31 bits.
const MOST_BYTES: usize = 1 << 30;

/// The number of encoded bytes that are collected for one row group.
const GROUP_BYTES: usize = 64 << 20;

pub(super) struct Table {
    writer: ArrowWriter<Sink>,
    /// The name of the output in messages.
    name: String,
    rows: Rows,
    /// The bytes of their texts and fields.
    bytes: usize,
    offsets: Offsets,
}

/// The columns of the next batch.
struct Rows {
    file: StringBuilder,
    line: UInt64Builder,
    fields: StringBuilder,
    text: StringBuilder,
    entities: EntityColumn,
    topics: TopicColumn,
}

impl Rows {
    fn new() -> Self {
        Self {
            file: StringBuilder::new(),
            line: UInt64Builder::new(),
            fields: StringBuilder::new(),
            text: StringBuilder::new(),
            entities: EntityColumn::new(),
            topics: TopicColumn::new(),
        }
    }

    /// Adds a document, and returns its bytes.
    fn push(
        &mut self,
        document: &Document,
        tagged: &TaggedDocument,
        offsets: Offsets,
    ) -> Result<usize, Failure> {
        let fields = output::json(&Others(document))?;
        let bytes = fields.len() + document.text.len();
        if bytes > MOST_BYTES {
            return Err(Failure::new(format!(
                "the document has {bytes} bytes, but a row of Parquet has at most {MOST_BYTES}"
            )));
        }
        let places = Places::new(&document.text, offsets);
        let placed = tagged.entities.iter().map(|entity| (entity, places.of(&entity.span)));
        self.entities.push(placed).map_err(|error| too_much(&error))?;
        self.topics.push(&tagged.topics).map_err(|error| too_much(&error))?;
        self.file.append_value(&*document.place.file);
        self.line.append_option(document.place.line);
        self.fields.append_value(fields);
        self.text.append_value(&document.text);
        Ok(bytes)
    }

    fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.file.finish()),
            Arc::new(self.line.finish()),
            Arc::new(self.fields.finish()),
            Arc::new(self.text.finish()),
            Arc::new(self.entities.finish()?),
            Arc::new(self.topics.finish()?),
        ];
        RecordBatch::try_new(schema(), columns)
    }
}

/// The fields of a document that are not its text.
struct Others<'a>(&'a Document);

impl Serialize for Others<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, field) in &self.0.fields {
            if let DocumentField::Other(value) = field {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// The failure of results that are too large for a column.
fn too_much(error: &ArrowError) -> Failure {
    Failure::because("the document does not fit into Parquet", error)
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new("file", DataType::Utf8, false),
        Field::new("line", DataType::UInt64, true),
        Field::new("fields", DataType::Utf8, false),
        Field::new("text", DataType::Utf8, false),
        Field::new("entities", EntityColumn::data_type(), false),
        Field::new("topics", TopicColumn::data_type(), false),
    ]))
}

impl Table {
    pub(super) fn new(out: Sink, offsets: Offsets) -> Result<Self, Failure> {
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let name = out.name().to_owned();
        let writer = ArrowWriter::try_new(out, schema(), Some(properties));
        let writer = writer.map_err(|error| unwritten(&name, &cause(error)))?;
        Ok(Self { writer, name, rows: Rows::new(), bytes: 0, offsets })
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let batch = self.rows.batch().map_err(io::Error::other)?;
        self.bytes = 0;
        self.writer.write(&batch).map_err(cause)?;
        match self.writer.in_progress_size() > GROUP_BYTES {
            true => self.writer.flush().map_err(cause),
            false => Ok(()),
        }
    }
}

/// The error of the output, if that is the cause: a pipe that its reader closed is no failure.
fn cause(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => cause.downcast().map_or_else(io::Error::other, |cause| *cause),
        error => io::Error::other(error),
    }
}

impl Writer for Table {
    fn write(&mut self, document: &Document, tagged: &TaggedDocument) -> Result<(), Problem> {
        self.bytes += self.rows.push(document, tagged, self.offsets).map_err(Problem::Document)?;
        if self.rows.file.len() >= ROWS || self.bytes >= BYTES {
            self.hand_over()?;
        }
        Ok(())
    }

    fn failure(&self, error: &io::Error) -> Failure {
        unwritten(&self.name, error)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        let name = std::mem::take(&mut self.name);
        let ended = self.hand_over().and_then(|()| self.writer.into_inner().map_err(cause));
        match ended {
            Ok(out) => out.finish(),
            // The reader has gone away.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(unwritten(&name, &error)),
        }
    }
}
