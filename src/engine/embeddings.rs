use std::sync::Arc;

use super::checkpoint::{Checkpoint, Matrix, Values};
use super::norm::LayerNorm;
use crate::backend::RaggedBatch;
use crate::error::{Error, ErrorKind};
use crate::model::Config;

/// Rows to look up, kept as they are stored.
pub(crate) struct Table {
    columns: usize,
    values: TableValues,
}

enum TableValues {
    F32(Vec<f32>),
    /// `scales` holds one factor a row.
    Int8 {
        values: Vec<i8>,
        scales: Vec<f32>,
    },
}

impl Table {
    pub(crate) fn new(matrix: Matrix<'_>) -> Self {
        let values = match matrix.values {
            Values::F32(values) => TableValues::F32(values.into_owned()),
            Values::Int8 { values, scales } => {
                TableValues::Int8 { values: values.into_owned(), scales: scales.into_owned() }
            }
        };
        Self { columns: matrix.columns, values }
    }

    fn rows(&self) -> usize {
        let len = match &self.values {
            TableValues::F32(values) => values.len(),
            TableValues::Int8 { values, .. } => values.len(),
        };
        len / self.columns
    }

    /// Adds row `row` to `out`, `[columns]`.
    fn add_row(&self, row: usize, out: &mut [f32]) {
        let range = row * self.columns..(row + 1) * self.columns;
        match &self.values {
            TableValues::F32(values) => {
                for (out, value) in out.iter_mut().zip(&values[range]) {
                    *out += value;
                }
            }
            TableValues::Int8 { values, scales } => {
                let scale = scales[row];
                for (out, &value) in out.iter_mut().zip(&values[range]) {
                    *out += f32::from(value) * scale;
                }
            }
        }
    }
}

/// Word, position and token-type embeddings, summed and normalised.
pub(crate) struct Embeddings {
    words: Arc<Table>,
    positions: Table,
    token_types: Table,
    norm: LayerNorm,
}

impl Embeddings {
    /// `words` is given where models share it; else it is read from the checkpoint.
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        config: &Config,
        words: Option<Arc<Table>>,
    ) -> Result<Self, Error> {
        let hidden = config.hidden;
        let words = match words {
            Some(words) => words,
            None => Arc::new(Self::load_words(checkpoint, config)?),
        };
        let table = |name: &str, rows| checkpoint.matrix(name, rows, hidden).map(Table::new);
        Ok(Self {
            words,
            positions: table("embeddings.position_embeddings.weight", config.positions)?,
            token_types: table("embeddings.token_type_embeddings.weight", config.token_type_count)?,
            norm: LayerNorm::load(checkpoint, "embeddings.LayerNorm", config)?,
        })
    }

    /// The word embedding, `[vocabulary, hidden]`.
    pub(crate) fn load_words(checkpoint: &Checkpoint<'_>, config: &Config) -> Result<Table, Error> {
        let name = "embeddings.word_embeddings.weight";
        checkpoint.matrix(name, config.vocabulary, config.hidden).map(Table::new)
    }

    /// Writes the embedded tokens to `out`, `[tokens, hidden]`.
    pub(crate) fn forward(&self, batch: &RaggedBatch, out: &mut Vec<f32>) -> Result<(), Error> {
        self.check(batch)?;
        let hidden = self.words.columns;
        out.clear();
        out.resize(batch.ids.len() * hidden, 0.0);
        for sequence in batch.sequences() {
            for (position, token) in sequence.enumerate() {
                let row = &mut out[token * hidden..(token + 1) * hidden];
                self.words.add_row(batch.ids[token] as usize, row);
                self.token_types.add_row(batch.token_types[token] as usize, row);
                self.positions.add_row(position, row);
            }
        }
        out.chunks_exact_mut(hidden).for_each(|row| self.norm.apply(row));
        Ok(())
    }

    /// The tokenizer and the windows keep to these limits; a model whose parts contradict one
    /// another must not reach the look-ups.
    fn check(&self, batch: &RaggedBatch) -> Result<(), Error> {
        let refuse = |what: &str, found: usize, limit: usize| {
            let message = format!("{what} {found} is out of range: the model has {limit}");
            Err(Error::new(ErrorKind::Config, message))
        };
        let largest = |values: &[u32]| values.iter().max().map_or(0, |&value| value as usize);
        let (id, token_type) = (largest(&batch.ids), largest(&batch.token_types));
        let length = batch.sequences().map(|sequence| sequence.len()).max().unwrap_or(0);
        if batch.sequences().any(|sequence| sequence.is_empty()) {
            return Err(Error::new(
                ErrorKind::Tokenizer,
                "a text or label has no tokens, not even special ones",
            ));
        }
        if id >= self.words.rows() {
            return refuse("token id", id, self.words.rows());
        }
        if token_type >= self.token_types.rows() {
            return refuse("token type", token_type, self.token_types.rows());
        }
        if length > self.positions.rows() {
            return refuse("sequence length", length, self.positions.rows());
        }
        Ok(())
    }
}
