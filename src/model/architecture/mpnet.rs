//! MPNet (<https://arxiv.org/abs/2004.09297>): BERT's layers with T5's relative position biases.

use serde::Deserialize;

use super::shared::{Encoder, LayerNames, Source};
use crate::backend::native::activation::Activation;
use crate::backend::native::blueprint::{Blueprint, Dense, Numbering, Relation, Step};

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

/// The row of padding, and the distance beyond which all distances are one. Neither is in the config.
const PADDING: u32 = 1;
const FARTHEST: usize = 128;
/// The number of buckets into which transformers sorts distances, whatever the config says.
const BUCKETS: usize = 32;

pub(super) fn translate(source: &Source<'_>) -> Result<Blueprint, String> {
    let config: Config = source.read()?;
    let hidden = config.hidden_size;
    if config.relative_attention_num_buckets != BUCKETS {
        return Err(format!(
            "relative_attention_num_buckets is {}; supported is {BUCKETS}",
            config.relative_attention_num_buckets
        ));
    }
    let dense = Step::new(Dense::new("classifier.dense", hidden, hidden), Some(Activation::Tanh));
    let output = source.classifier("classifier.out_proj", hidden);
    let encoder = Encoder {
        prefix: "mpnet.",
        vocabulary: config.vocab_size,
        hidden: ("hidden_size", hidden),
        heads: ("num_attention_heads", config.num_attention_heads),
        layers: ("num_hidden_layers", config.num_hidden_layers),
        intermediate: ("intermediate_size", config.intermediate_size),
        positions: config.max_position_embeddings,
        numbering: Numbering::AfterPadding(PADDING),
        token_types: None,
        width: hidden,
        activation: ("hidden_act", &config.hidden_act),
        epsilon: config.layer_norm_eps,
    };
    let names = |layer| {
        LayerNames::new(
            &format!("mpnet.encoder.layer.{layer}"),
            ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
            [
                "attention.attn.o",
                "attention.LayerNorm",
                "intermediate.dense",
                "output.dense",
                "output.LayerNorm",
            ],
        )
    };
    let head = source.head(source.classifier("classifier", hidden), [dense, output]);
    let mut plan = encoder.blueprint(names, head)?;
    plan.encoder.relation = Relation::Bias {
        table: "mpnet.encoder.relative_attention_bias".into(),
        buckets: BUCKETS,
        farthest: FARTHEST,
    };
    Ok(plan)
}
