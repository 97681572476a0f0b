//! What is labelled as a whole: a token, or a word of several tokens.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::document::Document;

/// Tokens that get one label together, and the bytes of the text that they stand for.
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

/// Words as transformers' pipelines put them together.
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

/// Words by Unicode's bounds (<https://www.unicode.org/reports/tr29/#Word_Boundaries>), with an
/// English possessive `'s` as a word of its own, as corpora have it.
pub(crate) fn unicode_words(document: &Document<'_>) -> Vec<Unit> {
    let words = document.text.split_word_bound_indices().flat_map(|(start, word)| {
        let stem = word.len() - possessive(word);
        [start..start + stem, start + stem..start + word.len()]
    });
    given_words(document, words.filter(|word| !document.text[word.clone()].trim().is_empty()))
}

/// The words of the byte ranges `words`, which are in order, apart and not blank. A token belongs
/// to the word in which its first letter or digit lies, or its first character that is no white
/// space if it has none; words of no token are left out.
pub(crate) fn given_words(
    document: &Document<'_>,
    words: impl IntoIterator<Item = Range<usize>>,
) -> Vec<Unit> {
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
            // A token of text outside every word.
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
