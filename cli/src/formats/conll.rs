//! CoNLL's columns: one word and its tag in IOB2 per line, and an empty line between sentences.

use std::io::{self, Write};
use std::ops::Range;

use entopic::{TaggedDocument, segments};
use unicode_segmentation::UnicodeSegmentation;

use super::writer::{Problem, Streamed};
use crate::documents::document::Document;

/// Documents, each after a line with CoNLL's mark for documents. Words are those of Unicode (UAX #29), split where an
/// entity begins or ends. A sentence ends where Unicode's sentences or lines end.
pub(super) struct Conll;

impl Streamed for Conll {
    fn document(
        &mut self,
        out: &mut dyn Write,
        document: &Document,
        tagged: &TaggedDocument,
    ) -> Result<(), Problem> {
        out.write_all(b"-DOCSTART-\tO\n\n")?;
        let mut bounds: Vec<usize> = document.text.split_sentence_bound_indices().map(|(at, _)| at).collect();
        bounds.extend(document.text.match_indices('\n').map(|(at, _)| at));
        bounds.sort_unstable();
        let (mut at, mut start, mut is_open) = (0, 0, false);
        for segment in segments(&document.text, &tagged.entities) {
            let mut is_first = true;
            for (offset, word) in segment.text.split_word_bound_indices() {
                let place = start + offset;
                // No sentence ends within an entity.
                let inside = segment.entity.is_some() && !is_first;
                while bounds.get(at).is_some_and(|&bound| bound <= place) {
                    at += 1;
                    if !inside && is_open {
                        out.write_all(b"\n")?;
                        is_open = false;
                    }
                }
                if word.trim().is_empty() || word.chars().all(char::is_control) {
                    continue;
                }
                match segment.entity {
                    Some(entity) => {
                        writeln!(
                            out,
                            "{word}\t{}-{}",
                            if is_first { 'B' } else { 'I' },
                            column(&entity.label)
                        )?;
                    }
                    None => writeln!(out, "{word}\tO")?,
                }
                (is_first, is_open) = (false, true);
            }
            start += segment.text.len();
        }
        if is_open {
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// A label as part of a tag: without white space, which would begin a new column.
fn column(label: &str) -> String {
    label.split_whitespace().collect::<Vec<_>>().join("_")
}

/// Writes a sentence of given words, with the `entities` in it: ranges of words and their labels.
pub(crate) fn sentence<'a>(
    out: &mut dyn Write,
    words: &[&str],
    entities: impl Iterator<Item = (Range<usize>, &'a str)>,
) -> io::Result<()> {
    let mut tags = vec!["O".to_owned(); words.len()];
    for (range, label) in entities {
        for (number, tag) in tags[range].iter_mut().enumerate() {
            *tag = format!("{}-{}", if number == 0 { 'B' } else { 'I' }, column(label));
        }
    }
    for (word, tag) in words.iter().zip(tags) {
        writeln!(out, "{word}\t{tag}")?;
    }
    out.write_all(b"\n")
}
