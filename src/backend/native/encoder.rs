use std::sync::Arc;

use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSlice};

use super::activations::Activations;
use super::arithmetic::Arithmetic;
use super::blueprint::{Stack, States};
use super::convolution::Convolution;
use super::embeddings::{Embeddings, Table};
use super::layer::{Layer, Work};
use super::relation::Relation;
use super::scratch::Scratch;
use crate::batch::RaggedBatch;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, ErrorKind};
use crate::stage::stage;

/// Embeddings and a stack of transformer layers, as in BERT (<https://arxiv.org/abs/1810.04805>). If the layers
/// attend to the output of another encoder, this is a decoder.
pub(crate) struct Encoder<A: Arithmetic> {
    embeddings: Embeddings,
    layers: Vec<Arc<Layer<A>>>,
    relation: Relation,
    /// The bases of the layers' rotations.
    bases: Vec<f32>,
    convolution: Option<Convolution<A>>,
    hidden: usize,
    heads: usize,
    longest: usize,
}

impl<A: Arithmetic> Encoder<A> {
    /// Reads the weights, with the layers divided among the threads of the current pool. Sequences may have up to
    /// `longest` tokens.
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        plan: &Stack,
        [hidden, longest]: [usize; 2],
        words: Option<Arc<Table>>,
    ) -> Result<Self, Error> {
        let embeddings = Embeddings::load(checkpoint, &plan.embeddings, words)?;
        let relation = Relation::load(checkpoint, plan, hidden, longest)?;
        let first_of = |layer: usize| plan.layers.iter().position(|other| *other == plan.layers[layer]);
        // Packing is most of the work of loading.
        let load = |layer: usize| {
            let own = first_of(layer) == Some(layer);
            own.then(|| Layer::load(checkpoint, &plan.layers[layer], &relation).map(Arc::new)).transpose()
        };
        let loaded: Vec<Option<Arc<Layer<A>>>> =
            (0..plan.layers.len()).into_par_iter().map(load).collect::<Result<_, _>>()?;
        let layers = (0..plan.layers.len()).filter_map(|layer| loaded[first_of(layer)?].clone()).collect();
        let mut bases: Vec<f32> = plan.layers.iter().map(|layer| layer.attention.rotary_base).collect();
        bases.dedup();
        let convolution = plan.convolution.as_ref();
        let convolution = convolution.map(|plan| Convolution::load(checkpoint, plan, hidden));
        let heads = plan.heads;
        let convolution = convolution.transpose()?;
        Ok(Self { embeddings, layers, relation, bases, convolution, hidden, heads, longest })
    }

    /// The word embedding, which other models may share.
    pub(crate) fn words(&self) -> Arc<Table> {
        self.embeddings.words()
    }

    /// Runs `batch` and leaves the last hidden states in `scratch.hidden`: `[tokens, hidden]`, or only those of the
    /// tokens `kept`, one per sequence. Work is divided among the threads of the current pool. `memory` is the output
    /// that a decoder attends to, for the same sequences.
    pub(crate) fn forward(
        &self,
        batch: &RaggedBatch,
        kept: Option<&[usize]>,
        memory: Option<&Activations<A>>,
        scratch: &mut Scratch<A>,
    ) -> Result<(), Error> {
        self.embed(batch, scratch)?;
        let embedded = self.convolution.is_some().then(|| scratch.hidden.clone());
        for (index, layer) in self.layers.iter().enumerate() {
            let work = Work {
                hidden: self.hidden,
                heads: self.heads,
                relation: &self.relation,
                bounds: &batch.bounds,
                kept: kept.filter(|_| index + 1 == self.layers.len()),
                memory,
            };
            layer.forward(&work, scratch)?;
            if let (0, Some(convolution), Some(embedded)) = (index, &self.convolution, &embedded) {
                convolution.add(batch, embedded, scratch)?;
            }
        }
        Ok(())
    }

    /// `hidden = embeddings(batch)`.
    fn embed(&self, batch: &RaggedBatch, scratch: &mut Scratch<A>) -> Result<(), Error> {
        stage!("embeddings");
        let longest = batch.sequences().map(|sequence| sequence.len()).max().unwrap_or(0);
        if longest > self.longest {
            let message = format!(
                "sequence length {longest} is out of range: the model takes at most {}",
                self.longest
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        let Scratch { hidden, states, turns, .. } = scratch;
        if let Relation::Rotary = self.relation {
            turns.prepare(self.bases.iter().copied(), self.hidden / self.heads, longest);
        }
        self.embeddings.forward(batch, hidden)?;
        states.resize(batch.ids.len(), self.hidden);
        let rows = hidden.par_chunks_exact(self.hidden);
        states.all_mut().each().zip(rows).for_each(|(to, row)| to.set(row));
        Ok(())
    }
}

impl States {
    /// The token of each sequence that the head reads, if it reads only one.
    pub(crate) fn kept(self, batch: &RaggedBatch) -> Result<Option<Vec<usize>>, Error> {
        match self {
            _ if !self.one_per_sequence() => Ok(None),
            Self::EveryToken | Self::Pooled(_) => {
                Ok(Some(batch.sequences().map(|sequence| sequence.start).collect()))
            }
            Self::LastOf(id) => {
                let last = |sequence: std::ops::Range<usize>| {
                    let found = sequence.clone().rev().find(|&token| batch.ids[token] == id);
                    found.ok_or_else(|| {
                        let message = format!("a sequence has no token {id}, which the model's head reads");
                        Error::new(ErrorKind::Tokenizer, message)
                    })
                };
                batch.sequences().map(last).collect::<Result<_, _>>().map(Some)
            }
        }
    }
}
