//! DeBERTa v2 and v3 (<https://arxiv.org/abs/2006.03654>, <https://arxiv.org/abs/2111.09543>): BERT's layers with
//! disentangled attention, and in some models a convolution.

use serde::Deserialize;

use super::shared::{Encoder, LayerNames, Source, activation, check};
use crate::backend::native::blueprint::{
    Blueprint, Convolution, Dense, Disentangled, Norm, Numbering, Relation, Step,
};

/// The keys that are read, with transformers' defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    attention_head_size: Option<usize>,
    intermediate_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    hidden_act: String,
    layer_norm_eps: f32,
    embedding_size: Option<usize>,
    relative_attention: bool,
    max_relative_positions: i64,
    position_buckets: i64,
    norm_rel_ebd: String,
    position_biased_input: bool,
    pos_att_type: Option<Terms>,
    share_att_key: bool,
    conv_kernel_size: usize,
    conv_groups: usize,
    conv_act: String,
    pooler_hidden_size: Option<usize>,
    pooler_hidden_act: String,
}

/// `pos_att_type`: a list, or one string of parts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Terms {
    List(Vec<String>),
    Joined(String),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 128_100,
            hidden_size: 1536,
            num_hidden_layers: 24,
            num_attention_heads: 24,
            attention_head_size: None,
            intermediate_size: 6144,
            max_position_embeddings: 512,
            type_vocab_size: 0,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-7,
            embedding_size: None,
            relative_attention: false,
            max_relative_positions: -1,
            position_buckets: -1,
            norm_rel_ebd: "none".into(),
            position_biased_input: true,
            pos_att_type: None,
            share_att_key: false,
            conv_kernel_size: 0,
            conv_groups: 1,
            conv_act: "tanh".into(),
            pooler_hidden_size: None,
            pooler_hidden_act: "gelu".into(),
        }
    }
}

pub(super) fn translate(source: &Source<'_>) -> Result<Blueprint, String> {
    let config: Config = source.read()?;
    let hidden = config.hidden_size;
    let width = config.embedding_size.unwrap_or(hidden);
    let pooler_size = config.pooler_hidden_size.unwrap_or(hidden);
    if pooler_size != hidden {
        return Err(format!("pooler_hidden_size {pooler_size} is not hidden_size {hidden}"));
    }
    let pooler_act = activation("pooler_hidden_act", &config.pooler_hidden_act)?;
    let pooler = Step::new(Dense::new("pooler.dense", hidden, hidden), Some(pooler_act));
    let classifier = source.classifier("classifier", hidden);
    let encoder = Encoder {
        prefix: "deberta.",
        vocabulary: config.vocab_size,
        hidden: ("hidden_size", hidden),
        heads: ("num_attention_heads", config.num_attention_heads),
        layers: ("num_hidden_layers", config.num_hidden_layers),
        intermediate: ("intermediate_size", config.intermediate_size),
        positions: config.max_position_embeddings,
        numbering: Numbering::From(0),
        token_types: Some(config.type_vocab_size).filter(|&rows| rows > 0),
        width,
        activation: ("hidden_act", &config.hidden_act),
        epsilon: config.layer_norm_eps,
    };
    let names = |layer| {
        let layer = format!("deberta.encoder.layer.{layer}");
        let attention = |part: &str| attention(&layer, part);
        LayerNames {
            qkv: ["query_proj", "key_proj", "value_proj"].map(attention),
            ..LayerNames::of_bert(&layer)
        }
    };
    let mut plan = encoder.blueprint(names, source.head(classifier.clone(), [pooler, classifier]))?;
    let size = hidden / config.num_attention_heads;
    if let Some(other) = config.attention_head_size.filter(|&other| other != size) {
        return Err(format!(
            "attention_head_size {other} is not supported; supported is hidden_size / num_attention_heads, {size}"
        ));
    }
    let embeddings = &mut plan.encoder.embeddings;
    if !config.position_biased_input {
        embeddings.positions = None;
    }
    if width != hidden {
        embeddings.norm = None;
        embeddings.projection =
            Some(Dense::new("deberta.embeddings.embed_proj", width, hidden).with_bias(false));
        embeddings.projected_norm = Some(encoder.embeddings_norm(hidden));
    }
    plan.encoder.relation = config.relation()?;
    plan.encoder.convolution = config.convolution()?;
    if let Relation::Disentangled(terms) = &plan.encoder.relation {
        let [key, query] = match config.share_att_key {
            true => ["key_proj", "query_proj"],
            false => ["pos_key_proj", "pos_query_proj"],
        };
        for (index, layer) in plan.encoder.layers.iter_mut().enumerate() {
            let name = |part| attention(&format!("deberta.encoder.layer.{index}"), part);
            let dense = |part| Dense::new(name(part), hidden, hidden);
            layer.attention.distances = [
                terms.content_to_position.then(|| dense(key)),
                terms.position_to_content.then(|| dense(query)),
            ];
        }
    }
    Ok(plan)
}

