//! Runs any BERT checkpoint from a folder, as the Hugging Face hub lays it out: `config.json`,
//! `tokenizer.json` and `model.safetensors`.
//!
//! ```text
//! cargo run --release --example local_model -- path/to/bert-base-NER
//! ```
//!
//! Without a path it runs a tiny model with random weights, which finds nonsense.

use std::env;

use entopic::{Aggregation, ErrorKind, Ner, Precision};

fn main() -> Result<(), entopic::Error> {
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/ner-wordpiece-cased");
    let folder = env::args().nth(1).unwrap_or_else(|| tiny.to_owned());

    // `F32` computes what PyTorch computes; `Int8`, the default, is faster.
    let ner = Ner::builder(folder).precision(Precision::F32).aggregation(Aggregation::Simple).build()?;
    println!("tags: {}", ner.labels().join(" "));
    for entity in ner.tag("Angela Merkel met Barack Obama in Berlin.")?.entities {
        println!("{:8} {:.3}  {}", entity.label, entity.score, entity.text);
    }

    // Errors tell what is wrong and what would be right, and have a kind to act on.
    if let Err(error) = Ner::builder("no/such/model").build() {
        assert_eq!(error.kind(), ErrorKind::UnknownModel);
        println!("\n{error}");
    }
    Ok(())
}
