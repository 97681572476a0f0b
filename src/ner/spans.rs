//! Cleans spans: removes signs and words that a model included but that are not part of the name.

use std::ops::Range;

use crate::characters::{is_dash, is_invisible, is_symbol};

/// Words that no name begins or ends with, in lower case. Particles of names, such as *de*, are in [`PARTICLES`].
const FUNCTION_WORDS: &[&str] = &[
    "a", "about", "after", "against", "an", "and", "are", "as", "at", "before", "but", "by", "during", "for",
    "from", "had", "has", "have", "he", "her", "his", "in", "into", "is", "it", "its", "near", "of", "on",
    "or", "our", "over", "she", "since", "than", "that", "the", "their", "they", "through", "to", "under",
    "until", "was", "we", "were", "which", "who", "with", "within", "without", "you", "your",
];

/// Words that names may begin with, as *van Gogh* does, but do not end with.
const PARTICLES: &[&str] = &[
    "al", "bin", "da", "de", "del", "della", "den", "der", "des", "di", "dos", "du", "el", "ibn", "la", "le",
    "van", "von", "zu",
];

/// Titles of persons, without a dot: those that training data leaves out of names and that are not names themselves.
const TITLES: &[&str] = &[
    "Adm",
    "Amb",
    "Archbishop",
    "Atty",
    "Aunt",
    "Auntie",
    "Brother",
    "Capt",
    "Captain",
    "Cllr",
    "Coach",
    "Col",
    "Colonel",
    "Cpl",
    "Dame",
    "Doctor",
    "Dr",
    "Father",
    "Frau",
    "Gen",
    "General",
    "Gov",
    "Governor",
    "Herr",
    "Hon",
    "Imam",
    "Inspector",
    "Judge",
    "Lieutenant",
    "Lord",
    "Lt",
    "Madam",
    "Madame",
    "Maj",
    "Mayor",
    "Minister",
    "Miss",
    "Mister",
    "Mlle",
    "Mme",
    "Monsieur",
    "Mr",
    "Mrs",
    "Ms",
    "Mx",
    "Nurse",
    "Officer",
    "Pope",
    "President",
    "Prof",
    "Professor",
    "Rep",
    "Rev",
    "Reverend",
    "Sen",
    "Senator",
    "Señor",
    "Señora",
    "Sergeant",
    "Sgt",
    "Sheikh",
    "Sir",
    "Sister",
    "Sultan",
    "Uncle",
];

/// Titles that are also names. They count as titles only before a name.
const TITLES_BEFORE_NAMES: &[&str] = &["Cardinal", "Emperor", "King", "Prince", "Princess", "Queen"];

/// Abbreviations whose last dot belongs to the name, listed without it. Single letters between dots (*U.K*) need no
/// list.
const ABBREVIATIONS: &[&str] = &[
    "Ala", "Ariz", "Ark", "Assn", "Ave", "Blvd", "Bros", "Calif", "Cie", "Colo", "Conn", "Co", "Corp",
    "Dept", "Esq", "Fla", "Ft", "Inc", "Intl", "Jr", "Ltd", "Mass", "Mfg", "Mich", "Minn", "Mt", "Okla",
    "Ore", "Ph.D", "Pty", "Pvt", "Rd", "Sr", "St", "Tenn", "Tex", "Univ", "Va", "Wash", "Wis",
];

/// The labels of persons, in lower case.
const PERSON: &[&str] = &["per", "person", "persons", "people"];

/// The labels of other names, in lower case. Entities of other types, such as amounts and numbers, may begin and end
/// with signs.
const NAMES: &[&str] = &[
    "city",
    "company",
    "corporation",
    "country",
    "fac",
    "facility",
    "gpe",
    "group",
    "loc",
    "location",
    "misc",
    "norp",
    "org",
    "organisation",
    "organization",
    "place",
];

/// The class of an entity type, which decides how a span is cleaned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Person,
    Name,
    Other,
}

impl Kind {
    fn of(label: &str) -> Self {
        let label = label.to_lowercase();
        match label.as_str() {
            label if PERSON.contains(&label) => Self::Person,
            label if NAMES.contains(&label) => Self::Name,
            _ => Self::Other,
        }
    }
}

/// Returns whether a name that ends with `word` continues with the next entity, whatever its type: *University of*,
/// *Leeds*.
pub(super) fn continues(word: &str) -> bool {
    word == "of"
}

