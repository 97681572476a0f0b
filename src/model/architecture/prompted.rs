//! Models that are given their labels with the text: GLiNER (<https://arxiv.org/abs/2311.08526>) for
//! entities and GLiClass (<https://arxiv.org/abs/2508.07662>) for topics, on encoders of other
//! architectures.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ARCHITECTURES, HeadKind, Source, activation, check};
use crate::engine::blueprint::{
    Blueprint, Dense, EntityHead, EntityScores, Head, Lstm, Mlp, TextPool, TopicHead, TopicScores,
};

/// How labels are written into the sequence of a text.
#[derive(Clone, Debug)]
pub(crate) struct PromptStyle {
    /// What registries call the architecture.
    pub(crate) architecture: &'static str,
    /// The `model_type` of the encoder.
    pub(crate) encoder: String,
    /// What stands before each label.
    pub(crate) label_token: String,
    /// What stands between labels and text.
    pub(crate) separator: String,
    /// What the config says that the id of the label token is.
    pub(crate) label_id: Option<u32>,
    /// Whether the token after the label token stands for the label, and not that token itself.
    pub(crate) mark_follows: bool,
    /// Whether labels stand before the text.
    pub(crate) labels_first: bool,
    /// Whether labels are lower-cased.
    pub(crate) lower: bool,
    /// Tokens that the tokenizer gets if it lacks the label token, in the order of their ids.
    pub(crate) missing: Vec<String>,
}

/// The head, the blueprint and the prompt of a model of this kind; `None` if it is of another.
pub(in crate::model) fn translate(
    json: &Value,
    model_type: &str,
) -> Option<Result<(HeadKind, Blueprint, PromptStyle), String>> {
    match model_type {
        "GLiClass" => Some(gliclass(json)),
        // Files of GLiNER's first versions do not say what they are.
        "gliner" | "gliner_uni_encoder_span" | "gliner_uni_encoder_token" => Some(gliner(json)),
        "" if json.get("span_mode").is_some() => Some(gliner(json)),
        _ => None,
    }
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
        }
    }
}

/// What the first versions of the package call the tokens that they add.
const FIRST_ADDED: &str = "[FLERT]";

fn gliner(json: &Value) -> Result<(HeadKind, Blueprint, PromptStyle), String> {
    let config = Gliner::deserialize(json).map_err(|error| error.to_string())?;
    let is_set = |part: &Option<String>| part.as_ref().is_some_and(|name| !name.is_empty());
    for (key, set) in [
        ("labels_encoder", is_set(&config.labels_encoder)),
        ("labels_decoder", is_set(&config.labels_decoder)),
        ("post_fusion_schema", is_set(&config.post_fusion_schema)),
        ("num_rnn_layers", config.num_rnn_layers.is_some_and(|layers| layers > 1)),
        ("relations_layer", is_set(&config.relations_layer)),
        ("represent_spans", config.represent_spans),
        ("fuse_layers", config.fuse_layers),
        ("subtoken_pooling", config.subtoken_pooling != "first"),
        ("words_splitter_type", config.words_splitter_type != "whitespace"),
    ] {
        if set {
            return Err(format!("GLiNER models with {key} as here are not supported: {}", json[key]));
        }
    }
    check(&[("hidden_size", config.hidden_size), ("max_width", config.max_width)])?;
    let encoder = match &config.encoder_config {
        Some(encoder) => encoder.clone(),
        None => known_encoder(&config.model_name)?,
    };
    let mut plan = backbone(&encoder, "token_rep_layer.bert_layer.model.")?;
    // The embedding was widened for the added tokens, which encoder_config need not tell.
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
        return Err(format!("hidden_size {width} is odd; has_rnn halves it"));
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
    Ok((HeadKind::PromptedEntities, plan, prompt))
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

fn gliclass(json: &Value) -> Result<(HeadKind, Blueprint, PromptStyle), String> {
    let config = Gliclass::deserialize(json).map_err(|error| error.to_string())?;
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
            return Err(format!("GLiClass models with {key} as here are not supported: {}", json[key]));
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
        "first" => TextPool::First,
        "last" => TextPool::Last,
        "avg" => TextPool::Mean,
        "sum" => TextPool::Sum,
        "max" => TextPool::Max,
        other => {
            return Err(format!(
                "pooling_strategy {other:?} is not supported; supported are first, last, avg, sum, max"
            ));
        }
    };
    let scores = match config.scorer_type.as_str() {
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
    };
    if config.use_lstm && !width.is_multiple_of(2) {
        return Err(format!("hidden_size {width} is odd; use_lstm halves it"));
    }
    let lstm = Lstm { name: "model.lstm.lstm".into(), inputs: width, outputs: width / 2 };
    plan.head = Head::Topics(TopicHead {
        lstm: config.use_lstm.then_some(lstm),
        pool,
        text: projector("text_projector"),
        label: projector("classes_projector"),
        scale: config.normalize_features.then(|| "model.logit_scale".into()),
        scores,
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
    Ok((HeadKind::PromptedTopics, plan, prompt))
}

/// The `model_type` of an encoder; the packages take one that does not tell for DeBERTa.
fn encoder_type(config: &Value) -> &str {
    config.get("model_type").and_then(Value::as_str).unwrap_or("deberta-v2")
}

/// The encoder that `config` tells of, its tensors' names beginning with `within`.
fn backbone(config: &Value, within: &'static str) -> Result<Blueprint, String> {
    let model_type = encoder_type(config);
    let known = ARCHITECTURES.iter().find(|architecture| {
        architecture.model_type == model_type && architecture.heads.contains(&HeadKind::Embedding)
    });
    let Some(architecture) = known else {
        let known = ARCHITECTURES.iter().map(|architecture| architecture.model_type);
        let known = known.filter(|&name| name != "bart").collect::<Vec<_>>().join(", ");
        return Err(format!(
            "encoder_config has model_type {model_type:?}, which is not supported; supported are {known}"
        ));
    };
    let source = Source { json: config, head: HeadKind::Embedding, labels: 0 };
    let mut plan = architecture.blueprint(&source).map_err(|fault| format!("encoder_config: {fault}"))?;
    plan.aliases.iter_mut().for_each(|[_, other]| *other = within);
    Ok(plan)
}

/// The encoders that GLiNER's first models name without their config: layers, heads, and widths of
/// states and of feed-forward blocks, as their own config.json has them.
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
            "model_name {name:?} has no encoder_config beside it and is none of {known}; add its config.json \
             as encoder_config"
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
