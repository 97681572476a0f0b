//! Documents as rows of Parquet.

use std::fmt;
use std::fs::File;
use std::io::{Read, stdin};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, RecordBatchReader};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, FieldRef, Fields, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;
use serde_json::value::RawValue;

use super::document::{Document, Field, Place, Results, Unread};
use super::table::column_of;
use crate::failure::Failure;
use crate::stream::{Opening, STANDARD_INPUT, too_long};

/// The number of rows that are decoded at once. A file of a kilobyte can have rows of megabytes, so there are few.
const ROWS: usize = 16;

/// The documents of a Parquet file. Its column `field` has the texts, by default the column `text` or the only column.
/// The bytes of the file that were read are counted as if all rows had the same size.
pub(super) fn read(path: &Path, field: Option<&str>, opening: &Opening) -> Result<Results, Failure> {
    let Opening { done, most, .. } = opening;
    let most = *most;
    let opened = guarded(|| open(path, most));
    let (name, all, mut reader) = opened
        .map_err(|panic| Failure::new(format!("{} cannot be read as Parquet: {panic}", path.display())))??;
    let (size, before, done) = (path.metadata().map_or(0, |data| data.len()), done.get(), Rc::clone(done));
    let file: Rc<str> = name.as_str().into();
    let schema = reader.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let column = column_of(names.iter().copied(), field)
        .map_err(|message| Failure::new(format!("{name}: {message}")))?;
    let of_text = schema.field(column).data_type();
    if !matches!(of_text, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        return Err(Failure::new(format!(
            "{name}: the column {:?} has values of type {of_text}, not text; choose another with --text-column",
            names[column]
        )));
    }
    let mut first = 1;
    let mut is_over = false;
    let batches = std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let (start, read) = (first, guarded(|| reader.next()));
        let batch = match read.map(|batch| batch.map(|batch| batch.map_err(|error| error.to_string()))) {
            Ok(None) => return None,
            Ok(Some(Ok(batch))) => Ok(batch),
            Ok(Some(Err(message))) | Err(message) => {
                is_over = true;
                Err(message)
            }
        };
        first += batch.as_ref().map_or(1, RecordBatch::num_rows) as u64;
        done.set(before + (size as f64 * (first - 1) as f64 / all.max(1) as f64) as u64);
        Some(rows(batch, column, Rc::clone(&file), start, most))
    });
    Ok(Box::new(batches.flatten()))
}

/// Runs `read`, and turns a panic of the Parquet library into a message: it checks damaged files, but not everything.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read))
        .map_err(|_| "the Parquet library panicked; the file is damaged".to_owned())
}

/// The name of a file, the number of its rows, and its rows. Standard input is read whole, at most `most` bytes.
fn open(path: &Path, most: u64) -> Result<(String, i64, ParquetRecordBatchReader), Failure> {
    let is_input = path == Path::new("-");
    let name = if is_input { STANDARD_INPUT.to_owned() } else { path.display().to_string() };
    let failed =
        |error: &dyn std::error::Error| Failure::because(format!("{name} cannot be read as Parquet"), error);
    let built = if is_input {
        let mut bytes = Vec::new();
        stdin()
            .lock()
            .take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| failed(&error))?;
        if bytes.len() as u64 > most {
            return Err(Failure::new(format!(
                "{name} has more than {most} bytes, and Parquet on standard input is read whole; write it to a file, or \
                 raise the limit with --max-bytes"
            )));
        }
        with_rows(Bytes::from(bytes))
    } else {
        let file = File::open(path).map_err(|error| failed(&error))?;
        with_rows(file)
    };
    let (rows, reader) = built.map_err(|error| failed(&error))?;
    Ok((name, rows, reader))
}

fn with_rows<T: ChunkReader + 'static>(file: T) -> Result<(i64, ParquetRecordBatchReader), ParquetError> {
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
    let fields: Fields = metadata.schema().fields().iter().map(without_copies).collect();
    let schema = Schema::new_with_metadata(fields, metadata.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)?;
    let rows = metadata.metadata().file_metadata().num_rows();
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    Ok((rows, builder.with_batch_size(ROWS).build()?))
}

