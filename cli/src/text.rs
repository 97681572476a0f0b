//! Text for terminals.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `text` on one line, without control characters, which could steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(char::is_control, "\u{FFFD}")
}

/// `text` cut to `width` columns, with `…` at its end if it is longer.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut columns = 0;
    let fits = |c: &char| {
        columns += c.width().unwrap_or(0);
        columns < width
    };
    let short: String = text.chars().take_while(fits).collect();
    short + "…"
}

#[cfg(test)]
mod tests {
    use super::{cut, printable};

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(cut("東京都", 6), "東京都");
        assert_eq!(cut("東京都", 5), "東京…");
        assert_eq!(cut("abcd", 3), "ab…");
    }

    #[test]
    fn terminals_are_not_steered() {
        assert_eq!(printable("a\n\tb\u{1B}[31m"), "a b\u{FFFD}[31m");
    }
}
