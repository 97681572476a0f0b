use std::sync::Arc;

use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use rten_simd::SimdOp;

use super::activation::Activation;
use super::checkpoint::{Checkpoint, Matrix};
use super::embeddings::{Embeddings, Table};
use super::kernels::{Attention, AttentionScratch};
use super::linear::{Linear, LinearScratch, Products};
use super::norm::LayerNorm;
use crate::backend::{Precision, RaggedBatch};
use crate::error::Error;
use crate::model::Config;

/// A stack of transformer layers with the norm after each block, as in BERT
/// (<https://arxiv.org/abs/1810.04805>).
pub(crate) struct Encoder {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    hidden: usize,
    heads: usize,
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
#[derive(Default)]
pub(crate) struct EncoderScratch {
    /// The residual stream, `[tokens, hidden]`; the encoder's output when it is done.
    pub(crate) hidden: Vec<f32>,
    /// `[tokens, 3 * hidden]`.
    qkv: Vec<f32>,
    /// `[tokens, hidden]`.
    context: Vec<f32>,
    /// `[tokens, hidden]`: what a block adds to the residual stream.
    block: Vec<f32>,
    /// `[tokens, intermediate]`.
    intermediate: Vec<f32>,
    attention: AttentionScratch,
    pub(crate) linear: LinearScratch,
}

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
        Ok(Self { embeddings, layers, hidden: config.hidden, heads: config.heads })
    }

    /// Runs `batch`; the last hidden states are left in `scratch.hidden`, `[tokens, hidden]`.
    pub(crate) fn forward(
        &self,
        products: &Products,
        batch: &RaggedBatch,
        scratch: &mut EncoderScratch,
    ) -> Result<(), Error> {
        self.embeddings.forward(batch, &mut scratch.hidden)?;
        for layer in &self.layers {
            self.forward_layer(layer, products, batch, scratch)?;
        }
        Ok(())
    }

    fn forward_layer(
        &self,
        layer: &Layer,
        products: &Products,
        batch: &RaggedBatch,
        scratch: &mut EncoderScratch,
    ) -> Result<(), Error> {
        let EncoderScratch { hidden, qkv, context, block, intermediate, attention, linear } = scratch;

        layer.qkv.forward(products, hidden, qkv, linear)?;
        context.resize(hidden.len(), 0.0);
        for sequence in batch.sequences() {
            Attention {
                qkv: &qkv[sequence.start * 3 * self.hidden..sequence.end * 3 * self.hidden],
                hidden: self.hidden,
                heads: self.heads,
                out: &mut context[sequence.start * self.hidden..sequence.end * self.hidden],
                scratch: attention,
            }
            .dispatch();
        }
        layer.attention_out.forward(products, context, block, linear)?;
        layer.attention_norm.forward(hidden, Some(block));

        layer.up.forward(products, hidden, intermediate, linear)?;
        layer.activation.apply(intermediate);
        layer.down.forward(products, intermediate, block, linear)?;
        layer.output_norm.forward(hidden, Some(block));
        Ok(())
    }
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
