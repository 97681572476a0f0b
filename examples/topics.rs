//! Asks which of your own topics an article is about, and which passages say so.
//!
//! ```text
//! cargo run --release --example topics
//! ```

use entopic::{Scoring, TopicClassifier};

fn main() -> Result<(), entopic::Error> {
    let article = include_str!("data/article.txt");

    // Any labels will do: the model was not trained on them. They are encoded once, here.
    let classifier = TopicClassifier::bundled()?;
    let labels =
        classifier.label_set(["politics", "economy", "sanctions", "sport", "health", "entertainment"])?;

    // By default one topic holds, and the scores sum to 1.
    let classified = classifier.classify(article, &labels)?;
    for topic in &classified.topics {
        println!("{:>5.1} %  {}", topic.score * 100.0, topic.label);
    }

    // A long text is read in windows; each topic names those that spoke most for it.
    if let Some(topic) = classified.topics.first()
        && let Some(evidence) = topic.evidence.first()
    {
        let passage: String = article[evidence.span.bytes.clone()].chars().take(200).collect();
        println!("\nMost about {}: {passage}...", topic.label);
    }

    // With many labels at once, each score stands by itself.
    let classifier = TopicClassifier::builder("topics-en-small").scoring(Scoring::MultiLabel).build()?;
    let labels = classifier.label_set(["Eastern Europe", "diplomacy", "football"])?;
    println!();
    for topic in classifier.classify(article, &labels)?.topics {
        println!("{:>5.1} %  {}", topic.score * 100.0, topic.label);
    }
    Ok(())
}
