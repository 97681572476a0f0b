//! A loaded model: its role, its tokenizer, and the backend that runs it.

pub(crate) mod architecture;
mod check;
mod config;
pub(crate) mod load;
mod locate;
mod pooling_file;
mod profile;
mod provider;
pub(crate) mod resources;
pub(crate) mod role;
pub(crate) mod vocabularies;
mod weights;

use std::ops::Range;
use std::sync::Arc;

use self::config::TokenTypes;
use self::profile::Profile;
use self::role::Role;
use crate::backend::Runner;
use crate::batch::Sequence;
use crate::error::{Error, ErrorKind};
use crate::fingerprint::Fingerprint;
use crate::schedule::Workers;
use crate::tokenizer::{TextTokenizer, Tokens, casing};

/// A model that is ready to run.
pub(crate) struct Model {
    pub(crate) name: String,
    /// Equal for models with the same weights, pooling and tokenizer.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) role: Role,
    token_types: TokenTypes,
    pub(crate) tokenizer: Arc<TextTokenizer>,
    pub(crate) backend: Box<dyn Runner>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) profile: Profile,
    /// The longest sequence that the model takes, special tokens included.
    pub(crate) max_length: usize,
}

/// The way a model reads texts: prepared or unchanged, in windows of a given length, with a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Framing {
    /// The tokens of a window, special tokens included; at most the model's `max_length`.
    pub(crate) window: usize,
    /// The prefix of each text, tokenised.
    prefix: Vec<u32>,
    /// True if texts are prepared before they are tokenised.
    pub(crate) prepare: bool,
}

impl Model {
    /// Builds a framing: windows of `window` tokens, `prefix` before each text, and texts prepared or not. `None`
    /// stands for the registry's value or, without one, for the longest windows, no prefix and unchanged texts.
    pub(crate) fn framing(
        &self,
        window: Option<usize>,
        prefix: Option<&str>,
        prepare: Option<bool>,
    ) -> Result<Framing, Error> {
        let prefix = match prefix.or(self.profile.text_prefix.as_deref()) {
            Some(prefix) => self.tokenizer.encode(prefix)?.ids,
            None => Vec::new(),
        };
        let window = window.or(self.profile.window).unwrap_or(self.max_length);
        let smallest = self.tokenizer.specials() + prefix.len() + 1;
        if window < smallest || window > self.max_length {
            let message = format!(
                "the window of {:?} is {window}; it must be between {smallest} and {}",
                self.name, self.max_length
            );
            return Err(Error::new(ErrorKind::Options, message));
        }
        Ok(Framing { window, prefix, prepare: prepare.unwrap_or(self.profile.prepare_text) })
    }

    /// The number of tokens of a text that fit in a window.
    pub(crate) fn budget(&self, framing: &Framing) -> usize {
        framing.window - self.tokenizer.specials() - framing.prefix.len()
    }

    /// Builds the sequence of `range` of a text's tokens.
    pub(crate) fn sequence(&self, framing: &Framing, tokens: &Tokens, range: Range<usize>) -> Sequence {
        let ids = &tokens.ids[range.clone()];
        if !framing.prefix.is_empty() {
            return self.tokenizer.sequence(&[&framing.prefix, ids].concat());
        }
        let mut sequence = self.tokenizer.sequence(ids);
        let of_token: fn(&Tokens, usize) -> u32 = match self.token_types {
            TokenTypes::Segment | TokenTypes::None => return sequence,
            TokenTypes::Casing => |tokens, token| tokens.casing[token],
            TokenTypes::CasingAndPlace => {
                |tokens, token| tokens.casing[token] + casing::CLASSES * tokens.places[token]
            }
        };
        sequence.token_types.fill(0);
        let first = self.tokenizer.leading_specials();
        for (slot, token) in sequence.token_types[first..].iter_mut().zip(range) {
            *slot = of_token(tokens, token);
        }
        sequence
    }

    /// Builds the sequence of `range` of a text's tokens and the tokens of a second text.
    pub(crate) fn pair(&self, tokens: &Tokens, range: Range<usize>, second: &[u32]) -> Sequence {
        let mut sequence = self.tokenizer.pair(&tokens.ids[range], second);
        if self.token_types != TokenTypes::Segment {
            // The tokenizer numbers the two texts; the model does not distinguish them.
            sequence.token_types.fill(0);
        }
        sequence
    }
}
