//! Finds the entities of an article and shows where they stand.
//!
//! ```text
//! cargo run --release --example ner
//! ```

use entopic::{Aggregation, Ner};

fn main() -> Result<(), entopic::Error> {
    let article = include_str!("data/article.txt");

    // `Ner::bundled()` is short for this. The default strategy labels whole words; the others give
    // what transformers' pipelines give under the same name.
    let ner = Ner::builder("ner-en-small").aggregation(Aggregation::Word).build()?;

    for entity in ner.tag(article)?.entities.iter().take(20) {
        // Spans count bytes and characters of your own text, so this is always the mention itself.
        assert_eq!(&article[entity.span.bytes.clone()], entity.text);
        println!(
            "{:>4} to {:<4} {:5} {:.2}  {}",
            entity.span.chars.start, entity.span.chars.end, entity.label, entity.score, entity.text
        );
    }

    // A text that comes as words is tagged by word.
    let words = ["Marie", "Curie", "taught", "at", "the", "Sorbonne", "."];
    for entity in ner.tag_words(&words)?.entities {
        println!("{:?} is {}", &words[entity.words.clone()], entity.label);
    }
    Ok(())
}
