//! ModernBERT (<https://arxiv.org/abs/2412.13663>): norms before blocks, rotary positions, gated feed-forward blocks,
//! and in most layers attention to near tokens alone.

use serde::Deserialize;
use serde_json::Value;

use super::shared::{Source, activation, check, check_heads};
use crate::backend::native::blueprint::{
    Attention, Blueprint, Dense, Embeddings, FeedForward, Head, Layer, Norm, Relation, Seam, Stack, States,
    Step, Table,
};
use crate::backend::native::kernels::relation::Reach;
use crate::catalogue::registry::Task;
use crate::pooling::TokenPooling;

/// The keys that are read, with transformers' defaults. Version 5 of transformers writes `layer_types` for
/// `global_attn_every_n_layers`, and `rope_parameters` for both `_rope_theta` and `rope_scaling`.
#[derive(Deserialize)]
#[serde(default)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    hidden_activation: String,
    norm_eps: f32,
    norm_bias: bool,
    attention_bias: bool,
    mlp_bias: bool,
    global_rope_theta: f32,
    local_rope_theta: Option<f32>,
    global_attn_every_n_layers: usize,
    local_attention: usize,
    classifier_pooling: String,
    classifier_activation: String,
    classifier_bias: bool,
    rope_scaling: Option<Value>,
    layer_types: Option<Vec<LayerType>>,
    rope_parameters: Option<RopeParameters>,
}

/// The reach of a layer's attention.
#[derive(Clone, Copy, Deserialize)]
enum LayerType {
    #[serde(rename = "full_attention")]
    Full,
    #[serde(rename = "sliding_attention")]
    Sliding,
}

/// The rotation of queries and keys in each type of layer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RopeParameters {
    full_attention: Option<Rope>,
    sliding_attention: Option<Rope>,
}

#[derive(Deserialize)]
struct Rope {
    rope_type: Option<String>,
    /// The former name of `rope_type`.
    r#type: Option<String>,
    rope_theta: Option<f32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vocab_size: 50_368,
            hidden_size: 768,
            num_hidden_layers: 22,
            num_attention_heads: 12,
            intermediate_size: 1152,
            max_position_embeddings: 8192,
            hidden_activation: "gelu".into(),
            norm_eps: 1e-5,
            norm_bias: false,
            attention_bias: false,
            mlp_bias: false,
            global_rope_theta: 160_000.0,
            local_rope_theta: Some(10_000.0),
            global_attn_every_n_layers: 3,
            local_attention: 128,
            classifier_pooling: "cls".into(),
            classifier_activation: "gelu".into(),
            classifier_bias: false,
            rope_scaling: None,
            layer_types: None,
            rope_parameters: None,
        }
    }
}

pub(super) fn translate(source: &Source<'_>) -> Result<Blueprint, String> {
    let mut config: Config = source.read()?;
    // transformers reads `null` here as the base of the other layers.
    if source.json.get("local_rope_theta").is_some_and(Value::is_null) {
        config.local_rope_theta = None;
    }
    let hidden = config.hidden_size;
    check_heads(("hidden_size", hidden), ("num_attention_heads", config.num_attention_heads))?;
    check(&[
        ("vocab_size", config.vocab_size),
        ("num_hidden_layers", config.num_hidden_layers),
        ("intermediate_size", config.intermediate_size),
        ("max_position_embeddings", config.max_position_embeddings),
        ("global_attn_every_n_layers", config.global_attn_every_n_layers),
    ])?;
    if !(hidden / config.num_attention_heads).is_multiple_of(2) {
        return Err(format!(
            "hidden_size {hidden} / num_attention_heads {} is odd; rotary positions need an even number",
            config.num_attention_heads
        ));
    }
    if config.rope_scaling.is_some() {
        return Err("rope_scaling is not supported; supported is none".into());
    }
    let types = config.layer_types()?;
    let [full_base, sliding_base] = config.rotary_bases()?;
    let head = config.head(source)?;
    let gate = activation("hidden_activation", &config.hidden_activation)?;
    let norm = |name: &str| Norm::new(name, hidden, config.norm_eps).with_bias(config.norm_bias);
    let layer = |layer: usize| {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        let next = if layer + 1 == config.num_hidden_layers {
            Seam::Stream(norm("model.final_norm"))
        } else {
            Seam::Branch(norm(&format!("model.layers.{}.attn_norm", layer + 1)))
        };
        let (reach, rotary_base) = match types[layer] {
            LayerType::Full => (Reach::All, full_base),
            LayerType::Sliding => (Reach::Within(config.local_attention / 2), sliding_base),
        };
        Layer {
            attention: Attention {
                qkv: vec![Dense::new(name("attn.Wqkv"), hidden, 3 * hidden).with_bias(config.attention_bias)],
                output: Dense::new(name("attn.Wo"), hidden, hidden).with_bias(config.attention_bias),
                norm: Seam::Branch(norm(&name("mlp_norm"))),
                reach,
                distances: [None, None],
                rotary_base,
            },
            cross_attention: None,
            feed_forward: FeedForward {
                up: Dense::new(name("mlp.Wi"), hidden, 2 * config.intermediate_size)
                    .with_bias(config.mlp_bias),
                activation: gate,
                gated: true,
                down: Dense::new(name("mlp.Wo"), config.intermediate_size, hidden).with_bias(config.mlp_bias),
                norm: next,
            },
        }
    };
    Ok(Blueprint {
        aliases: vec![["model.", ""]],
        hidden,
        longest: config.max_position_embeddings,
        encoder: Stack {
            embeddings: Embeddings {
                norm: Some(norm("model.embeddings.norm")),
                ..Embeddings::of_words(
                    Table::new("model.embeddings.tok_embeddings", config.vocab_size),
                    hidden,
                )
            },
            heads: config.num_attention_heads,
            layers: (0..config.num_hidden_layers).map(layer).collect(),
            relation: Relation::Rotary,
            convolution: None,
        },
        decoder: None,
        head,
    })
}

