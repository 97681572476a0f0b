use serde::{Deserialize, Serialize};

use super::Document;
use super::windows::Windows;
use crate::language::foreign;

/// The part of a text that the model read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Coverage {
    /// The number of characters in the text.
    pub chars: usize,
    /// The number of characters that the model read. White space, control characters and accents that a tokenizer drops
    /// by design count as read. These do not:
    ///
    /// * characters of tokens that are in no window,
    /// * characters of tokens outside the vocabulary, which are all the same unknown word to the model,
    /// * letters and digits that the tokenizer dropped,
    /// * U+FFFD, which stands for bytes that could not be decoded, even if the tokenizer knows it.
    pub chars_read: usize,
    /// The number of tokens in the text.
    pub tokens: usize,
    /// The number of tokens outside the vocabulary of the model.
    pub unknown_tokens: usize,
    /// The number of windows in which the text was read.
    pub windows: usize,
    /// The apparent language of the text, as an ISO 639-1 code, if the model does not know that language. `None` in
    /// builds without the feature `language`, for short texts, and for models without `languages` in the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_language: Option<String>,
}

impl Coverage {
    /// The coverage of `document` in `windows`, by a model that knows `languages`.
    pub(crate) fn of(document: &Document<'_>, windows: &Windows, languages: &[String]) -> Self {
        let tokens = &document.tokens;
        let mut read = vec![false; tokens.len()];
        for range in windows.ranges() {
            read[range.clone()].fill(true);
        }
        let chars = document.index.len();
        let mut unread = document.text.matches(UNDECODED).count();
        // Tokens may overlap where one character became several: it is unread if one of them is.
        let (mut end, mut unread_end) = (0, 0);
        for (token, range) in tokens.offsets.iter().enumerate() {
            unread += dropped_letters(document.text, end..range.start);
            end = end.max(range.end);
            let start = range.start.max(unread_end);
            if start < range.end && (!read[token] || tokens.unknown[token]) {
                // Tokens may begin within a character; the span has it whole.
                let span = document.index.span(start..range.end);
                let undecoded = span.of(document.text).matches(UNDECODED).count();
                unread += span.chars.len() - undecoded;
                unread_end = range.end;
            }
        }
        unread += dropped_letters(document.text, end..document.text.len());
        Self {
            chars,
            chars_read: chars - unread.min(chars),
            tokens: tokens.len(),
            unknown_tokens: tokens.unknown.iter().filter(|&&unknown| unknown).count(),
            windows: windows.ranges().len(),
            foreign_language: foreign(document.text, languages),
        }
    }

    /// The coverage of two parts of a text together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            chars: self.chars + other.chars,
            chars_read: self.chars_read + other.chars_read,
            tokens: self.tokens + other.tokens,
            unknown_tokens: self.unknown_tokens + other.unknown_tokens,
            windows: self.windows + other.windows,
            // The language of the first part with text.
            foreign_language: if self.chars == 0 { other.foreign_language } else { self.foreign_language },
        }
    }

    /// The coverage of two models that read the same text: the lesser of the two, with the foreign language that either
    /// of them reports.
    pub(crate) fn or_less(self, other: Self) -> Self {
        let foreign_language = self.foreign_language.clone().or_else(|| other.foreign_language.clone());
        let lesser = if other.chars_read < self.chars_read { other } else { self };
        Self { foreign_language, ..lesser }
    }

    /// Returns whether the model read every character.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?;
    /// assert!(ner.tag("Ada Lovelace lived in London.")?.coverage.is_complete());
    /// // The vocabulary of the model lacks this emoji.
    /// let coverage = ner.tag("Paris🦤 is lovely")?.coverage;
    /// assert!(!coverage.is_complete());
    /// assert_eq!(coverage.chars - coverage.chars_read, 1);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn is_complete(&self) -> bool {
        self.chars_read == self.chars
    }
}

/// Stands for bytes that could not be decoded.
const UNDECODED: char = char::REPLACEMENT_CHARACTER;

/// The number of letters and digits in `range`, which no token has; 0 if it ends before it starts.
fn dropped_letters(text: &str, range: std::ops::Range<usize>) -> usize {
    let dropped = text.get(range).unwrap_or_default();
    dropped.chars().filter(|character| character.is_alphanumeric()).count()
}

#[cfg(test)]
mod tests {
    use super::Coverage;

    #[test]
    fn the_coverage_of_two_models_is_the_lesser() {
        let read = |chars_read, windows| Coverage { chars: 9, chars_read, windows, ..Coverage::default() };
        assert_eq!(read(9, 1).or_less(read(7, 2)), read(7, 2));
        assert_eq!(read(7, 1).or_less(read(9, 2)), read(7, 1));
        assert_eq!(read(9, 1).or_less(read(9, 2)), read(9, 1));
        let foreign = Coverage { foreign_language: Some("de".into()), ..read(9, 2) };
        assert_eq!(read(7, 1).or_less(foreign).foreign_language.as_deref(), Some("de"));
    }

    #[test]
    fn the_language_of_two_parts_is_that_of_the_first_with_text() {
        let part = |chars, language: Option<&str>| Coverage {
            chars,
            foreign_language: language.map(str::to_owned),
            ..Coverage::default()
        };
        for (first, second, expected) in [
            (part(5, None), part(5, Some("de")), None),
            (part(5, Some("fr")), part(5, Some("de")), Some("fr")),
            (part(0, None), part(5, Some("de")), Some("de")),
        ] {
            assert_eq!(first.and(second).foreign_language.as_deref(), expected);
        }
    }
}
