//! config.json as rust-bert wants it.

use serde_json::{Map, Value, json};

use crate::backend::padded::Rows;
use crate::limits::{LARGEST_DIMENSION, MOST_LAYERS};

/// What rust-bert asks for, and what counts for nothing but training, or is transformers' default.
fn defaults() -> Value {
    json!({
        "activation_dropout": 0.0, "attention_dropout": 0.0, "attention_probs_dropout_prob": 0.0,
        "decoder_layerdrop": 0.0, "dropout": 0.0, "encoder_layerdrop": 0.0, "hidden_dropout_prob": 0.0,
        "init_std": 0.02, "initializer_range": 0.02, "qa_dropout": 0.0, "seq_classif_dropout": 0.0,
        "sinusoidal_pos_embds": false, "tie_weights_": true, "bi_data": false, "same_length": false,
        "pad_token_id": 0,
    })
}

/// What rust-bert reads and transformers does not, or in another way.
const UNREAD: [&str; 5] =
    ["label2id", "normalize_embedding", "num_labels", "output_attentions", "output_hidden_states"];

/// Names of activations that rust-bert knows by others.
const ACTIVATIONS: [(&str, &str); 3] =
    [("gelu_python", "gelu"), ("gelu_pytorch_tanh", "gelu_new"), ("silu", "swish")];

/// What names an activation.
const ACTIVATION_KEYS: [&str; 4] = ["activation", "activation_function", "ff_activation", "hidden_act"];

/// The config `json` of a model that gives `rows`, whose architecture has the defaults `own` beside the
/// common ones; an error says what is wrong with it.
pub(super) fn prepare(json: Value, rows: Rows, own: Value) -> Result<Value, String> {
    let (Value::Object(mut config), Value::Object(own), Value::Object(given)) = (defaults(), own, json)
    else {
        return Err("config.json is no object".into());
    };
    config.extend(own);
    for (key, value) in given {
        // A null is what is missing, but for an activation: there it is none.
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
    // rust-bert projects where the key is there, whatever it says.
    if config.get("summary_use_proj") == Some(&json!(false)) {
        config.remove("summary_use_proj");
    }
    // transformers has one window for all layers, or one a layer.
    if let Some(window) = config.get("attention_window").filter(|window| window.is_number()).cloned() {
        config.insert(
            "attention_window".into(),
            Value::Array(vec![window; layers(&config, "num_hidden_layers")?]),
        );
    }
    // rust-bert counts them.
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
