//! The boundaries that the layout of a text sets to names: cells, bullets, separators, and the ends of lines that are
//! not wrapped prose. Models do not see the layout, because their tokenizers treat all white space alike.

use std::ops::Range;

use crate::characters::{is_dash, is_invisible, is_symbol};

/// The relation of a word to the name before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bond {
    /// The word may continue the name.
    Free,
    /// The word may be part of a name that begins with it.
    Apart,
    /// The word is a separator, which is part of no name.
    Outside,
}

/// The bond of each of `words`, byte ranges of `text` in order.
pub(crate) fn bonds(text: &str, words: &[Range<usize>]) -> Vec<Bond> {
    let lines = Lines::new(text);
    let mut line = 0;
    let mut before: Option<(Range<usize>, Bond)> = None;
    // True if all words of the line so far are the same sign.
    let mut starts_line = true;
    let bond = |word: &Range<usize>| {
        while lines.lines.get(line + 1).is_some_and(|next| next.start <= word.start) {
            line += 1;
        }
        let is_first = lines
            .lines
            .get(line)
            .is_none_or(|line| before.as_ref().is_none_or(|(last, _)| last.start < line.start));
        let repeats = before.as_ref().is_some_and(|(last, _)| text[last.clone()] == text[word.clone()]);
        starts_line = is_first || starts_line && repeats;
        let bond = match &before {
            _ if is_separator(text, word, starts_line) => Bond::Outside,
            Some((_, Bond::Outside)) => Bond::Apart,
            Some((before, _)) if is_handle(&text[before.clone()]) || is_handle(&text[word.clone()]) => {
                Bond::Apart
            }
            Some((before, _)) if lines.part(text, before.end..word.start, line) => Bond::Apart,
            _ => Bond::Free,
        };
        before = Some((word.clone(), bond));
        bond
    };
    words.iter().map(bond).collect()
}

/// Returns whether `word` is a handle: the name of an account with its `@`.
pub(crate) fn is_handle(word: &str) -> bool {
    word.len() > 1 && word.starts_with('@')
}

/// Returns whether `word` separates the items of a list, or precedes one. `starts_line` is true if only the same sign
/// comes before it in its line.
fn is_separator(text: &str, word: &Range<usize>, starts_line: bool) -> bool {
    let sign = &text[word.clone()];
    let mut characters = sign.chars();
    let Some(first) = characters.next().filter(|first| !first.is_alphanumeric()) else { return false };
    let (head, tail) = (&text[..word.start], &text[word.end..]);
    let (before, after) = (head.chars().next_back(), tail.chars().next());
    let spaced = || before.is_none_or(char::is_whitespace) && after.is_none_or(char::is_whitespace);
    // The sign is between digits, as in dates and differences.
    let counts = || {
        let is_digit = |side: Option<char>| side.is_some_and(|c| c.is_ascii_digit());
        is_digit(head.trim_end_matches(' ').chars().next_back())
            && is_digit(tail.trim_start_matches(' ').chars().next())
    };
    match first {
        ';' => !ends_reference(head),
        '|' | '¦' | '•' | '‣' | '⁃' => true,
        '·' => spaced(),
        // Quoted mail has this sign before each line.
        '>' => spaced() && !starts_line,
        '/' => !counts() && (spaced() || is_long(last_word(head)) && is_long(first_word(tail))),
        '—' | '―' => true,
        _ if is_dash(first) => {
            let in_run = before.is_some_and(is_dash) || after.is_some_and(is_dash);
            in_run || spaced() && !counts()
        }
        // A hashtag begins a new name.
        '#' if after.is_some_and(char::is_alphanumeric) => true,
        '*' | '+' | '#' => starts_line && after.is_none_or(|next| next.is_whitespace() || next == first),
        // Trade marks and degrees belong to words.
        '™' | '®' | '©' | '℠' | '°' => false,
        _ => {
            sign.chars().all(|character| is_symbol(character) || is_invisible(character)) && is_symbol(first)
        }
    }
}

