//! The forms in which names are compared.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::characters::{is_dash, is_invisible};

/// The legal forms of companies, without dots.
const LEGAL_FORMS: &[&str] = &[
    "ab",
    "ag",
    "aps",
    "as",
    "asa",
    "bv",
    "co",
    "company",
    "corp",
    "corporation",
    "gmbh",
    "holding",
    "holdings",
    "inc",
    "incorporated",
    "kg",
    "kgaa",
    "limited",
    "llc",
    "llp",
    "lp",
    "ltd",
    "nv",
    "oy",
    "oyj",
    "plc",
    "pte",
    "pty",
    "sa",
    "sarl",
    "sas",
    "se",
    "spa",
    "srl",
];

/// Words that acronyms leave out.
const SMALL: &[&str] = &[
    "a", "and", "de", "del", "des", "di", "do", "du", "et", "for", "in", "of", "on", "the", "to", "und", "&",
];

/// The key of a name: in lower case, without accents, dots, possessives and a leading *the*. Words, and the parts of
/// words with hyphens, are separated by one space.
///
/// `The U.S.'s` is `us`, `Erdoğan` is `erdogan`, and `Krüger` and `Krueger` are `kruger`.
pub(super) fn key(name: &str) -> String {
    words(name).join(" ")
}

/// The words of the key.
pub(super) fn words(name: &str) -> Vec<String> {
    let is_dropped = |c: char| {
        is_combining_mark(c) || is_invisible(c) || matches!(c, '.' | ',' | '"' | '“' | '”' | '@' | '#')
    };
    let plain = name.nfkd().filter(|&c| !is_dropped(c)).map(|c| match c {
        '’' => '\'',
        c if is_dash(c) || c == '_' => ' ',
        // Unicode does not decompose these letters.
        'ø' | 'Ø' => 'o',
        'ł' | 'Ł' => 'l',
        'đ' | 'Đ' | 'ð' | 'Ð' => 'd',
        'æ' | 'Æ' => 'a',
        'ı' => 'i',
        c => c,
    });
    let lower = plain.collect::<String>().to_lowercase();
    let mut words: Vec<String> = lower
        .split_whitespace()
        .map(|word| word.strip_suffix("'s").unwrap_or(word).replace('\'', ""))
        // Umlauts that are written as two letters.
        .map(|word| word.replace("ae", "a").replace("oe", "o").replace("ue", "u"))
        .filter(|word| !word.is_empty())
        .collect();
    if words.len() > 1 && words[0] == "the" {
        words.remove(0);
    }
    words
}

/// `words` without the legal forms of companies at their end.
pub(super) fn without_legal_form(words: &[String]) -> &[String] {
    let is_form = |word: &String| LEGAL_FORMS.contains(&word.as_str());
    let kept = words.iter().rposition(|word| !is_form(word)).map_or(0, |last| last + 1);
    // `Company` alone is a name, and `Holdings` may be.
    if kept == 0 { words } else { &words[..kept] }
}

/// `words` in alphabetical order, without those that only join others: *University of Oxford* and *Oxford University*.
pub(super) fn bag(words: &[String]) -> Vec<&str> {
    let mut bag: Vec<&str> = words.iter().map(String::as_str).filter(|word| !SMALL.contains(word)).collect();
    bag.sort_unstable();
    bag
}

/// Returns whether `name`, as written, may be an acronym: mostly capitals, possibly with dots.
pub(super) fn is_acronym(name: &str) -> bool {
    let letters = name.chars().filter(|c| c.is_alphabetic());
    let (capitals, others) = letters.fold((0, 0), |(capitals, others), c| match c.is_uppercase() {
        true => (capitals + 1, others),
        false => (capitals, others + 1),
    });
    !name.trim().contains(char::is_whitespace) && (2..=8).contains(&capitals) && others <= capitals / 2
}

