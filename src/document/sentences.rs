use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// The first token of each sentence. Sentences are those of Unicode
/// (<https://www.unicode.org/reports/tr29/#Sentence_Boundaries>), which also end at line ends.
///
/// `offsets` has the byte range of each token. A token that begins with the space before a sentence belongs to that
/// sentence.
pub(crate) fn starts(text: &str, offsets: &[Range<usize>]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut token = 0;
    for (at, _) in text.split_sentence_bound_indices() {
        while token < offsets.len() && offsets[token].end <= at {
            token += 1;
        }
        if token < offsets.len() && starts.last() != Some(&token) {
            starts.push(token);
        }
    }
    if let Some(first) = starts.first_mut() {
        *first = 0;
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::starts;

    #[test]
    fn bounds_fall_on_tokens() {
        let text = "One two. Three four!\nFive";
        let offsets = [0..3, 4..7, 7..8, 9..14, 15..19, 19..20, 21..25];
        assert_eq!(starts(text, &offsets), [0, 3, 6]);
        let with_spaces = [0..3, 3..7, 7..8, 8..14, 14..19, 19..20, 20..25];
        assert_eq!(starts(text, &with_spaces), [0, 3, 6]);
    }

    #[test]
    fn leading_space_and_empty_sentences_begin_nothing() {
        assert_eq!(starts("\n\n\nOne two", &[3..6, 7..10]), [0]);
        assert_eq!(starts("\n\n", &[]), [0_usize; 0]);
        assert_eq!(starts("", &[]), [0_usize; 0]);
    }
}
