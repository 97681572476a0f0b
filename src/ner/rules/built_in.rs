//! Sets of rules for things that look alike everywhere: dates, sums of money, addresses, numbers with checksums.

use std::ops::{Range, RangeInclusive};
use std::str::FromStr;

use iban::{BaseIban, ParseIbanError};
use linkify::{LinkFinder, LinkKind};
use regex::Regex;

use crate::error::{Error, ErrorKind};
use crate::names::named;

/// A built-in set of rules, for [`Rule::built_in`](crate::Rule::built_in). Numbers are in English and international
/// formats; names of months and days are English.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BuiltIn {
    /// Dates with a number: *2024-03-11*, *11.3.2024*, *11 March*, *Monday, March 11th, 2024*. Label `DATE`.
    Date,
    /// Times of day: *14:30*, *2:30 p.m.*, *9 am CET*. Label `TIME`.
    Time,
    /// Sums of money: *$3.5 million*, *20 euros*, *CHF 1,000*. Label `MONEY`.
    Money,
    /// Percentages: *3.5 %*, *20 percent*, *5 percentage points*. Label `PERCENT`.
    Percent,
    /// E-mail addresses. Label `EMAIL`.
    Email,
    /// Web addresses with a scheme or `www.`. Label `URL`.
    Url,
    /// Telephone numbers: international ones (*+44 20 7946 0958*), and national ones in common formats. Label `PHONE`.
    Phone,
    /// Bank account numbers (IBAN) with a valid checksum. Label `IBAN`.
    Iban,
    /// Payment card numbers with a valid checksum (Luhn). Label `CARD`.
    Card,
}

named!(BuiltIn, "a built-in set of rules", [
    BuiltIn::Date => "date",
    BuiltIn::Time => "time",
    BuiltIn::Money => "money",
    BuiltIn::Percent => "percent",
    BuiltIn::Email => "email",
    BuiltIn::Url => "url",
    BuiltIn::Phone => "phone",
    BuiltIn::Iban => "iban",
    BuiltIn::Card => "card",
]);

/// A compiled set.
pub(super) enum Set {
    Pattern(Regex),
    Phone(Regex),
    Email,
    /// Links without a scheme.
    Web(Regex),
    /// Codes that may be written in groups: a pattern for runs of groups, the lengths of a code, and the check of a
    /// code.
    Codes(Regex, RangeInclusive<usize>, fn(&str) -> bool),
}

const MONTH: &str = r"(?:(?:January|February|March|April|May|June|July|August|September|October|November|December)\b|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)";
const WEEKDAY: &str = r"(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b\.?)";
const DAY: &str = r"(?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?";
const YEAR: &str = r"(?:1[0-9]{3}|20[0-9]{2})";

fn date() -> String {
    let tail = format!(r"(?:,?\s+{YEAR}\b)?");
    [
        // 2024-03-11
        r"\b(?:1[0-9]{3}|20[0-9]{2})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])\b".to_owned(),
        r"\b(?:1[0-9]{3}|20[0-9]{2})/(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12][0-9]|3[01])\b".to_owned(),
        // 11.3.2024, 03/11/24; in the latter, either of the first two numbers may be the month.
        r"\b(?:0?[1-9]|[12][0-9]|3[01])\.(?:0?[1-9]|1[0-2])\.(?:[0-9]{4}|[0-9]{2})\b".to_owned(),
        r"\b(?:0?[1-9]|[12][0-9]|3[01])[/-](?:0?[1-9]|[12][0-9]|3[01])[/-](?:[0-9]{4}|[0-9]{2})\b".to_owned(),
        format!(r"\b(?:{WEEKDAY},?\s+)?(?:the\s+)?{DAY}(?:\s+of)?\s+{MONTH}{tail}"),
        format!(r"\b(?:{WEEKDAY},?\s+)?{MONTH}\s+(?:the\s+)?{DAY}\b{tail}"),
        format!(r"\b{MONTH},?\s+{YEAR}\b"),
    ]
    .join("|")
}

const ZONE: &str = r"(?:\s?(?:UTC|GMT|CET|CEST|EET|EEST|BST|IST|JST|[ECMP][SD]?T)\b)?";

fn time() -> String {
    [
        format!(
            r"\b(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?\b(?:\s?[AaPp](?:\.[Mm]\.|[Mm]\b))?{ZONE}"
        ),
        format!(r"\b(?:1[0-2]|0?[1-9])(?:\.[0-5][0-9])?\s?[AaPp](?:\.[Mm]\.|[Mm]\b){ZONE}"),
    ]
    .join("|")
}

