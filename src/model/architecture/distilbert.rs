//! DistilBERT (<https://arxiv.org/abs/1910.01108>): BERT's layers under other names, with no token types
//! and no pooler.

use serde::Deserialize;

use super::{LayerNames, LayerSizes, Source, activation, check, check_heads};
use crate::engine::Activation;
use crate::engine::blueprint::{
    Blueprint, Dense, Embeddings, Norm, Numbering, Positions, Stack, Step, Table,
};

/// The keys that are read, with transformers' defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Config {
    vocab_size: usize,
    dim: usize,
    n_layers: usize,
    n_heads: usize,
    hidden_dim: usize,
    max_position_embeddings: usize,
    activation: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 30_522,
            dim: 768,
            n_layers: 6,
            n_heads: 12,
            hidden_dim: 4 * 768,
            max_position_embeddings: 512,
            activation: "gelu".into(),
        }
    }
}

/// Not in the config: every norm has it.
const EPSILON: f32 = 1e-12;

pub(super) fn translate(source: &Source<'_>) -> Result<Blueprint, String> {
    let config: Config = source.read()?;
    let hidden = config.dim;
    check_heads(("dim", hidden), ("n_heads", config.n_heads))?;
    check(&[
        ("vocab_size", config.vocab_size),
        ("n_layers", config.n_layers),
        ("hidden_dim", config.hidden_dim),
        ("max_position_embeddings", config.max_position_embeddings),
    ])?;
    let sizes = LayerSizes {
        hidden,
        intermediate: config.hidden_dim,
        activation: activation("activation", &config.activation)?,
        epsilon: EPSILON,
    };
    let layer = |layer| {
        let name = |part: &str| format!("distilbert.transformer.layer.{layer}.{part}");
        let names = LayerNames {
            qkv: ["q_lin", "k_lin", "v_lin"].map(|part| name(&format!("attention.{part}"))),
            attention_output: name("attention.out_lin"),
            attention_norm: name("sa_layer_norm"),
            up: name("ffn.lin1"),
            down: name("ffn.lin2"),
            output_norm: name("output_layer_norm"),
        };
        names.layer(sizes)
    };
    let table = |part: &str, rows| Table::new(format!("distilbert.embeddings.{part}"), rows);
    let positions = table("position_embeddings", config.max_position_embeddings);
    let dense = Step::new(Dense::new("pre_classifier", hidden, hidden), Some(Activation::Relu));
    let classifier = source.classifier("classifier", hidden);
    Ok(Blueprint {
        aliases: vec![["distilbert.", ""]],
        hidden,
        longest: config.max_position_embeddings,
        encoder: Stack::new(
            Embeddings {
                positions: Some(Positions { table: positions, numbering: Numbering::From(0) }),
                norm: Some(Norm::new("distilbert.embeddings.LayerNorm", hidden, EPSILON)),
                ..Embeddings::of_words(table("word_embeddings", config.vocab_size), hidden)
            },
            config.n_heads,
            (0..config.n_layers).map(layer).collect(),
        ),
        decoder: None,
        head: source.head(classifier.clone(), [dense, classifier]),
    })
}
