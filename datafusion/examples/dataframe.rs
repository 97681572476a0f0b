//! The same as the example `sql`, as a program: a data frame with columns of topics and entities.
//!
//! ```text
//! cargo run --release --package entopic-datafusion --example dataframe [FILE.parquet]
//! ```

#[path = "news/mod.rs"]
mod news;

use std::error::Error;

use datafusion::execution::FunctionRegistry;
use datafusion::functions::core::expr_ext::FieldAccessor;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::prelude::{ParquetReadOptions, SessionContext, col, lit};
use entopic::Tagger;
use entopic_datafusion::Functions;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let context = SessionContext::new();
    let functions = Functions::new(Tagger::bundled()?);
    functions.register(&context);
    let file = news::file(&context).await?;
    let news = context.read_parquet(file.path(), ParquetReadOptions::default()).await?;

    // Without labels, the topics are the 17 of the news.
    let topic = context.udf("topic")?.call(vec![col("text")]);
    let entities = context.udf("entities")?.call(vec![col("text")]);
    news.select(vec![topic.alias("topic"), entities.alias("entity")])?
        .unnest_columns(&["entity"])?
        .aggregate(
            vec![
                col("topic"),
                col("entity").field("label").alias("label"),
                col("entity").field("text").alias("name"),
            ],
            vec![count(lit(1)).alias("mentions")],
        )?
        .sort(vec![
            col("mentions").sort(false, false),
            col("topic").sort(true, true),
            col("name").sort(true, true),
        ])?
        .limit(0, Some(10))?
        .show()
        .await?;
    Ok(())
}
