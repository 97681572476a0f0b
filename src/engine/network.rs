use std::sync::Arc;

use ndarray::Array2;

use super::blueprint::{Blueprint, Pool};
use super::checkpoint::Checkpoint;
use super::embeddings::Table;
use super::encoder::{Encoder, EncoderScratch};
use super::head::Head;
use crate::backend::RaggedBatch;
use crate::engine::Precision;
use crate::error::Error;

/// A whole model: an encoder, a decoder if there is one, and a head.
pub(crate) struct Network {
    encoder: Encoder,
    decoder: Option<Decoder>,
    head: Head,
    /// Which states the head reads.
    pool: Pool,
}

/// Reads the tokens one place later, the first being `start`, and the encoder's output.
struct Decoder {
    encoder: Encoder,
    start: u32,
}

/// Buffers of one group.
pub(crate) struct NetworkScratch {
    encoder: EncoderScratch,
    decoder: Option<EncoderScratch>,
}

impl Network {
    /// `words` is given where models share it; else it is read from the checkpoint.
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        plan: &Blueprint,
        words: Option<Arc<Table>>,
        precision: Precision,
    ) -> Result<Self, Error> {
        let sizes = [plan.hidden, plan.longest];
        let encoder = Encoder::load(checkpoint, &plan.encoder, sizes, words, precision)?;
        let decoder = plan.decoder.as_ref().map(|decoder| {
            let same = decoder.stack.embeddings.words == plan.encoder.embeddings.words;
            let words = same.then(|| encoder.words());
            let encoder = Encoder::load(checkpoint, &decoder.stack, sizes, words, precision)?;
            Ok::<_, Error>(Decoder { encoder, start: decoder.start })
        });
        let decoder = decoder.transpose()?;
        Ok(Self { encoder, decoder, head: Head::load(checkpoint, &plan.head)?, pool: plan.head.pool() })
    }

    pub(crate) fn scratch(&self) -> NetworkScratch {
        let decoder = self.decoder.as_ref().map(|decoder| decoder.encoder.scratch());
        NetworkScratch { encoder: self.encoder.scratch(), decoder }
    }

    /// An array for each sequence: a row a token, or one.
    pub(crate) fn forward(
        &self,
        batch: &RaggedBatch,
        scratch: &mut NetworkScratch,
    ) -> Result<Vec<Array2<f32>>, Error> {
        let NetworkScratch { encoder: read, decoder: written } = scratch;
        let kept = self.pool.kept(batch)?;
        let (Some(decoder), Some(written)) = (&self.decoder, written) else {
            self.encoder.forward(batch, kept.as_deref(), None, read)?;
            return self.head.forward(batch, &read.hidden);
        };
        self.encoder.forward(batch, None, None, read)?;
        decoder.encoder.forward(&decoder.later(batch), kept.as_deref(), Some(&read.states), written)?;
        self.head.forward(batch, &written.hidden)
    }
}

impl Decoder {
    /// The sequences, each token one place later.
    fn later(&self, batch: &RaggedBatch) -> RaggedBatch {
        let mut later = RaggedBatch { bounds: batch.bounds.clone(), ..RaggedBatch::default() };
        later.token_types = vec![0; batch.ids.len()];
        for sequence in batch.sequences() {
            let read = batch.ids[sequence].split_last().map_or(&[][..], |(_, read)| read);
            later.ids.push(self.start);
            later.ids.extend_from_slice(read);
        }
        later
    }
}
