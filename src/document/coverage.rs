use serde::{Deserialize, Serialize};

use super::{Document, Windows};

/// How much of a text the model read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Coverage {
    /// The characters of the text.
    pub chars: usize,
    /// The characters that the model read: all but those of tokens that no window held and of
    /// tokens outside its vocabulary, which it sees as one unknown word whatever they say.
    pub chars_read: usize,
    /// The tokens of the text.
    pub tokens: usize,
    /// The tokens outside the model's vocabulary.
    pub unknown_tokens: usize,
    /// The windows that the text was read in.
    pub windows: usize,
}

impl Coverage {
    pub(crate) fn new(document: &Document<'_>, windows: &Windows) -> Self {
        let tokens = &document.tokens;
        let mut read = vec![false; tokens.len()];
        for range in windows.ranges() {
            read[range.clone()].fill(true);
        }
        let chars = document.index.len();
        let mut unread = 0;
        let mut counted = 0;
        for (token, range) in tokens.offsets.iter().enumerate() {
            if !read[token] || tokens.unknown[token] {
                // Tokens may overlap where one character became several.
                let start = range.start.max(counted);
                if start < range.end {
                    unread += document.index.span(start..range.end).chars.len();
                    counted = range.end;
                }
            }
        }
        Self {
            chars,
            chars_read: chars - unread.min(chars),
            tokens: tokens.len(),
            unknown_tokens: tokens.unknown.iter().filter(|&&unknown| unknown).count(),
            windows: windows.ranges().len(),
        }
    }

    /// Whether the model read every character.
    pub fn is_complete(&self) -> bool {
        self.chars_read == self.chars
    }
}
