//! Finds phrases in a text, all in one pass.

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};
use unicode_normalization::char::is_combining_mark;

use super::rule::Match;

/// The most bytes of phrases for which the crate `aho-corasick` may choose a table of all transitions. It takes some
/// hundred bytes for each byte of a phrase, and the crate chooses it for up to a hundred phrases of any length.
const LARGEST_TABLE: usize = 64 << 10;

/// A phrase of a rule.
pub(super) struct Phrase<'a> {
    pub(super) text: &'a str,
    pub(super) rule: usize,
    pub(super) ignore_case: bool,
    pub(super) exact_space: bool,
}

/// The case-sensitive phrases, and the case-insensitive ones.
pub(super) struct Phrases([Automaton; 2]);

#[derive(Default)]
struct Automaton {
    /// `None` if there are no phrases.
    automaton: Option<AhoCorasick>,
    /// The rule of each phrase, and the exact white space of the phrase if a match must have it.
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
            let bytes: usize = folded.iter().map(String::len).sum();
            let kind = (bytes > LARGEST_TABLE).then_some(AhoCorasickKind::ContiguousNFA);
            let automaton = AhoCorasick::builder().kind(kind).build(&folded)?;
            Ok(Automaton { automaton: Some(automaton), phrases: phrases.collect() })
        };
        Ok(Self([automaton(false)?, automaton(true)?]))
    }

    /// All phrases in `text` that are whole words, including those that overlap.
    pub(super) fn find(&self, text: &str) -> Vec<Match> {
        let mut matches = Vec::new();
        for (automaton, ignore_case) in self.0.iter().zip([false, true]) {
            let Some(found) = &automaton.automaton else { continue };
            let folded = Folded::new(text, ignore_case);
            for found in found.find_overlapping_iter(&folded.text) {
                // A match may begin or end within the folded form of a character; it then has the whole character.
                let start = text.floor_char_boundary(folded.in_source(found.start()));
                let end = text.ceil_char_boundary(folded.in_source(found.end()));
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

/// Returns whether no word continues beyond either end of `start..end`.
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

/// The white-space characters of a text.
fn spaces(text: &str) -> String {
    text.chars().filter(|character| character.is_whitespace()).collect()
}

/// A text with one space for each run of white space, in lower case if case is ignored.
struct Folded {
    text: String,
    /// Positions here and in the source at which the offset between the two changes.
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

    /// The byte of the source for `byte` here, at which a phrase begins or ends. If one character of the source became
    /// several, it may be within that character. A phrase has no white space at its ends, so it does not end where a
    /// run of white space does.
    fn in_source(&self, byte: usize) -> usize {
        let next = self.shifts.partition_point(|(here, _)| *here <= byte);
        let (here, there) = self.shifts[next - 1];
        let bound = self.shifts.get(next).map_or(self.source, |(_, there)| *there);
        (there + byte - here).min(bound)
    }
}