/// Returns whether a `;` after `head` ends a character reference of HTML, such as `&amp;`.
fn ends_reference(head: &str) -> bool {
    let name = head.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '#');
    name.ends_with('&') && name.len() < head.len()
}

fn last_word(text: &str) -> &str {
    text.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

/// Returns whether `word` is written like a name and not like an initialism: `AC/DC` and `TCP/IP` are one name each.
fn is_long(word: &str) -> bool {
    word.chars().count() >= 3 && word.chars().any(char::is_lowercase)
}

fn is_line_end(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The lines of a text.
struct Lines<'t> {
    lines: Vec<Line<'t>>,
}

struct Line<'t> {
    /// The byte at which it begins.
    start: usize,
    /// The text, without the white space and invisible marks around it and the `>` of quoted mail; empty for a blank
    /// line.
    text: &'t str,
    /// True if it has a running word: a lower-case word that is not a particle of names.
    is_prose: bool,
    /// True if it is an item of a list, by the sign or number at its beginning.
    is_item: bool,
    /// True if it begins with a label, such as `From:`.
    has_label: bool,
    /// True if it has cells: bars, or columns with spaces between them.
    has_cells: bool,
    /// True if it is a row of a table in which two spaces separate columns.
    is_row: bool,
    /// True if its end only wraps the text.
    wraps: bool,
}

/// Lower-case words that occur in names and titles, and so do not make a line prose.
const PARTICLES: &[&str] = &[
    "&", "a", "al", "and", "at", "bin", "by", "da", "das", "de", "del", "della", "den", "der", "des", "di",
    "do", "dos", "du", "el", "et", "for", "ibn", "in", "la", "le", "les", "of", "on", "or", "the", "to",
    "und", "van", "von", "y", "zu",
];

/// The signs before the items of a list.
const BULLETS: &str = "-–—*+•‣◦▪▫●○■□·⁃#✓✔✗";

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let mut lines: Vec<Line<'_>> = Vec::new();
        let mut start = 0;
        for piece in text.split_inclusive(is_line_end) {
            // `\r\n` is one line end.
            if !(piece == "\n" && text[..start].ends_with('\r')) {
                lines.push(Line::new(start, piece));
            }
            start += piece.len();
        }
        for block in lines.chunk_by_mut(|_, next| !next.text.is_empty()) {
            // A block may begin with the blank line before it.
            let first = usize::from(block.first().is_some_and(|line| line.text.is_empty()));
            let block = &mut block[first..];
            let is_table = block.len() > 1 && block.iter().all(|line| line.has_cells);
            let words_alone =
                block.len() == 2 && block.iter().all(|line| !line.is_item && is_one_word(line.text));
            for at in 0..block.len() {
                let runs_on = at > 0 && block[at - 1].wraps;
                let is_last = at + 2 == block.len();
                let next = block.get(at + 1);
                let wraps =
                    next.is_some_and(|next| words_alone || block[at].wraps_before(next, runs_on, is_last));
                block[at].wraps = wraps;
                block[at].is_row = is_table;
            }
        }
        Self { lines }
    }

    /// Returns whether `gap`, the bytes between two words, separates names. The second word is in `line`.
    fn part(&self, text: &str, gap: Range<usize>, line: usize) -> bool {
        let space = text.get(gap).unwrap_or_default();
        // Marks that the model did not read: the end of emphasis, or the sign of a hashtag.
        if space.contains(['#', '*', '_', '`', '~']) {
            return true;
        }
        if space.len() < 2 && !space.starts_with(|c: char| c == '\t' || is_line_end(c)) {
            return false;
        }
        let ends = space.matches(is_line_end).count() - space.matches("\r\n").count();
        let blanks = || space.chars().filter(|c| c.is_whitespace()).count();
        match ends {
            _ if space.contains(['\t', '\u{C}', '\u{2029}']) => true,
            0 => blanks() >= 3 || blanks() == 2 && self.lines.get(line).is_some_and(|line| line.is_row),
            1 => line == 0 || self.lines.get(line - 1).is_none_or(|line| !line.wraps),
            _ => true,
        }
    }
}

