//! Splits a text into pieces that are marked or not.

use std::fmt;
use std::ops::Range;

use maud::{Escaper, Render};

use crate::ner::entity::{Entity, segments};
use crate::span::Span;

/// A text in HTML, which reads a carriage return as a line feed unless it is a character reference, and allows no zero
/// byte.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Render for Text<'_> {
    fn render_to(&self, buffer: &mut String) {
        for piece in self.0.split_inclusive(['\r', '\0']) {
            let plain = piece.trim_end_matches(['\r', '\0']);
            // Writing to a string does not fail.
            let _ = fmt::Write::write_str(&mut Escaper::new(buffer), plain);
            buffer.push_str(match &piece.as_bytes()[plain.len()..] {
                [] => "",
                b"\r" => "&#13;",
                _ => "\u{FFFD}",
            });
        }
    }
}

/// A piece of a text.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) bytes: Range<usize>,
    /// The entity, if the piece is one.
    pub(super) entity: Option<usize>,
    /// The passage that contains the piece.
    pub(super) passage: Option<usize>,
}

/// The pieces of a text; joined, they are the text.
pub(super) struct Marked {
    pub(super) pieces: Vec<Piece>,
    /// For each entity, the one that is marked in its place: itself, or one that it overlaps.
    pub(super) mark_of: Vec<Option<usize>>,
}

/// Splits `text` into pieces. `passages` are in order; a passage ends where the next begins, or after a mark that
/// crosses its end.
pub(super) fn marked(text: &str, entities: &[Entity], passages: &[&Span]) -> Marked {
    let mut marks: Vec<(Range<usize>, usize)> = Vec::new();
    let mut pieces = Vec::new();
    let mut bounds: Vec<usize> =
        passages.iter().flat_map(|span| [span.bytes.start, span.bytes.end]).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let passage_at = |byte: usize| {
        let next = passages.partition_point(|span| span.bytes.start <= byte);
        let last = next.checked_sub(1)?;
        (byte < passages[last].bytes.end).then_some(last)
    };
    let mut start = 0;
    for segment in segments(text, entities) {
        let end = start + segment.text.len();
        match segment.entity.and_then(|entity| entities.element_offset(entity)) {
            Some(entity) => {
                marks.push((start..end, entity));
                pieces.push(Piece { bytes: start..end, entity: Some(entity), passage: passage_at(start) });
            }
            None => {
                let inner = bounds.partition_point(|&bound| bound <= start);
                let mut from = start;
                for &bound in bounds[inner..].iter().take_while(|&&bound| bound < end).chain([&end]) {
                    pieces.push(Piece { bytes: from..bound, entity: None, passage: passage_at(from) });
                    from = bound;
                }
            }
        }
        start = end;
    }
    let mark_of = entities.iter().map(|entity| {
        let bytes = &entity.span.bytes;
        let first = marks.partition_point(|(mark, _)| mark.end <= bytes.start);
        marks.get(first).filter(|(mark, _)| mark.start < bytes.end).map(|(_, entity)| *entity)
    });
    Marked { mark_of: mark_of.collect(), pieces }
}
