use std::sync::Arc;

use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut,
};
use rten_simd::SimdOp;

use super::activation::Activation;
use super::activations::Activations;
use super::checkpoint::{Checkpoint, Matrix};
use super::embeddings::{Embeddings, Table};
use super::kernels::{Attention, AttentionScratch};
use super::linear::{Linear, Output};
use super::norm::LayerNorm;
use super::spare::Spare;
use crate::backend::{Precision, RaggedBatch};
use crate::error::Error;
use crate::model::Config;
use crate::stage::stage;

/// A stack of transformer layers with the norm after each block, as in BERT
/// (<https://arxiv.org/abs/1810.04805>).
pub(crate) struct Encoder {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    hidden: usize,
    heads: usize,
    precision: Precision,
}

struct Layer {
    /// Query, key and value as one product, `[hidden] -> [3 * hidden]`.
    qkv: Linear,
    attention_out: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    activation: Activation,
    down: Linear,
    output_norm: LayerNorm,
}

/// Buffers of one group, taken once and reused.
pub(crate) struct EncoderScratch {
    /// The residual stream, `[tokens, hidden]`; the encoder's output when it is done.
    pub(crate) hidden: Vec<f32>,
    /// The residual stream as products read it.
    states: Activations,
    /// What lies between two products of a block: `[tokens, hidden]` or `[tokens, intermediate]`.
    inner: Activations,
    /// What attention gives, `[heads, tokens, head size]`.
    context: Vec<f32>,
    /// Of the threads that share the group.
    attention: Spare<AttentionScratch>,
    /// Of the threads that share the group.
    outputs: Spare<Output>,
}

/// Which of the last states are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    EveryToken,
    /// Of each sequence, which saves most of the last layer.
    FirstTokens,
}

/// Rows that go through a product and what follows it together, so that its sums are still in the
/// cache: a multiple of 6, 8 and 16, the rows of the products' tiles.
const BLOCK_ROWS: usize = 48;

impl Encoder {
    /// Reads the weights, its layers shared out in the current thread pool.
    pub(crate) fn load(
        checkpoint: &Checkpoint<'_>,
        config: &Config,
        words: Option<Arc<Table>>,
        precision: Precision,
    ) -> Result<Self, Error> {
        let embeddings = Embeddings::load(checkpoint, config, words)?;
        // Packing is most of the work of loading.
        let load = |layer| Layer::load(checkpoint, config, layer, precision);
        let layers = (0..config.layers).into_par_iter().map(load).collect::<Result<_, _>>()?;
        Ok(Self { embeddings, layers, hidden: config.hidden, heads: config.heads, precision })
    }

    pub(crate) fn scratch(&self) -> EncoderScratch {
        EncoderScratch {
            hidden: Vec::new(),
            states: Activations::new(self.precision),
            inner: Activations::new(self.precision),
            context: Vec::new(),
            attention: Spare::default(),
            outputs: Spare::default(),
        }
    }

