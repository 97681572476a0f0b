use std::ops::Range;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

/// The signs and spaces without a letter after which a sentence ends, at the next space. unicode-segmentation looks
/// ahead to the next letter from each space after a full stop, so that its time grows with the square of their number.
const LONGEST_GAP: usize = 64;

/// The same without a space among them.
const LONGEST_RUN: usize = 4 * LONGEST_GAP;

/// The first token of each sentence. Sentences are those of Unicode
/// (<https://www.unicode.org/reports/tr29/#Sentence_Boundaries>), which also end at line ends, and after many signs or
/// spaces without a letter.
///
/// `offsets` has the byte range of each token. A token that begins with the space before a sentence belongs to that
/// sentence.
pub(crate) fn starts(text: &str, offsets: &[Range<usize>]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut token = 0;
    let bounds = pieces(text).flat_map(|piece| {
        text[piece.clone()].split_sentence_bound_indices().map(move |(at, _)| piece.start + at)
    });
    for at in bounds {
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

/// The parts of `text` that end after many signs and spaces without a letter, and the rest.
fn pieces(text: &str) -> impl Iterator<Item = Range<usize>> {
    let (mut gap, mut start) = (0, 0);
    let ends = text.char_indices().filter_map(move |(at, character)| {
        match (character, character.general_category_group()) {
            // These are letters that extend the character before them, as marks do.
            ('\u{FF9E}' | '\u{FF9F}', _) => return None,
            (_, GeneralCategoryGroup::Mark | GeneralCategoryGroup::Number) => return None,
            (_, GeneralCategoryGroup::Letter) => gap = 0,
            _ => gap += 1,
        }
        (gap >= LONGEST_RUN || gap >= LONGEST_GAP && character.is_whitespace()).then(|| {
            gap = 0;
            at + character.len_utf8()
        })
    });
    let ends = ends.chain(std::iter::once(text.len()));
    ends.map(move |end| std::mem::replace(&mut start, end)..end)
}

#[cfg(test)]
mod tests {
    use super::{pieces, starts};

    #[test]
    fn bounds_fall_on_tokens() {
        let text = "One two. Three four!\nFive";
        let offsets = [0..3, 4..7, 7..8, 9..14, 15..19, 19..20, 21..25];
        assert_eq!(starts(text, &offsets), [0, 3, 6]);
        let with_spaces = [0..3, 3..7, 7..8, 8..14, 14..19, 19..20, 20..25];
        assert_eq!(starts(text, &with_spaces), [0, 3, 6]);
    }

    #[test]
    fn many_spaces_end_a_sentence_and_take_no_longer_than_other_text() {
        let gap = " ".repeat(100);
        let text = format!("One.{gap}two three{gap}four");
        assert_eq!(starts(&text, &[0..3, 3..4, 104..107, 108..113, 213..217]), [0, 2, 4]);
        assert_eq!(pieces("").map(|piece| piece.end).collect::<Vec<_>>(), [0]);
        let covered: String = pieces(&text).map(|piece| text[piece].to_owned()).collect();
        assert_eq!(covered, text);
        // These would take minutes if the time grew with the square of the length.
        for sign in [" ", "\u{a0}", ")", "\u{201d}", ". ", "\u{300} ", "\u{93e} ", "\u{ff9e} ", "1 ", "?!"] {
            let text = format!("One.{}two", sign.repeat((1 << 19) / sign.len()));
            starts(&text, &[0..3, 3..4, text.len() - 3..text.len()]);
        }
    }

    #[test]
    fn leading_space_and_empty_sentences_begin_nothing() {
        assert_eq!(starts("\n\n\nOne two", &[3..6, 7..10]), [0]);
        assert_eq!(starts("\n\n", &[]), [0_usize; 0]);
        assert_eq!(starts("", &[]), [0_usize; 0]);
    }
}
