//! Tags a news article, or a text of your own, with its entities and topics.
//!
//! ```text
//! cargo run --release --example tag_article [-- FILE]
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;

use entopic::{Error, Tagger};

fn main() -> ExitCode {
    let article = match std::env::args().nth(1) {
        Some(file) => match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{file} cannot be read: {error}");
                return ExitCode::FAILURE;
            }
        },
        None => include_str!("data/article.txt").to_owned(),
    };
    match tag(&article) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With its causes.
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the topics and the entities of `article`.
fn tag(article: &str) -> Result<(), Error> {
    // Both bundled models are in the build: nothing is downloaded.
    let tagger = Tagger::bundled()?;
    let document = tagger.tag(article)?;

    if document.topics.is_empty() {
        println!("The text is empty.");
        return Ok(());
    }
    println!("Topics (the best 5 of {})", document.topics.len());
    for topic in document.topics.iter().take(5) {
        println!("  {:>4.0} %  {}", topic.score * 100.0, topic.label);
    }

    // A name that occurs often is listed once, with its count.
    let mut mentions: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for entity in &document.entities {
        *mentions.entry(&entity.label).or_default().entry(&entity.text).or_default() += 1;
    }
    for (label, names) in mentions {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let names: Vec<String> = names.iter().map(|(name, count)| format!("{name} ({count})")).collect();
        println!("\n{label}\n  {}", names.join(", "));
    }

    // Nothing is cut silently: every result says how much of the text the model read.
    let coverage = &document.coverage;
    println!(
        "\nRead {} of {} characters: {} tokens in {} windows",
        coverage.chars_read, coverage.chars, coverage.tokens, coverage.windows
    );
    Ok(())
}
