//! CSV: one row per document, with the unchanged fields of the input, its topic, and its entities as JSON.

use std::io::Write;

use entopic::{FoundBy, TaggedDocument};
use serde::Serialize;

use super::plain::cell;
use super::writer::{Problem, Streamed};
use crate::documents::document::Document;
use crate::failure::Failure;
use crate::offsets::{Offsets, Places};
use crate::output;

/// The columns after those of the input.
const COLUMNS: [&str; 3] = ["topic", "topic_score", "entities"];

pub(super) struct Table {
    offsets: Offsets,
    /// The columns of the input, once the first row is written.
    columns: Option<Vec<String>>,
}

/// An entity in a cell.
#[derive(Serialize)]
struct Cell<'a> {
    start: usize,
    end: usize,
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    text: &'a str,
    score: f32,
    found_by: FoundBy,
}

impl Table {
    pub(super) fn new(offsets: Offsets) -> Self {
        Self { offsets, columns: None }
    }
}

impl Streamed for Table {
    fn document(
        &mut self,
        out: &mut dyn Write,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem> {
        let own: Vec<&str> = document.fields.iter().map(|(name, _)| name.as_str()).collect();
        if let Some(name) = own.iter().find(|name| COLUMNS.contains(name)) {
            return Err(Problem::Document(Failure::new(format!(
                "it has a field {name:?}, which is a column of the results; rename it, or use --format jsonl"
            ))));
        }
        let mut rows = csv::Writer::from_writer(Vec::new());
        let written = |result: csv::Result<()>| {
            result.map_err(|error| Problem::Document(Failure::because("it cannot be written as CSV", &error)))
        };
        match &self.columns {
            None => {
                self.columns = Some(own.iter().map(|name| (*name).to_owned()).collect());
                written(rows.write_record(own.iter().copied().chain(COLUMNS)))?;
            }
            Some(columns) if own != *columns => {
                return Err(Problem::Document(Failure::new(format!(
                    "its fields are {}, but those of the first document are {}; CSV needs the same fields in all \
                     documents, so use --format jsonl",
                    own.join(", "),
                    columns.join(", ")
                ))));
            }
            Some(_) => {}
        }
        let places = Places::new(&document.text, self.offsets);
        let entities = tagged.entities.iter().map(|entity| {
            let place = places.of(&entity.span);
            let (label, kind) = (entity.label.as_str(), entity.kind.as_deref());
            Cell {
                start: place.start,
                end: place.end,
                label,
                kind,
                text: &entity.text,
                score: entity.score,
                found_by: entity.found_by,
            }
        });
        let entities = output::json(&entities.collect::<Vec<_>>()).map_err(Problem::Document)?;
        let cells = document.fields.iter().map(|(_, field)| cell(field, &document.text));
        let (topic, score) = match tagged.topics.first() {
            Some(topic) => (topic.label.clone(), topic.score.to_string()),
            None => (String::new(), String::new()),
        };
        written(rows.write_record(cells.chain([topic, score, entities])))?;
        let row = rows.into_inner().map_err(|error| Problem::Output(error.into_error()))?;
        Ok(out.write_all(&row)?)
    }
}