    /// Runs `batch`; the last hidden states are left in `scratch.hidden`: `[tokens, hidden]`, or
    /// `[sequences, hidden]` of their first tokens. What can be shared out is, among the threads of the
    /// current pool.
    pub(crate) fn forward(
        &self,
        batch: &RaggedBatch,
        reads: Reads,
        scratch: &mut EncoderScratch,
    ) -> Result<(), Error> {
        self.embed(batch, scratch)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let reads = if index + 1 == self.layers.len() { reads } else { Reads::EveryToken };
            self.attend(layer, batch, reads, scratch)?;
            self.feed_forward(layer, scratch)?;
        }
        Ok(())
    }

    /// `hidden = embeddings(batch)`.
    fn embed(&self, batch: &RaggedBatch, scratch: &mut EncoderScratch) -> Result<(), Error> {
        stage!("embeddings");
        let EncoderScratch { hidden, states, .. } = scratch;
        self.embeddings.forward(batch, hidden)?;
        states.resize(batch.ids.len(), self.hidden);
        let rows = hidden.par_chunks_exact(self.hidden);
        states.all_mut().each().zip(rows).for_each(|(to, row)| to.set(row));
        Ok(())
    }

    /// `hidden = norm(hidden + attention(hidden))`, of the tokens that are read afterwards.
    fn attend(
        &self,
        layer: &Layer,
        batch: &RaggedBatch,
        reads: Reads,
        scratch: &mut EncoderScratch,
    ) -> Result<(), Error> {
        let EncoderScratch { hidden, states, inner, context, attention, outputs } = scratch;
        let (tokens, size) = (batch.ids.len(), self.hidden / self.heads);
        let head_cells = tokens * size;
        if head_cells == 0 {
            return Ok(());
        }
        context.resize(self.heads * head_cells, 0.0);
        outputs.lend(Output::default, |output| {
            let qkv = {
                stage!("qkv");
                layer.qkv.forward(states.rows(0..tokens), output)?
            };
            stage!("attention");
            let share = self.heads.div_ceil(head_shares(tokens));
            context.par_chunks_mut(share * head_cells).enumerate().for_each(|(index, out)| {
                let first = index * share;
                let heads = first..first + out.len() / head_cells;
                attention.lend(AttentionScratch::default, |scratch| {
                    Attention { qkv, bounds: &batch.bounds, heads, size, out, scratch }.dispatch();
                });
            });
            Ok::<(), Error>(())
        })?;

        stage!("attention output");
        let kept: Vec<usize> = match reads {
            Reads::EveryToken => (0..tokens).collect(),
            // What follows works on each token by itself, so the others can go.
            Reads::FirstTokens => batch.sequences().map(|sequence| sequence.start).collect(),
        };
        for (row, &token) in kept.iter().enumerate().filter(|(row, token)| row != *token) {
            hidden.copy_within(token * self.hidden..(token + 1) * self.hidden, row * self.hidden);
        }
        hidden.truncate(kept.len() * self.hidden);
        states.resize(kept.len(), self.hidden);
        inner.resize(kept.len(), self.hidden);
        inner.all_mut().each().zip(&kept).for_each_init(Vec::new, |buffer, (to, &token)| {
            to.write(buffer, |values| {
                let heads = context.chunks_exact(head_cells);
                for (to, head) in values.chunks_exact_mut(size).zip(heads) {
                    to.copy_from_slice(&head[token * size..][..size]);
                }
            });
        });
        self.add(&layer.attention_out, &layer.attention_norm, inner, hidden, states, outputs)
    }

    /// `hidden = norm(hidden + down(activation(up(hidden))))`.
    fn feed_forward(&self, layer: &Layer, scratch: &mut EncoderScratch) -> Result<(), Error> {
        let EncoderScratch { hidden, states, inner, outputs, .. } = scratch;
        let tokens = hidden.len() / self.hidden;
        let block = block_rows(tokens);
        inner.resize(tokens, layer.up.outputs());
        {
            stage!("up");
            inner.blocks_mut(block).enumerate().try_for_each(|(index, to)| {
                let start = index * block;
                outputs.lend(Output::default, |output| {
                    let input = states.rows(start..tokens.min(start + block));
                    let rows = layer.up.forward(input, output)?;
                    to.each().enumerate().for_each_init(Vec::new, |buffer, (row, to)| {
                        to.write(buffer, |values| {
                            rows.read(row, values);
                            layer.activation.apply(values);
                        });
                    });
                    Ok::<(), Error>(())
                })
            })?;
        }
        stage!("down");
        self.add(&layer.down, &layer.output_norm, inner, hidden, states, outputs)
    }

    /// `hidden = norm(hidden + linear(inner))`, and `states` what products read of it.
    fn add(
        &self,
        linear: &Linear,
        norm: &LayerNorm,
        inner: &Activations,
        hidden: &mut [f32],
        states: &mut Activations,
        outputs: &Spare<Output>,
    ) -> Result<(), Error> {
        let width = self.hidden;
        let tokens = hidden.len() / width;
        let block = block_rows(tokens);
        let blocks = states.blocks_mut(block).zip(hidden.par_chunks_mut(block * width));
        blocks.enumerate().try_for_each(|(index, (to, hidden))| {
            let start = index * block;
            outputs.lend(Output::default, |output| {
                let input = inner.rows(start..tokens.min(start + block));
                let rows = linear.forward(input, output)?;
                let residual = hidden.par_chunks_exact_mut(width);
                to.each().zip(residual).enumerate().for_each_init(
                    || vec![0.0; width],
                    |addend, (row, (to, hidden))| {
                        rows.read(row, addend);
                        norm.add(hidden, addend);
                        to.set(hidden);
                    },
                );
                Ok(())
            })
        })
    }
}

/// How many rows a block has: `BLOCK_ROWS` where there is a block for each thread that shares the group;
/// else all, and the product itself is shared out.
fn block_rows(tokens: usize) -> usize {
    if tokens < BLOCK_ROWS * rayon::current_num_threads() { tokens.max(1) } else { BLOCK_ROWS }
}

/// In how many parts a group's heads are shared out: for each thread one, or some where they are long,
/// so that a thread that was held up leaves work to the others.
fn head_shares(tokens: usize) -> usize {
    match rayon::current_num_threads() {
        1 => 1,
        threads if tokens < 2 * BLOCK_ROWS => threads,
        threads => 3 * threads,
    }
}

impl Layer {
    fn load(
        checkpoint: &Checkpoint<'_>,
        config: &Config,
        layer: usize,
        precision: Precision,
    ) -> Result<Self, Error> {
        let (hidden, intermediate) = (config.hidden, config.intermediate);
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let dense = |part: &str, outputs, inputs| -> Result<Linear, Error> {
            let weight = checkpoint.matrix(&name(&format!("{part}.weight")), outputs, inputs)?;
            let bias = checkpoint.vector(&name(&format!("{part}.bias")), outputs)?;
            Ok(Linear::new(&weight, bias, precision))
        };
        let mut qkv_weights = Vec::new();
        let mut qkv_bias = Vec::new();
        for part in ["query", "key", "value"] {
            let part = name(&format!("attention.self.{part}"));
            qkv_weights.push(checkpoint.matrix(&format!("{part}.weight"), hidden, hidden)?);
            qkv_bias.extend(checkpoint.vector(&format!("{part}.bias"), hidden)?);
        }
        Ok(Self {
            qkv: Linear::new(&Matrix::stack(&qkv_weights), qkv_bias, precision),
            attention_out: dense("attention.output.dense", hidden, hidden)?,
            attention_norm: LayerNorm::load(checkpoint, &name("attention.output.LayerNorm"), config)?,
            up: dense("intermediate.dense", intermediate, hidden)?,
            activation: config.activation,
            down: dense("output.dense", hidden, intermediate)?,
            output_norm: LayerNorm::load(checkpoint, &name("output.LayerNorm"), config)?,
        })
    }
}
