//! The Parquet file that the examples read.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::SessionContext;
use tempfile::TempDir;

/// A file named on the command line, or one of the example's own.
pub struct News {
    path: String,
    /// Deleted in the end.
    _folder: Option<TempDir>,
}

impl News {
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// The file, which has a column `text`.
pub async fn file(context: &SessionContext) -> Result<News, Box<dyn Error>> {
    if let Some(path) = std::env::args().nth(1) {
        return Ok(News { path, _folder: None });
    }
    let article = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/article.txt");
    let article = fs::read_to_string(article)?;
    let paragraphs: Vec<&str> = article.lines().filter(|line| !line.trim().is_empty()).collect();
    let column: ArrayRef = Arc::new(StringArray::from(paragraphs));
    let batch = RecordBatch::try_from_iter([("text", column)])?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("news.parquet").display().to_string();
    context.read_batch(batch)?.write_parquet(&path, DataFrameWriteOptions::new(), None).await?;
    Ok(News { path, _folder: Some(folder) })
}