/// `field` with types whose values are not copied for each row: many rows may have the same long value, which the file
/// has once.
fn without_copies(field: &FieldRef) -> FieldRef {
    // Categories, as pandas calls them, are read as what they name.
    let kind = match field.data_type() {
        DataType::Dictionary(_, value) => value,
        kind => kind,
    };
    let kind = match kind {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::List(item) => DataType::List(without_copies(item)),
        DataType::LargeList(item) => DataType::LargeList(without_copies(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(without_copies(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(without_copies).collect()),
        DataType::Map(entries, sorted) => DataType::Map(without_copies(entries), *sorted),
        kind => kind.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(kind))
}

/// The documents of `batch`, the first of which is in row `first`.
fn rows(
    batch: Result<RecordBatch, String>,
    column: usize,
    file: Rc<str>,
    first: u64,
    most: u64,
) -> impl Iterator<Item = Result<Document, Unread>> {
    let count = batch.as_ref().map_or(1, RecordBatch::num_rows);
    (0..count).map(move |row| {
        let place = Place { file: Rc::clone(&file), line: Some(first + row as u64) };
        let read = match &batch {
            Ok(batch) => guarded(|| fields(batch, column, row, most)).flatten(),
            Err(message) => Err(format!("this row and all rows after it cannot be read: {message}")),
        };
        match read {
            Ok((text, fields)) => Ok(Document { place, text, fields, end: None }),
            Err(message) => Err(Unread { place, failure: Failure::new(message) }),
        }
    })
}

/// A value as Arrow formats it, of at most `most` bytes.
struct Shown {
    text: String,
    most: u64,
    is_too_long: bool,
}

impl fmt::Write for Shown {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if (self.text.len() + part.len()) as u64 > self.most {
            self.is_too_long = true;
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

/// The value of `array` in the row `row`. A value of more than `most` bytes is an error.
fn shown(array: &dyn Array, row: usize, most: u64) -> Result<String, String> {
    let options = FormatOptions::new();
    let mut shown = Shown { text: String::new(), most, is_too_long: false };
    let formatter = ArrayFormatter::try_new(array, &options);
    match formatter.and_then(|formatter| formatter.value(row).write(&mut shown)) {
        Ok(()) => Ok(shown.text),
        Err(_) if shown.is_too_long => Err(too_long(most)),
        Err(error) => Err(format!("has a value that cannot be written: {error}")),
    }
}

/// The text of a row, in the column `column`, and the fields of the row. A text or a field of more than `most` bytes is
/// an error.
fn fields(
    batch: &RecordBatch,
    column: usize,
    row: usize,
    most: u64,
) -> Result<(String, Vec<(String, Field)>), String> {
    let texts = batch.column(column).as_string_view();
    if texts.is_null(row) {
        return Err("the text is null".to_owned());
    }
    let text = texts.value(row);
    if text.len() as u64 > most {
        return Err(format!("the text {}", too_long(most)));
    }
    let mut fields = Vec::with_capacity(batch.num_columns());
    for (at, (field, array)) in batch.schema_ref().fields().iter().zip(batch.columns()).enumerate() {
        let name = field.name().clone();
        if at == column {
            fields.push((name, Field::Text));
            continue;
        }
        let value = shown(array, row, most).map_err(|message| format!("the column {name:?} {message}"))?;
        // Numbers and Booleans keep their JSON types; other values become strings, as Arrow formats them.
        let plain = array.data_type().is_numeric() || matches!(array.data_type(), DataType::Boolean);
        let is_null = array.is_null(row) || *array.data_type() == DataType::Null;
        let field = match (is_null, plain) {
            (true, _) => Field::Other(RawValue::NULL.to_owned()),
            (false, true) => {
                RawValue::from_string(value.clone()).map_or_else(|_| Field::of(&value), Field::Other)
            }
            (false, false) => Field::of(&value),
        };
        fields.push((name, field));
    }
    Ok((text.to_owned(), fields))
}
