use std::hash::{Hash, Hasher};

use serde::Deserialize;
use tokenizers::AddedToken;

/// An added token in transformers' form. If `normalized` is not set, it is the opposite of `special`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Added {
    pub(super) content: String,
    #[serde(default)]
    pub(super) single_word: bool,
    #[serde(default)]
    pub(super) lstrip: bool,
    #[serde(default)]
    pub(super) rstrip: bool,
    #[serde(default)]
    pub(super) normalized: Option<bool>,
    #[serde(default)]
    pub(super) special: bool,
}

impl PartialEq for Added {
    fn eq(&self, other: &Self) -> bool {
        self.clone().token() == other.clone().token()
    }
}

impl Eq for Added {}

impl Hash for Added {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.content.hash(state);
    }
}

impl Added {
    pub(super) fn token(self) -> AddedToken {
        let normalized = self.normalized.unwrap_or(!self.special);
        AddedToken::from(self.content, self.special)
            .single_word(self.single_word)
            .lstrip(self.lstrip)
            .rstrip(self.rstrip)
            .normalized(normalized)
    }

    pub(super) fn from_token(token: AddedToken) -> Self {
        let AddedToken { content, single_word, lstrip, rstrip, normalized, special } = token;
        Self { content, single_word, lstrip, rstrip, normalized: Some(normalized), special }
    }
}