impl Config {
    /// The type of each layer.
    fn layer_types(&self) -> Result<Vec<LayerType>, String> {
        let layers = self.num_hidden_layers;
        match &self.layer_types {
            Some(types) if types.len() == layers => Ok(types.clone()),
            Some(types) => {
                Err(format!("layer_types has {} items for num_hidden_layers {layers}", types.len()))
            }
            None => {
                let full = |layer: usize| layer.is_multiple_of(self.global_attn_every_n_layers);
                let type_of = |layer| if full(layer) { LayerType::Full } else { LayerType::Sliding };
                Ok((0..layers).map(type_of).collect())
            }
        }
    }

    /// The bases of layers that attend to all tokens, and of those that attend to near tokens.
    fn rotary_bases(&self) -> Result<[f32; 2], String> {
        let defaults = [self.global_rope_theta, self.local_rope_theta.unwrap_or(self.global_rope_theta)];
        let (full_attention, sliding_attention) = match &self.rope_parameters {
            Some(rope) => (&rope.full_attention, &rope.sliding_attention),
            None => (&None, &None),
        };
        let base = |rope: &Option<Rope>, default| {
            let Some(Rope { rope_type, r#type, rope_theta }) = rope else { return Ok(default) };
            match rope_type.as_deref().or(r#type.as_deref()) {
                None | Some("default") => Ok(rope_theta.unwrap_or(default)),
                Some(other) => Err(format!("rope_type {other:?} is not supported; supported is default")),
            }
        };
        let bases = [base(full_attention, defaults[0])?, base(sliding_attention, defaults[1])?];
        match bases.into_iter().find(|base| !(base.is_finite() && *base > 0.0)) {
            Some(base) => Err(format!("rope_theta is {base}; it must be above 0")),
            None => Ok(bases),
        }
    }

    fn head(&self, source: &Source<'_>) -> Result<Head, String> {
        let hidden = self.hidden_size;
        let states = match (source.task, self.classifier_pooling.as_str()) {
            (Task::Ner, _) => States::EveryToken,
            (Task::Nli, "cls") => States::Pooled(TokenPooling::Cls),
            (Task::Nli, "mean") => States::Pooled(TokenPooling::Mean),
            (Task::Nli, other) => {
                return Err(format!(
                    "classifier_pooling {other:?} is not supported; supported are cls, mean"
                ));
            }
            _ => {
                return Ok(Head::Dense { states: States::Pooled(TokenPooling::Mean), steps: Vec::new() });
            }
        };
        let dense = Dense::new("head.dense", hidden, hidden).with_bias(self.classifier_bias);
        let prediction = Step {
            norm: Some(Norm::new("head.norm", hidden, self.norm_eps).with_bias(self.norm_bias)),
            ..Step::new(dense, Some(activation("classifier_activation", &self.classifier_activation)?))
        };
        Ok(Head::Dense { states, steps: vec![prediction, source.classifier("classifier", hidden)] })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::translate;
    use crate::backend::native::kernels::relation::Reach;
    use crate::catalogue::registry::Task;
    use crate::model::architecture::shared::Source;

    /// The reach and the base of each layer, or what is wrong.
    fn layers(change: Value) -> Result<Vec<(Reach, f32)>, String> {
        let mut json = json!({ "num_hidden_layers": 3, "local_attention": 16 });
        json.as_object_mut()
            .expect("it should be one")
            .extend(change.as_object().expect("it should be one").clone());
        let plan = translate(&Source { json: &json, task: Task::Ner, labels: 2 })?;
        let layers = plan.encoder.layers.iter();
        Ok(layers.map(|layer| (layer.attention.reach, layer.attention.rotary_base)).collect())
    }

    #[test]
    fn layers_are_what_either_version_says() {
        let (near, all) = (Reach::Within(8), Reach::All);
        let old =
            json!({ "global_attn_every_n_layers": 2, "global_rope_theta": 7.0, "local_rope_theta": 5.0 });
        assert_eq!(layers(old).expect("it should be whole"), [(all, 7.0), (near, 5.0), (all, 7.0)]);
        let new = json!({
            "global_attn_every_n_layers": 2,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "full_attention": { "rope_type": "default", "rope_theta": 7.0 },
                "sliding_attention": { "type": "default", "rope_type": "default", "rope_theta": 5.0 }
            }
        });
        assert_eq!(layers(new).expect("it should be whole"), [(near, 5.0), (all, 7.0), (near, 5.0)]);
        let half = json!({ "rope_parameters": { "full_attention": { "rope_theta": 7.0 } } });
        assert_eq!(
            layers(half).expect("it should have defaults"),
            [(all, 7.0), (near, 10_000.0), (near, 10_000.0)]
        );
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (change, named) in [
            (json!({ "layer_types": ["full_attention"] }), "layer_types has 1 items for num_hidden_layers 3"),
            (json!({ "layer_types": ["chunked_attention"] }), "chunked_attention"),
            (json!({ "rope_parameters": { "sliding_attention": { "rope_type": "yarn" } } }), "\"yarn\""),
            (json!({ "rope_parameters": { "rope_type": "yarn", "factor": 2.0 } }), "unknown field"),
            (json!({ "rope_scaling": { "type": "linear" } }), "rope_scaling"),
            (json!({ "global_rope_theta": -1.0 }), "rope_theta is -1"),
        ] {
            let error = layers(change).expect_err(named);
            assert!(error.contains(named), "{error} does not say {named}");
        }
    }
}
