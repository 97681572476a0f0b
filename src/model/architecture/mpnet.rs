//! MPNet (<https://arxiv.org/abs/2004.09297>): BERT's layers with T5's relative position biases.

use serde::Deserialize;

use super::{LayerNames, LayerSizes, Source, activation, check, check_heads};
use crate::engine::Activation;
use crate::engine::blueprint::{
    Blueprint, Dense, Embeddings, Norm, Numbering, Positions, Relation, Stack, Step, Table,
};

/// The keys that are read, with transformers' defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    layer_norm_eps: f32,
    relative_attention_num_buckets: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 30_527,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            max_position_embeddings: 512,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-12,
            relative_attention_num_buckets: 32,
        }
    }
}

/// Not in the config: the row of padding, and the distance beyond which all are one.
const PADDING: u32 = 1;
const FARTHEST: usize = 128;
/// The buckets that transformers sorts distances into, whatever the config says.
const BUCKETS: usize = 32;

pub(super) fn translate(source: &Source<'_>) -> Result<Blueprint, String> {
    let config: Config = source.read()?;
    let hidden = config.hidden_size;
    check_heads(("hidden_size", hidden), ("num_attention_heads", config.num_attention_heads))?;
    check(&[
        ("vocab_size", config.vocab_size),
        ("num_hidden_layers", config.num_hidden_layers),
        ("intermediate_size", config.intermediate_size),
        ("max_position_embeddings", config.max_position_embeddings),
    ])?;
    if config.relative_attention_num_buckets != BUCKETS {
        return Err(format!(
            "relative_attention_num_buckets is {}; supported is {BUCKETS}",
            config.relative_attention_num_buckets
        ));
    }
    let numbering = Numbering::AfterPadding(PADDING);
    let longest = config.max_position_embeddings.saturating_sub(numbering.before());
    if longest == 0 {
        return Err("max_position_embeddings leaves no place for text".into());
    }
    let sizes = LayerSizes {
        hidden,
        intermediate: config.intermediate_size,
        activation: activation("hidden_act", &config.hidden_act)?,
        epsilon: config.layer_norm_eps,
    };
    let layer = |layer| {
        let name = |part: &str| format!("mpnet.encoder.layer.{layer}.{part}");
        let names = LayerNames {
            qkv: ["q", "k", "v"].map(|part| name(&format!("attention.attn.{part}"))),
            attention_output: name("attention.attn.o"),
            attention_norm: name("attention.LayerNorm"),
            up: name("intermediate.dense"),
            down: name("output.dense"),
            output_norm: name("output.LayerNorm"),
        };
        names.layer(sizes)
    };
    let table = |part: &str, rows| Table::new(format!("mpnet.embeddings.{part}"), rows);
    let positions = table("position_embeddings", config.max_position_embeddings);
    let dense = Step::new(Dense::new("classifier.dense", hidden, hidden), Some(Activation::Tanh));
    let tokens = source.classifier("classifier", hidden);
    Ok(Blueprint {
        aliases: vec![["mpnet.", ""]],
        hidden,
        longest,
        encoder: Stack {
            embeddings: Embeddings {
                positions: Some(Positions { table: positions, numbering }),
                norm: Some(Norm::new("mpnet.embeddings.LayerNorm", hidden, config.layer_norm_eps)),
                ..Embeddings::of_words(table("word_embeddings", config.vocab_size), hidden)
            },
            heads: config.num_attention_heads,
            layers: (0..config.num_hidden_layers).map(layer).collect(),
            relation: Relation::Bias {
                table: "mpnet.encoder.relative_attention_bias".into(),
                buckets: BUCKETS,
                farthest: FARTHEST,
            },
            convolution: None,
        },
        decoder: None,
        head: source.head(tokens, [dense, source.classifier("classifier.out_proj", hidden)]),
    })
}
