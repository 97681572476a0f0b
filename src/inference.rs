//! Documents through a model: windows go in, the backend's rows come out.

use ndarray::Array2;

use crate::document::{Document, Windows};
use crate::error::Error;
use crate::model::Model;
use crate::stage::stage;

/// What the backend said of each window of a document.
pub(crate) struct WindowOutputs {
    pub(crate) windows: Windows,
    /// One a window; a row a token, special tokens included, or one row.
    pub(crate) rows: Vec<Array2<f32>>,
}

/// Runs the windows of all documents together, each with `context` tokens of its neighbours.
/// A document that could not be read gives its own error.
pub(crate) fn run_windows(
    model: &Model,
    documents: &[Result<Document<'_>, Error>],
    context: usize,
) -> Vec<Result<WindowOutputs, Error>> {
    let mut sequences = Vec::new();
    let plan = |document: &Result<Document<'_>, Error>| {
        stage!("windows");
        let document = document.as_ref().map_err(Clone::clone)?;
        let windows = document.windows(model.window_budget(), context);
        sequences
            .extend(windows.ranges().iter().map(|range| model.sequence(&document.tokens, range.clone())));
        Ok(windows)
    };
    let plans: Vec<Result<Windows, Error>> = documents.iter().map(plan).collect();
    let mut outputs = model.runtime.run(&*model.backend, &sequences).into_iter();
    let with_rows = |windows: Result<Windows, Error>| {
        let windows = windows?;
        let rows = outputs.by_ref().take(windows.ranges().len()).collect::<Vec<_>>();
        Ok(WindowOutputs { windows, rows: rows.into_iter().collect::<Result<_, _>>()? })
    };
    plans.into_iter().map(with_rows).collect()
}
