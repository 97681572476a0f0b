//! Adapts config.json to rust-bert.

use serde_json::{Map, Value, json};

use crate::backend::padded::Rows;
use crate::limits::{LARGEST_DIMENSION, MOST_LAYERS};

/// Keys that rust-bert requires, but that matter only for training or have these defaults in transformers.
fn defaults() -> Value {
    json!({
        "activation_dropout": 0.0, "attention_dropout": 0.0, "attention_probs_dropout_prob": 0.0,
        "decoder_layerdrop": 0.0, "dropout": 0.0, "encoder_layerdrop": 0.0, "hidden_dropout_prob": 0.0,
        "init_std": 0.02, "initializer_range": 0.02, "qa_dropout": 0.0, "seq_classif_dropout": 0.0,
        "sinusoidal_pos_embds": false, "tie_weights_": true, "bi_data": false, "same_length": false,
        "pad_token_id": 0,
    })
}

/// Keys that rust-bert reads, but transformers ignores or reads differently.
const UNREAD: [&str; 5] =
    ["label2id", "normalize_embedding", "num_labels", "output_attentions", "output_hidden_states"];

/// Activations that have another name in rust-bert.
const ACTIVATIONS: [(&str, &str); 3] =
    [("gelu_python", "gelu"), ("gelu_pytorch_tanh", "gelu_new"), ("silu", "swish")];

/// Keys that name an activation.
const ACTIVATION_KEYS: [&str; 4] = ["activation", "activation_function", "ff_activation", "hidden_act"];

/// Adapts the config `json` of a model that returns `rows`. `own` are the defaults of its architecture, which add to
/// the common ones. An error says what is wrong with the config.
pub(super) fn prepare(json: Value, rows: Rows, own: Value) -> Result<Value, String> {
    let (Value::Object(mut config), Value::Object(own), Value::Object(given)) = (defaults(), own, json)
    else {
        return Err("config.json is not a JSON object".into());
    };
    config.extend(own);
    for (key, value) in given {
        // A null means that the key is missing; for an activation, it means none.
        if value.is_null() && key.ends_with("activation") {
            config.remove(&key);
        } else if !value.is_null() && !UNREAD.contains(&key.as_str()) {
            config.insert(key, value);
        }
    }
    for key in ACTIVATION_KEYS {
        let known = config.get(key).and_then(Value::as_str);
        if let Some((_, name)) = known.and_then(|known| ACTIVATIONS.iter().find(|(other, _)| *other == known))
        {
            config.insert(key.into(), json!(name));
        }
    }
    // rust-bert projects if the key exists, whatever its value.
    if config.get("summary_use_proj") == Some(&json!(false)) {
        config.remove("summary_use_proj");
    }
    // transformers has one window for all layers, or one per layer.
    if let Some(window) = config.get("attention_window").filter(|window| window.is_number()).cloned() {
        config.insert(
            "attention_window".into(),
            Value::Array(vec![window; layers(&config, "num_hidden_layers")?]),
        );
    }
    // rust-bert counts the labels.
    let labels = match rows {
        Rows::EveryToken { labels } | Rows::Sequence { labels } => labels,
        Rows::Pooled { .. } => 0,
    };
    let id2label: Map<String, Value> =
        (0..labels).map(|id| (id.to_string(), json!(id.to_string()))).collect();
    config.insert("id2label".into(), Value::Object(id2label));
    Ok(Value::Object(config))
}

/// The size under `key`.
pub(super) fn size(config: &Map<String, Value>, key: &str) -> Result<usize, String> {
    let value = config.get(key).ok_or_else(|| format!("{key} is missing"))?;
    let size = value.as_u64().filter(|size| (1..=LARGEST_DIMENSION as u64).contains(size));
    size.map(|size| size as usize)
        .ok_or_else(|| format!("{key} is {value}; it must be between 1 and {LARGEST_DIMENSION}"))
}

/// The number of layers under `key`.
pub(super) fn layers(config: &Map<String, Value>, key: &str) -> Result<usize, String> {
    let layers = size(config, key)?;
    if layers <= MOST_LAYERS {
        Ok(layers)
    } else {
        Err(format!("{key} is {layers}; it must be at most {MOST_LAYERS}"))
    }
}