/// The span of the name in `range` of `text`, for an entity of the type `label`; `None` if no name is left.
pub(super) fn clean(text: &str, range: Range<usize>, label: &str) -> Option<Range<usize>> {
    let kind = Kind::of(label);
    let mut range = range;
    loop {
        let name = &text[range.clone()];
        let start = range.start + name.len() - trim_start(name, &text[..range.start], kind).len();
        let name = &text[start..range.end.max(start)];
        let end = start + trim_end(balanced(name), kind).len();
        // The end first: *President of* becomes *President*, a title, which is dropped below, and not *of*.
        let end = end - trailing(&text[start..end]);
        let next = start + leading(&text[start..end], kind)..end;
        if next == range {
            break;
        }
        range = next;
    }
    let name = &text[range.clone()];
    if !name.contains(char::is_alphanumeric) || kind == Kind::Person && is_title(name) {
        return None;
    }
    if text[range.end..].starts_with('.') && is_abbreviation(name) {
        range.end += 1;
    }
    // A handle may begin with an underscore.
    let before = text[..range.start].trim_end_matches('_');
    if let Some(before) = before.strip_suffix('@').filter(|before| !before.ends_with(char::is_alphanumeric)) {
        range.start = before.len();
    }
    Some(range)
}

/// `name` without its leading signs. `before` is the text before `name`.
fn trim_start<'t>(name: &'t str, before: &str, kind: Kind) -> &'t str {
    let mut name = name;
    while let Some(first) = name.chars().next() {
        let rest = &name[first.len_utf8()..];
        let next = rest.chars().next();
        let belongs = match first {
            '@' => {
                next.is_some_and(|next| next.is_alphanumeric() || next == '_')
                    && !before.ends_with(char::is_alphanumeric)
            }
            // *'t Hooft*, *'s-Hertogenbosch* and *'N Sync* have an apostrophe.
            '\'' | '’' => {
                let mut rest = rest.chars();
                rest.next().is_some_and(char::is_alphabetic) && matches!(rest.next(), Some('-' | ' '))
            }
            // *.NET*
            '.' => next.is_some_and(char::is_alphanumeric),
            '(' | '[' | '{' if kind == Kind::Other => !balanced(name).is_empty(),
            _ => !is_edge(first, kind),
        };
        if belongs {
            break;
        }
        name = rest;
    }
    name
}

/// `name` without its trailing signs, and without brackets and their contents at its end.
fn trim_end(name: &str, kind: Kind) -> &str {
    let mut name = name;
    while let Some(last) = name.chars().next_back() {
        let rest = &name[..name.len() - last.len_utf8()];
        let belongs = match last {
            '.' => is_abbreviation(rest) || is_initial(rest),
            // *Yahoo!*, *C++*, *C#*
            '!' | '+' => rest.ends_with(|c: char| c.is_alphanumeric() || c == '+'),
            '#' => rest.rsplit(char::is_whitespace).next().is_some_and(|word| word.chars().count() == 1),
            // It has its partner: `balanced` has cut off brackets without one.
            ')' | ']' | '}' if kind == Kind::Other => true,
            _ => !is_edge(last, kind),
        };
        if belongs {
            break;
        }
        name = match opening(last).and_then(|opening| rest.rfind(opening)) {
            Some(opened) if opened > 0 => &rest[..opened],
            _ => rest,
        };
    }
    name
}

/// Returns whether an entity of this kind neither begins nor ends with `character`. For names, these are all characters
/// but letters, digits, their accents and currency signs.
fn is_edge(character: char, kind: Kind) -> bool {
    let is_in_none = character.is_whitespace()
        || character.is_control()
        || is_invisible(character)
        || matches!(
            character,
            ',' | ';' | ':' | '"' | '\'' | '*' | '_' | '~' | '`' | '(' | '[' | '{' | '«' | '»'
        )
        || matches!(character, '\u{2018}'..='\u{201F}' | '\u{2039}' | '\u{203A}');
    if kind == Kind::Other || is_in_none {
        return is_in_none;
    }
    // Footnote numbers.
    if matches!(character, '¹' | '²' | '³' | '\u{2070}'..='\u{2079}') {
        return true;
    }
    !character.is_alphanumeric()
        && (character.is_ascii_punctuation() && character != '$'
            || is_dash(character)
            || is_symbol(character)
            || matches!(character, '¡' | '¿' | '·' | '§' | '¶' | '\u{2016}'..='\u{203E}' | '\u{3001}'..='\u{3003}')
            || matches!(character, '\u{3008}'..='\u{301F}' | '\u{FF01}'..='\u{FF0F}'))
}

