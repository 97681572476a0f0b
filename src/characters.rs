//! Classes of characters that are not part of names.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Returns whether `character` is invisible: direction marks, joiners, variation selectors, tags, soft hyphens and the
/// byte order mark. These are Unicode's default-ignorable characters except letters that are fillers, and the mark of
/// keycaps.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{20E3}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Returns whether `character` is an emoji, a sign such as `™`, `°` or `→`, or the replacement character of undecodable
/// bytes. Currency signs and accents are not symbols: they belong to amounts and letters.
pub(crate) fn is_symbol(character: char) -> bool {
    if character.is_ascii() || character.is_alphanumeric() {
        return false;
    }
    // By their category, the skin tones of emoji are accents.
    matches!(character, '\u{1F3FB}'..='\u{1F3FF}')
        || matches!(
            character.general_category(),
            GeneralCategory::OtherSymbol | GeneralCategory::MathSymbol | GeneralCategory::PrivateUse
        )
}

/// Returns whether `character` is a hyphen or a dash.
pub(crate) fn is_dash(character: char) -> bool {
    matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}')
}

#[cfg(test)]
mod tests {
    use super::{is_dash, is_invisible, is_symbol};

    #[test]
    fn letters_digits_and_punctuation_are_none_of_these() {
        for character in "aZß9é中ا.,'\"€$#@_()«»“”…".chars() {
            assert!(!is_invisible(character) && !is_symbol(character), "{character:?}");
        }
        assert!("🔥™®°©→🇩👍🏽\u{FFFD}".chars().all(is_symbol));
        assert!("\u{FEFF}\u{200B}\u{200E}\u{202A}\u{FE0F}\u{AD}".chars().all(is_invisible));
        assert!("-–—‑".chars().all(is_dash) && !is_dash('_'));
    }
}
