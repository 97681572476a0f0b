//! The units of offsets in a text.

use std::ops::Range;

use clap::ValueEnum;
use entopic::Span;

/// A unit of offsets in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Offsets {
    /// Bytes of UTF-8
    Bytes,
    /// Code points, as Python counts
    Chars,
    /// Units of UTF-16, as JavaScript and Java count
    Utf16,
}

/// The number of bytes between two counted positions.
const BLOCK: usize = 64;

/// The offsets of one text in one unit.
pub(crate) struct Places<'t> {
    text: &'t str,
    unit: Offsets,
    /// The UTF-16 units before each block; empty if another unit is used, or if the text is ASCII.
    blocks: Vec<usize>,
}

impl<'t> Places<'t> {
    pub(crate) fn new(text: &'t str, unit: Offsets) -> Self {
        let mut blocks = Vec::new();
        if unit == Offsets::Utf16 && !text.is_ascii() {
            let mut count = 0;
            for block in text.as_bytes().chunks(BLOCK) {
                blocks.push(count);
                count += units(block);
            }
            blocks.push(count);
        }
        Self { text, unit, blocks }
    }

    /// The offsets of `span`.
    pub(crate) fn of(&self, span: &Span) -> Range<usize> {
        match self.unit {
            Offsets::Bytes => span.bytes.clone(),
            Offsets::Chars => span.chars.clone(),
            Offsets::Utf16 => self.at(span.bytes.start)..self.at(span.bytes.end),
        }
    }

    fn at(&self, byte: usize) -> usize {
        match self.blocks.get(byte / BLOCK) {
            None => byte,
            Some(count) => count + units(&self.text.as_bytes()[byte - byte % BLOCK..byte]),
        }
    }
}

/// The number of UTF-16 units of the characters that begin in `bytes`: two for characters of four bytes.
fn units(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| usize::from(byte & 0xC0 != 0x80) + usize::from(*byte >= 0xF0)).sum()
}

#[cfg(test)]
mod tests {
    use entopic::Span;

    use super::{Offsets, Places};

    #[test]
    fn units_are_those_of_javascript() {
        let text = format!("{}🦤 Zürich 👩‍👩‍👧 {}Oslo", "é".repeat(70), "🦤x".repeat(99));
        for name in ["Zürich", "Oslo", "👧"] {
            let span = Span::find(&text, name).expect("it should be there");
            let before = text[..span.bytes.start].encode_utf16().count();
            let expected = before..before + name.encode_utf16().count();
            assert_eq!(Places::new(&text, Offsets::Utf16).of(&span), expected);
            assert_eq!(Places::new(&text, Offsets::Bytes).of(&span), span.bytes);
            assert_eq!(Places::new(&text, Offsets::Chars).of(&span), span.chars);
        }
        let ascii = Places::new("abc", Offsets::Utf16);
        assert_eq!(ascii.of(&Span { bytes: 1..3, chars: 1..3 }), 1..3);
    }
}
