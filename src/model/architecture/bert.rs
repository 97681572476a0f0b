//! BERT (<https://arxiv.org/abs/1810.04805>) and those that keep its layers: RoBERTa
//! (<https://arxiv.org/abs/1907.11692>), XLM-RoBERTa, CamemBERT, and ELECTRA
//! (<https://arxiv.org/abs/2003.10555>).

use serde::Deserialize;

use super::{LayerNames, LayerSizes, Source, activation, check, check_heads, check_positions};
use crate::engine::Activation;
use crate::engine::blueprint::{
    Blueprint, Dense, Embeddings, Head, Norm, Numbering, Positions, Stack, Step, Table,
};

/// The keys that are read; what no checkpoint leaves out has no default.
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
    /// RoBERTa's.
    #[serde(default)]
    pad_token_id: Option<u32>,
    /// ELECTRA's, of which 128 is the default.
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
    let hidden = config.hidden_size;
    let padding = config.pad_token_id.unwrap_or(1);
    let dense = Step::new(Dense::new("classifier.dense", hidden, hidden), Some(Activation::Tanh));
    let tokens = source.classifier("classifier", hidden);
    let head = source.head(tokens, [dense, source.classifier("classifier.out_proj", hidden)]);
    config.blueprint("roberta.", Numbering::AfterPadding(padding), hidden, head)
}

pub(super) fn electra(source: &Source<'_>) -> Result<Blueprint, String> {
    let config: Config = source.read()?;
    let hidden = config.hidden_size;
    let width = config.embedding_size.unwrap_or(128);
    let dense = Step::new(Dense::new("classifier.dense", hidden, hidden), Some(Activation::Gelu));
    let tokens = source.classifier("classifier", hidden);
    let head = source.head(tokens, [dense, source.classifier("classifier.out_proj", hidden)]);
    let mut plan = config.blueprint("electra.", Numbering::From(0), width, head)?;
    if width != hidden {
        plan.encoder.embeddings.projection = Some(Dense::new("electra.embeddings_project", width, hidden));
    }
    Ok(plan)
}

impl Config {
    /// All but the head; `width` is that of the embeddings.
    fn blueprint(
        &self,
        prefix: &'static str,
        numbering: Numbering,
        width: usize,
        head: Head,
    ) -> Result<Blueprint, String> {
        let hidden = self.hidden_size;
        check_heads(("hidden_size", hidden), ("num_attention_heads", self.num_attention_heads))?;
        check(&[
            ("vocab_size", self.vocab_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
            ("embedding_size", width),
        ])?;
        check_positions(self.position_embedding_type.as_deref())?;
        let before = numbering.before();
        let Some(longest) = self.max_position_embeddings.checked_sub(before).filter(|&longest| longest > 0)
        else {
            return Err(format!(
                "max_position_embeddings {} leaves no place after the {before} that are not used",
                self.max_position_embeddings
            ));
        };
        let embeddings = format!("{prefix}embeddings");
        let table = |part: &str, rows| Table::new(format!("{embeddings}.{part}"), rows);
        let positions = table("position_embeddings", self.max_position_embeddings);
        let sizes = LayerSizes {
            hidden,
            intermediate: self.intermediate_size,
            activation: activation("hidden_act", &self.hidden_act)?,
            epsilon: self.layer_norm_eps,
        };
        let layer = |layer| LayerNames::of_bert(&format!("{prefix}encoder.layer.{layer}")).layer(sizes);
        Ok(Blueprint {
            aliases: vec![[prefix, ""]],
            hidden,
            longest,
            encoder: Stack::new(
                Embeddings {
                    positions: Some(Positions { table: positions, numbering }),
                    token_types: Some(table("token_type_embeddings", self.type_vocab_size)),
                    norm: Some(Norm::new(format!("{embeddings}.LayerNorm"), width, self.layer_norm_eps)),
                    ..Embeddings::of_words(table("word_embeddings", self.vocab_size), width)
                },
                self.num_attention_heads,
                (0..self.num_hidden_layers).map(layer).collect(),
            ),
            decoder: None,
            head,
        })
    }
}