const NUMBER: &str = r"[0-9]+(?:[.,'\u{A0}\u{202F}][0-9]{3})*(?:[.,][0-9]+)?";
const SCALE: &str = r"(?:[\s\u{A0}-]?(?:thousand|million|billion|trillion|bn|mn|m|k|tn)\b)?";
const CODES: &str = r"(?:USD|EUR|GBP|JPY|CHF|CNY|RMB|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RUB|UAH|TRY|BRL|MXN|ZAR|KRW|SGD|HKD|AED|SAR|ILS|NGN|KES|EGP|THB|IDR|PHP|VND)";
const UNITS: &str = r"(?:(?:US|American|Australian|Canadian)\s+)?(?:dollars?|euros?|pounds?(?:\s+sterling)?|yen|yuan|rupees?|roubles?|rubles?|francs?|pesos?|cents?|pence|kron(?:a|or|er)|zlot(?:y|ys|ych)|rand|lira|hryvnias?|shillings?)\b";
const SIGNS: &str = r"(?:(?:US|A|AU|C|CA|NZ|HK|S|R|NT)?\$|[€£¥₹₽₩₺₴₦₱₫฿₪])";

fn money() -> String {
    [
        format!(r"{SIGNS}\s?{NUMBER}{SCALE}"),
        format!(r"\b{CODES}[\s\u{{A0}}]?{NUMBER}{SCALE}"),
        format!(r"\b{NUMBER}{SCALE}[\s\u{{A0}}]?(?:{SIGNS}|{CODES}\b)"),
        format!(r"\b{NUMBER}{SCALE}[\s\u{{A0}}]{UNITS}"),
    ]
    .join("|")
}

fn percent() -> String {
    format!(
        r"(?:[-+−±]\s?)?\b{NUMBER}(?:\s?(?:[-–]|to)\s?{NUMBER})?[\s\u{{A0}}\u{{202F}}]?(?:[%‰]|per\s?cent\b|percentage\s+points?\b)"
    )
}

const PHONE: &str = concat!(
    // +44 20 7946 0958, +49 (0)30 1234-567
    r"\+[1-9][0-9]{0,2}(?:[ \t.\u{A0}/-]?\([0-9]{1,4}\))?(?:[ \t.\u{A0}/-]?[0-9]{1,5}){2,6}\b",
    // (020) 7946 0958
    r"|\(0?[0-9]{2,5}\)[ \t\u{A0}.-]?[0-9]{2,5}(?:[ \t\u{A0}.-][0-9]{2,5}){1,3}\b",
    // 555-867-5309, 555.867.5309
    r"|\b[2-9][0-9]{2}[-.][0-9]{3}[-.][0-9]{4}\b",
    // 030/1234567, 020 7946 0958
    r"|\b0[1-9][0-9]{1,4}[ \t\u{A0}/-][0-9]{3,8}(?:[ \t\u{A0}-][0-9]{2,5}){0,3}\b",
);

/// The number of digits in a telephone number (at most 15 by ITU-T E.164).
const PHONE_DIGITS: RangeInclusive<usize> = 7..=15;

/// The telephone numbers in `text`. A match may run on into digits that are not part of the number; the number then has
/// as many groups as the limit on its digits allows.
fn phones(regex: &Regex, text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(run) = regex.find_at(text, at) {
        let end = groups_of_phone(run.as_str(), &text[run.end()..]);
        let range = run.start()..run.start() + end.unwrap_or(0);
        at = if range.is_empty() { run.end() } else { range.end };
        if !range.is_empty() && stands_alone(text, &range) {
            found.push(range);
        }
    }
    found
}

/// The end of the number that `run` begins with; `behind` is the text after the run.
fn groups_of_phone(run: &str, behind: &str) -> Option<usize> {
    let (mut digits, mut end, mut begin) = (0, None, 0);
    let bytes = run.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        if !byte.is_ascii_digit() {
            continue;
        }
        digits += 1;
        if at == 0 || !bytes[at - 1].is_ascii_digit() {
            begin = at;
        }
        let is_last = !bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        // A last group that begins with a zero and is followed by a long group starts another number.
        let next = behind.trim_start_matches([' ', '\t', '\u{A0}']);
        let others = at + 1 == bytes.len()
            && bytes[begin] == b'0'
            && next.bytes().take_while(u8::is_ascii_digit).count() > 4;
        if is_last && PHONE_DIGITS.contains(&digits) && !(others && end.is_some()) {
            end = Some(at + 1);
        }
    }
    end
}

/// The lengths of IBANs, from Norway's to the longest that ISO 13616 allows.
const IBAN_LENGTHS: RangeInclusive<usize> = 15..=34;

/// The number of digits in a card number (ISO/IEC 7812).
const CARD_DIGITS: RangeInclusive<usize> = 13..=19;

/// Returns whether `digits` are those of a payment card: they begin as the numbers of a card network do, and the
/// checksum is valid (Luhn, US patent 2,950,048).
fn is_card(digits: &str) -> bool {
    let begins = matches!(digits[..4].parse(), Ok(2221..=2720 | 3000..=6999));
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0') * if at % 2 == 1 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    begins && sum.is_multiple_of(10)
}

