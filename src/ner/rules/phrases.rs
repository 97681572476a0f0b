//! Phrases in a text, all in one pass.

use aho_corasick::{AhoCorasick, BuildError};
use unicode_normalization::char::is_combining_mark;

use super::rule::Match;

/// A phrase of a rule.
pub(super) struct Phrase<'a> {
    pub(super) text: &'a str,
    pub(super) rule: usize,
    pub(super) ignore_case: bool,
    pub(super) exact_space: bool,
}

/// Phrases whose case matters, and those whose case does not.
pub(super) struct Phrases([Automaton; 2]);

#[derive(Default)]
struct Automaton {
    /// None if it has no phrase.
    automaton: Option<AhoCorasick>,
    /// The rule of each phrase, and the white space that it must have, if it must have its own.
    phrases: Vec<(usize, Option<String>)>,
}

impl Phrases {
    pub(super) fn new(phrases: &[Phrase<'_>]) -> Result<Self, BuildError> {
        let automaton = |ignore_case: bool| {
            let own = phrases.iter().filter(|phrase| phrase.ignore_case == ignore_case);
            let folded: Vec<String> =
                own.clone().map(|phrase| Folded::new(phrase.text.trim(), ignore_case).text).collect();
            if folded.is_empty() {
                return Ok(Automaton::default());
            }
            let phrases =
                own.map(|phrase| (phrase.rule, phrase.exact_space.then(|| spaces(phrase.text.trim()))));
            Ok(Automaton { automaton: Some(AhoCorasick::new(&folded)?), phrases: phrases.collect() })
        };
        Ok(Self([automaton(false)?, automaton(true)?]))
    }

    /// All phrases that stand in `text` as whole words, those that overlap included.
    pub(super) fn find(&self, text: &str) -> Vec<Match> {
        let mut matches = Vec::new();
        for (automaton, ignore_case) in self.0.iter().zip([false, true]) {
            let Some(found) = &automaton.automaton else { continue };
            let folded = Folded::new(text, ignore_case);
            for found in found.find_overlapping_iter(&folded.text) {
                // A match may begin or end within what one character became: the character is all in it.
                let start = text.floor_char_boundary(folded.start(found.start()));
                let end = text.ceil_char_boundary(folded.end(found.end()));
                let (rule, space) = &automaton.phrases[found.pattern().as_usize()];
                if stands_alone(text, start, end)
                    && space.as_ref().is_none_or(|space| spaces(&text[start..end]) == *space)
                {
                    matches.push(Match { bytes: start..end, rule: *rule });
                }
            }
        }
        matches
    }
}

/// Whether no word goes on over either end of `start..end`.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let inside = text[start..end].chars();
    let is_word = |character: Option<char>| {
        character.is_some_and(|character| {
            character.is_alphanumeric() || character == '_' || is_combining_mark(character)
        })
    };
    let before = is_word(text[..start].chars().next_back()) && is_word(inside.clone().next());
    let behind = is_word(text[end..].chars().next()) && is_word(inside.clone().next_back());
    !before && !behind
}

/// The white space of a text.
fn spaces(text: &str) -> String {
    text.chars().filter(|character| character.is_whitespace()).collect()
}

/// A text with a space for each run of white space, in lower case if case is ignored.
struct Folded {
    text: String,
    /// Bytes here and in the source from which on the distance between the two is another.
    shifts: Vec<(usize, usize)>,
    source: usize,
}

impl Folded {
    fn new(source: &str, ignore_case: bool) -> Self {
        let mut text = String::with_capacity(source.len());
        let mut shifts = vec![(0, 0)];
        let mut in_space = false;
        for (at, character) in source.char_indices() {
            let is_space = character.is_whitespace();
            if is_space && in_space {
                continue;
            }
            in_space = is_space;
            let (here, there) = shifts.last().copied().unwrap_or_default();
            if text.len() - here != at - there {
                shifts.push((text.len(), at));
            }
            if is_space {
                text.push(' ');
            } else if ignore_case {
                text.extend(character.to_lowercase());
            } else {
                text.push(character);
            }
        }
        let (here, there) = shifts.last().copied().unwrap_or_default();
        if text.len() - here != source.len() - there {
            shifts.push((text.len(), source.len()));
        }
        Self { text, shifts, source: source.len() }
    }

    /// The source's byte for one at which a character begins here; within a character that became several, its beginning.
    fn start(&self, byte: usize) -> usize {
        let next = self.shifts.partition_point(|(here, _)| *here <= byte);
        let (here, there) = self.shifts[next - 1];
        let bound = self.shifts.get(next).map_or(self.source, |(_, there)| *there);
        (there + byte - here).min(bound)
    }

    /// The source's byte behind a character that ends before `byte` here.
    fn end(&self, byte: usize) -> usize {
        let next = self.shifts.partition_point(|(here, _)| *here < byte);
        let (here, there) = self.shifts[next - 1];
        let bound = self.shifts.get(next).map_or(self.source, |(_, there)| *there);
        (there + byte - here).min(bound)
    }
}
