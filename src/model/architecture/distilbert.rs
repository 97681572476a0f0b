//! DistilBERT (<https://arxiv.org/abs/1910.01108>): BERT's layers under other names, with no token types
//! and no pooler.

use serde::Deserialize;

use super::shared::{Encoder, LayerNames, Source};
use crate::backend::native::activation::Activation;
use crate::backend::native::blueprint::{Blueprint, Dense, Numbering, Step};

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

/// The epsilon of every norm, which is not in the config.
const EPSILON: f32 = 1e-12;

pub(super) fn translate(source: &Source<'_>) -> Result<Blueprint, String> {
    let config: Config = source.read()?;
    let hidden = config.dim;
    let dense = Step::new(Dense::new("pre_classifier", hidden, hidden), Some(Activation::Relu));
    let classifier = source.classifier("classifier", hidden);
    let encoder = Encoder {
        prefix: "distilbert.",
        vocabulary: config.vocab_size,
        hidden: ("dim", hidden),
        heads: ("n_heads", config.n_heads),
        layers: ("n_layers", config.n_layers),
        intermediate: ("hidden_dim", config.hidden_dim),
        positions: config.max_position_embeddings,
        numbering: Numbering::From(0),
        token_types: None,
        width: hidden,
        activation: ("activation", &config.activation),
        epsilon: EPSILON,
    };
    let names = |layer| {
        LayerNames::new(
            &format!("distilbert.transformer.layer.{layer}"),
            ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
            ["attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm"],
        )
    };
    encoder.blueprint(names, source.head(classifier.clone(), [dense, classifier]))
}
