//! Scores the topics that you choose for an article, and shows the passages that support them.
//!
//! ```text
//! cargo run --release --example topics
//! ```

use entopic::{Scoring, TopicClassifier, TopicOptions};

fn main() -> Result<(), entopic::Error> {
    let article = include_str!("data/article.txt");

    // Any labels will do: the model was not trained on them. They are embedded once, here.
    let classifier = TopicClassifier::bundled()?;
    let labels =
        classifier.label_set(["politics", "economy", "sanctions", "sport", "health", "entertainment"])?;

    // By default, exactly one topic is assumed to be right, and the scores sum to 1.
    let classified = classifier.classify(article, &labels)?;
    for topic in &classified.topics {
        println!("{:>5.1} %  {}", topic.score * 100.0, topic.label);
    }

    // A long text is read in windows; the evidence for a topic is the windows with the highest scores.
    if let Some(topic) = classified.topics.first()
        && let Some(evidence) = topic.evidence.first()
    {
        let passage: String = evidence.span.of(article).chars().take(200).collect();
        println!("\nMost about {}: {passage}...", topic.label);
    }

    // In multi-label mode, each topic is scored independently, and passages can be compared.
    let options = TopicOptions::new().scoring(Scoring::MultiLabel).passages(true);
    let classifier = classifier.with(options)?;
    let labels = classifier.label_set(["Eastern Europe", "diplomacy", "football"])?;
    println!();
    for passage in classifier.classify(article, &labels)?.passages {
        let scores: Vec<String> =
            labels.names().zip(&passage.scores).map(|(l, s)| format!("{l} {s:.2}")).collect();
        println!(
            "characters {:>5} to {:<5}  {}",
            passage.span.chars.start,
            passage.span.chars.end,
            scores.join("  ")
        );
    }
    Ok(())
}
