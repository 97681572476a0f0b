//! A text as tokens, sentences and windows.

pub(crate) mod boundaries;
pub(crate) mod coverage;
pub(crate) mod sections;
mod sentences;
pub(crate) mod windows;

use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use self::windows::Windows;
use crate::error::Error;
use crate::span::{CharIndex, Span};
use crate::stage::stage;
use crate::tokenizer::{TextTokenizer, Tokens, WordTokens};

/// A text that was tokenised as a whole.
pub(crate) struct Document<'t> {
    pub(crate) text: &'t str,
    pub(crate) index: CharIndex<'t>,
    pub(crate) tokens: Tokens,
    /// The first token of each sentence, in order; that of the first sentence is 0.
    pub(crate) sentences: Vec<usize>,
    /// The words, if the caller passed them or the text was tokenised word by word.
    pub(crate) words: Vec<Word>,
    /// True if the text is as an author wrote it; false if it is words joined by spaces.
    pub(crate) has_layout: bool,
}

/// A word of a document.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) bytes: Range<usize>,
    /// The first token of the word, if the word was tokenised by itself and the tokenizer does not drop it.
    pub(crate) token: Option<usize>,
    /// The token at the place of the word: its first token, or if it has none, the last token before the next word.
    at: usize,
}

impl<'t> Document<'t> {
    pub(crate) fn read(text: &'t str, tokenizer: &TextTokenizer, prepare: bool) -> Result<Self, Error> {
        stage!("tokenise");
        let tokens = if prepare { tokenizer.encode_prepared(text) } else { tokenizer.encode(text) }?;
        let sentences = sentences::starts(text, &tokens.offsets);
        Ok(Self { text, index: CharIndex::new(text), tokens, sentences, words: Vec::new(), has_layout: true })
    }

    /// Reads `text` as a whole. The caller passed its `words`, as byte ranges in order.
    pub(crate) fn with_words(
        text: &'t str,
        words: Vec<Range<usize>>,
        tokenizer: &TextTokenizer,
        prepare: bool,
    ) -> Result<Self, Error> {
        let words = words.into_iter().map(|bytes| Word { bytes, token: None, at: 0 }).collect();
        Ok(Self { words, has_layout: false, ..Self::read(text, tokenizer, prepare)? })
    }

    /// Reads the `words` of `text`, byte ranges in order, and tokenises each by itself.
    pub(crate) fn of_words(
        text: &'t str,
        words: Vec<Range<usize>>,
        tokenizer: &TextTokenizer,
        prepare: bool,
    ) -> Result<Self, Error> {
        stage!("tokenise");
        let texts: Vec<&str> = words.iter().map(|word| text.get(word.clone()).unwrap_or_default()).collect();
        let encoded = match texts.is_empty() {
            true => WordTokens::default(),
            false if prepare => tokenizer.encode_prepared_words(&texts)?,
            false => tokenizer.encode_words(&texts)?,
        };
        let mut firsts: Vec<Option<usize>> = vec![None; words.len()];
        let mut tokens = Tokens { ids: encoded.ids, unknown: encoded.unknown, ..Tokens::default() };
        for (token, (&word, range)) in encoded.words.iter().zip(&encoded.offsets).enumerate() {
            let bytes = words.get(word).cloned().unwrap_or_default();
            let end = (bytes.start + range.end).min(bytes.end);
            tokens.offsets.push((bytes.start + range.start).min(end)..end);
            if let Some(first @ None) = firsts.get_mut(word) {
                *first = Some(token);
            }
        }
        let mut next = tokens.ids.len();
        let words = words.into_iter().zip(firsts).rev().map(|(bytes, token)| {
            next = token.unwrap_or(next);
            Word { bytes, token, at: token.unwrap_or(next.saturating_sub(1)) }
        });
        let mut words: Vec<Word> = words.collect();
        words.reverse();
        let sentences = sentences::starts(text, &tokens.offsets);
        Ok(Self { text, index: CharIndex::new(text), tokens, sentences, words, has_layout: true })
    }

    /// The document as windows of at most `budget` tokens, without context, which split no word that fits into a
    /// window.
    pub(crate) fn windows_of_words(&self, budget: usize) -> Windows {
        let starts: Vec<usize> = self.words.iter().filter_map(|word| word.token).collect();
        Windows::plan(
            &windows::split_long(&self.sentences, &starts, self.tokens.len(), budget),
            self.tokens.len(),
            budget,
            0,
        )
    }

    /// The words that begin in `window`, a range of tokens. A word that the tokenizer drops belongs to the window of
    /// the word before it.
    pub(crate) fn words_in(&self, window: &Range<usize>) -> Range<usize> {
        let before = |token: usize| self.words.partition_point(|word| word.at < token);
        before(window.start)..before(window.end)
    }

    /// The document as windows of at most `budget` tokens, of which up to `context` on each side are from neighbours.
    pub(crate) fn windows(&self, budget: usize, context: usize) -> Windows {
        Windows::plan(&self.sentences, self.tokens.len(), budget, context)
    }

    /// The bytes from the first to the last of `tokens`.
    pub(crate) fn bytes(&self, tokens: Range<usize>) -> Range<usize> {
        let offsets = &self.tokens.offsets[tokens];
        offsets.first().map_or(0, |first| first.start)..offsets.last().map_or(0, |last| last.end)
    }

    /// The span from the first to the last of `tokens`.
    pub(crate) fn span(&self, tokens: Range<usize>) -> Span {
        self.index.span(self.bytes(tokens))
    }

    /// The span of `words`, of a document that was tokenised word by word.
    pub(crate) fn span_of_words(&self, words: Range<usize>) -> Span {
        let words = &self.words[words];
        let start = words.first().map_or(0, |word| word.bytes.start);
        self.index.span(start..words.last().map_or(0, |word| word.bytes.end))
    }
}

/// One row per token of the document, each from the window that gives the token the most context.
///
/// `outputs` has the rows of each window, of which the first `leading` are those of special tokens.
pub(crate) fn merge(windows: &Windows, outputs: &[Array2<f32>], leading: usize) -> Array2<f32> {
    stage!("merge");
    let columns = outputs.first().map_or(0, Array2::ncols);
    let mut merged = Array2::zeros((windows.tokens(), columns));
    for (token, window) in windows.owners().into_iter().enumerate() {
        let row: ArrayView2<'_, f32> = outputs[window].view();
        merged.row_mut(token).assign(&row.row(leading + token - windows.ranges()[window].start));
    }
    merged
}
