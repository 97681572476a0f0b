//! Tags many documents in one call, from several threads at once.
//!
//! ```text
//! cargo run --release --example batch
//! ```

use std::thread;

use entopic::Tagger;

fn main() -> Result<(), entopic::Error> {
    // Each paragraph of the article is a document.
    let article = include_str!("data/article.txt");
    let paragraphs: Vec<&str> = article.lines().filter(|line| line.len() > 40).collect();

    let tagger = Tagger::bundled()?;
    let labels = tagger.topics().label_set(["politics", "economy", "war", "sport"])?;
    let tagger = tagger.with_labels(labels)?;

    // There is one result per document, in the same order: a document that fails does not affect the others.
    for (paragraph, result) in paragraphs.iter().zip(tagger.tag_batch(&paragraphs)) {
        let document = match result {
            Ok(document) => document,
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        let topic = document.topics.first().map_or("", |topic| &topic.label);
        let names: Vec<&str> = document.entities.iter().map(|entity| entity.text.as_str()).collect();
        let start: String = paragraph.chars().take(40).collect();
        println!("{start:40}  {topic:10}  {}", names.join(", "));
    }

    // Calls take `&self`: threads share one tagger.
    thread::scope(|scope| {
        for part in paragraphs.chunks(paragraphs.len().div_ceil(4)) {
            let tagger = &tagger;
            scope.spawn(move || {
                let entities: usize = tagger.tag_batch(part).iter().flatten().map(|d| d.entities.len()).sum();
                println!("a thread found {entities} entities in {} paragraphs", part.len());
            });
        }
    });
    Ok(())
}