/// The letters of `acronym`, in lower case.
pub(super) fn letters(acronym: &str) -> String {
    acronym.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

/// The first letters of `words`: of all words, and of those that do not only join others. Empty for a single word.
pub(super) fn initials(words: &[String]) -> Vec<String> {
    let of = |skip: &[&str]| -> String {
        let kept = words.iter().filter(|word| !skip.contains(&word.as_str()));
        kept.filter_map(|word| word.chars().next()).collect()
    };
    let mut found = vec![of(&[]), of(SMALL)];
    found.dedup();
    found.retain(|letters| letters.chars().count() > 1);
    found
}

/// Returns whether two names may be those of one person, by given names and initials: *J. K. Rowling* and *Joanne
/// Rowling*, *John Smith* and *John A. Smith*, *Sam D.* and *Sam Doyle*. Both have at least two words, of which the
/// last is a family name.
pub(super) fn same_person(a: &[String], b: &[String]) -> bool {
    let ([a @ .., a_last], [b @ .., b_last]) = (a, b) else { return false };
    let agree = |a: &String, b: &String| {
        let is_initial = a.chars().count() == 1 || b.chars().count() == 1;
        a == b || is_initial && a.chars().next() == b.chars().next()
    };
    let (Some(a_first), Some(b_first)) = (a.first(), b.first()) else { return false };
    let is_sure = a_last == b_last || a_first == b_first;
    is_sure
        && agree(a_last, b_last)
        && agree(a_first, b_first)
        && a.iter().skip(1).zip(b.iter().skip(1)).all(|(a, b)| agree(a, b))
}

/// Returns whether `whole` begins or ends with `part` and is longer.
pub(super) fn starts_or_ends(part: &[String], whole: &[String]) -> bool {
    part.len() < whole.len() && !part.is_empty() && (whole.starts_with(part) || whole.ends_with(part))
}

/// Returns whether `part` is the beginning, the middle or the end of `whole`, and shorter.
pub(super) fn is_part(part: &[String], whole: &[String]) -> bool {
    part.len() < whole.len() && !part.is_empty() && whole.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::{bag, initials, is_acronym, is_part, key, letters, same_person, without_legal_form, words};

    #[test]
    fn keys_leave_out_what_varies() {
        for (name, expected) in [
            ("The U.S.'s", "us"),
            ("Erdoğan", "erdogan"),
            ("TROMSØ", "tromso"),
            ("New\n York", "new york"),
            ("@Nasa", "nasa"),
            ("the Netherlands’", "netherlands"),
            ("The", "the"),
            ("Krueger", "kruger"),
            ("Krüger", "kruger"),
            ("Moby-Dick", "moby dick"),
            ("De’Longhi", "delonghi"),
            ("@lena_hofer", "lena hofer"),
        ] {
            assert_eq!(key(name), expected, "{name}");
        }
        assert_eq!(without_legal_form(&words("Siemens AG")), ["siemens"]);
        assert_eq!(without_legal_form(&words("Toyota Motor Corporation")), ["toyota", "motor"]);
        assert_eq!(without_legal_form(&words("Company")), ["company"]);
        assert_eq!(bag(&words("University of Oxford")), bag(&words("Oxford University")));
    }

    #[test]
    fn acronyms_are_read() {
        for (acronym, name, expected) in [
            ("WHO", "World Health Organization", true),
            ("OSCE", "Organization for Security and Cooperation in Europe", true),
            ("BoE", "Bank of England", true),
            ("FotE", "Friends of the Earth", true),
            ("FE", "Friends of the Earth", true),
            ("RDR", "Rosa Delgado Ruiz", true),
            ("IMF", "International Monetary Conference", false),
            ("W", "Who", false),
        ] {
            assert_eq!(initials(&words(name)).contains(&letters(acronym)), expected, "{acronym} {name}");
        }
        assert!(is_acronym("U.N.") && is_acronym("BoE") && !is_acronym("Bank") && !is_acronym("A"));
    }

    #[test]
    fn people_are_distinguished() {
        for (a, b, expected) in [
            ("J. K. Rowling", "Joanne Rowling", true),
            ("John Smith", "John A. Smith", true),
            ("John B. Smith", "John A. Smith", false),
            ("Sam D.", "Sam Doyle", true),
            ("S. D.", "Sam Doyle", false),
            ("John Smith", "Jane Smith", false),
            ("Ada", "Ada Lovelace", false),
        ] {
            assert_eq!(same_person(&words(a), &words(b)), expected, "{a} {b}");
        }
        assert!(is_part(&words("von der Leyen"), &words("Ursula von der Leyen")));
        assert!(is_part(&words("García"), &words("Gabriel García Márquez")));
        assert!(!is_part(&words("Leyen Ursula"), &words("Ursula von der Leyen")));
    }
}
