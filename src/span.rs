use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A part of a text, as half-open ranges of bytes and of characters.
///
/// Characters are Unicode code points, as in Python. [`of`](Self::of) returns the part itself.
///
/// ```
/// use entopic::Span;
///
/// let text = "Zoë lives in København.";
/// let span = Span::find(text, "København").expect("it should exist");
/// assert_eq!((span.bytes.clone(), span.chars.clone()), (14..24, 13..22));
/// assert_eq!(span.of(text), "København");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Offsets into the UTF-8 bytes of the text.
    pub bytes: Range<usize>,
    /// Offsets into the code points of the text.
    pub chars: Range<usize>,
}

impl Span {
    /// The span of `bytes` of `text`; `None` if an end lies outside the text or within a character.
    ///
    /// ```
    /// use entopic::Span;
    ///
    /// // The last letter takes two bytes.
    /// assert_eq!(Span::from_bytes("Zoë", 2..4).map(|span| span.chars), Some(2..3));
    /// assert_eq!(Span::from_bytes("Zoë", 2..3), None);
    /// ```
    pub fn from_bytes(text: &str, bytes: Range<usize>) -> Option<Self> {
        let part = text.get(bytes.clone())?;
        let start = count_chars(&text.as_bytes()[..bytes.start]);
        Some(Self { bytes, chars: start..start + count_chars(part.as_bytes()) })
    }

    /// The span of the characters `chars` of `text`; `None` if an end lies outside the text.
    ///
    /// ```
    /// use entopic::Span;
    ///
    /// assert_eq!(Span::from_chars("Zoë", 2..3).map(|span| span.bytes), Some(2..4));
    /// assert_eq!(Span::from_chars("Zoë", 2..4), None);
    /// ```
    pub fn from_chars(text: &str, chars: Range<usize>) -> Option<Self> {
        let mut bounds = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        let start = bounds.clone().nth(chars.start)?;
        let end = bounds.nth(chars.end).filter(|&end| end >= start)?;
        Some(Self { bytes: start..end, chars })
    }

    /// The span of the first occurrence of `part` in `text`; `None` if it does not occur.
    ///
    /// ```
    /// use entopic::Span;
    ///
    /// assert_eq!(Span::find("to be or not to be", "be").map(|span| span.bytes), Some(3..5));
    /// assert_eq!(Span::find("to be or not to be", "do"), None);
    /// ```
    pub fn find(text: &str, part: &str) -> Option<Self> {
        let start = text.find(part)?;
        Self::from_bytes(text, start..start + part.len())
    }

    /// The part of `text` that the span covers. It is empty if the span was made for another text and does not
    /// fit this one.
    ///
    /// ```
    /// use entopic::Span;
    ///
    /// let text = "Ada Lovelace";
    /// let span = Span::find(text, "Lovelace").expect("it should exist");
    /// assert_eq!(span.of(text), "Lovelace");
    /// assert_eq!(span.of("Ada"), "");
    /// ```
    pub fn of<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.bytes.clone()).unwrap_or_default()
    }

    /// Converts a span in a part of a text, which begins at `start`, to a span in the whole text.
    pub(crate) fn moved_by(self, start: Position) -> Self {
        let Self { bytes, chars } = self;
        Self {
            bytes: start.bytes + bytes.start..start.bytes + bytes.end,
            chars: start.chars + chars.start..start.chars + chars.end,
        }
    }

    /// Returns whether the two spans share a character.
    ///
    /// ```
    /// use entopic::Span;
    ///
    /// let span = |part: &str| Span::find("Bank of England", part).expect("it should exist");
    /// assert!(span("Bank of").overlaps(&span("of England")));
    /// assert!(!span("Bank").overlaps(&span("England")));
    /// ```
    pub fn overlaps(&self, other: &Self) -> bool {
        self.bytes.start < other.bytes.end && other.bytes.start < self.bytes.end
    }

    /// Returns whether all of `other` is in this span.
    ///
    /// ```
    /// use entopic::Span;
    ///
    /// let span = |part: &str| Span::find("Bank of England", part).expect("it should exist");
    /// assert!(span("Bank of England").contains(&span("England")));
    /// assert!(!span("England").contains(&span("Bank of England")));
    /// ```
    pub fn contains(&self, other: &Self) -> bool {
        self.bytes.start <= other.bytes.start && other.bytes.end <= self.bytes.end
    }
}

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) bytes: usize,
    pub(crate) chars: usize,
}

