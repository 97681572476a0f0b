//! brat's standoff format (<https://brat.nlplab.org/standoff.html>): for each document its text and a file of annotations.

use std::fmt::Write as _;
use std::io;

use entopic::{Entity, TaggedDocument};

use super::writer::{Problem, Writer};
use crate::documents::document::Document;
use crate::failure::Failure;
use crate::sink::Folder as Target;

/// A folder with `.txt` and `.ann` of each document.
pub(super) struct Folder(Target);

impl Folder {
    pub(super) fn new(target: Target) -> Self {
        Self(target)
    }
}

impl Writer for Folder {
    fn write(&mut self, document: &Document, tagged: &TaggedDocument) -> Result<(), Problem> {
        let name = self.0.name_for(&document.place);
        self.0.write(&format!("{name}.txt"), &document.text)?;
        let mut annotations = String::new();
        for (number, entity) in (1..).zip(&tagged.entities) {
            let line = annotation(number, entity);
            annotations.push_str(&line);
        }
        Ok(self.0.write(&format!("{name}.ann"), &annotations)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        self.0.finish()
    }
}

/// An entity with a note that has its score, and its kind if it has one. A line end within it splits it in two.
fn annotation(number: usize, entity: &Entity) -> String {
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
    // brat's types are of letters, digits, hyphens and underscores.
    let label = entity.label.replace(|c: char| !c.is_alphanumeric() && c != '-', "_");
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

#[cfg(test)]
mod tests {
    use entopic::{Entity, Span};

    use super::annotation;

    #[test]
    fn an_entity_over_two_lines_is_in_two_parts() {
        let text = "In New\r\nYork it rains.";
        let span = Span::find(text, "New\r\nYork").expect("it should be there");
        let entity = Entity::new("big city", text, span, 0.5);
        assert_eq!(
            annotation(3, &entity),
            "T3\tbig_city 3 6;8 12\tNew York\n#3\tAnnotatorNotes T3\t0.5000, found by the model\n"
        );
    }
}
