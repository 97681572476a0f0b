//! Takes people, places and whatever own rules find out of a text.
//!
//! ```text
//! cargo run --release --example redact
//! ```

use entopic::{Entity, EntityOptions, Ner, Span, merge, segments};
use regex::Regex;

const LETTER: &str = "Dear Angela Merkel,\nyour order 4711-0815 was sent to London on Monday. Write to \
                      orders@example.org if it does not come.\nJoe Biden";

/// The entities of one's own rules: each pattern gives a label.
fn by_rules(text: &str) -> Vec<Entity> {
    let rules = [("ORDER", r"\b\d{4}-\d{4}\b"), ("EMAIL", r"\b[\w.]+@[\w.]+\.\w+\b")];
    let mut found = Vec::new();
    for (label, pattern) in rules {
        let pattern = Regex::new(pattern).expect("the pattern should be valid");
        for place in pattern.find_iter(text) {
            let span = Span::from_bytes(text, place.range()).expect("a match should lie on character bounds");
            found.push(Entity::new(label, text, span, 1.0));
        }
    }
    found
}

fn main() -> Result<(), entopic::Error> {
    let ner = Ner::bundled()?.with(EntityOptions::new().threshold(0.5))?;

    // Where both find something, the own rules win.
    let entities = merge(by_rules(LETTER), ner.tag(LETTER)?.entities);

    // The text as plain and marked pieces, which make it up.
    let redacted: String = segments(LETTER, &entities)
        .map(|piece| match piece.entity {
            Some(entity) => format!("[{}]", entity.label),
            None => piece.text.to_owned(),
        })
        .collect();
    println!("{redacted}");
    Ok(())
}
