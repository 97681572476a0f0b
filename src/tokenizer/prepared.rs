//! Prepares texts for vocabularies: emoji and other signs are separated from words, ligatures, full-width and styled
//! letters become plain letters, accents are composed with their letters, and invisible marks are removed.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::characters::{is_invisible, is_symbol};

/// A text prepared for a tokenizer, and the place in the source of each of its parts.
pub(super) struct Prepared<'t> {
    pub(super) text: Cow<'t, str>,
    /// The parts, in order; empty if the text is the source itself.
    parts: Vec<Part>,
    source_len: usize,
}

/// A part of a prepared text. It ends where the next one begins, in both texts.
#[derive(Clone, Copy, Debug)]
struct Part {
    prepared: usize,
    source: usize,
    /// True if the part is the same in both texts.
    is_copy: bool,
}

/// The change of a character.
enum Change {
    Keep,
    Drop,
    /// Another text replaces it.
    Replace(String),
}

impl<'t> Prepared<'t> {
    /// Leaves `source` unchanged.
    fn as_it_is(source: &'t str) -> Self {
        Self { text: Cow::Borrowed(source), parts: Vec::new(), source_len: source.len() }
    }

    /// Prepares `source`. If nothing changes, the text is borrowed.
    pub(super) fn new(source: &'t str) -> Self {
        let plain = |byte: u8| match byte {
            b'\t' | b'\n' | b'\r' => true,
            b'*' | b'_' | b'~' | b'`' | b'#' | b'>' => false,
            _ => byte.is_ascii() && !byte.is_ascii_control(),
        };
        let Some(first) = source.bytes().position(|byte| !plain(byte)) else { return Self::as_it_is(source) };
        // The letter before an accent changes with it.
        let start = first.saturating_sub(1);
        let mut building = Building::default();
        building.copy(0, &source[..start]);
        let mut rest = source[start..].char_indices().peekable();
        while let Some((at, character)) = rest.next() {
            let at = start + at;
            let mut end = at + character.len_utf8();
            while let Some((_, mark)) = rest.next_if(|&(_, next)| canonical_combining_class(next) != 0) {
                end += mark.len_utf8();
            }
            let cluster = &source[at..end];
            match change(cluster, character, &building, &source[end..]) {
                Change::Keep => building.copy(at, cluster),
                Change::Drop => building.put(at, ""),
                Change::Replace(text) => {
                    building.separate(at, &text);
                    building.put(at, &text);
                }
            }
        }
        match building.changed {
            false => Self::as_it_is(source),
            true => Self { text: Cow::Owned(building.text), parts: building.parts, source_len: source.len() },
        }
    }

    /// The place in the source of `range` of the prepared text.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        if self.parts.is_empty() {
            return range;
        }
        let part_of =
            |byte: usize| self.parts.partition_point(|part| part.prepared <= byte).saturating_sub(1);
        let at = part_of(range.start);
        let start = match self.parts[at] {
            Part { prepared, source, is_copy: true } => source + (range.start - prepared),
            part => part.source,
        };
        if range.is_empty() {
            return start..start;
        }
        let at = part_of(range.end - 1);
        let end = match self.parts[at] {
            Part { prepared, source, is_copy: true } => source + (range.end - prepared),
            _ => self.parts.get(at + 1).map_or(self.source_len, |next| next.source),
        };
        start..end.max(start)
    }
}

/// A prepared text that is being built.
#[derive(Default)]
struct Building {
    text: String,
    parts: Vec<Part>,
    changed: bool,
    /// True if the last line of the text has a character other than a space.
    is_in_line: bool,
}

impl Building {
    /// Puts a space between signs and other characters, before `text` at `source`.
    fn separate(&mut self, source: usize, text: &str) {
        let (Some(before), Some(next)) = (self.text.chars().next_back(), text.chars().next()) else { return };
        if is_symbol(before) != is_symbol(next) && !before.is_whitespace() && !next.is_whitespace() {
            self.put(source, " ");
        }
    }

    /// Copies `cluster`, which is at `source`.
    fn copy(&mut self, source: usize, cluster: &str) {
        self.separate(source, cluster);
        if !self.parts.last().is_some_and(|part| part.is_copy) {
            self.parts.push(Part { prepared: self.text.len(), source, is_copy: true });
        }
        self.push(cluster);
    }

    /// Puts `text` in place of the character at `source`.
    fn put(&mut self, source: usize, text: &str) {
        self.changed = true;
        self.parts.push(Part { prepared: self.text.len(), source, is_copy: false });
        self.push(text);
    }

    fn push(&mut self, text: &str) {
        let line = text.rfind('\n').map(|end| &text[end + 1..]);
        self.is_in_line &= line.is_none();
        self.is_in_line |= line.unwrap_or(text).contains(|character| character != ' ');
        self.text.push_str(text);
    }
}

/// The most marks of emphasis that stand together in Markdown.
const MARKS: usize = 3;

