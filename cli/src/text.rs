//! Text for terminals.

/// `text` on one line, and without what would steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(char::is_control, "\u{FFFD}")
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn terminals_are_not_steered() {
        assert_eq!(printable("a\n\tb\u{1B}[31m"), "a b\u{FFFD}[31m");
    }
}
