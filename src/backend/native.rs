use std::sync::Arc;

use ndarray::Array2;

use super::{Backend, Precision, RaggedBatch};
use crate::engine::{Checkpoint, Encoder, EncoderScratch, Head, Spare, Table};
use crate::error::Error;
use crate::model::Config;

/// The native engine behind the backend's boundary.
pub(crate) struct Native {
    encoder: Encoder,
    head: Head,
    scratch: Spare<EncoderScratch>,
}

impl Native {
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        config: &Config,
        words: Option<Arc<Table>>,
        precision: Precision,
    ) -> Result<Self, Error> {
        Ok(Self {
            encoder: Encoder::load(checkpoint, config, words, precision)?,
            head: Head::load(checkpoint, config)?,
            scratch: Spare::default(),
        })
    }
}

impl Backend for Native {
    fn run(&self, batch: &RaggedBatch) -> Result<Vec<Array2<f32>>, Error> {
        self.scratch.lend(
            || self.encoder.scratch(),
            |scratch| {
                self.encoder.forward(batch, self.head.reads(), scratch)?;
                self.head.forward(batch, scratch)
            },
        )
    }
}