/// The change of `cluster`, which is `character` and its accents, between the text that is built and the source
/// `after`.
fn change(cluster: &str, character: char, building: &Building, after: &str) -> Change {
    let before = &building.text;
    match character {
        // Emphasis in Markdown stands on one side of a word.
        '*' | '_' | '~' | '`'
            if is_word(before.chars().rev(), character) != is_word(after.chars(), character) =>
        {
            Change::Drop
        }
        // A keycap: a digit in a frame.
        '0'..='9' | '#' | '*' if after.trim_start_matches('\u{FE0F}').starts_with('\u{20E3}') => {
            Change::Replace("🔢".into())
        }
        // The number of a footnote.
        '¹' | '²' | '³' | '\u{2070}'..='\u{2079}' if before.ends_with(char::is_alphabetic) => Change::Drop,
        // Quoted mail; the marks before it are removed already.
        '>' if !building.is_in_line => Change::Drop,
        // A hashtag.
        '#' if !before.ends_with(char::is_alphanumeric) && after.starts_with(char::is_alphabetic) => {
            Change::Drop
        }
        '\t' | '\n' | '\r' => Change::Keep,
        // A line may be broken at the first character; form feeds and similar characters end lines, too.
        '\u{200B}' | '\u{FFFD}' => Change::Replace(" ".into()),
        _ if character.is_control() => Change::Replace(" ".into()),
        // These joiners are part of the spelling in scripts that join letters.
        '\u{200C}' | '\u{200D}' if before.ends_with(joins) => Change::Keep,
        _ if is_invisible(character) => Change::Drop,
        _ if has_plain_form(character) => Change::Replace(cluster.nfkc().collect()),
        _ if cluster.len() > character.len_utf8() => {
            let composed: String = cluster.nfc().collect();
            if composed == cluster { Change::Keep } else { Change::Replace(composed) }
        }
        _ => Change::Keep,
    }
}

/// Returns whether `side` begins with a word, after more of the same `mark`.
fn is_word(side: impl Iterator<Item = char>, mark: char) -> bool {
    side.take(MARKS).find(|&other| other != mark).is_some_and(char::is_alphanumeric)
}

/// Returns whether `character` is of a script in which letters join: Arabic, Syriac, and those of India and its
/// neighbours.
fn joins(character: char) -> bool {
    matches!(character, '\u{600}'..='\u{1FFF}' | '\u{A840}'..='\u{ABFF}') && !is_symbol(character)
}

/// Returns whether `character` only looks different from the letters that it stands for: ligatures, full and half
/// width, mathematical alphabets, letters in circles and squares, Roman numerals. `™` and similar characters are
/// signs.
fn has_plain_form(character: char) -> bool {
    matches!(character,
        '\u{132}' | '\u{133}' | '\u{1C4}'..='\u{1CC}' | '\u{1F1}'..='\u{1F3}'
        | '\u{2100}'..='\u{211F}' | '\u{2121}' | '\u{2123}'..='\u{213F}' | '\u{2160}'..='\u{217F}'
        | '\u{24B6}'..='\u{24E9}' | '\u{FB00}'..='\u{FB06}' | '\u{FB13}'..='\u{FB17}' | '\u{FF01}'..='\u{FFEF}'
        | '\u{1D400}'..='\u{1D7FF}' | '\u{1F130}'..='\u{1F149}')
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::Prepared;

    fn prepared(source: &str) -> String {
        Prepared::new(source).text.into_owned()
    }

    /// Checks the table that training uses.
    #[test]
    fn words_become_readable() {
        let table = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/training/prepared_cases.json"));
        let cases: Vec<(String, String)> = serde_json::from_str(table).expect("it should be a list of pairs");
        assert!(cases.len() > 15);
        for (source, expected) in cases {
            assert_eq!(prepared(&source), expected, "{source:?}");
        }
    }

    #[test]
    fn common_texts_are_borrowed() {
        for text in ["", "Ada\tlives\r\nin London.", "“Zoë” – 中文"] {
            assert!(matches!(Prepared::new(text).text, Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn places_are_those_of_the_source() {
        let source = "🔥Griﬃn\u{200E}, Zoe\u{308}.";
        let text = Prepared::new(source);
        let place = |part: &str| {
            let start = text.text.find(part).expect("it should be in the prepared text");
            &source[text.source(start..start + part.len())]
        };
        assert_eq!(place("🔥"), "🔥");
        assert_eq!(place("Griffin"), "Griﬃn");
        assert_eq!(place("ff"), "ﬃ");
        assert_eq!(place("n"), "n");
        assert_eq!(place(","), ",");
        assert_eq!(place("Zoë"), "Zoe\u{308}");
        assert_eq!(place("."), ".");
    }

    proptest! {
        #[test]
        fn every_place_fits_the_source(source in any::<String>()) {
            let text = Prepared::new(&source);
            let mut end = 0;
            for (at, character) in text.text.char_indices() {
                let range = text.source(at..at + character.len_utf8());
                prop_assert!(source.get(range.clone()).is_some());
                prop_assert!(range.end >= end, "they are in order");
                end = range.end;
            }
            prop_assert_eq!(text.source(0..text.text.len()).start, if text.text.is_empty() { 0 } else { text.source(0..1).start });
        }
    }
}
