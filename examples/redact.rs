//! Removes people, places and what rules find from a letter, and restores the letter.
//!
//! ```text
//! cargo run --release --example redact
//! ```

use entopic::{BuiltIn, Ner, Redaction, Rule, Rules, redact};

const LETTER: &str = "Dear Angela Merkel,\nyour order 4711-0815 was sent to London on Monday. Write to \
                      orders@example.org or call +44 20 7946 0958 if it does not come. Mrs Merkel, thank you!\nJoe Biden";

fn main() -> Result<(), entopic::Error> {
    // Custom rules and built-in ones.
    let rules = Rules::new([
        Rule::pattern("ORDER", r"\border (?<entity>\d{4}-\d{4})\b"),
        Rule::built_in(BuiltIn::Email),
        Rule::built_in(BuiltIn::Phone),
    ])?;
    // All that the model and the rules find is removed, also where they overlap.
    let mut entities = Ner::bundled()?.tag(LETTER)?.entities;
    entities.extend(rules.find_all(LETTER));

    // The same person has the same pseudonym, whatever part of the name is used.
    let redacted = redact(LETTER, &entities, &Redaction::pseudonym());
    println!("{}\n", redacted.text);

    // Anyone who has the replacements can restore the text.
    for replaced in &redacted.replacements {
        println!("{:10} {}", replaced.replacement, replaced.original);
    }
    assert_eq!(redacted.restore().as_deref(), Some(LETTER));
    Ok(())
}
