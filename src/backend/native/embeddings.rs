use std::sync::Arc;

use super::arithmetic::F32;
use super::blueprint::{self, Numbering};
use super::linear::Linear;
use super::norm::LayerNorm;
use crate::batch::RaggedBatch;
use crate::checkpoint::{Checkpoint, Matrix};
use crate::error::{Error, ErrorKind};

/// A table of rows to look up, in their stored type.
pub(crate) struct Table(Matrix<'static>);

impl Table {
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        table: &blueprint::Table,
        columns: usize,
    ) -> Result<Self, Error> {
        let name = format!("{}.weight", table.name);
        let rows = table.rows.map_or_else(|| checkpoint.rows(&name), Ok)?;
        checkpoint.matrix(&name, rows, columns).map(|matrix| Self(matrix.into_owned()))
    }
}

/// Word, position and token-type embeddings, summed and normalised.
pub(crate) struct Embeddings {
    words: Arc<Table>,
    scale: f32,
    positions: Option<(Table, Numbering)>,
    token_types: Option<Table>,
    norm: Option<LayerNorm>,
    projection: Option<Linear<F32>>,
    projected_norm: Option<LayerNorm>,
}

impl Embeddings {
    /// Reads the weights. `words` is a word embedding that models share; with `None`, it is read from the checkpoint.
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        plan: &blueprint::Embeddings,
        words: Option<Arc<Table>>,
    ) -> Result<Self, Error> {
        let words = match words {
            Some(words) => words,
            None => Arc::new(Table::load(checkpoint, &plan.words, plan.width)?),
        };
        let table = |table| Table::load(checkpoint, table, plan.width);
        let norm = |norm: &Option<_>| norm.as_ref().map(|norm| LayerNorm::load(checkpoint, norm)).transpose();
        let positions = plan.positions.as_ref();
        let positions = positions.map(|positions| Ok((table(&positions.table)?, positions.numbering)));
        let projection = plan.projection.as_ref();
        Ok(Self {
            words,
            scale: plan.scale,
            positions: positions.transpose()?,
            token_types: plan.token_types.as_ref().map(table).transpose()?,
            norm: norm(&plan.norm)?,
            // In f32: it runs once per token, with few columns, so int8 gains nothing.
            projection: projection.map(|dense| Linear::load(checkpoint, dense)).transpose()?,
            projected_norm: norm(&plan.projected_norm)?,
        })
    }

    pub(crate) fn words(&self) -> Arc<Table> {
        Arc::clone(&self.words)
    }

    /// Writes the embedded tokens to `out`, `[tokens, hidden]`.
    pub(crate) fn forward(&self, batch: &RaggedBatch, out: &mut Vec<f32>) -> Result<(), Error> {
        self.check(batch)?;
        let width = self.words.0.columns;
        out.clear();
        out.resize(batch.ids.len() * width, 0.0);
        for sequence in batch.sequences() {
            let mut counted = 0;
            for (place, token) in sequence.enumerate() {
                let row = &mut out[token * width..(token + 1) * width];
                self.words.0.add_row(batch.ids[token] as usize, row);
                if self.scale != 1.0 {
                    row.iter_mut().for_each(|value| *value *= self.scale);
                }
                if let Some(token_types) = &self.token_types {
                    token_types.0.add_row(batch.token_types[token] as usize, row);
                }
                if let Some((positions, numbering)) = &self.positions {
                    let position = match *numbering {
                        Numbering::From(first) => first + place,
                        Numbering::AfterPadding(padding) if batch.ids[token] == padding => padding as usize,
                        Numbering::AfterPadding(padding) => {
                            counted += 1;
                            padding as usize + counted
                        }
                    };
                    positions.0.add_row(position, row);
                }
            }
        }
        let normalise = |norm: &Option<LayerNorm>, rows: &mut [f32], width| {
            if let Some(norm) = norm {
                rows.chunks_exact_mut(width).for_each(|row| norm.apply(row));
            }
        };
        normalise(&self.norm, out, width);
        let Some(projection) = &self.projection else { return Ok(()) };
        let hidden = projection.outputs();
        *out = projection.apply(out)?;
        normalise(&self.projected_norm, out, hidden);
        Ok(())
    }

    /// Checks `batch` before rows are looked up. The tokenizer and the windows respect these limits, unless the parts
    /// of a model contradict each other.
    fn check(&self, batch: &RaggedBatch) -> Result<(), Error> {
        let refuse = |what: &str, found: usize, limit: usize| {
            let message = format!("{what} {found} is out of range: the model has {limit}");
            Err(Error::new(ErrorKind::Config, message))
        };
        let largest = |values: &[u32]| values.iter().max().map_or(0, |&value| value as usize);
        let length = batch.sequences().map(|sequence| sequence.len()).max().unwrap_or(0);
        if batch.sequences().any(|sequence| sequence.is_empty()) {
            return Err(Error::new(
                ErrorKind::Tokenizer,
                "a text or label has no tokens, not even special ones",
            ));
        }
        let id = largest(&batch.ids);
        if id >= self.words.0.rows {
            return refuse("token id", id, self.words.0.rows);
        }
        if let Some(token_types) = &self.token_types {
            let token_type = largest(&batch.token_types);
            if token_type >= token_types.0.rows {
                return refuse("token type", token_type, token_types.0.rows);
            }
        }
        if let Some((positions, numbering)) = &self.positions {
            let limit = positions.0.rows.saturating_sub(numbering.before());
            if length > limit {
                return refuse("sequence length", length, limit);
            }
        }
        Ok(())
    }
}
