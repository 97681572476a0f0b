use std::sync::{Arc, Mutex, PoisonError};

use ndarray::Array2;

use super::{Backend, Precision, RaggedBatch, RowsPer};
use crate::engine::{Checkpoint, Encoder, EncoderScratch, Head, Table};
use crate::error::Error;
use crate::model::Config;

/// The native engine behind the backend's boundary.
pub(crate) struct Native {
    encoder: Encoder,
    head: Head,
    /// Buffers that no thread is using now: at most one a thread that ever ran at once.
    scratch: Mutex<Vec<EncoderScratch>>,
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
            scratch: Mutex::default(),
        })
    }
}

impl Backend for Native {
    fn rows_per(&self) -> RowsPer {
        self.head.rows_per()
    }

    fn run(&self, batch: &RaggedBatch) -> Result<Array2<f32>, Error> {
        // A poisoned pool holds plain buffers, which are overwritten before they are read.
        let taken = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut scratch = taken.unwrap_or_else(|| self.encoder.scratch());
        let done = self.encoder.forward(batch, self.head.reads(), &mut scratch);
        let output = done.and_then(|()| self.head.forward(batch, &mut scratch));
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        output
    }
}
