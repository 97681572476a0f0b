use std::sync::Arc;

use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSlice};

use super::activations::Activations;
use super::blueprint::{Pool, Stack};
use super::checkpoint::Checkpoint;
use super::convolution::Convolution;
use super::embeddings::{Embeddings, Table};
use super::kernels::AttentionScratch;
use super::layer::{Layer, Work};
use super::linear::Output;
use super::relation::{Relation, Turns};
use super::spare::Spare;
use crate::backend::RaggedBatch;
use crate::engine::Precision;
use crate::error::{Error, ErrorKind};
use crate::stage::stage;

/// Embeddings and a stack of transformer layers, as in BERT (<https://arxiv.org/abs/1810.04805>); with
/// layers that attend to another's output, a decoder.
pub(crate) struct Encoder {
    embeddings: Embeddings,
    layers: Vec<Arc<Layer>>,
    relation: Relation,
    /// The bases of the layers' rotations.
    bases: Vec<f32>,
    convolution: Option<Convolution>,
    hidden: usize,
    heads: usize,
    longest: usize,
    precision: Precision,
}

/// Buffers of one group, taken once and reused.
pub(crate) struct EncoderScratch {
    /// The residual stream, `[tokens, hidden]`; the encoder's output when it is done.
    pub(crate) hidden: Vec<f32>,
    /// The residual stream as products read it.
    pub(crate) states: Activations,
    /// What lies between two products of a block: `[tokens, hidden]` or `[tokens, intermediate]`.
    pub(super) inner: Activations,
    /// What attention gives, `[heads, tokens, head size]`.
    pub(super) context: Vec<f32>,
    /// Of the threads that share the group.
    pub(super) attention: Spare<AttentionScratch>,
    /// Of the threads that share the group.
    pub(super) outputs: Spare<Output>,
    pub(super) turns: Turns,
}

impl Encoder {
    /// Reads the weights, its layers shared out in the current thread pool. Sequences may have up to
    /// `longest` tokens.
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        plan: &Stack,
        [hidden, longest]: [usize; 2],
        words: Option<Arc<Table>>,
        precision: Precision,
    ) -> Result<Self, Error> {
        let embeddings = Embeddings::load(checkpoint, &plan.embeddings, words)?;
        let relation = Relation::load(checkpoint, plan, hidden, longest)?;
        let first_of = |layer: usize| plan.layers.iter().position(|other| *other == plan.layers[layer]);
        // Packing is most of the work of loading.
        let load = |layer: usize| {
            let own = first_of(layer) == Some(layer);
            own.then(|| Layer::load(checkpoint, &plan.layers[layer], &relation, precision).map(Arc::new))
                .transpose()
        };
        let loaded: Vec<Option<Arc<Layer>>> =
            (0..plan.layers.len()).into_par_iter().map(load).collect::<Result<_, _>>()?;
        let layers = (0..plan.layers.len()).filter_map(|layer| loaded[first_of(layer)?].clone()).collect();
        let mut bases: Vec<f32> = plan.layers.iter().map(|layer| layer.attention.rotary_base).collect();
        bases.dedup();
        let convolution = plan.convolution.as_ref();
        let convolution = convolution.map(|plan| Convolution::load(checkpoint, plan, hidden, precision));
        let heads = plan.heads;
        let convolution = convolution.transpose()?;
        Ok(Self { embeddings, layers, relation, bases, convolution, hidden, heads, longest, precision })
    }

    pub(crate) fn scratch(&self) -> EncoderScratch {
        EncoderScratch {
            hidden: Vec::new(),
            states: Activations::new(self.precision),
            inner: Activations::new(self.precision),
            context: Vec::new(),
            attention: Spare::default(),
            outputs: Spare::default(),
            turns: Turns::default(),
        }
    }

    /// Its word embedding, to be shared.
    pub(crate) fn words(&self) -> Arc<Table> {
        self.embeddings.words()
    }

    /// Runs `batch`; the last hidden states are left in `scratch.hidden`: `[tokens, hidden]`, or those of
    /// the tokens `kept`, one a sequence. What can be shared out is, among the threads of the current
    /// pool. `memory` is what a decoder attends to, of the same sequences.
    pub(crate) fn forward(
        &self,
        batch: &RaggedBatch,
        kept: Option<&[usize]>,
        memory: Option<&Activations>,
        scratch: &mut EncoderScratch,
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
    fn embed(&self, batch: &RaggedBatch, scratch: &mut EncoderScratch) -> Result<(), Error> {
        stage!("embeddings");
        let longest = batch.sequences().map(|sequence| sequence.len()).max().unwrap_or(0);
        if longest > self.longest {
            let message =
                format!("sequence length {longest} is out of range: the model has {}", self.longest);
            return Err(Error::new(ErrorKind::Config, message));
        }
        let EncoderScratch { hidden, states, turns, .. } = scratch;
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

impl Pool {
    /// The token of each sequence that it takes, where it takes one.
    pub(crate) fn kept(self, batch: &RaggedBatch) -> Result<Option<Vec<usize>>, Error> {
        match self {
            Self::EveryToken | Self::Mean => Ok(None),
            Self::First => Ok(Some(batch.sequences().map(|sequence| sequence.start).collect())),
            Self::Last(id) => {
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
