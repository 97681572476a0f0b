//! config.json as rust-bert wants it.

use serde_json::{Map, Value, json};

use crate::backend::Rows;

/// What checkpoints may leave out and rust-bert asks for: it counts for nothing but training, or has one
/// value in all checkpoints that leave it out.
fn defaults() -> Value {
    json!({
        "activation_dropout": 0.0, "attention_dropout": 0.0, "attention_probs_dropout_prob": 0.0,
        "decoder_layerdrop": 0.0, "dropout": 0.0, "encoder_layerdrop": 0.0, "hidden_dropout_prob": 0.0,
        "init_std": 0.02, "initializer_range": 0.02, "qa_dropout": 0.0, "seq_classif_dropout": 0.0,
        "sinusoidal_pos_embds": false, "tie_weights_": true,
        "bi_data": false, "same_length": false,
        "bos_token_id": 0, "eos_token_id": 0, "sep_token_id": 0, "pad_token_id": 0,
    })
}

/// What rust-bert reads otherwise than transformers, or cannot read, and is none of a model's numbers.
const UNREAD: [&str; 4] = ["label2id", "num_labels", "output_attentions", "output_hidden_states"];

/// Names of activations that rust-bert knows by others.
const ACTIVATIONS: [(&str, &str); 2] = [("silu", "swish"), ("gelu_pytorch_tanh", "gelu_new")];

/// What names an activation.
const ACTIVATION_KEYS: [&str; 6] =
    ["activation", "activation_function", "conv_act", "ff_activation", "hidden_act", "pooler_hidden_act"];

/// The config `json` of a model that gives `rows`; an error says what is wrong with it.
pub(super) fn prepare(json: Value, rows: Rows) -> Result<Value, String> {
    let Value::Object(given) = json else { return Err("config.json is no object".into()) };
    let kept = given.into_iter().filter(|(key, value)| !value.is_null() && !UNREAD.contains(&key.as_str()));
    let Value::Object(mut config) = defaults() else { return Err("no defaults".into()) };
    config.extend(kept);
    for key in ACTIVATION_KEYS {
        let known = config.get(key).and_then(Value::as_str);
        if let Some((_, name)) = known.and_then(|known| ACTIVATIONS.iter().find(|(other, _)| *other == known))
        {
            config.insert(key.into(), json!(name));
        }
    }
    // Their readers panic at what stands for nothing.
    for key in ["norm_rel_ebd", "pos_att_type"] {
        if matches!(config.get(key).and_then(Value::as_str), Some("none" | "")) {
            config.remove(key);
        }
    }
    // transformers has one window for all layers, or one a layer.
    if let Some(window) = config.get("attention_window").filter(|window| window.is_number()).cloned() {
        let layers = size(&config, "num_hidden_layers")?;
        config.insert("attention_window".into(), Value::Array(vec![window; layers]));
    }
    // rust-bert counts them.
    let labels = match rows {
        Rows::EveryToken { labels } | Rows::Sequence { labels } => labels,
        Rows::Mean { .. } | Rows::First { .. } => 0,
    };
    let id2label: Map<String, Value> =
        (0..labels).map(|id| (id.to_string(), json!(id.to_string()))).collect();
    config.insert("id2label".into(), Value::Object(id2label));
    Ok(Value::Object(config))
}

/// The size under `key`.
pub(super) fn size(config: &Map<String, Value>, key: &str) -> Result<usize, String> {
    /// No known model comes near it in any dimension.
    const LARGEST: u64 = 1 << 24;
    let value = config.get(key).ok_or_else(|| format!("{key} is missing"))?;
    let size = value.as_u64().filter(|size| (1..=LARGEST).contains(size));
    size.map(|size| size as usize)
        .ok_or_else(|| format!("{key} is {value}; it must be between 1 and {LARGEST}"))
}
