//! W3C Web Annotations (<https://www.w3.org/TR/annotation-model/>) in JSON-LD: one page of annotations per document,
//! and one page per line.

use std::io::{self, Write};

use entopic::{Entity, TaggedDocument};
use serde_json::{Value, json};

use super::writer::{Problem, Streamed};
use crate::documents::document::Document;

/// The number of characters before and after a mention that help to find it again if the text changes.
const CONTEXT: usize = 32;

pub(super) struct Annotations;

impl Streamed for Annotations {
    fn document(
        &mut self,
        out: &mut dyn Write,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem> {
        let source = source(document);
        // Each annotation needs an address, which need not lead anywhere: the document's, with a number.
        let joined = if source.contains('#') { "&" } else { "#" };
        let id = |number: usize| format!("{source}{joined}annotation={number}");
        let entities = tagged.entities.iter().map(|entity| of_entity(entity, &document.text, &source));
        let topics = tagged.topics.iter().filter(|topic| topic.fits()).map(|topic| {
            json!({
                "type": "Annotation",
                "motivation": "classifying",
                "body": {"type": "TextualBody", "purpose": "classifying", "value": topic.label},
                "target": source,
            })
        });
        let mut items: Vec<Value> = entities.chain(topics).collect();
        for (number, item) in (1..).zip(&mut items) {
            item["id"] = json!(id(number));
        }
        let page = json!({
            "@context": "http://www.w3.org/ns/anno.jsonld",
            "id": id(0),
            "type": "AnnotationPage",
            "items": items,
        });
        serde_json::to_writer(&mut *out, &page).map_err(io::Error::from)?;
        Ok(out.write_all(b"\n")?)
    }
}

/// The address of a document: the address of its file, with the line as a fragment (RFC 5147).
fn source(document: &Document) -> String {
    let escape = |name: &str| {
        let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        name.bytes().fold(String::new(), |mut escaped, byte| {
            if keep(byte) {
                escaped.push(char::from(byte));
            } else {
                escaped.push_str(&format!("%{byte:02X}"));
            }
            escaped
        })
    };
    let path = std::path::absolute(&*document.place.file);
    let file = match (document.place.is_standard_input(), path) {
        (false, Ok(path)) => format!("file://{}", escape(&path.to_string_lossy())),
        _ => "urn:entopic:standard-input".to_owned(),
    };
    match document.place.line {
        // RFC 5147 numbers the positions between lines, from 0.
        Some(line) => format!("{file}#line={},{line}", line.saturating_sub(1)),
        None => file,
    }
}

fn of_entity(entity: &Entity, text: &str, source: &str) -> Value {
    let (before, behind) = (&text[..entity.span.bytes.start], &text[entity.span.bytes.end..]);
    let start = before.char_indices().rev().nth(CONTEXT - 1).map_or(0, |(at, _)| at);
    let end = behind.char_indices().nth(CONTEXT).map_or(behind.len(), |(at, _)| at);
    let mut body = vec![json!({"type": "TextualBody", "purpose": "tagging", "value": entity.label})];
    let generator = json!({"type": "Software", "name": format!("entopic, by a {}", entity.found_by)});
    if let Some(kind) = &entity.kind {
        body.push(json!({"type": "TextualBody", "purpose": "tagging", "value": kind}));
    }
    json!({
        "type": "Annotation",
        "motivation": "tagging",
        "generator": generator,
        "body": body,
        "target": {
            "source": source,
            "selector": [
                {"type": "TextPositionSelector", "start": entity.span.chars.start, "end": entity.span.chars.end},
                {"type": "TextQuoteSelector", "exact": entity.text, "prefix": &before[start..], "suffix": &behind[..end]},
            ],
        },
    })
}
