use serde_json::Value;

use super::shared::Source;
use super::{ARCHITECTURES, Architecture};
use crate::backend::native::blueprint::Blueprint;
use crate::catalogue::registry::Task;

/// The `model_type` of an encoder. Without one, the Python packages assume DeBERTa.
pub(super) fn encoder_type(config: &Value) -> &str {
    config.get("model_type").and_then(Value::as_str).unwrap_or("deberta-v2")
}

/// Translates the encoder that `config` describes; the names of its tensors begin with `within`.
pub(super) fn backbone(config: &Value, within: &'static str) -> Result<Blueprint, String> {
    let model_type = encoder_type(config);
    let Some(architecture) = Architecture::find(model_type).filter(|known| known.does(Task::Embedding))
    else {
        let known = ARCHITECTURES.iter().filter(|known| known.does(Task::Embedding));
        let known: Vec<&str> = known.map(|known| known.model_type).collect();
        return Err(format!(
            "encoder_config has model_type {model_type:?}, which is not supported; supported are {}",
            known.join(", ")
        ));
    };
    let source = Source { json: config, task: Task::Embedding, labels: 0 };
    let mut plan = (architecture.translate)(&source).map_err(|fault| format!("encoder_config: {fault}"))?;
    plan.aliases.iter_mut().for_each(|[_, other]| *other = within);
    Ok(plan)
}
