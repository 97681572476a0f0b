//! Documents as JSON, one object per line.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::document::{Document, Field, Place, Unread};
use crate::failure::Failure;

/// The fields of an object, in the order and notation of the input.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the text in one of its fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The document in `line`, with its text in `field`.
pub(super) fn read(place: Place, line: &str, field: &str) -> Result<Document, Unread> {
    let failed = |message: String| Unread { place: place.clone(), failure: Failure::new(message) };
    let Fields(fields) =
        serde_json::from_str(line).map_err(|error| failed(format!("the line is not valid JSON: {error}")))?;
    let mut text = None;
    let mut names = Vec::new();
    let fields = fields.into_iter().map(|(name, value)| {
        names.push(format!("{name:?}"));
        if name == field && text.is_some() {
            return Err(failed(format!("the object has the field {field:?} twice")));
        }
        if name == field {
            let read: String = serde_json::from_str(value.get()).map_err(|_| {
                failed(format!("the field {field:?} is not a string; choose another with --text-field"))
            })?;
            text = Some(read);
            return Ok((name, Field::Text));
        }
        Ok((name, Field::Other(value)))
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    let Some(text) = text else {
        let others = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(failed(format!(
            "the object has no field {field:?}; its fields are: {others}; choose one with --text-field"
        )));
    };
    Ok(Document { place, text, fields, end: None })
}