impl BuiltIn {
    /// The label of the entities that the set finds, such as `DATE`.
    ///
    /// ```
    /// assert_eq!(entopic::BuiltIn::Date.label(), "DATE");
    /// ```
    pub fn label(self) -> &'static str {
        match self {
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::Money => "MONEY",
            Self::Percent => "PERCENT",
            Self::Email => "EMAIL",
            Self::Url => "URL",
            Self::Phone => "PHONE",
            Self::Iban => "IBAN",
            Self::Card => "CARD",
        }
    }

    pub(super) fn compile(self) -> Result<Set, Error> {
        let regex = |pattern: &str| {
            Regex::new(pattern).map_err(|error| {
                Error::new(ErrorKind::Rules, format!("the built-in rules {self} are not valid"))
                    .with_source(error)
            })
        };
        Ok(match self {
            Self::Date => Set::Pattern(regex(&date())?),
            Self::Time => Set::Pattern(regex(&time())?),
            Self::Money => Set::Pattern(regex(&money())?),
            Self::Percent => Set::Pattern(regex(&percent())?),
            Self::Phone => Set::Phone(regex(PHONE)?),
            Self::Card => Set::Codes(regex(r"\b[0-9](?:[ \u{A0}-]?[0-9])*\b")?, CARD_DIGITS, is_card),
            Self::Email => Set::Email,
            Self::Url => Set::Web(regex(
                r"\bwww\.[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+(?:/[^\s<>\x22]*[^\s<>\x22.,;:!?')\]}])?",
            )?),
            Self::Iban => Set::Codes(regex(r"\b[A-Z0-9](?:[ \u{A0}]?[A-Z0-9])*\b")?, IBAN_LENGTHS, is_iban),
        })
    }
}

impl Set {
    /// The byte ranges of its matches. Those of each part of the set are in order.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        match self {
            Self::Pattern(regex) => {
                // A match is not part of a longer number.
                let found = regex.find_iter(text).map(|found| found.range());
                found.filter(|range| stands_alone(text, range)).collect()
            }
            Self::Phone(regex) => phones(regex, text),
            Self::Email => links(text, LinkKind::Email),
            Self::Web(regex) => {
                let mut found = links(text, LinkKind::Url);
                found.extend(regex.find_iter(text).map(|found| found.range()));
                found
            }
            Self::Codes(regex, lengths, check) => {
                let runs = regex.find_iter(text);
                runs.flat_map(|run| codes(run.as_str(), run.start(), lengths, *check)).collect()
            }
        }
    }
}

fn links(text: &str, kind: LinkKind) -> Vec<Range<usize>> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[kind]);
    finder.links(text).map(|link| link.start()..link.end()).collect()
}

/// Returns whether no number continues beyond either end of `range`, as `1.2` does in `1.2.3`.
fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let digit = |character: Option<char>| character.is_some_and(|character| character.is_ascii_digit());
    let mut before = text[..range.start].chars().rev();
    let mut behind = text[range.end..].chars();
    let begins = text[range.clone()].starts_with(|first: char| first.is_ascii_digit());
    let ends = text[range.clone()].ends_with(|last: char| last.is_ascii_digit());
    let joined = |character: Option<char>| matches!(character, Some('.' | ',' | '-' | '/'));
    let (one, two) = (before.next(), before.next());
    let (next, over) = (behind.next(), behind.next());
    let goes_on = (begins && joined(one) && digit(two)) || (ends && joined(next) && digit(over));
    !goes_on
}

/// The codes in `run`, groups of letters and digits that begin at byte `start` of the text. A code begins and ends with
/// a group, and the text before or after it may look like another group; the longest valid code is taken.
fn codes(
    run: &str,
    start: usize,
    lengths: &RangeInclusive<usize>,
    check: fn(&str) -> bool,
) -> Vec<Range<usize>> {
    let is_part = |character: char| character.is_ascii_alphanumeric();
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut before = None;
    for (begin, character) in run.char_indices() {
        let follows = before.replace(character).is_some_and(is_part);
        let begins = is_part(character) && !follows;
        if !begins || found.last().is_some_and(|last| start + begin < last.end) {
            continue;
        }
        let (mut compact, mut longest) = (String::new(), None);
        let mut rest = run[begin..].char_indices().peekable();
        while let Some((at, character)) = rest.next() {
            if !is_part(character) {
                continue;
            }
            compact.push(character);
            if compact.len() > *lengths.end() {
                break;
            }
            let ends = !rest.peek().is_some_and(|(_, next)| is_part(*next));
            if ends && lengths.contains(&compact.len()) && check(&compact) {
                longest = Some(start + begin..start + begin + at + 1);
            }
        }
        found.extend(longest);
    }
    found
}

/// Returns whether the account number has a valid checksum, and the length and form of its country if these are known.
fn is_iban(compact: &str) -> bool {
    let Ok(base) = BaseIban::from_str(compact) else { return false };
    !matches!(iban::Iban::try_from(base), Err(ParseIbanError::InvalidBban(_)))
}
