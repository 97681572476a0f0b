//! Units, which are labelled as a whole: a token, or a word of several tokens.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::characters::is_invisible;
use crate::document::Document;
use crate::document::boundaries::is_handle;

/// Tokens that share one label, and the bytes of the text that they stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) tokens: Range<usize>,
    pub(crate) bytes: Range<usize>,
}

/// Each token by itself.
pub(crate) fn tokens(document: &Document<'_>) -> Vec<Unit> {
    let offsets = document.tokens.offsets.iter().cloned();
    offsets.enumerate().map(|(token, bytes)| Unit { tokens: token..token + 1, bytes }).collect()
}

/// Words as transformers' pipelines form them.
pub(crate) fn pipeline_words(document: &Document<'_>) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for (token, &continues) in document.tokens.continues.iter().enumerate() {
        let end = document.tokens.offsets[token].end;
        match units.last_mut() {
            Some(word) if continues => {
                word.tokens.end = token + 1;
                word.bytes.end = end;
            }
            _ => units.push(Unit { tokens: token..token + 1, bytes: document.bytes(token..token + 1) }),
        }
    }
    units
}

/// Words by Unicode's boundaries (<https://www.unicode.org/reports/tr29/#Word_Boundaries>), with these exceptions. An
/// English possessive `'s` is a separate word, as in corpora. Underscores around a word are not part of it, but the `@`
/// before a word is. Colons end words, and so do dots between sentences.
pub(crate) fn unicode_words(document: &Document<'_>) -> Vec<Unit> {
    let text = document.text;
    let words = text.split_word_bound_indices().flat_map(|(start, word)| apart(start, word)).flat_map(
        |(start, word)| {
            // To Unicode, white space with a combining mark is one piece; here the mark alone is the word.
            let is_no_word = |c: char| c.is_whitespace() || is_invisible(c) || c == '_';
            let head = word.len() - word.trim_start_matches(is_no_word).len();
            let core = word.trim_matches(is_no_word);
            let tail = head + core.len();
            let stem = tail - possessive(core);
            let place = |range: Range<usize>| start + range.start..start + range.end;
            [0..head, head..stem, stem..tail, tail..word.len()].map(place)
        },
    );
    let visible = words.filter_map(|word| {
        let part = &text[word.clone()];
        let start = word.end - part.trim_start().len();
        let end = start + part.trim().len();
        (start < end).then_some(start..end)
    });
    let mut handles: Vec<Range<usize>> = Vec::new();
    for word in visible {
        match handles.last_mut() {
            Some(sign)
                if is_account_sign(text, sign)
                    && sign.end == word.start
                    && starts_alphanumeric(&text[word.clone()]) =>
            {
                sign.end = word.end;
            }
            _ => handles.push(word),
        }
    }
    let mut units = words_at(document, handles);
    for unit in units.iter_mut().filter(|unit| is_handle(&text[unit.bytes.clone()])) {
        // The label is that of the name, which a model knows better than the sign.
        let sign = unit.bytes.start + 1;
        unit.tokens.start += document.tokens.offsets[unit.tokens.clone()]
            .iter()
            .position(|token| token.end > sign)
            .unwrap_or(0);
    }
    units
}

/// Splits a Unicode word that starts at `start`: after the mark of a keycap, around a colon, and after a dot between
/// two sentences (`Merkel.Putin`).
fn apart(start: usize, word: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let mut from = 0;
    let mut before: [Option<char>; 2] = [None; 2];
    for (at, character) in word.char_indices() {
        let begins = match before {
            [_, Some('\u{20E3}' | ':')] => true,
            _ if character == ':' => at > 0,
            [Some(letter), Some('.')] => letter.is_lowercase() && character.is_uppercase(),
            _ => false,
        };
        if begins {
            parts.push((start + from, &word[from..at]));
            from = at;
        }
        before = [before[1], Some(character)];
    }
    parts.push((start + from, &word[from..]));
    parts
}

/// Returns whether `sign` is the `@` before the name of an account, and not that of an e-mail address.
fn is_account_sign(text: &str, sign: &Range<usize>) -> bool {
    &text[sign.clone()] == "@" && !text[..sign.start].ends_with(char::is_alphanumeric)
}

fn starts_alphanumeric(word: &str) -> bool {
    word.starts_with(char::is_alphanumeric)
}

/// The words that the caller passed.
pub(crate) fn given_words(document: &Document<'_>) -> Vec<Unit> {
    words_at(document, document.words.iter().map(|word| word.bytes.clone()))
}

