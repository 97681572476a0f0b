//! Splits long texts into sections, so that the memory of a call does not grow with the length of a text.

use std::ops::Range;

/// The size of a section in bytes: about a thousand windows, of which only the first and the last may differ from those
/// of the whole text. The memory of a call grows with it; docs/performance.md has the figure.
const SECTION_BYTES: usize = 512 * 1024;

/// The parts of `text` that are read separately, in order. A text that is not longer than a section is one part.
///
/// A section ends after a blank line if its last quarter has one, otherwise after a line, a sentence or a word.
pub(crate) fn sections(text: &str) -> Vec<Range<usize>> {
    split(text, SECTION_BYTES)
}

fn split(text: &str, most: usize) -> Vec<Range<usize>> {
    let mut sections = Vec::new();
    let mut start = 0;
    while text.len() - start > most {
        let end = start + cut(&text[start..text.floor_char_boundary(start + most)]);
        sections.push(start..end);
        start = end;
    }
    sections.push(start..text.len());
    sections
}

/// The best place to end a section that begins with `text`, which is not empty.
fn cut(text: &str) -> usize {
    let from = text.ceil_char_boundary(text.len() - text.len() / 4);
    let tail = &text[from..];
    let bounds = ["\n\n", "\n", ". ", " "];
    let ends = bounds.iter().find_map(|bound| tail.rfind(bound).map(|at| from + at + bound.len()));
    ends.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{sections, split};

    #[test]
    fn sections_end_where_text_does() {
        let parts =
            |text: &str| split(text, 16).into_iter().map(|range| text[range].to_owned()).collect::<Vec<_>>();
        assert_eq!(parts("short"), ["short"]);
        assert_eq!(parts(""), [""]);
        assert_eq!(parts("One two thr\n\nfour five six"), ["One two thr\n\n", "four five six"]);
        assert_eq!(parts("One two thre\nfour five six"), ["One two thre\n", "four five six"]);
        assert_eq!(parts("One two thr. four five six"), ["One two thr. ", "four five six"]);
        assert_eq!(parts("One two threefour five six"), ["One two threefou", "r five six"]);
        assert_eq!(sections(&"x ".repeat(1_000_000)).len(), 4);
    }

    proptest! {
        #[test]
        fn sections_make_up_the_text(text in any::<String>(), most in 8..64_usize) {
            let sections = split(&text, most);
            let joined: String = sections.iter().map(|range| &text[range.clone()]).collect();
            prop_assert_eq!(&joined, &text);
            prop_assert!(sections.iter().all(|range| range.len() <= most));
        }
    }
}
