//! The pooling that sentence-transformers keeps next to a model.

use serde::Deserialize;

use crate::catalogue::files::Files;
use crate::error::{Error, ErrorKind};
use crate::pooling::TokenPooling;

pub(crate) const FILE: &str = "1_Pooling/config.json";

#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(default)]
    pooling_mode_lasttoken: bool,
    #[serde(default)]
    pooling_mode_mean_sqrt_len_tokens: bool,
    #[serde(default)]
    pooling_mode_weightedmean_tokens: bool,
}

/// Reads the pooling of tokens from the model's own files.
pub(crate) fn read(files: &Files) -> Result<Option<TokenPooling>, Error> {
    let refuse =
        || Error::new(ErrorKind::Config, format!("{} is not a usable pooling config", files.name(FILE)));
    let Some(json) = files.find(FILE, ErrorKind::Config)? else { return Ok(None) };
    let config: PoolingConfig = serde_json::from_slice(&json).map_err(|error| refuse().with_source(error))?;
    let modes = [
        (config.pooling_mode_cls_token, Some(TokenPooling::Cls)),
        (config.pooling_mode_mean_tokens, Some(TokenPooling::Mean)),
        (config.pooling_mode_max_tokens, Some(TokenPooling::Max)),
        (config.pooling_mode_lasttoken, None),
        (config.pooling_mode_mean_sqrt_len_tokens, None),
        (config.pooling_mode_weightedmean_tokens, None),
    ];
    match modes.into_iter().filter(|(set, _)| *set).collect::<Vec<_>>()[..] {
        [(_, Some(pooling))] => Ok(Some(pooling)),
        _ => Err(refuse().with_source(
            "supported is one of pooling_mode_cls_token, pooling_mode_mean_tokens and pooling_mode_max_tokens",
        )),
    }
}