/// The units of `words`, byte ranges that are in order, disjoint and not blank. A token belongs to the word that
/// contains its first letter or digit, or if it has none, its first character other than white space. Words without
/// tokens are left out.
fn words_at(document: &Document<'_>, words: impl IntoIterator<Item = Range<usize>>) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut words = words.into_iter().peekable();
    for (token, range) in document.tokens.offsets.iter().enumerate() {
        let source = document.text.get(range.clone()).unwrap_or_default();
        let first = source.find(char::is_alphanumeric).or_else(|| source.find(|c: char| !c.is_whitespace()));
        let Some(start) = first.map(|first| range.start + first) else { continue };
        while words.next_if(|word| word.end <= start).is_some() {}
        match (words.peek(), units.last_mut()) {
            (Some(word), Some(unit)) if *word == unit.bytes => unit.tokens.end = token + 1,
            (Some(word), _) if word.start <= start => {
                units.push(Unit { tokens: token..token + 1, bytes: word.clone() });
            }
            // The token is outside every word.
            _ => {}
        }
    }
    units
}

/// The length of the possessive ending of `word`, in bytes.
fn possessive(word: &str) -> usize {
    let Some(rest) = word.strip_suffix(['s', 'S']) else { return 0 };
    let Some(stem) = rest.strip_suffix(['\'', '\u{2019}']) else { return 0 };
    if stem.is_empty() { 0 } else { word.len() - stem.len() }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::{unicode_words, words_at};
    use crate::document::Document;
    use crate::span::CharIndex;
    use crate::tokenizer::Tokens;

    fn document<'t>(text: &'t str, offsets: &[Range<usize>]) -> Document<'t> {
        let count = offsets.len();
        let tokens = Tokens {
            ids: vec![0; count],
            casing: vec![0; count],
            places: vec![0; count],
            offsets: offsets.to_vec(),
            unknown: vec![false; count],
            continues: vec![false; count],
        };
        Document {
            text,
            index: CharIndex::new(text),
            tokens,
            sentences: vec![0],
            words: Vec::new(),
            has_layout: true,
        }
    }

    /// The text of each word, and its number of tokens.
    fn words<'t>(document: &Document<'t>) -> Vec<(&'t str, usize)> {
        let units = unicode_words(document).into_iter();
        units.map(|unit| (&document.text[unit.bytes], unit.tokens.len())).collect()
    }

    #[test]
    fn words_have_their_tokens_and_no_white_space() {
        let with_spaces = document(
            "Jean-Luc\u{a0}came, twice.",
            &[0..4, 4..5, 5..8, 8..12, 12..14, 14..15, 15..21, 21..22],
        );
        let expected = [("Jean", 1), ("-", 1), ("Luc", 1), ("came", 2), (",", 1), ("twice", 1), (".", 1)];
        assert_eq!(words(&with_spaces), expected);
        let marked_space = document("a \u{e0100}", &[0..1, 1..6]);
        assert_eq!(words(&marked_space), [("a", 1), ("\u{e0100}", 1)]);
    }

    #[test]
    fn a_possessive_is_a_word_of_its_own() {
        let text = "Russia’s O'Neill's boss's s";
        let apostrophe = "’".len();
        let end = 6 + apostrophe + 1;
        let offsets = [
            0..6,
            6..6 + apostrophe,
            6 + apostrophe..end,
            end + 1..end + 8,
            end + 8..end + 10,
            end + 11..end + 15,
        ];
        let found = words(&document(text, &offsets));
        assert_eq!(found, [("Russia", 1), ("’s", 2), ("O'Neill", 1), ("'s", 1), ("boss", 1)]);
    }

    #[test]
    fn a_handle_has_the_tokens_of_its_name() {
        let document = document("by @ada now", &[0..2, 3..4, 4..7, 8..11]);
        let units: Vec<_> =
            unicode_words(&document).into_iter().map(|unit| (unit.bytes, unit.tokens)).collect();
        assert_eq!(units, [(0..2, 0..1), (3..7, 2..3), (8..11, 3..4)]);
    }

    #[test]
    fn a_token_belongs_to_the_word_of_its_first_letter() {
        // A token of a quotation mark and a name, one of white space alone, and one past all words.
        let document = document("\"Ada  x", &[0..4, 4..5, 6..7]);
        let units = words_at(&document, [0..1, 1..4]);
        assert_eq!(units.len(), 1);
        assert_eq!((units[0].tokens.clone(), units[0].bytes.clone()), (0..1, 1..4));
    }
}
