use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut,
};
use rten_simd::SimdOp;

use super::activation::Activation;
use super::activations::Activations;
use super::checkpoint::{Checkpoint, Matrix};
use super::embeddings::{Embeddings, Table};
use super::kernels::{Attention, AttentionScratch, Rows};
use super::linear::{Linear, Output, Products};
use super::norm::LayerNorm;
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

/// Buffers of one thread, taken once and reused.
pub(crate) struct EncoderScratch {
    /// The residual stream, `[tokens, hidden]`; the encoder's output when it is done.
    pub(crate) hidden: Vec<f32>,
    /// The residual stream as products read it.
    states: Activations,
    /// What lies between two products of a block: `[tokens, hidden]` or `[tokens, intermediate]`.
    inner: Activations,
    /// What attention gives, `[heads, tokens, head size]`.
    context: Vec<f32>,
    /// One for each thread that shares a group.
    attention: Vec<AttentionScratch>,
    pub(crate) output: Output,
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
        // Packing is most of the work of loading. The kernels are not `Sync`, so each layer chooses.
        let load = |layer| Layer::load(checkpoint, config, layer, &Products::new(), precision);
        let layers = (0..config.layers).into_par_iter().map(load).collect::<Result<_, _>>()?;
        Ok(Self { embeddings, layers, hidden: config.hidden, heads: config.heads, precision })
    }

    pub(crate) fn scratch(&self, products: &Products) -> EncoderScratch {
        EncoderScratch {
            hidden: Vec::new(),
            states: Activations::new(self.precision, products),
            inner: Activations::new(self.precision, products),
            context: Vec::new(),
            attention: Vec::new(),
            output: Output::default(),
        }
    }

    /// Runs `batch`; the last hidden states are left in `scratch.hidden`: `[tokens, hidden]`, or
    /// `[sequences, hidden]` of their first tokens. What can be shared out is, among the threads of the
    /// current pool.
    pub(crate) fn forward(
        &self,
        products: &Products,
        batch: &RaggedBatch,
        reads: Reads,
        scratch: &mut EncoderScratch,
    ) -> Result<(), Error> {
        self.embed(batch, scratch)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let reads = if index + 1 == self.layers.len() { reads } else { Reads::EveryToken };
            self.attend(layer, products, batch, reads, scratch)?;
            self.feed_forward(layer, products, scratch)?;
        }
        Ok(())
    }

    /// `hidden = embeddings(batch)`.
    fn embed(&self, batch: &RaggedBatch, scratch: &mut EncoderScratch) -> Result<(), Error> {
        stage!("embeddings");
        let EncoderScratch { hidden, states, .. } = scratch;
        self.embeddings.forward(batch, hidden)?;
        let tokens = batch.ids.len();
        states.resize(tokens, self.hidden);
        let rows = hidden.par_chunks_exact(self.hidden);
        states.rows_mut(0..tokens).zip(rows).for_each(|(to, row)| to.set(row));
        Ok(())
    }

    /// `hidden = norm(hidden + attention(hidden))`, of the tokens that are read afterwards.
    fn attend(
        &self,
        layer: &Layer,
        products: &Products,
        batch: &RaggedBatch,
        reads: Reads,
        scratch: &mut EncoderScratch,
    ) -> Result<(), Error> {
        let EncoderScratch { hidden, states, inner, context, attention, output } = scratch;
        let (tokens, size) = (batch.ids.len(), self.hidden / self.heads);
        let head_cells = tokens * size;
        if head_cells == 0 {
            return Ok(());
        }

        let qkv = {
            stage!("qkv");
            layer.qkv.forward(products, states.rows(0..tokens), output)?
        };
        {
            stage!("attention");
            context.resize(self.heads * head_cells, 0.0);
            let share = self.heads.div_ceil(rayon::current_num_threads());
            attention.resize_with(self.heads.div_ceil(share), AttentionScratch::default);
            let shares = context.par_chunks_mut(share * head_cells).zip(attention);
            shares.enumerate().for_each(|(index, (out, scratch))| {
                let first = index * share;
                let heads = first..first + out.len() / head_cells;
                Attention { qkv, bounds: &batch.bounds, heads, size, out, scratch }.dispatch();
            });
        }

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
        inner.resize(kept.len(), self.hidden);
        inner.rows_mut(0..kept.len()).zip(&kept).for_each_init(Vec::new, |buffer, (to, &token)| {
            to.write(buffer, |values| {
                let heads = context.chunks_exact(head_cells);
                for (to, head) in values.chunks_exact_mut(size).zip(heads) {
                    to.copy_from_slice(&head[token * size..][..size]);
                }
            });
        });
        states.resize(kept.len(), self.hidden);
        for block in blocks(kept.len()) {
            let rows = layer.attention_out.forward(products, inner.rows(block.clone()), output)?;
            self.add(&layer.attention_norm, block, rows, hidden, states);
        }
        Ok(())
    }

    /// `hidden = norm(hidden + down(activation(up(hidden))))`.
    fn feed_forward(
        &self,
        layer: &Layer,
        products: &Products,
        scratch: &mut EncoderScratch,
    ) -> Result<(), Error> {
        let EncoderScratch { hidden, states, inner, output, .. } = scratch;
        let tokens = hidden.len() / self.hidden;
        inner.resize(tokens, layer.up.outputs());
        {
            stage!("up");
            for block in blocks(tokens) {
                let rows = layer.up.forward(products, states.rows(block.clone()), output)?;
                inner.rows_mut(block).enumerate().for_each_init(Vec::new, |buffer, (row, to)| {
                    to.write(buffer, |values| {
                        rows.read(row, values);
                        layer.activation.apply(values);
                    });
                });
            }
        }
        stage!("down");
        for block in blocks(tokens) {
            let rows = layer.down.forward(products, inner.rows(block.clone()), output)?;
            self.add(&layer.output_norm, block, rows, hidden, states);
        }
        Ok(())
    }

    /// Adds `rows` to the residual stream at `block` and normalises it.
    fn add(
        &self,
        norm: &LayerNorm,
        block: Range<usize>,
        rows: Rows<'_>,
        hidden: &mut [f32],
        states: &mut Activations,
    ) {
        let residual =
            hidden[block.start * self.hidden..block.end * self.hidden].par_chunks_exact_mut(self.hidden);
        let zipped = states.rows_mut(block).zip(residual).enumerate();
        zipped.for_each_init(
            || vec![0.0; self.hidden],
            |addend, (row, (to, hidden))| {
                rows.read(row, addend);
                norm.add(hidden, addend);
                to.set(hidden);
            },
        );
    }
}

