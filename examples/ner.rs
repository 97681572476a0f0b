//! Finds the entities of an article and shows where they are.
//!
//! ```text
//! cargo run --release --example ner
//! ```

use entopic::{EntityOptions, Ner};

fn main() -> Result<(), entopic::Error> {
    let article = include_str!("data/article.txt");

    let ner = Ner::bundled()?;
    for entity in ner.tag(article)?.entities.iter().take(20) {
        // Spans count the bytes and characters of the original text.
        assert_eq!(entity.span.of(article), entity.text);
        println!(
            "{:>4} to {:<4} {:5} {:.2}  {}",
            entity.span.chars.start, entity.span.chars.end, entity.label, entity.score, entity.text
        );
    }

    // A view with other options shares the weights. This one keeps only entities with high scores, people above all.
    let sure = ner.with(EntityOptions::new().threshold(0.9).label_threshold("PER", 0.99))?;
    println!(
        "{} of {} entities are sure",
        sure.tag(article)?.entities.len(),
        ner.tag(article)?.entities.len()
    );

    // A text that is already split into words is tagged by word.
    let words = ["Marie", "Curie", "taught", "at", "the", "Sorbonne", "."];
    for entity in ner.tag_words(&words)?.entities {
        println!("{:?} is {}", &words[entity.words.clone()], entity.label);
    }
    Ok(())
}