impl<'t> Line<'t> {
    fn new(start: usize, line: &'t str) -> Self {
        let visible = |c: char| !c.is_whitespace() && !is_invisible(c);
        let text = line.trim_matches(|c| !visible(c));
        let text = text.trim_start_matches(|c: char| c == '>' || c.is_whitespace());
        Self {
            start,
            text,
            is_prose: text.split_whitespace().any(is_running_word),
            is_item: begins_item(text),
            has_label: begins_with_label(text),
            has_cells: text.contains('|') || has_columns(text),
            is_row: false,
            wraps: false,
        }
    }

    /// Returns whether the end of this line only wraps a text that continues with `next`. `runs_on` is true if the line
    /// before continues with this one, and `is_last` if `next` ends the block.
    fn wraps_before(&self, next: &Self, runs_on: bool, is_last: bool) -> bool {
        let begins_with_digit = |line: &Self| line.text.starts_with(|c: char| c.is_ascii_digit());
        let both = |is: fn(&Self) -> bool| is(self) && is(next);
        if next.is_item
            || self.text.contains('\t')
            || next.text.contains('\t')
            || self.text.ends_with([':', ';'])
            || both(|line| line.has_cells)
            || both(|line| line.has_label)
            || begins_with_digit(self) && begins_with_digit(next)
        {
            return false;
        }
        let last = self.text.rsplit(char::is_whitespace).next().unwrap_or_default();
        let first = next.text.split_whitespace().next().unwrap_or_default();
        // A name is not followed by itself, and lettered items are not prose.
        if bare(last).eq_ignore_ascii_case(bare(first)) || both(|line| begins_with_letter(line.text)) {
            return false;
        }
        if last.ends_with([',', '&']) || last.ends_with(is_dash) || PARTICLES.contains(&last) {
            return true;
        }
        let goes_on = next.is_prose || next.text.contains(". ") || next.text.ends_with(['.', '!', '?', '…']);
        if (runs_on || self.text.contains(',') && self.text.contains(" and ")) && goes_on {
            return true;
        }
        // The next line has names in prose: with a particle, about as long as this line, or shorter at the end of a
        // block.
        let has_particle = || next.text.split_whitespace().any(|word| PARTICLES.contains(&word));
        let is_as_long = || {
            [self, next].iter().any(|line| line.text.contains(','))
                && 3 * next.text.len() >= 2 * self.text.len()
        };
        let is_rest = || is_last && next.text.len() < self.text.len() && !self.has_label;
        self.is_prose && (goes_on || has_particle() || is_as_long() || is_rest())
            || !runs_on && self.begins_sentence_of(next)
    }
}

impl Line<'_> {
    /// Returns whether this line may be the capitalised beginning of the sentence in `next`, such as
    /// `President Barack`, and not a heading: the sentence does not begin with a word of it, and it is not a date, list
    /// or label, nor all in capitals.
    fn begins_sentence_of(&self, next: &Self) -> bool {
        let first = next.text.split_whitespace().next().unwrap_or_default();
        let mut words = self.text.split_whitespace();
        !self.is_prose
            && next.is_prose
            && next.text.ends_with(['.', '!', '?'])
            && self.text.contains(' ')
            && self.text.contains(char::is_lowercase)
            && !self.text.contains(|c: char| c.is_ascii_digit() || matches!(c, ',' | ':' | '.' | '!' | '?'))
            && !self.is_item
            && !words.any(|word| bare(word).eq_ignore_ascii_case(bare(first)))
    }
}

/// `word` without the punctuation around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

