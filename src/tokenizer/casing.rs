//! The casing of words, which the bundled NER model takes as token types: its vocabulary is lower-cased, but capitals
//! are a sign of names.

/// The number of classes that [`class`] returns.
pub(crate) const CLASSES: u32 = 4;

/// The class of a word, from its characters in the source text:
/// 0 if none is upper case, 1 if only the first cased one is, 2 if at least two are upper case
/// and none is lower case, 3 otherwise.
pub(crate) fn class(word: &str) -> u32 {
    let mut upper = 0;
    let mut lower = 0;
    let mut begins_upper = false;
    for character in word.chars() {
        // Title-case letters have neither property.
        let is_upper = character.is_uppercase() || is_title(character);
        if is_upper {
            begins_upper |= upper + lower == 0;
            upper += 1;
        } else if character.is_lowercase() {
            lower += 1;
        }
    }
    match (upper, lower) {
        (0, _) => 0,
        (1, _) if begins_upper => 1,
        (2.., 0) => 2,
        _ => 3,
    }
}

/// Returns whether the general category is `Lt`: digraphs and Greek letters with iota.
fn is_title(character: char) -> bool {
    matches!(character, '\u{1C5}' | '\u{1C8}' | '\u{1CB}' | '\u{1F2}'
        | '\u{1F88}'..='\u{1F8F}' | '\u{1F98}'..='\u{1F9F}' | '\u{1FA8}'..='\u{1FAF}'
        | '\u{1FBC}' | '\u{1FCC}' | '\u{1FFC}')
}

#[cfg(test)]
mod tests {
    use super::class;

    #[test]
    fn agrees_with_the_table_that_training_uses() {
        let table = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/training/casing_cases.json"));
        let cases: Vec<(String, u32)> = serde_json::from_str(table).expect("it should be a list of pairs");
        assert!(cases.len() > 20);
        for (word, expected) in cases {
            assert_eq!(class(&word), expected, "{word}");
        }
    }
}
