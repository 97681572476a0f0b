use std::sync::Arc;

use ndarray::Array2;

use super::arithmetic::Arithmetic;
use super::blueprint::{Blueprint, States};
use super::embeddings::Table;
use super::encoder::Encoder;
use super::head::Head;
use super::scratch::Scratch;
use crate::batch::RaggedBatch;
use crate::checkpoint::Checkpoint;
use crate::error::Error;

/// A whole model: an encoder, a decoder if there is one, and a head.
pub(crate) struct Network<A: Arithmetic> {
    encoder: Encoder<A>,
    decoder: Option<Decoder<A>>,
    head: Head,
    /// The states that the head reads.
    states: States,
}

/// A decoder, which reads the encoder's output and the tokens shifted by one position, with `start` as the first.
struct Decoder<A: Arithmetic> {
    encoder: Encoder<A>,
    start: u32,
}

/// The buffers for one group.
pub(crate) struct NetworkScratch<A: Arithmetic> {
    encoder: Scratch<A>,
    decoder: Scratch<A>,
}

impl<A: Arithmetic> Default for NetworkScratch<A> {
    fn default() -> Self {
        Self { encoder: Scratch::default(), decoder: Scratch::default() }
    }
}

impl<A: Arithmetic> Network<A> {
    /// Reads the weights. `words` is a word embedding that models share; with `None`, it is read from the checkpoint.
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        plan: &Blueprint,
        words: Option<Arc<Table>>,
    ) -> Result<Self, Error> {
        let sizes = [plan.hidden, plan.longest];
        let encoder = Encoder::load(checkpoint, &plan.encoder, sizes, words)?;
        let decoder = plan.decoder.as_ref().map(|decoder| {
            let same = decoder.stack.embeddings.words == plan.encoder.embeddings.words;
            let words = same.then(|| encoder.words());
            let encoder = Encoder::load(checkpoint, &decoder.stack, sizes, words)?;
            Ok::<_, Error>(Decoder { encoder, start: decoder.start })
        });
        let decoder = decoder.transpose()?;
        Ok(Self { encoder, decoder, head: Head::load(checkpoint, &plan.head)?, states: plan.head.states() })
    }

    /// Returns an array per sequence, with one row per token or a single row.
    pub(crate) fn forward(
        &self,
        batch: &RaggedBatch,
        scratch: &mut NetworkScratch<A>,
    ) -> Result<Vec<Array2<f32>>, Error> {
        let NetworkScratch { encoder: read, decoder: written } = scratch;
        let kept = self.states.kept(batch)?;
        let Some(decoder) = &self.decoder else {
            self.encoder.forward(batch, kept.as_deref(), None, read)?;
            return self.head.forward(batch, &read.hidden);
        };
        self.encoder.forward(batch, None, None, read)?;
        decoder.encoder.forward(&decoder.later(batch), kept.as_deref(), Some(&read.states), written)?;
        self.head.forward(batch, &written.hidden)
    }
}

impl<A: Arithmetic> Decoder<A> {
    /// The sequences, each token shifted by one position.
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
