//! What sentence-transformers keeps beside a model.

use serde::Deserialize;

use super::registry::TokenPooling;
use super::source::Files;
use crate::error::{Error, ErrorKind};

pub(crate) const FILE: &str = "1_Pooling/config.json";

#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

/// How the model's own files say that it pools its tokens.
pub(crate) fn read(files: &Files) -> Result<Option<TokenPooling>, Error> {
    let refuse =
        || Error::new(ErrorKind::Config, format!("{} is not a usable pooling config", files.name(FILE)));
    let Some(json) = files.find(FILE, ErrorKind::Config)? else { return Ok(None) };
    let config: PoolingConfig = serde_json::from_slice(&json).map_err(|error| refuse().with_source(error))?;
    match (config.pooling_mode_mean_tokens, config.pooling_mode_cls_token) {
        (true, false) => Ok(Some(TokenPooling::Mean)),
        (false, true) => Ok(Some(TokenPooling::Cls)),
        _ => {
            Err(refuse()
                .with_source("supported is one of pooling_mode_mean_tokens and pooling_mode_cls_token"))
        }
    }
}