/// `name` up to a bracket without a partner in it.
fn balanced(name: &str) -> &str {
    let mut open: Vec<(usize, char)> = Vec::new();
    for (at, character) in name.char_indices() {
        match opening(character) {
            _ if matches!(character, '(' | '[' | '{') => open.push((at, character)),
            Some(partner) if open.pop_if(|(_, open)| *open == partner).is_none() => return &name[..at],
            _ => {}
        }
    }
    open.first().map_or(name, |&(at, _)| &name[..at])
}

fn opening(closing: char) -> Option<char> {
    Some(match closing {
        ')' => '(',
        ']' => '[',
        '}' => '{',
        _ => return None,
    })
}

/// Returns whether `name`, of the entity type `label`, is a title that may stand before a person's name.
pub(super) fn is_title_of_person(name: &str, label: &str) -> bool {
    Kind::of(label) == Kind::Person && (is_title(name) || is_one_of(TITLES_BEFORE_NAMES, name))
}

/// The length in bytes of the function words, and for a person of the titles, that `name` begins with, with the space
/// after them.
fn leading(name: &str, kind: Kind) -> usize {
    let mut rest = name;
    while let Some((first, behind)) = rest.split_once(char::is_whitespace) {
        if !(FUNCTION_WORDS.contains(&first)
            || kind == Kind::Person && (is_title(first) || is_one_of(TITLES_BEFORE_NAMES, first)))
        {
            break;
        }
        rest = behind.trim_start();
    }
    name.len() - rest.len()
}

/// The length in bytes of the function words and particles that `name` ends with, with the space before them.
fn trailing(name: &str) -> usize {
    let mut rest = name;
    while let Some((before, last)) = rest.rsplit_once(char::is_whitespace) {
        if !(FUNCTION_WORDS.contains(&last) || PARTICLES.contains(&last)) {
            break;
        }
        rest = before.trim_end();
    }
    name.len() - rest.len()
}

/// Returns whether `word` is a title, as listed or in capitals.
fn is_title(word: &str) -> bool {
    is_one_of(TITLES, word)
}

fn is_one_of(titles: &[&str], word: &str) -> bool {
    let word = word.strip_suffix('.').unwrap_or(word);
    let in_capitals = word.chars().all(char::is_uppercase) && word.chars().count() > 1;
    titles.iter().any(|title| *title == word || in_capitals && title.to_uppercase() == word)
}

/// Returns whether the last word of `name` is an abbreviation without its last dot.
fn is_abbreviation(name: &str) -> bool {
    let word = name.rsplit(char::is_whitespace).next().unwrap_or_default();
    let is_letter = |part: &str| part.chars().count() == 1 && part.chars().all(char::is_alphabetic);
    ABBREVIATIONS.contains(&word) || word.contains('.') && word.split('.').all(is_letter)
}

