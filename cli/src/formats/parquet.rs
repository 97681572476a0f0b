//! Parquet: a row for each document, with lists of its entities and topics.

use std::io;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, Float32Builder, ListBuilder, StringBuilder, StructBuilder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema};
use entopic::TaggedDocument;
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
use crate::sink::Sink;

/// Rows, and bytes of texts, that are kept before they are handed over as one batch.
const ROWS: usize = 1024;
const BYTES: usize = 16 << 20;

/// Bytes that are encoded before they are written as a group of rows.
const GROUP_BYTES: usize = 64 << 20;

pub(super) struct Table {
    writer: ArrowWriter<Sink>,
    rows: Rows,
    /// Of their texts.
    bytes: usize,
    offsets: Offsets,
}

/// The columns of the next batch.
struct Rows {
    file: StringBuilder,
    line: UInt64Builder,
    fields: StringBuilder,
    text: StringBuilder,
    entities: ListBuilder<StructBuilder>,
    topics: ListBuilder<StructBuilder>,
}

fn of_entities() -> Fields {
    Fields::from(vec![
        Field::new("start", DataType::UInt64, false),
        Field::new("end", DataType::UInt64, false),
        Field::new("label", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, true),
        Field::new("text", DataType::Utf8, false),
        Field::new("score", DataType::Float32, false),
        Field::new("found_by", DataType::Utf8, false),
    ])
}

fn of_topics() -> Fields {
    Fields::from(vec![
        Field::new("label", DataType::Utf8, false),
        Field::new("score", DataType::Float32, false),
        Field::new("fit", DataType::Float32, false),
    ])
}

fn list(fields: Fields) -> (ListBuilder<StructBuilder>, Arc<Field>) {
    let item = Arc::new(Field::new("item", DataType::Struct(fields.clone()), false));
    let builder = ListBuilder::new(StructBuilder::from_fields(fields, 0)).with_field(Arc::clone(&item));
    (builder, item)
}

impl Rows {
    fn new() -> Self {
        Self {
            file: StringBuilder::new(),
            line: UInt64Builder::new(),
            fields: StringBuilder::new(),
            text: StringBuilder::new(),
            entities: list(of_entities()).0,
            topics: list(of_topics()).0,
        }
    }

    fn push(
        &mut self,
        document: &Document,
        tagged: &TaggedDocument,
        offsets: Offsets,
    ) -> Result<(), Failure> {
        self.file.append_value(&*document.place.file);
        self.line.append_option(document.place.line);
        self.fields.append_value(output::json(&Others(document))?);
        self.text.append_value(&document.text);
        let places = Places::new(&document.text, offsets);
        let entities = self.entities.values();
        for entity in &tagged.entities {
            let place = places.of(&entity.span);
            column::<UInt64Builder>(entities, 0)?.append_value(place.start as u64);
            column::<UInt64Builder>(entities, 1)?.append_value(place.end as u64);
            column::<StringBuilder>(entities, 2)?.append_value(&entity.label);
            column::<StringBuilder>(entities, 3)?.append_option(entity.kind.as_ref());
            column::<StringBuilder>(entities, 4)?.append_value(&entity.text);
            column::<Float32Builder>(entities, 5)?.append_value(entity.score);
            column::<StringBuilder>(entities, 6)?.append_value(entity.found_by.to_string());
            entities.append(true);
        }
        self.entities.append(true);
        let topics = self.topics.values();
        for topic in &tagged.topics {
            column::<StringBuilder>(topics, 0)?.append_value(&topic.label);
            column::<Float32Builder>(topics, 1)?.append_value(topic.score);
            column::<Float32Builder>(topics, 2)?.append_value(topic.fit);
            topics.append(true);
        }
        self.topics.append(true);
        Ok(())
    }

    fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.file.finish()),
            Arc::new(self.line.finish()),
            Arc::new(self.fields.finish()),
            Arc::new(self.text.finish()),
            Arc::new(self.entities.finish()),
            Arc::new(self.topics.finish()),
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

/// Column `at` of a struct.
fn column<B: ArrayBuilder>(of: &mut StructBuilder, at: usize) -> Result<&mut B, Failure> {
    of.field_builder(at)
        .ok_or_else(|| Failure::new(format!("column {at} of the Parquet file has another type")))
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new("file", DataType::Utf8, false),
        Field::new("line", DataType::UInt64, true),
        Field::new("fields", DataType::Utf8, false),
        Field::new("text", DataType::Utf8, false),
        Field::new("entities", DataType::List(list(of_entities()).1), false),
        Field::new("topics", DataType::List(list(of_topics()).1), false),
    ]))
}

impl Table {
    pub(super) fn new(out: Sink, offsets: Offsets) -> Result<Self, Failure> {
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let writer =
            ArrowWriter::try_new(out, schema(), Some(properties)).map_err(|error| failure(&error))?;
        Ok(Self { writer, rows: Rows::new(), bytes: 0, offsets })
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let batch = self.rows.batch().map_err(io::Error::other)?;
        self.bytes = 0;
        self.writer.write(&batch).map_err(io::Error::other)?;
        match self.writer.in_progress_size() > GROUP_BYTES {
            true => self.writer.flush().map_err(io::Error::other),
            false => Ok(()),
        }
    }
}

fn failure(error: &ParquetError) -> Failure {
    Failure::because("Parquet cannot be written", error)
}

impl Writer for Table {
    fn write(&mut self, document: &Document, tagged: &TaggedDocument) -> Result<(), Problem> {
        self.rows.push(document, tagged, self.offsets).map_err(Problem::Document)?;
        self.bytes += document.text.len();
        if self.rows.file.len() >= ROWS || self.bytes >= BYTES {
            self.hand_over()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        self.hand_over().map_err(|error| Failure::because("Parquet cannot be written", &error))?;
        self.writer.into_inner().map_err(|error| failure(&error))?.finish()
    }
}
