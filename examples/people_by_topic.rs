//! Lists the people in many documents by the topic of the documents that name them.
//!
//! ```text
//! cargo run --release --example people_by_topic
//! ```

use std::collections::BTreeMap;

use entopic::Tagger;

fn main() -> Result<(), entopic::Error> {
    // Each paragraph of the article is a document.
    let article = include_str!("data/article.txt");
    let paragraphs = article.lines().filter(|line| line.len() > 40);

    let tagger = Tagger::bundled()?;
    let labels = tagger.topics().label_set(["diplomacy", "trade", "war", "history"])?;
    let tagger = tagger.with_labels(labels)?;

    let mut people: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    // A stream: texts are taken as results are requested.
    for document in tagger.tag_iter(paragraphs) {
        let document = document?;
        let Some(topic) = document.topics.first() else { continue };
        for entity in document.entities.iter().filter(|entity| entity.label == "PER") {
            *people.entry(topic.label.clone()).or_default().entry(entity.text.clone()).or_default() += 1;
        }
    }
    for (topic, names) in people {
        let mut names: Vec<(String, usize)> = names.into_iter().collect();
        names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let names: Vec<String> = names.iter().map(|(name, count)| format!("{name} ({count})")).collect();
        println!("{topic:10} {}", names.join(", "));
    }
    Ok(())
}
