//! Loads a token classifier, here a BERT, from a folder with the layout of the Hugging Face hub (`config.json`,
//! `tokenizer.json` and `model.safetensors`), and uses it with several options without loading it again.
//!
//! ```text
//! cargo run --release --example own_models -- path/to/bert-base-NER
//! ```
//!
//! Without a path, it runs a tiny model with random weights, whose results are meaningless.

use std::env;
use std::path::PathBuf;

use entopic::{Aggregation, Engine, EntityOptions, ErrorKind, Precision, Registry};

fn main() -> Result<(), entopic::Error> {
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/ner-wordpiece-cased");
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| tiny.to_owned()));
    let text = "Angela Merkel met Barack Obama in Berlin.";

    // The engine owns what models share. F32 computes what PyTorch computes; Int8, the default, is faster.
    let engine = Engine::builder().threads(2).precision(Precision::F32).build()?;
    let ner = engine.ner(&folder)?;
    println!("{} finds {}", ner.name(), ner.entity_types().join(", "));

    // Options are views: the weights are loaded once.
    for aggregation in [Aggregation::Word, Aggregation::Simple, Aggregation::First] {
        let view = ner.with(EntityOptions::new().aggregation(aggregation).threshold(0.3))?;
        let found: Vec<String> =
            view.tag(text)?.entities.iter().map(|e| format!("{} ({})", e.text, e.label)).collect();
        println!("{aggregation:8} {}", found.join(", "));
    }

    // A registry gives models names, and adds facts that are not in their files.
    let entry = format!(
        "[[model]]\nname = \"mine\"\ntask = \"ner\"\narchitecture = \"bert\"\nwindow = 64\n\
         source = {{ folder = {:?} }}\n",
        folder.display().to_string()
    );
    let registry = Registry::default().with(entry.parse()?);
    let named = Engine::builder().registry(registry).build()?;
    println!("by name: {:?}", named.ner("mine").map(|ner| ner.tags().len()));

    // An error names the thing, the cause and the valid choices, and has a kind for programs.
    if let Err(error) = engine.ner("bert-bas-ner") {
        assert_eq!(error.kind(), ErrorKind::UnknownModel);
        println!("\n{error}");
    }
    Ok(())
}