/// Returns whether `line` begins with a letter or Roman numeral and a dot, as items and initials do.
fn begins_with_letter(line: &str) -> bool {
    let first = line.split_whitespace().next().and_then(|first| first.strip_suffix('.')).unwrap_or_default();
    let is_roman = first.chars().all(|c| matches!(c, 'I' | 'V' | 'X'));
    !first.is_empty() && (is_roman || first.len() == 1 && first.chars().all(|c| c.is_ascii_uppercase()))
}

fn is_one_word(line: &str) -> bool {
    !line.contains(char::is_whitespace)
}

/// Returns whether `line` has neighbouring spaces, other than after a sentence.
fn has_columns(line: &str) -> bool {
    let is_column = |triple: &[u8]| triple[1..] == *b"  " && !b".!?: ".contains(&triple[0]);
    line.as_bytes().windows(3).any(is_column)
}

/// Returns whether `line` begins with a bullet, or with a number such as `1.`, `2)` or `(a)`.
fn begins_item(line: &str) -> bool {
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let is_mark = !first.is_empty() && first.chars().all(|c| BULLETS.contains(c) || is_symbol(c));
    let number =
        first.strip_suffix(['.', ')']).map(|number| (number.trim_start_matches('('), first.ends_with(')')));
    let is_number = number.is_some_and(|(number, closed)| {
        // A letter with a dot is an initial.
        closed && number.len() == 1 && number.bytes().all(|c| c.is_ascii_lowercase())
            || (1..=3).contains(&number.len()) && number.bytes().all(|c| c.is_ascii_digit())
    });
    is_mark || is_number && !rest.is_empty()
}

/// Returns whether `line` begins with a label such as `From:`.
fn begins_with_label(line: &str) -> bool {
    let label =
        line.split_once(':').filter(|(_, value)| value.is_empty() || value.starts_with(char::is_whitespace));
    label.is_some_and(|(label, _)| label.split_whitespace().count() <= LABEL_WORDS)
}

/// The most words in the label of a line, such as `Date of birth:`.
const LABEL_WORDS: usize = 3;

