//! GLiClass (<https://arxiv.org/abs/2508.07662>): topics and a text in one sequence.

use serde::Deserialize;
use serde_json::Value;

use super::backbone::{backbone, encoder_type};
use super::shared::{activation, without_nulls};
use crate::backend::native::blueprint::{Blueprint, Dense, Head, Lstm, Mlp, TopicHead, TopicScores};
use crate::model::role::{PromptStyle, Role};
use crate::pooling::TokenPooling;

pub(super) fn is_it(_json: &Value, model_type: &str) -> bool {
    model_type == "GLiClass"
}

/// The keys of config.json that are read, with the package's defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Gliclass {
    encoder_config: Option<Value>,
    architecture_type: String,
    hidden_size: Option<usize>,
    projector_hidden_act: String,
    pooling_strategy: String,
    scorer_type: String,
    normalize_features: bool,
    extract_text_features: bool,
    use_lstm: bool,
    squeeze_layers: bool,
    prompt_first: bool,
    embed_class_token: bool,
    class_token_index: i64,
    class_token_pooling: String,
    use_segment_embeddings: bool,
    encoder_layer_id: i64,
}

impl Default for Gliclass {
    fn default() -> Self {
        Self {
            encoder_config: None,
            architecture_type: "uni-encoder".into(),
            hidden_size: None,
            projector_hidden_act: "gelu".into(),
            pooling_strategy: "first".into(),
            scorer_type: "simple".into(),
            normalize_features: false,
            extract_text_features: false,
            use_lstm: false,
            squeeze_layers: false,
            prompt_first: false,
            embed_class_token: true,
            class_token_index: -1,
            class_token_pooling: "first".into(),
            use_segment_embeddings: false,
            encoder_layer_id: -1,
        }
    }
}

pub(super) fn translate(json: &Value) -> Result<(Role, Blueprint), String> {
    let config = Gliclass::deserialize(without_nulls(json)).map_err(|error| error.to_string())?;
    if config.architecture_type != "uni-encoder" {
        return Err(format!(
            "architecture_type {:?} is not supported; supported is uni-encoder",
            config.architecture_type
        ));
    }
    for (key, set) in [
        ("squeeze_layers", config.squeeze_layers),
        ("extract_text_features", config.extract_text_features),
        ("class_token_pooling", config.class_token_pooling != "first"),
        ("use_segment_embeddings", config.use_segment_embeddings),
        ("encoder_layer_id", config.encoder_layer_id != -1),
    ] {
        if set {
            return Err(format!("GLiClass models with this value of {key} are not supported: {}", json[key]));
        }
    }
    let Some(encoder) = &config.encoder_config else { return Err("encoder_config is missing".into()) };
    let mut plan = backbone(encoder, "model.encoder_model.")?;
    let width = plan.hidden;
    if let Some(other) = config.hidden_size.filter(|&other| other != width) {
        return Err(format!("hidden_size {other} is not that of encoder_config, {width}"));
    }
    // The embedding was widened for the added tokens.
    plan.encoder.embeddings.words.rows = None;
    let act = activation("projector_hidden_act", &config.projector_hidden_act)?;
    let projector = |name: &str| Mlp {
        up: Dense::new(format!("model.{name}.linear_1"), width, width),
        activation: act,
        down: Dense::new(format!("model.{name}.linear_2"), width, width),
    };
    let pool = match config.pooling_strategy.as_str() {
        "first" => TokenPooling::Cls,
        "avg" => TokenPooling::Mean,
        "max" => TokenPooling::Max,
        other => {
            return Err(format!(
                "pooling_strategy {other:?} is not supported; supported are first, avg, max"
            ));
        }
    };
    if config.use_lstm && !width.is_multiple_of(2) {
        return Err(format!("hidden_size {width} is odd; with use_lstm it must be even"));
    }
    let lstm = Lstm { name: "model.lstm.lstm".into(), inputs: width, outputs: width / 2 };
    plan.head = Head::Topics(TopicHead {
        lstm: config.use_lstm.then_some(lstm),
        pool,
        text: projector("text_projector"),
        label: projector("classes_projector"),
        scale: config.normalize_features.then(|| "model.logit_scale".into()),
        scores: scores(&config.scorer_type, width)?,
    });
    let prompt = PromptStyle {
        architecture: "GLiClass",
        encoder: encoder_type(encoder).to_owned(),
        label_token: "<<LABEL>>".into(),
        separator: "<<SEP>>".into(),
        label_id: u32::try_from(config.class_token_index).ok(),
        mark_follows: !config.embed_class_token,
        labels_first: config.prompt_first,
        lower: true,
        missing: Vec::new(),
    };
    Ok((Role::PromptedTopics(prompt), plan))
}

/// The scorer `kind` for states of `width` values.
fn scores(kind: &str, width: usize) -> Result<TopicScores, String> {
    Ok(match kind {
        "simple" => TopicScores::Dot,
        "weighted-dot" => TopicScores::Weighted {
            text: Dense::new("model.scorer.proj_text", width, 2 * width),
            label: Dense::new("model.scorer.proj_label", width, 2 * width),
            score: Mlp::sequential("model.scorer.out_mlp", [3 * width, 4 * width, 1]),
        },
        "mlp" => TopicScores::Mlp { name: "model.scorer.mlp".into(), width },
        other => {
            return Err(format!(
                "scorer_type {other:?} is not supported; supported are simple, weighted-dot, mlp"
            ));
        }
    })
}