fn attention(layer: &str, part: &str) -> String {
    format!("{layer}.attention.self.{part}")
}

/// The longest window. The memory of disentangled attention grows with the square of a window; published models read
/// 512 tokens, and 4,096 tokens take 134 MB for each of two buffers per thread.
const LONGEST_DISENTANGLED: usize = 4096;

impl Config {
    fn relation(&self) -> Result<Relation, String> {
        if !self.relative_attention {
            return Ok(Relation::None);
        }
        let has = |term: &str| match &self.pos_att_type {
            None => false,
            Some(Terms::List(terms)) => terms.iter().any(|other| other == term),
            Some(Terms::Joined(terms)) => terms.to_lowercase().contains(term),
        };
        let positive = |value: i64| usize::try_from(value).ok().filter(|&value| value > 0);
        let farthest = positive(self.max_relative_positions).unwrap_or(self.max_position_embeddings);
        let span = positive(self.position_buckets).unwrap_or(farthest);
        if self.max_position_embeddings > LONGEST_DISENTANGLED {
            return Err(format!(
                "max_position_embeddings is {}; with relative_attention at most {LONGEST_DISENTANGLED} are \
                 supported",
                self.max_position_embeddings
            ));
        }
        check(&[("max_relative_positions", farthest), ("position_buckets", span)])?;
        let norm = self.norm_rel_ebd.to_lowercase();
        let norm = norm.split('|').any(|part| part.trim() == "layer_norm");
        Ok(Relation::Disentangled(Disentangled {
            table: "deberta.encoder.rel_embeddings".into(),
            norm: norm.then(|| Norm::new("deberta.encoder.LayerNorm", self.hidden_size, self.layer_norm_eps)),
            span,
            buckets: self.position_buckets > 0,
            farthest,
            content_to_position: has("c2p"),
            position_to_content: has("p2c"),
        }))
    }

    fn convolution(&self) -> Result<Option<Convolution>, String> {
        if self.conv_kernel_size == 0 {
            return Ok(None);
        }
        if self.conv_groups != 1 || self.conv_kernel_size.is_multiple_of(2) || self.num_hidden_layers < 2 {
            return Err(format!(
                "conv_kernel_size {} with conv_groups {} and num_hidden_layers {} is not supported; \
                 supported are odd sizes, one group and two layers or more",
                self.conv_kernel_size, self.conv_groups, self.num_hidden_layers
            ));
        }
        check(&[("conv_kernel_size", self.conv_kernel_size)])?;
        Ok(Some(Convolution {
            name: "deberta.encoder.conv".into(),
            width: self.conv_kernel_size,
            activation: activation("conv_act", &self.conv_act)?,
            norm: Norm::new("deberta.encoder.conv.LayerNorm", self.hidden_size, self.layer_norm_eps),
        }))
    }
}
