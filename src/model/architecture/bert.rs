//! BERT (<https://arxiv.org/abs/1810.04805>) and the architectures that keep its layers: RoBERTa
//! (<https://arxiv.org/abs/1907.11692>), XLM-RoBERTa, CamemBERT, and ELECTRA
//! (<https://arxiv.org/abs/2003.10555>).

use serde::Deserialize;

use super::shared::{Encoder, LayerNames, Source, check_positions};
use crate::backend::native::activation::Activation;
use crate::backend::native::blueprint::{Blueprint, Dense, Head, Numbering, Step};

/// The keys that are read; keys that no checkpoint omits have no default.
#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "positions")]
    max_position_embeddings: usize,
    #[serde(default = "token_types")]
    type_vocab_size: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "epsilon")]
    layer_norm_eps: f32,
    #[serde(default)]
    position_embedding_type: Option<String>,
    /// A key of RoBERTa.
    #[serde(default)]
    pad_token_id: Option<u32>,
    /// A key of ELECTRA; its default is 128.
    #[serde(default)]
    embedding_size: Option<usize>,
}

fn positions() -> usize {
    512
}

fn token_types() -> usize {
    2
}

fn gelu() -> String {
    "gelu".into()
}

fn epsilon() -> f32 {
    1e-12
}

pub(super) fn bert(source: &Source<'_>) -> Result<Blueprint, String> {
    let config: Config = source.read()?;
    let hidden = config.hidden_size;
    let pooler = Step::new(Dense::new("bert.pooler.dense", hidden, hidden), Some(Activation::Tanh));
    let classifier = source.classifier("classifier", hidden);
    let head = source.head(classifier.clone(), [pooler, classifier]);
    config.blueprint("bert.", Numbering::From(0), hidden, head)
}

pub(super) fn roberta(source: &Source<'_>) -> Result<Blueprint, String> {
    let config: Config = source.read()?;
    let numbering = Numbering::AfterPadding(config.pad_token_id.unwrap_or(1));
    let head = two_layer_head(source, config.hidden_size, Activation::Tanh);
    config.blueprint("roberta.", numbering, config.hidden_size, head)
}

pub(super) fn electra(source: &Source<'_>) -> Result<Blueprint, String> {
    let config: Config = source.read()?;
    let hidden = config.hidden_size;
    let width = config.embedding_size.unwrap_or(128);
    let head = two_layer_head(source, hidden, Activation::Gelu);
    let mut plan = config.blueprint("electra.", Numbering::From(0), width, head)?;
    if width != hidden {
        plan.encoder.embeddings.projection = Some(Dense::new("electra.embeddings_project", width, hidden));
    }
    Ok(plan)
}

/// RoBERTa's head: for sequences, a dense layer before the classifier.
fn two_layer_head(source: &Source<'_>, hidden: usize, activation: Activation) -> Head {
    let dense = Step::new(Dense::new("classifier.dense", hidden, hidden), Some(activation));
    let output = source.classifier("classifier.out_proj", hidden);
    source.head(source.classifier("classifier", hidden), [dense, output])
}

impl Config {
    /// Builds the blueprint with `head`; `width` is that of the embeddings.
    fn blueprint(
        &self,
        prefix: &'static str,
        numbering: Numbering,
        width: usize,
        head: Head,
    ) -> Result<Blueprint, String> {
        check_positions(self.position_embedding_type.as_deref())?;
        let encoder = Encoder {
            prefix,
            vocabulary: self.vocab_size,
            hidden: ("hidden_size", self.hidden_size),
            heads: ("num_attention_heads", self.num_attention_heads),
            layers: ("num_hidden_layers", self.num_hidden_layers),
            intermediate: ("intermediate_size", self.intermediate_size),
            positions: self.max_position_embeddings,
            numbering,
            token_types: Some(self.type_vocab_size),
            width,
            activation: ("hidden_act", &self.hidden_act),
            epsilon: self.layer_norm_eps,
        };
        encoder.blueprint(|layer| LayerNames::of_bert(&format!("{prefix}encoder.layer.{layer}")), head)
    }
}
