//! GLiNER (<https://arxiv.org/abs/2311.08526>): entity types and a text in one sequence.

use serde::Deserialize;
use serde_json::{Value, json};

use super::backbone::{backbone, encoder_type};
use super::shared::{check, without_nulls};
use crate::backend::native::blueprint::{Blueprint, Dense, EntityHead, EntityScores, Head, Lstm, Mlp};
use crate::model::role::{PromptStyle, Role};

/// Returns whether a config is of this format. Files of the package's first versions do not name their `model_type`.
pub(super) fn is_it(json: &Value, model_type: &str) -> bool {
    matches!(model_type, "gliner" | "gliner_uni_encoder_span" | "gliner_uni_encoder_token")
        || model_type.is_empty() && json.get("span_mode").is_some()
}

/// The keys of gliner_config.json that are read, with the package's defaults.
#[derive(Deserialize)]
#[serde(default)]
struct Gliner {
    model_name: String,
    encoder_config: Option<Value>,
    hidden_size: usize,
    max_width: usize,
    span_mode: String,
    has_rnn: bool,
    subtoken_pooling: String,
    words_splitter_type: String,
    class_token_index: i64,
    vocab_size: i64,
    embed_ent_token: bool,
    ent_token: String,
    sep_token: String,
    fuse_layers: bool,
    labels_encoder: Option<String>,
    labels_decoder: Option<String>,
    relations_layer: Option<String>,
    represent_spans: bool,
    num_rnn_layers: Option<usize>,
    post_fusion_schema: Option<String>,
    span_encoder_config: Option<Value>,
}

impl Default for Gliner {
    fn default() -> Self {
        Self {
            model_name: "microsoft/deberta-v3-small".into(),
            encoder_config: None,
            hidden_size: 512,
            max_width: 12,
            span_mode: "markerV0".into(),
            has_rnn: true,
            subtoken_pooling: "first".into(),
            words_splitter_type: "whitespace".into(),
            class_token_index: -1,
            vocab_size: -1,
            embed_ent_token: true,
            ent_token: "<<ENT>>".into(),
            sep_token: "<<SEP>>".into(),
            fuse_layers: false,
            labels_encoder: None,
            labels_decoder: None,
            relations_layer: None,
            represent_spans: false,
            num_rnn_layers: None,
            post_fusion_schema: None,
            span_encoder_config: None,
        }
    }
}

/// The first of the tokens that the first versions of the package add.
const FIRST_ADDED: &str = "[FLERT]";