impl Position {
    /// The place after `text`, which begins here.
    pub(crate) fn behind(self, text: &str) -> Self {
        Self { bytes: self.bytes + text.len(), chars: self.chars + count_chars(text.as_bytes()) }
    }
}

/// Converts byte offsets of one text to character offsets.
#[derive(Debug)]
pub(crate) struct CharIndex<'t> {
    text: &'t str,
    /// The numbers of characters that begin before byte `i * BLOCK`; empty for ASCII text.
    blocks: Vec<usize>,
}

/// The number of bytes between two counted positions: a look-up scans half of them on average, and the index takes an
/// eighth of the size of the text.
const BLOCK: usize = 64;

impl<'t> CharIndex<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let mut blocks = Vec::new();
        if !text.is_ascii() {
            let mut count = 0;
            for block in text.as_bytes().chunks(BLOCK) {
                blocks.push(count);
                count += count_chars(block);
            }
            blocks.push(count);
        }
        Self { text, blocks }
    }

    /// The number of characters in the text.
    pub(crate) fn len(&self) -> usize {
        self.char_at(self.text.len())
    }

    /// The number of characters that begin before `byte`, which is at most the text's length.
    fn char_at(&self, byte: usize) -> usize {
        match self.blocks.get(byte / BLOCK) {
            None => byte,
            Some(&count) => {
                let start = byte - byte % BLOCK;
                count + count_chars(&self.text.as_bytes()[start..byte])
            }
        }
    }

    /// The span of `bytes`, widened to character bounds where it cuts a character.
    pub(crate) fn span(&self, bytes: Range<usize>) -> Span {
        let start = self.text.floor_char_boundary(bytes.start);
        let end = self.text.ceil_char_boundary(bytes.end).max(start);
        Span { bytes: start..end, chars: self.char_at(start)..self.char_at(end) }
    }
}

/// The number of bytes that begin a UTF-8 character: all but continuation bytes (`10xx_xxxx`).
fn count_chars(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{CharIndex, Span};

    #[test]
    fn spans_count_code_points() {
        let text = "Ünïted 👩‍👩‍👧 Ελλάδα";
        let index = CharIndex::new(text);
        let start = text.find("Ε").expect("it should be in the text");
        let span = index.span(start..text.len());
        assert_eq!(&text[span.bytes.clone()], "Ελλάδα");
        assert_eq!(span.chars, 13..19);
        assert_eq!(index.len(), 19);
    }

    #[test]
    fn a_cut_character_is_taken_whole() {
        assert_eq!(CharIndex::new("é").span(1..2).bytes, 0..2);
    }

    #[test]
    fn spans_are_made_of_bytes_and_characters() {
        let text = "aéb";
        let accented = Span { bytes: 1..3, chars: 1..2 };
        assert_eq!(Span::from_bytes(text, 1..3), Some(accented.clone()));
        assert_eq!(Span::from_chars(text, 1..2), Some(accented.clone()));
        assert_eq!(accented.of(text), "é");
        for range in [1..2, 3..9, 2..3] {
            assert_eq!(Span::from_bytes(text, range.clone()), None, "{range:?}");
        }
        assert_eq!(Span::from_chars(text, 2..4), None);
        assert_eq!(accented.of("a"), "");
        let all = Span::find(text, text).expect("a text should be in itself");
        let last = Span::find(text, "b").expect("the letter should be found");
        assert!(all.contains(&last) && all.overlaps(&last) && !last.contains(&all));
        assert!(!last.overlaps(&accented) && !accented.overlaps(&last));
    }

    proptest! {
        #[test]
        fn agrees_with_counting_from_the_start(text in any::<String>(), at in any::<prop::sample::Index>()) {
            let bounds: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
            let byte = bounds[at.index(bounds.len())];
            let span = CharIndex::new(&text).span(byte..text.len());
            assert_eq!(span.chars.start, text[..byte].chars().count());
            assert_eq!(span.chars.end, text.chars().count());
        }
    }
}
