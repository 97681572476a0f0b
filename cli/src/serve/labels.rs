//! Labels in the body of a request: each a name, or an object with a name and more.

use std::fmt;

use entopic::Label;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The maximum number of labels in a request.
pub(super) const MOST: usize = 500;

/// The maximum number of bytes of all labels, descriptions and examples in a request.
pub(super) const MOST_BYTES: usize = 1 << 18;

/// Reads a list of labels, or null; refuses it as soon as it is too long.
pub(super) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Label>>, D::Error> {
    from.deserialize_option(Labels)
}

/// Returns what is wrong with `count` labels of `bytes` bytes, if they are too many.
pub(super) fn check(count: usize, bytes: usize) -> Result<(), String> {
    match count > MOST || bytes > MOST_BYTES {
        true => Err(format!(
            "a request may have at most {MOST} labels of {MOST_BYTES} bytes in all; send fewer or shorter ones"
        )),
        false => Ok(()),
    }
}

struct Labels;

impl<'de> Visitor<'de> for Labels {
    type Value = Option<Vec<Label>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of labels")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let (mut labels, mut bytes) = (Vec::new(), 0);
        while let Some(OneLabel(label, size)) = list.next_element()? {
            bytes += size;
            labels.push(label);
            check(labels.len(), bytes).map_err(A::Error::custom)?;
        }
        Ok(Some(labels))
    }
}

/// A label and its size.
struct OneLabel(Label, usize);

impl<'de> Deserialize<'de> for OneLabel {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ForLabel)
    }
}

struct ForLabel;

impl<'de> Visitor<'de> for ForLabel {
    type Value = OneLabel;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the name of a label, or an object with its name, and optionally a description and examples",
        )
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<OneLabel, E> {
        Ok(OneLabel(Label::from(name), name.len()))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<OneLabel, A::Error> {
        let label = Label::deserialize(MapAccessDeserializer::new(fields))?;
        let size = serde_json::to_string(&label).map_err(A::Error::custom)?.len();
        Ok(OneLabel(label, size))
    }
}
