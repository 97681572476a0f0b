//! ALBERT (<https://arxiv.org/abs/1909.11942>): narrow embeddings, and layers that share their weights.

use serde::Deserialize;

use super::{LayerNames, LayerSizes, Source, activation, check, check_heads, check_positions};
use crate::engine::Activation;
use crate::engine::blueprint::{
    Blueprint, Dense, Embeddings, Norm, Numbering, Positions, Stack, Step, Table,
};

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
    check_heads(("hidden_size", hidden), ("num_attention_heads", config.num_attention_heads))?;
    check(&[
        ("vocab_size", config.vocab_size),
        ("embedding_size", width),
        ("num_hidden_layers", config.num_hidden_layers),
        (
            "inner_group_num times num_hidden_layers",
            config.inner_group_num.saturating_mul(config.num_hidden_layers),
        ),
        ("intermediate_size", config.intermediate_size),
        ("max_position_embeddings", config.max_position_embeddings),
        ("type_vocab_size", config.type_vocab_size),
    ])?;
    if config.num_hidden_groups == 0 || config.num_hidden_groups > config.num_hidden_layers {
        return Err(format!(
            "num_hidden_groups is {}; it must be between 1 and num_hidden_layers {}",
            config.num_hidden_groups, config.num_hidden_layers
        ));
    }
    check_positions(config.position_embedding_type.as_deref())?;
    let sizes = LayerSizes {
        hidden,
        intermediate: config.intermediate_size,
        activation: activation("hidden_act", &config.hidden_act)?,
        epsilon: config.layer_norm_eps,
    };
    let inner = |group: usize, inner: usize| {
        let layer = format!("albert.encoder.albert_layer_groups.{group}.albert_layers.{inner}");
        let name = |part: &str| format!("{layer}.{part}");
        let names = LayerNames {
            qkv: ["query", "key", "value"].map(|part| name(&format!("attention.{part}"))),
            attention_output: name("attention.dense"),
            attention_norm: name("attention.LayerNorm"),
            up: name("ffn"),
            down: name("ffn_output"),
            output_norm: name("full_layer_layer_norm"),
        };
        names.layer(sizes)
    };
    let layers = (0..config.num_hidden_layers).flat_map(|layer| {
        let group = layer * config.num_hidden_groups / config.num_hidden_layers;
        (0..config.inner_group_num).map(move |index| (group, index))
    });
    let table = |part: &str, rows| Table::new(format!("albert.embeddings.{part}"), rows);
    let positions = table("position_embeddings", config.max_position_embeddings);
    let pooler = Step::new(Dense::new("albert.pooler", hidden, hidden), Some(Activation::Tanh));
    let classifier = source.classifier("classifier", hidden);
    Ok(Blueprint {
        aliases: vec![["albert.", ""]],
        hidden,
        longest: config.max_position_embeddings,
        encoder: Stack::new(
            Embeddings {
                positions: Some(Positions { table: positions, numbering: Numbering::From(0) }),
                token_types: Some(table("token_type_embeddings", config.type_vocab_size)),
                norm: Some(Norm::new("albert.embeddings.LayerNorm", width, config.layer_norm_eps)),
                projection: Some(Dense::new("albert.encoder.embedding_hidden_mapping_in", width, hidden)),
                ..Embeddings::of_words(table("word_embeddings", config.vocab_size), width)
            },
            config.num_attention_heads,
            layers.map(|(group, index)| inner(group, index)).collect(),
        ),
        decoder: None,
        head: source.head(classifier.clone(), [pooler, classifier]),
    })
}