/// Returns whether the last word of `name` is an initial after other words, as in *George W.*
fn is_initial(name: &str) -> bool {
    let Some((_, last)) = name.rsplit_once(char::is_whitespace) else { return false };
    last.chars().count() == 1 && last.chars().all(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::clean;

    /// The cleaned part of `text` between `[[` and `]]`; empty if it is dropped.
    fn cleaned(text: &str, label: &str) -> String {
        let (before, rest) = text.split_once("[[").expect("the span should begin");
        let (name, after) = rest.split_once("]]").expect("the span should end");
        let range = before.len()..before.len() + name.len();
        let text = [before, name, after].concat();
        clean(&text, range, label).map_or_else(String::new, |range| text[range].to_owned())
    }

    #[test]
    fn spans_are_those_of_names() {
        for (text, label, expected) in [
            ("[[_Angela Merkel_]] spoke", "PER", "Angela Merkel"),
            ("[[**Paris**]]", "LOC", "Paris"),
            ("[[# Jane Smith]]", "PER", "Jane Smith"),
            ("[[#London]]", "LOC", "London"),
            ("[[[Tom Hanks](]]", "PER", "Tom Hanks"),
            ("[[“Dune”]]", "MISC", "Dune"),
            ("[[Kellogg™]]", "ORG", "Kellogg"),
            ("[[Lego® 🔥]]", "ORG", "Lego"),
            ("[[Paris\u{200E}]]", "LOC", "Paris"),
            ("the [[Russia-]]Ukraine", "LOC", "Russia"),
            ("[[Ministry of Health in]]", "ORG", "Ministry of Health"),
            ("[[Health in the]] UK", "ORG", "Health"),
            ("[[in Paris]]", "LOC", "Paris"),
            ("[[The Hague]]", "LOC", "The Hague"),
            ("[[Leonardo da]]", "PER", "Leonardo"),
            ("[[van Gogh]]", "PER", "van Gogh"),
            ("[[Bayer Leverkusen (Women)]]", "ORG", "Bayer Leverkusen"),
            ("[[(Reuters)]]", "ORG", "Reuters"),
            ("[[Reuters) Paris]]", "ORG", "Reuters"),
            ("[[Bayer (Women]]", "ORG", "Bayer"),
            ("[[Reuters] Paris]]", "ORG", "Reuters"),
            ("[[Reuters} Paris]]", "ORG", "Reuters"),
            ("[['t Hooft]]", "PER", "'t Hooft"),
            ("[['Dune']]", "MISC", "Dune"),
            ("[[Yahoo!]]", "ORG", "Yahoo!"),
            ("[[C++]]", "MISC", "C++"),
            ("[[Sainsbury's]]", "ORG", "Sainsbury's"),
            // Dots.
            ("the [[U.K]].", "LOC", "U.K."),
            ("at [[Acme Inc]]. today", "ORG", "Acme Inc."),
            ("met [[Obama.]]", "PER", "Obama"),
            ("met [[Malcolm X]].", "PER", "Malcolm X"),
            ("met [[George W.]] today", "PER", "George W."),
            ("[[.NET]]", "MISC", ".NET"),
            // Titles.
            ("[[Dame Judi Dench]]", "PER", "Judi Dench"),
            ("[[Mr. Griffin]]", "PER", "Griffin"),
            ("[[Lord Mayor Lee]]", "PER", "Lee"),
            ("[[Mr]]", "PER", ""),
            ("[[Dr.]]", "person", ""),
            ("[[MRS. JONES]]", "PER", "JONES"),
            ("[[President of]] Malta", "PER", ""),
            ("[[President of the]] bank", "PER", ""),
            ("[[DR]]", "PER", ""),
            ("[[Princess Diana]]", "PER", "Diana"),
            ("[[Prince]]", "PER", "Prince"),
            ("[[Paris¹]]", "LOC", "Paris"),
            ("in [[San Diego, Calif]].", "LOC", "San Diego, Calif."),
            ("[[Father Ted]]", "MISC", "Father Ted"),
            // Handles.
            ("thanks [[@nasa]]", "ORG", "@nasa"),
            ("thanks @[[nasa]]", "ORG", "@nasa"),
            ("thanks @_[[jack]]", "PER", "@_jack"),
            ("thanks [[@]]nasa", "ORG", ""),
            ("ann[[@acme]].com", "ORG", "acme"),
            // Types that are not names.
            ("call [[(415) 555-0132]]", "phone", "(415) 555-0132"),
            ("call [[+1 415 555 0132]].", "phone", "+1 415 555 0132"),
            ("rose [[15%]]", "percent", "15%"),
            ("at [[-5 °C]]", "temperature", "-5 °C"),
            ("the [[Act (1998)]]", "law", "Act (1998)"),
            ("the [[“Act (1998]]", "law", "Act"),
            ("key [[abc123==]]", "secret", "abc123=="),
            ("in [[C#]]", "MISC", "C#"),
            ("by [['N Sync]]", "ORG", "'N Sync"),
            // Nothing.
            ("[[--]]", "ORG", ""),
            ("[[\u{200E}]]", "ORG", ""),
        ] {
            assert_eq!(cleaned(text, label), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_clean_span_lies_in_the_span_but_for_a_dot_and_the_sign_of_a_handle(before in any::<String>(), name in any::<String>(), after in any::<String>()) {
            let text = [before.as_str(), &name, &after].concat();
            let range = before.len()..before.len() + name.len();
            if let Some(clean) = clean(&text, range.clone(), "PER") {
                prop_assert!(text.get(clean.clone()).is_some_and(|name| name.contains(char::is_alphanumeric)));
                let added = text.get(clean.start..range.start).unwrap_or_default();
                prop_assert!(added.is_empty() || added.starts_with('@') && added[1..].chars().all(|c| c == '_'));
                prop_assert!(clean.end <= range.end + 1);
            }
        }
    }
}