/// Returns whether `word` is a word of running text: in lower case, or in a script without cases, and not a particle.
fn is_running_word(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let mut count = 0;
    let is_lower = word.chars().all(|c| {
        count += 1;
        (c.is_alphabetic() && !c.is_uppercase()) || matches!(c, '\'' | '’' | '-')
    });
    count > 1 && is_lower && !PARTICLES.contains(&word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use unicode_segmentation::UnicodeSegmentation;

    use super::{Bond, Lines, bonds};

    /// `text` with `‖` before each word that is apart, and without separators.
    fn marked(text: &str) -> String {
        let words: Vec<_> = text
            .split_word_bound_indices()
            .filter(|(_, word)| !word.trim().is_empty())
            .map(|(start, word)| start..start + word.len())
            .collect();
        let parts = words.iter().zip(bonds(text, &words)).filter_map(|(word, bond)| {
            let word = &text[word.clone()];
            match bond {
                Bond::Free => Some(format!(" {word}")),
                Bond::Apart => Some(format!(" ‖ {word}")),
                Bond::Outside => None,
            }
        });
        parts.collect::<String>().trim_start().to_owned()
    }

    #[test]
    fn cells_bullets_and_separators_bound() {
        for (text, expected) in [
            ("Ana Silva\tPorto", "Ana Silva ‖ Porto"),
            ("Tom\n\nMaria", "Tom ‖ Maria"),
            ("Tom\r\n\r\nMaria", "Tom ‖ Maria"),
            ("- Siemens\n- Toyota", "‖ Siemens ‖ Toyota"),
            ("* Siemens\n• Toyota\n+ Tata Steel", "‖ Siemens ‖ Toyota ‖ Tata Steel"),
            ("# Jane Smith\nJane spoke", "‖ Jane Smith ‖ Jane spoke"),
            ("Tom | Maria|Ben", "Tom ‖ Maria ‖ Ben"),
            ("Tesco; Marks", "Tesco ‖ Marks"),
            ("AT&amp;T Inc", "AT & amp ; T Inc"),
            ("Chen Wei - Dana – Bob", "Chen Wei ‖ Dana ‖ Bob"),
            ("Chen—Dana -- Bob", "Chen ‖ Dana ‖ Bob"),
            ("Jean-Luc, Paris–Lyon", "Jean - Luc , Paris – Lyon"),
            ("Ann Lee / Bo Chan", "Ann Lee ‖ Bo Chan"),
            ("Reuters/Guardian", "Reuters ‖ Guardian"),
            ("AC/DC and TCP/IP", "AC / DC and TCP / IP"),
            ("Apple/IBM and IBM/Apple", "Apple / IBM and IBM / Apple"),
            ("Merkel🇩🇪 Biden", "Merkel ‖ Biden"),
            ("Kellogg™ Foods", "Kellogg ™ Foods"),
            ("Home > London", "Home ‖ London"),
            ("> met Angela\n> Merkel in Berlin.", "> met Angela > Merkel in Berlin ."),
            ("12 / 05 / 2020, 5 - 3, 10-12", "12 / 05 / 2020 , 5 - 3 , 10 - 12"),
            ("* * *", ""),
            ("#Obama #Biden", "‖ Obama ‖ Biden"),
            ("Arsenal   2  Chelsea", "Arsenal ‖ 2 Chelsea"),
            ("Arsenal  2\nLiverpool  0", "Arsenal ‖ 2 ‖ Liverpool ‖ 0"),
            ("John  Smith", "John Smith"),
            ("Tom · Maria ·Ben", "Tom ‖ Maria · Ben"),
            ("Room 12 / Ann Lee, Ann Lee / 12", "Room 12 ‖ Ann Lee , Ann Lee ‖ 12"),
            ("Ann # Bob * Cy + Di", "Ann # Bob * Cy + Di"),
            ("## Ann Lee\n+49 Bo", "‖ Ann Lee ‖ + 49 Bo"),
            ("Ann\u{200B} Lee", "Ann \u{200B} Lee"),
            ("Tom &; Ann", "Tom & ‖ Ann"),
            (
                "He flew to New\nYork with Bo.\n\nTom Lee\nCy Young",
                "He flew to New York with Bo . ‖ Tom Lee ‖ Cy Young",
            ),
        ] {
            assert_eq!(marked(text), expected, "{text:?}");
        }
    }

    #[test]
    fn handles_stand_alone() {
        for (text, expected) in
            [("Ann @bo Cy", [Bond::Free, Bond::Apart, Bond::Apart]), ("Ann @ Cy", [Bond::Free; 3])]
        {
            let range = |next: &mut usize, word: &str| {
                let start = std::mem::replace(next, *next + word.len() + 1);
                Some(start..start + word.len())
            };
            let words: Vec<_> = text.split(' ').scan(0, range).collect();
            assert_eq!(bonds(text, &words), expected, "{text:?}");
        }
    }

    /// One value per line end: true if it only wraps the text.
    fn wraps(text: &str) -> Vec<bool> {
        let lines = Lines::new(text).lines;
        lines[..lines.len().saturating_sub(1)].iter().map(|line| line.wraps).collect()
    }

    #[test]
    fn line_ends_bound_all_but_wrapped_prose() {
        for (text, expected) in [
            // Prose.
            ("The prize went to Chinua\nAchebe for his novel.", [true].as_slice()),
            ("She has lived in New\nYork since 2010.", &[true]),
            ("> He met Angela\n> Merkel in Berlin.", &[true]),
            ("John\nSmith", &[true]),
            ("Peter van der\nWesthuizen farmed here.", &[true]),
            ("Members: Wim Helsen, Aino Kallio,\nJun Mo\nYang, Ester Plana. They met in May.", &[true, true]),
            ("- met with Angela\n  Merkel in Berlin.", &[true]),
            ("the jury met Jun Mo\nYang and others\nfrom Seoul, and went on", &[true, true]),
            ("He flew from New\nYork to San Francisco and\nthen drove home", &[true, true]),
            ("He works for Goldman\nSachs in London", &[true]),
            ("I flew to New\nYork", &[true]),
            ("French President Emmanuel\nMacron visited Berlin.", &[true]),
            ("The prize was late.  It went to Chinua\nAchebe for his novel.", &[true]),
            ("The chancellor Angela\nMerkel said: we will act.", &[true]),
            ("12 people met Ann\nLee in Berlin.", &[true]),
            ("Ann Lee,\nBo Chan", &[true]),
            ("Jean-\nLuc Picard", &[true]),
            ("they met Angela\nMerkel. Bo Chan\nEd Li", &[true, false]),
            ("they met Angela\nMerkel!\nEd Li", &[true, false]),
            ("the jury met Ann Lee, Bo Chan\nCy Young Dina Eve Fox\nEd Li", &[true, false]),
            // No items: neither a letter nor a number.
            ("AB. the first is Ann\nCD. the second is Bo.", &[true]),
            ("he met Ann\nab) the man left.", &[true]),
            ("he met Ann\nab. the man left.", &[true]),
            // Too short to continue the names, or no shorter.
            ("the jury met Ann Lee, Bo Chan\nCy Young Di\nEd Li", &[false, false]),
            ("they met Ann\nBo Chan Zhao", &[false]),
            // Tables, labels, numbers, headings.
            ("they met\tAnn in May\nand then they left.", &[false]),
            ("they met Ann in May\nand\tthen they left.", &[false]),
            ("he brought the following:\nthe book of Ann.", &[false]),
            ("he said  yes to Ann\nand she  said no to Bo.", &[false]),
            ("From: the office of Ann\nTo: the desk of Bo.", &[false]),
            ("12 men met Ann\n13 women met Bo.", &[false]),
            ("they met in Berlin\nBerlin is large.", &[false]),
            ("A. the first is Ann\nB. the second is Bo.", &[false]),
            ("Ann Lee, Bo Chan\nthe jury met.", &[false]),
            ("Room 12 Berlin\nthe jury met here.", &[false]),
            // Lists.
            ("the jury met Ann Lee, Bo Chan and many others today\nCy, Di\nEd", &[false, false]),
            ("Ann Lee\nBo Chan\nCy Young", &[false, false]),
            ("Present:\nAnn Lee\nBo Chan", &[false, false]),
            ("- talks with Ann\n- talks with Bo", &[false]),
            ("1. talks with Ann\n2. talks with Bo", &[false]),
            ("a) talks with Ann\nb) talks with Bo", &[false]),
            ("Merkel meets Macron\nMacron said so on Tuesday.", &[false]),
            ("A. talks with Ann\nB. talks with Bo", &[false]),
            ("ann: see you in Paris\nbo: London is better", &[false]),
            ("2 June arrival in Uppsala\n3 June visit to Malmö", &[false]),
            // Tables.
            ("Jo Kim\tsings in Seoul\nEva Novak\tsings in Prague", &[false]),
            ("| Jo Kim | she sings |\n| Bo | he sings |", &[false]),
            ("duo  oboe\nsolo  cello", &[false]),
            // Headings, addresses, signatures.
            ("University of Leeds\nBSc Physics", &[false]),
            ("Jane Smith\nJane Smith was born in Leeds.", &[false]),
            ("Acme Ltd\n1 High Street\nLeeds", &[false, false]),
            ("From: Jo Kim\nTo: Eva Novak", &[false]),
            ("Kind regards\nJo Kim\nAcme", &[false, false]),
            ("", &[]),
        ] {
            assert_eq!(wraps(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_word_has_a_bond(text in any::<String>()) {
            let words: Vec<_> = text.split_word_bound_indices().map(|(at, word)| at..at + word.len()).collect();
            prop_assert_eq!(bonds(&text, &words).len(), words.len());
        }
    }
}