/// `0..tokens` in parts, each to be shared out among the threads of the current pool.
fn blocks(tokens: usize) -> impl Iterator<Item = Range<usize>> {
    let rows = BLOCK_ROWS * rayon::current_num_threads();
    (0..tokens).step_by(rows).map(move |start| start..tokens.min(start + rows))
}

impl Layer {
    fn load(
        checkpoint: &Checkpoint<'_>,
        config: &Config,
        layer: usize,
        products: &Products,
        precision: Precision,
    ) -> Result<Self, Error> {
        let (hidden, intermediate) = (config.hidden, config.intermediate);
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let dense = |part: &str, outputs, inputs| -> Result<Linear, Error> {
            let weight = checkpoint.matrix(&name(&format!("{part}.weight")), outputs, inputs)?;
            let bias = checkpoint.vector(&name(&format!("{part}.bias")), outputs)?;
            Ok(Linear::new(products, &weight, bias, precision))
        };
        let mut qkv_weights = Vec::new();
        let mut qkv_bias = Vec::new();
        for part in ["query", "key", "value"] {
            let part = name(&format!("attention.self.{part}"));
            qkv_weights.push(checkpoint.matrix(&format!("{part}.weight"), hidden, hidden)?);
            qkv_bias.extend(checkpoint.vector(&format!("{part}.bias"), hidden)?);
        }
        Ok(Self {
            qkv: Linear::new(products, &Matrix::stack(&qkv_weights), qkv_bias, precision),
            attention_out: dense("attention.output.dense", hidden, hidden)?,
            attention_norm: LayerNorm::load(checkpoint, &name("attention.output.LayerNorm"), config)?,
            up: dense("intermediate.dense", intermediate, hidden)?,
            activation: config.activation,
            down: dense("output.dense", hidden, intermediate)?,
            output_norm: LayerNorm::load(checkpoint, &name("output.LayerNorm"), config)?,
        })
    }
}
