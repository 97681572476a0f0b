//! JSON: documents in the library's form, and in displaCy's.

use std::io::{self, Write};

use entopic::{Entity, GroupOptions, MentionGroup, Span, TaggedDocument, groups};
use serde::Serialize;
use serde_json::{Value, json};

use super::plain::write_fields;
use super::writer::{Problem, Streamed};
use crate::documents::document::Document;
use crate::offsets::{Offsets, Places};

/// The key of the results, next to the fields of the input. In an input that was tagged before, it is replaced.
pub(crate) const TAGGED: &str = "tagged";

/// Optional parts of a result in JSON.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) offsets: Offsets,
    pub(crate) groups: bool,
}

/// The result for a text, with its groups if they are requested.
#[derive(Serialize)]
struct WithGroups<'a, T> {
    #[serde(flatten)]
    found: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<MentionGroup>>,
}

impl Options {
    /// Writes the results for `text` as an object; its groups are those of `entities`.
    pub(crate) fn write_found(
        self,
        out: &mut dyn Write,
        text: &str,
        found: &impl Serialize,
        entities: &[Entity],
    ) -> io::Result<()> {
        let groups = self.groups.then(|| groups(text, entities, &GroupOptions::new()));
        let object = WithGroups { found, groups };
        if self.offsets != Offsets::Utf16 {
            return Ok(serde_json::to_writer(out, &object)?);
        }
        // Through its text, so that numbers keep their notation.
        let mut object: Value = serde_json::from_str(&serde_json::to_string(&object)?)?;
        add_utf16(&mut object, &Places::new(text, Offsets::Utf16));
        Ok(serde_json::to_writer(out, &object)?)
    }
}

impl Object for Options {
    fn write(&self, out: &mut dyn Write, document: &Document, tagged: &TaggedDocument) -> io::Result<()> {
        self.write_found(out, &document.text, tagged, &tagged.entities)
    }
}

/// Adds the offsets in UTF-16 to each span in `value`.
fn add_utf16(value: &mut Value, places: &Places<'_>) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| add_utf16(value, places)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| add_utf16(value, places));
            if let Some(span) = fields.get_mut("span")
                && let Ok(read) = serde_json::from_value::<Span>(span.clone())
                && let Value::Object(units) = span
            {
                let place = places.of(&read);
                units.insert("utf16".into(), json!({"start": place.start, "end": place.end}));
            }
        }
        _ => {}
    }
}

/// A document as an object.
pub(super) trait Object {
    fn write(&self, out: &mut dyn Write, document: &Document, tagged: &TaggedDocument) -> io::Result<()>;
}

/// One document: one object.
pub(super) struct One<O>(pub(super) O);

impl<O: Object> Streamed for One<O> {
    fn document(
        &mut self,
        out: &mut dyn Write,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem> {
        self.0.write(out, document, tagged)?;
        Ok(out.write_all(b"\n")?)
    }
}

/// Several documents: a list of their objects.
pub(super) struct List<O> {
    object: O,
    is_first: bool,
}

impl<O> List<O> {
    pub(super) fn new(object: O) -> Self {
        Self { object, is_first: true }
    }
}

impl<O: Object> Streamed for List<O> {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"[")
    }

    fn document(
        &mut self,
        out: &mut dyn Write,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem> {
        out.write_all(if std::mem::take(&mut self.is_first) { b"\n" } else { b",\n" })?;
        Ok(self.object.write(out, document, tagged)?)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"\n]\n")
    }
}

/// One line per document: the unchanged fields of the input, and the results.
pub(super) struct Lines(pub(super) Options);

impl Streamed for Lines {
    fn document(
        &mut self,
        out: &mut dyn Write,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem> {
        out.write_all(b"{")?;
        let has_fields = write_fields(out, document, &document.text, |name| name != TAGGED)?;
        write!(out, "{}\"{TAGGED}\":", if has_fields { "," } else { "" })?;
        self.0.write(out, document, tagged)?;
        Ok(out.write_all(b"}\n")?)
    }
}

/// The input of displaCy.
pub(super) struct Displacy;

impl Object for Displacy {
    fn write(&self, out: &mut dyn Write, document: &Document, tagged: &TaggedDocument) -> io::Result<()> {
        Ok(serde_json::to_writer(out, &tagged.to_displacy(&document.text))?)
    }
}