pub(super) fn translate(json: &Value) -> Result<(Role, Blueprint), String> {
    let config = Gliner::deserialize(without_nulls(json)).map_err(|error| error.to_string())?;
    let is_set = |part: &Option<String>| part.as_ref().is_some_and(|name| !name.is_empty());
    for (key, set) in [
        ("labels_encoder", is_set(&config.labels_encoder)),
        ("labels_decoder", is_set(&config.labels_decoder)),
        ("post_fusion_schema", is_set(&config.post_fusion_schema)),
        ("num_rnn_layers", config.num_rnn_layers.is_some_and(|layers| layers > 1)),
        ("relations_layer", is_set(&config.relations_layer)),
        ("span_encoder_config", config.span_encoder_config.is_some()),
        ("represent_spans", config.represent_spans),
        ("fuse_layers", config.fuse_layers),
        ("subtoken_pooling", config.subtoken_pooling != "first"),
        ("words_splitter_type", config.words_splitter_type != "whitespace"),
    ] {
        if set {
            return Err(format!("GLiNER models with this value of {key} are not supported: {}", json[key]));
        }
    }
    check(&[("hidden_size", config.hidden_size), ("max_width", config.max_width)])?;
    let encoder = match &config.encoder_config {
        Some(encoder) => encoder.clone(),
        None => known_encoder(&config.model_name)?,
    };
    let mut plan = backbone(&encoder, "token_rep_layer.bert_layer.model.")?;
    // The embedding was widened for the added tokens, which encoder_config need not say.
    plan.encoder.embeddings.words.rows = usize::try_from(config.vocab_size).ok();
    let width = config.hidden_size;
    let mlp = |name: &str, inner: usize| {
        Mlp::sequential(&format!("span_rep_layer.span_rep_layer.{name}"), [width, inner * width, width])
    };
    let out = "span_rep_layer.span_rep_layer.out_project";
    let spans = |inner: usize, join: Dense, down| EntityScores::Spans {
        first: mlp("project_start", inner),
        last: mlp("project_end", inner),
        join,
        down,
        label: Mlp::sequential("prompt_rep_layer", [width, 4 * width, width]),
        widest: config.max_width,
    };
    let scores = match config.span_mode.as_str() {
        "markerV0" => {
            let down = Dense::new(format!("{out}.3"), 4 * width, width);
            spans(4, Dense::new(format!("{out}.0"), 2 * width, 4 * width), Some(down))
        }
        "marker" => spans(2, Dense::new(out, 2 * width, width), None),
        "token_level" => EntityScores::Words {
            word: Dense::new("scorer.proj_token", width, 2 * width),
            label: Dense::new("scorer.proj_label", width, 2 * width),
            score: Mlp::sequential("scorer.out_mlp", [3 * width, 4 * width, 3]),
        },
        other => {
            return Err(format!(
                "span_mode {other:?} is not supported; supported are markerV0, marker, token_level"
            ));
        }
    };
    let lstm = Lstm { name: "rnn.lstm".into(), inputs: width, outputs: width / 2 };
    let has_rnn = config.has_rnn && config.num_rnn_layers != Some(0);
    if has_rnn && !width.is_multiple_of(2) {
        return Err(format!("hidden_size {width} is odd; with has_rnn it must be even"));
    }
    plan.head = Head::Entities(EntityHead {
        projection: (width != plan.hidden)
            .then(|| Dense::new("token_rep_layer.projection", plan.hidden, width)),
        lstm: has_rnn.then_some(lstm),
        scores,
    });
    let prompt = PromptStyle {
        architecture: "gliner",
        encoder: encoder_type(&encoder).to_owned(),
        label_id: u32::try_from(config.class_token_index).ok(),
        mark_follows: !config.embed_ent_token,
        labels_first: true,
        lower: false,
        missing: vec![FIRST_ADDED.into(), config.ent_token.clone(), config.sep_token.clone()],
        label_token: config.ent_token,
        separator: config.sep_token,
    };
    Ok((Role::PromptedEntities(prompt), plan))
}

/// The encoders that GLiNER's first models name without a config: layers, heads, and widths of states and of
/// feed-forward blocks, from the encoders' config.json.
const ENCODERS: [(&str, [usize; 4]); 5] = [
    ("microsoft/deberta-v3-xsmall", [12, 6, 384, 1536]),
    ("microsoft/deberta-v3-small", [6, 12, 768, 3072]),
    ("microsoft/deberta-v3-base", [12, 12, 768, 3072]),
    ("microsoft/deberta-v3-large", [24, 16, 1024, 4096]),
    ("microsoft/mdeberta-v3-base", [12, 12, 768, 3072]),
];

fn known_encoder(name: &str) -> Result<Value, String> {
    let Some((_, [layers, heads, hidden, intermediate])) = ENCODERS.iter().find(|(known, _)| *known == name)
    else {
        let known = ENCODERS.map(|(name, _)| name).join(", ");
        return Err(format!(
            "encoder_config is missing, and model_name {name:?} is none of {known}; add the config.json of that \
             model as encoder_config"
        ));
    };
    Ok(json!({
        "model_type": "deberta-v2",
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "max_position_embeddings": 512,
        "relative_attention": true,
        "position_buckets": 256,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": true,
        "pos_att_type": "p2c|c2p",
        "position_biased_input": false,
        "type_vocab_size": 0,
        "layer_norm_eps": 1e-7
    }))
}
