//! The place of words in a page, which the bundled NER model takes as token types, together with their casing. To the
//! tokenizer all white space is the same, so lists, tables and headings would read like prose.

/// The number of places that [`of_word`] returns.
pub(crate) const PLACES: u32 = 4;

/// The place of the word that begins at byte `start` of `text`: 0 within a line, 1 at the beginning of a line, 2
/// after a blank line or at the beginning of the text, 3 after a tab or after three or more spaces.
pub(crate) fn of_word(text: &str, start: usize) -> u32 {
    let head = text.get(..start).unwrap_or_default();
    let before = head.trim_end();
    if before.is_empty() {
        return 2;
    }
    let gap = &head[before.len()..];
    // Nearly every word follows one space, or none.
    if gap.is_empty() || gap == " " {
        return 0;
    }
    match gap.matches(is_line_end).count() - gap.matches("\r\n").count() {
        0 if gap.contains('\t') || gap.chars().nth(2).is_some() => 3,
        0 => 0,
        1 => 1,
        _ => 2,
    }
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::of_word;

    #[test]
    fn agrees_with_the_table_that_training_uses() {
        let table = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/training/layout_cases.json"));
        let cases: Vec<(String, Vec<u32>)> =
            serde_json::from_str(table).expect("it should be a list of pairs");
        assert!(cases.len() > 10);
        for (text, expected) in cases {
            let starts = text.char_indices().filter(|&(at, character)| {
                !character.is_whitespace() && !text[..at].ends_with(|c: char| !c.is_whitespace())
            });
            let found: Vec<u32> = starts.map(|(at, _)| of_word(&text, at)).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
