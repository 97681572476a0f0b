//! Tags a Parquet file by SQL: which people, places and organisations are in the news of which topic?
//!
//! ```text
//! cargo run --release --package entopic-datafusion --example sql [FILE.parquet]
//! ```
//!
//! Without a file it writes one, with the paragraphs of an article, and reads that.

#[path = "news/mod.rs"]
mod news;

use std::error::Error;

use datafusion::prelude::{ParquetReadOptions, SessionContext};
use entopic::Tagger;
use entopic_datafusion::Functions;

const ENTITIES_PER_TOPIC: &str = "
    SELECT topic, entity['label'] AS label, entity['text'] AS name, count(*) AS mentions
    FROM (
        SELECT topic(text, ['politics', 'economy', 'energy', 'sport']) AS topic, unnest(entities(text)) AS entity
        FROM news
    )
    GROUP BY topic, label, name
    ORDER BY mentions DESC, topic, name
    LIMIT 10";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let context = SessionContext::new();
    Functions::new(Tagger::bundled()?).register(&context);
    let file = news::file(&context).await?;
    context.register_parquet("news", file.path(), ParquetReadOptions::default()).await?;
    context.sql(ENTITIES_PER_TOPIC).await?.show().await?;
    Ok(())
}
