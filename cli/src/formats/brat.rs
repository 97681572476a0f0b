//! brat's standoff format (<https://brat.nlplab.org/standoff.html>): a text and a file of annotations per document.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::{io, iter};

use entopic::{Entity, TaggedDocument};

use super::writer::{Filed, Problem};
use crate::documents::document::Document;
use crate::sink::Folder;

/// The files `.txt` and `.ann` of each document, and the configuration that brat needs to show them.
#[derive(Default)]
pub(super) struct Standoff {
    /// brat's type for each label.
    types: Types,
}

impl Filed for Standoff {
    fn document(
        &mut self,
        folder: &mut Folder,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem> {
        let name = folder.name_for(&document.place);
        folder.write(&format!("{name}.txt"), &document.text)?;
        let mut annotations = String::new();
        for (number, entity) in (1..).zip(&tagged.entities) {
            let line = annotation(number, self.types.of(&entity.label), entity);
            annotations.push_str(&line);
        }
        Ok(folder.write(&format!("{name}.ann"), &annotations)?)
    }

    fn end(&mut self, folder: &Folder) -> io::Result<()> {
        let types: Vec<&str> = self.types.0.values().map(String::as_str).collect();
        let configuration =
            format!("[entities]\n{}\n[relations]\n[events]\n[attributes]\n", types.join("\n"));
        folder.write("annotation.conf", &configuration)
    }
}

/// An entity, and a note with its score and its kind, if it has one. A line end within the entity splits it in two.
fn annotation(number: usize, label: &str, entity: &Entity) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    let mut place = entity.span.chars.start;
    for line in entity.text.split_inclusive(['\n', '\r']) {
        let shown = line.trim_end_matches(['\n', '\r']).chars().count();
        if shown > 0 {
            parts.push((place, place + shown));
        }
        place += line.chars().count();
    }
    let parts: Vec<String> = parts.iter().map(|(start, end)| format!("{start} {end}")).collect();
    let lines: Vec<&str> = entity.text.split(['\n', '\r']).filter(|line| !line.is_empty()).collect();
    let mut annotation = format!("T{number}\t{label} {}\t{}\n", parts.join(";"), lines.join(" "));
    let kind = entity.kind.as_deref().map(|kind| format!("{kind}, ")).unwrap_or_default();
    // Writing to a string does not fail.
    let _ = writeln!(
        annotation,
        "#{number}\tAnnotatorNotes T{number}\t{kind}{:.4}, found by the {}",
        entity.score, entity.found_by
    );
    annotation
}

/// Labels and brat's types for them, which consist of ASCII letters, digits, hyphens and underscores. Labels that would
/// get the same type are numbered.
#[derive(Default)]
struct Types(BTreeMap<String, String>);

impl Types {
    fn of(&mut self, label: &str) -> &str {
        if !self.0.contains_key(label) {
            let plain = label.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_");
            let numbered = (2..).map(|number| format!("{plain}_{number}"));
            let mut free = iter::once(plain.clone()).chain(numbered);
            let own = free.find(|name| self.0.values().all(|taken| taken != name)).unwrap_or(plain.clone());
            self.0.insert(label.to_owned(), own);
        }
        &self.0[label]
    }
}

#[cfg(test)]
mod tests {
    use entopic::{Entity, Span};

    use super::{Types, annotation};

    #[test]
    fn an_entity_over_two_lines_is_in_two_parts() {
        let text = "In New\r\nYork it rains.";
        let span = Span::find(text, "New\r\nYork").expect("it should be there");
        let entity = Entity::new("big city", text, span, 0.5);
        assert_eq!(
            annotation(3, Types::default().of("big city"), &entity),
            "T3\tbig_city 3 6;8 12\tNew York\n#3\tAnnotatorNotes T3\t0.5000, found by the model\n"
        );
    }

    #[test]
    fn labels_have_types_of_their_own() {
        let mut types = Types::default();
        let found = ["人物", "地点", "PER", "人物"].map(|label| types.of(label).to_owned());
        assert_eq!(found, ["__", "___2", "PER", "__"]);
    }
}
