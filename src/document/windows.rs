use std::ops::Range;

/// The runs of tokens that the model reads, in the order of the text. Together they contain every token; neighbours
/// overlap by their context.
#[derive(Debug)]
pub(crate) struct Windows {
    ranges: Vec<Range<usize>>,
    tokens: usize,
}

impl Windows {
    /// Plans windows of as many whole sentences as fit into `budget` tokens, together with `context` tokens of the
    /// neighbours on each side. A sentence that is too long for a window is cut into even parts. A text within the
    /// budget is one window.
    ///
    /// `sentences` has the first token of each sentence, the first being 0; `budget` is at least 1.
    pub(crate) fn plan(sentences: &[usize], tokens: usize, budget: usize, context: usize) -> Self {
        if tokens <= budget {
            let ranges = if tokens == 0 { Vec::new() } else { vec![Range { start: 0, end: tokens }] };
            return Self { ranges, tokens };
        }
        let context = context.min((budget - 1) / 2);
        let core = budget - 2 * context;
        let mut cores: Vec<Range<usize>> = Vec::new();
        let mut open: Option<Range<usize>> = None;
        let ends = sentences.iter().skip(1).copied().chain([tokens]);
        for sentence in sentences.iter().zip(ends).map(|(&start, end)| start..end) {
            match &mut open {
                Some(window) if sentence.end - window.start <= core => window.end = sentence.end,
                _ => {
                    cores.extend(open.take());
                    if sentence.len() <= core {
                        open = Some(sentence);
                    } else {
                        let parts = sentence.len().div_ceil(core);
                        cores.extend((0..parts).map(|part| {
                            sentence.start + sentence.len() * part / parts
                                ..sentence.start + sentence.len() * (part + 1) / parts
                        }));
                    }
                }
            }
        }
        cores.extend(open);
        let widen = |core: Range<usize>| core.start.saturating_sub(context)..(core.end + context).min(tokens);
        Self { ranges: cores.into_iter().map(widen).collect(), tokens }
    }

    /// The token range of each window.
    pub(crate) fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// The number of tokens in the document.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// For each token, the window that gives it the most context: the one whose nearer end is farthest away. The
    /// beginning and the end of the text do not count as ends, since no context is missing there.
    pub(crate) fn owners(&self) -> Vec<usize> {
        let mut owners = vec![0; self.tokens];
        let mut contexts = vec![None; self.tokens];
        for (window, range) in self.ranges.iter().enumerate() {
            for token in range.clone() {
                let before = if range.start == 0 { usize::MAX } else { token - range.start };
                let after = if range.end == self.tokens { usize::MAX } else { range.end - 1 - token };
                let context = Some(before.min(after));
                if context > contexts[token] {
                    contexts[token] = context;
                    owners[token] = window;
                }
            }
        }
        owners
    }
}

/// Cuts the sentences of more than `budget` tokens where words begin, into parts that are as long as possible.
/// `sentences` and `words` are given by their first tokens, in order, and so is the result; the text has `tokens`
/// tokens.
pub(super) fn split_long(sentences: &[usize], words: &[usize], tokens: usize, budget: usize) -> Vec<usize> {
    let mut starts = Vec::with_capacity(sentences.len());
    let ends = sentences.iter().skip(1).copied().chain([tokens]);
    for (&start, end) in sentences.iter().zip(ends) {
        starts.push(start);
        let mut part = start;
        let inside = words.partition_point(|&word| word <= start)..words.partition_point(|&word| word < end);
        let inside = &words[inside];
        for (at, &word) in inside.iter().enumerate() {
            let word_end = inside.get(at + 1).copied().unwrap_or(end);
            if end - part > budget && word_end - part > budget {
                starts.push(word);
                part = word;
            }
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::Windows;

    fn ranges(sentences: &[usize], tokens: usize, budget: usize, context: usize) -> Vec<(usize, usize)> {
        let windows = Windows::plan(sentences, tokens, budget, context);
        windows.ranges().iter().map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn whole_sentences_with_context() {
        assert_eq!(ranges(&[0, 4, 9], 12, 12, 2), [(0, 12)]);
        assert_eq!(ranges(&[0, 4, 9], 12, 10, 0), [(0, 9), (9, 12)]);
        assert_eq!(ranges(&[0, 4, 8], 12, 10, 1), [(0, 9), (7, 12)]);
    }

    #[test]
    fn a_long_sentence_is_cut_evenly() {
        assert_eq!(ranges(&[0, 2], 22, 10, 0), [(0, 2), (2, 12), (12, 22)]);
        assert_eq!(ranges(&[0], 11, 10, 0), [(0, 5), (5, 11)]);
    }

    #[test]
    fn a_token_is_labelled_where_it_has_most_context() {
        let windows = Windows::plan(&[0, 6], 12, 10, 2);
        assert_eq!(windows.ranges(), [0..8, 4..12]);
        assert_eq!(windows.owners(), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn long_sentences_are_cut_between_words() {
        assert_eq!(super::split_long(&[0, 4], &[0, 2, 4, 6, 9, 10], 13, 5), [0, 4, 9]);
        assert_eq!(super::split_long(&[0], &[0, 1, 9], 10, 5), [0, 1, 9]);
        assert_eq!(super::split_long(&[0, 4], &[0, 2, 4, 6], 8, 5), [0, 4]);
        assert_eq!(super::split_long(&[], &[], 0, 5), [0; 0]);
    }

    proptest! {
        #[test]
        fn every_token_is_read_and_no_window_is_too_long(
            lengths in prop::collection::vec(1_usize..40, 0..30),
            budget in 1_usize..50,
            context in 0_usize..10,
        ) {
            let mut sentences = Vec::new();
            let mut tokens = 0;
            for length in &lengths {
                sentences.push(tokens);
                tokens += length;
            }
            let windows = Windows::plan(&sentences, tokens, budget, context);
            let mut read = vec![false; tokens];
            for range in windows.ranges() {
                assert!(!range.is_empty() && range.len() <= budget);
                read[range.clone()].fill(true);
            }
            assert!(read.iter().all(|&read| read));
            for (token, owner) in windows.owners().into_iter().enumerate() {
                assert!(windows.ranges()[owner].contains(&token));
            }
        }
    }
}
