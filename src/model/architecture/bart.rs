//! BART (<https://arxiv.org/abs/1910.13461>) for sequence classification: an encoder, and a decoder that reads the
//! same text and whose state at the end is classified.

use serde::Deserialize;

use super::shared::{LayerNames, LayerSizes, Source, activation, check, check_heads};
use crate::backend::native::activation::Activation;
use crate::backend::native::blueprint::{
    Blueprint, CrossAttention, Decoder, Dense, Embeddings, Head, Layer, Norm, Numbering, Positions, Seam,
    Stack, States, Step, Table,
};
use crate::backend::native::kernels::relation::Reach;

/// The keys that are read, with transformers' defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Config {
    vocab_size: usize,
    d_model: usize,
    max_position_embeddings: usize,
    encoder_layers: usize,
    encoder_ffn_dim: usize,
    encoder_attention_heads: usize,
    decoder_layers: usize,
    decoder_ffn_dim: usize,
    decoder_attention_heads: usize,
    activation_function: String,
    scale_embedding: bool,
    eos_token_id: u32,
    decoder_start_token_id: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 50_265,
            d_model: 1024,
            max_position_embeddings: 1024,
            encoder_layers: 12,
            encoder_ffn_dim: 4096,
            encoder_attention_heads: 16,
            decoder_layers: 12,
            decoder_ffn_dim: 4096,
            decoder_attention_heads: 16,
            activation_function: "gelu".into(),
            scale_embedding: false,
            eos_token_id: 2,
            decoder_start_token_id: 2,
        }
    }
}

/// The epsilon of every norm, which is not in the config.
const EPSILON: f32 = 1e-5;

/// The number of rows before the first position in the table of positions.
const BEFORE: usize = 2;

pub(super) fn translate(source: &Source<'_>) -> Result<Blueprint, String> {
    let config: Config = source.read()?;
    let hidden = config.d_model;
    let heads = config.encoder_attention_heads;
    check_heads(("d_model", hidden), ("encoder_attention_heads", heads))?;
    check(&[
        ("vocab_size", config.vocab_size),
        ("max_position_embeddings", config.max_position_embeddings),
        ("encoder_layers", config.encoder_layers),
        ("encoder_ffn_dim", config.encoder_ffn_dim),
        ("decoder_layers", config.decoder_layers),
        ("decoder_ffn_dim", config.decoder_ffn_dim),
    ])?;
    check_heads(("d_model", hidden), ("decoder_attention_heads", config.decoder_attention_heads))?;
    let activation = activation("activation_function", &config.activation_function)?;
    let sizes = |intermediate| LayerSizes { hidden, intermediate, activation, epsilon: EPSILON };
    let encoder = |layer| layer_of(&format!("model.encoder.layers.{layer}"), sizes(config.encoder_ffn_dim));
    let decoder = |layer| {
        let name = format!("model.decoder.layers.{layer}");
        let mut plan = layer_of(&name, sizes(config.decoder_ffn_dim));
        plan.attention.reach = Reach::Before;
        let dense = |part: &str| Dense::new(format!("{name}.encoder_attn.{part}"), hidden, hidden);
        plan.cross_attention = Some(CrossAttention {
            query: dense("q_proj"),
            key_value: ["k_proj", "v_proj"].map(dense),
            output: dense("out_proj"),
            norm: Seam::Stream(Norm::new(format!("{name}.encoder_attn_layer_norm"), hidden, EPSILON)),
        });
        plan
    };
    let dense = Dense::new("classification_head.dense", hidden, hidden);
    let steps = vec![
        Step::new(dense, Some(Activation::Tanh)),
        source.classifier("classification_head.out_proj", hidden),
    ];
    Ok(Blueprint {
        // This is one tensor, which some checkpoints store under another of its names.
        aliases: ["model.encoder.embed_tokens.", "model.decoder.embed_tokens."]
            .map(|name| ["model.shared.", name])
            .into(),
        hidden,
        longest: config.max_position_embeddings,
        encoder: config.stack("model.encoder", heads, (0..config.encoder_layers).map(encoder).collect()),
        decoder: Some(Decoder {
            start: config.decoder_start_token_id,
            stack: config.stack(
                "model.decoder",
                config.decoder_attention_heads,
                (0..config.decoder_layers).map(decoder).collect(),
            ),
        }),
        head: Head::Dense { states: States::LastOf(config.eos_token_id), steps },
    })
}

fn layer_of(layer: &str, sizes: LayerSizes) -> Layer {
    let names = LayerNames::new(
        layer,
        ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
        ["self_attn.out_proj", "self_attn_layer_norm", "fc1", "fc2", "final_layer_norm"],
    );
    names.layer(sizes)
}

impl Config {
    fn stack(&self, name: &str, heads: usize, layers: Vec<Layer>) -> Stack {
        let rows = self.max_position_embeddings + BEFORE;
        let positions = Table::new(format!("{name}.embed_positions"), rows);
        Stack::new(
            Embeddings {
                scale: if self.scale_embedding { (self.d_model as f32).sqrt() } else { 1.0 },
                positions: Some(Positions { table: positions, numbering: Numbering::From(BEFORE) }),
                norm: Some(Norm::new(format!("{name}.layernorm_embedding"), self.d_model, EPSILON)),
                ..Embeddings::of_words(Table::new("model.shared", self.vocab_size), self.d_model)
            },
            heads,
            layers,
        )
    }
}
