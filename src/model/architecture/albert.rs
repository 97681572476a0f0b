//! ALBERT (<https://arxiv.org/abs/1909.11942>): narrow embeddings, and layers that share their weights.

use serde::Deserialize;

use super::shared::{Encoder, LayerNames, Source, check, check_positions};
use crate::backend::native::activation::Activation;
use crate::backend::native::blueprint::{Blueprint, Dense, Numbering, Step};

/// The keys that are read, with transformers' defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Config {
    vocab_size: usize,
    embedding_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_hidden_groups: usize,
    inner_group_num: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    hidden_act: String,
    layer_norm_eps: f32,
    position_embedding_type: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 30_000,
            embedding_size: 128,
            hidden_size: 4096,
            num_hidden_layers: 12,
            num_hidden_groups: 1,
            inner_group_num: 1,
            num_attention_heads: 64,
            intermediate_size: 16_384,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            hidden_act: "gelu_new".into(),
            layer_norm_eps: 1e-12,
            position_embedding_type: None,
        }
    }
}

pub(super) fn translate(source: &Source<'_>) -> Result<Blueprint, String> {
    let config: Config = source.read()?;
    let (hidden, width) = (config.hidden_size, config.embedding_size);
    if config.num_hidden_groups == 0 || config.num_hidden_groups > config.num_hidden_layers {
        return Err(format!(
            "num_hidden_groups is {}; it must be between 1 and num_hidden_layers {}",
            config.num_hidden_groups, config.num_hidden_layers
        ));
    }
    check(&[("inner_group_num", config.inner_group_num), ("num_hidden_layers", config.num_hidden_layers)])?;
    check_positions(config.position_embedding_type.as_deref())?;
    let layers = config.inner_group_num.saturating_mul(config.num_hidden_layers);
    let encoder = Encoder {
        prefix: "albert.",
        vocabulary: config.vocab_size,
        hidden: ("hidden_size", hidden),
        heads: ("num_attention_heads", config.num_attention_heads),
        layers: ("inner_group_num times num_hidden_layers", layers),
        intermediate: ("intermediate_size", config.intermediate_size),
        positions: config.max_position_embeddings,
        numbering: Numbering::From(0),
        token_types: Some(config.type_vocab_size),
        width,
        activation: ("hidden_act", &config.hidden_act),
        epsilon: config.layer_norm_eps,
    };
    // Layers of one group share their weights, and so their names.
    let names = |layer: usize| {
        let (layer, inner) = (layer / config.inner_group_num, layer % config.inner_group_num);
        let group = layer * config.num_hidden_groups / config.num_hidden_layers;
        LayerNames::new(
            &format!("albert.encoder.albert_layer_groups.{group}.albert_layers.{inner}"),
            ["attention.query", "attention.key", "attention.value"],
            ["attention.dense", "attention.LayerNorm", "ffn", "ffn_output", "full_layer_layer_norm"],
        )
    };
    let pooler = Step::new(Dense::new("albert.pooler", hidden, hidden), Some(Activation::Tanh));
    let classifier = source.classifier("classifier", hidden);
    let mut plan = encoder.blueprint(names, source.head(classifier.clone(), [pooler, classifier]))?;
    plan.encoder.embeddings.projection =
        Some(Dense::new("albert.encoder.embedding_hidden_mapping_in", width, hidden));
    Ok(plan)
}
