//! Documents as rows of Parquet.

use std::fs::File;
use std::io::{Read, stdin};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;
use serde_json::value::RawValue;

use super::document::{Document, Field, Place, Results, Unread};
use super::table::column_of;
use crate::failure::Failure;
use crate::stream::{Opening, STANDARD_INPUT, too_long};

/// The number of rows that are decoded at once.
const ROWS: usize = 1024;

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
        let place = Place { file: Rc::clone(&file), line: Some(first) };
        let read = guarded(|| {
            let batch = reader.next()?;
            let rows = |batch: RecordBatch| rows(&batch, column, &place, most);
            Some(batch.and_then(rows).map_err(|error| error.to_string()))
        });
        let rows = read.unwrap_or_else(|panic| Some(Err(panic)))?.unwrap_or_else(|error| {
            is_over = true;
            let failure = Failure::new(format!("this row and all rows after it cannot be read: {error}"));
            vec![Err(Unread { place, failure })]
        });
        first += rows.len() as u64;
        done.set(before + (size as f64 * (first - 1) as f64 / all.max(1) as f64) as u64);
        Some(rows)
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
        ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).and_then(with_rows)
    } else {
        let file = File::open(path).map_err(|error| failed(&error))?;
        ParquetRecordBatchReaderBuilder::try_new(file).and_then(with_rows)
    };
    let (rows, reader) = built.map_err(|error| failed(&error))?;
    Ok((name, rows, reader))
}

fn with_rows<T: ChunkReader + 'static>(
    builder: ParquetRecordBatchReaderBuilder<T>,
) -> Result<(i64, ParquetRecordBatchReader), ParquetError> {
    let rows = builder.metadata().file_metadata().num_rows();
    Ok((rows, builder.with_batch_size(ROWS).build()?))
}

/// The documents of `batch`, the first of which is at `first`. Texts of more than `most` bytes fail.
fn rows(
    batch: &RecordBatch,
    column: usize,
    first: &Place,
    most: u64,
) -> Result<Vec<Result<Document, Unread>>, arrow_schema::ArrowError> {
    let options = FormatOptions::new();
    let schema = batch.schema();
    let mut shown = Vec::new();
    for array in batch.columns() {
        shown.push((ArrayFormatter::try_new(array, &options)?, array));
    }
    let mut documents = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let line = first.line.map(|line| line + row as u64);
        let place = Place { line, ..first.clone() };
        let (formatter, texts) = &shown[column];
        if texts.is_null(row) {
            documents.push(Err(Unread { place, failure: Failure::new("the text is null") }));
            continue;
        }
        let mut fields = Vec::with_capacity(shown.len());
        for (at, (formatter, array)) in shown.iter().enumerate() {
            let name = schema.field(at).name().clone();
            if at == column {
                fields.push((name, Field::Text));
                continue;
            }
            let value = formatter.value(row).try_to_string()?;
            // Numbers and Booleans keep their JSON types; other values become strings, as Arrow formats them.
            let plain = array.data_type().is_numeric() || matches!(array.data_type(), DataType::Boolean);
            let field = match (array.is_null(row), plain) {
                (true, _) => Field::Other(RawValue::NULL.to_owned()),
                (false, true) => {
                    RawValue::from_string(value.clone()).map_or_else(|_| Field::of(&value), Field::Other)
                }
                (false, false) => Field::of(&value),
            };
            fields.push((name, field));
        }
        let text = formatter.value(row).try_to_string()?;
        documents.push(match text.len() as u64 > most {
            true => Err(Unread { place, failure: Failure::new(format!("the text {}", too_long(most))) }),
            false => Ok(Document { place, text, fields, end: None }),
        });
    }
    Ok(documents)
}
