use proptest::prelude::{any, prop, prop_oneof, proptest};

use super::built_in::BuiltIn;
use super::rule::Rule;
use super::{Rules, merged};
use crate::error::ErrorKind;
use crate::ner::entity::{Entity, FoundBy};
use crate::span::Span;

fn rules(list: impl IntoIterator<Item = Rule>) -> Rules {
    Rules::new(list).expect("the rules should be valid")
}

fn found(rules: &Rules, text: &str) -> Vec<(String, String)> {
    rules.find(text).into_iter().map(|entity| (entity.label, entity.text)).collect()
}

/// The matches of a built-in set in a text.
fn by(set: BuiltIn, text: &str) -> Vec<String> {
    found(&rules([Rule::built_in(set)]), text).into_iter().map(|(_, text)| text).collect()
}

/// Texts, and the entities of each.
type Cases = &'static [(&'static str, &'static [&'static str])];

#[test]
fn built_in_sets_find_what_they_are_for_and_nothing_like_it() {
    let table: [(BuiltIn, Cases); 9] = [
        (
            BuiltIn::Date,
            &[
                ("On 2024-03-11 and 11.3.2024, or 03/11/24.", &["2024-03-11", "11.3.2024", "03/11/24"]),
                ("in the Kremlin on 11 March.", &["11 March"]),
                ("Monday, March 11th, 2024 at noon", &["Monday, March 11th, 2024"]),
                (
                    "the 3rd of May 2023; Sept. 4; Oct 12, 1999",
                    &["the 3rd of May 2023", "Sept. 4", "Oct 12, 1999"],
                ),
                ("in March 2024, since May", &["March 2024"]),
                ("version 1.2.3, 10.0.0.1, 99/99/99, 2024-13-01, he may 5 times, 192.168.10.20", &[]),
                ("Mark 7 and Marching 12 men", &[]),
                ("10 Mayors, 3 Augustinians, 12 Marchers, 5 Juneteenth", &[]),
            ],
        ),
        (
            BuiltIn::Time,
            &[
                (
                    "at 14:30, 9 am CET, 2:30 p.m. or 23:59:59 UTC",
                    &["14:30", "9 am CET", "2:30 p.m.", "23:59:59 UTC"],
                ),
                ("a ratio of 25:70, 12:345, 1 amp, 3 pm2", &[]),
            ],
        ),
        (
            BuiltIn::Money,
            &[
                ("$3.5 million, US$20, €1.000,50 and £5bn", &["$3.5 million", "US$20", "€1.000,50", "£5bn"]),
                ("CHF 1'000, 20 euros, 300 USD, 7 €", &["CHF 1'000", "20 euros", "300 USD", "7 €"]),
                ("2 million US dollars", &["2 million US dollars"]),
                ("20 people, $HOME, 5 poundsterlings", &[]),
            ],
        ),
        (
            BuiltIn::Percent,
            &[
                (
                    "3.5 %, -2%, 20 percent and 5 percentage points",
                    &["3.5 %", "-2%", "20 percent", "5 percentage points"],
                ),
                ("between 3-5% and 7 to 9 per cent", &["3-5%", "7 to 9 per cent"]),
                ("100 percentiles", &[]),
                // Part of a longer number on one side only.
                ("1.2.3%, 7%.5, and 4%, 5% more", &["7%", "4%", "5%"]),
            ],
        ),
        (
            BuiltIn::Email,
            &[
                (
                    "<ada.lovelace+x@example.org>, or (bob@mail.example.co.uk).",
                    &["ada.lovelace+x@example.org", "bob@mail.example.co.uk"],
                ),
                ("@handle, a @ b", &[]),
            ],
        ),
        (
            BuiltIn::Url,
            &[
                (
                    "See https://example.org/a_(b)?c=d#e, or (www.example.com/x).",
                    &["https://example.org/a_(b)?c=d#e", "www.example.com/x"],
                ),
                ("e.g.this, example.com, ada@example.org", &[]),
            ],
        ),
        (
            BuiltIn::Phone,
            &[
                ("+44 20 7946 0958, +49 (0)30 1234567", &["+44 20 7946 0958", "+49 (0)30 1234567"]),
                (
                    "call 555-867-5309 or (020) 7946 0958 or 030/1234567",
                    &["555-867-5309", "(020) 7946 0958", "030/1234567"],
                ),
                ("2024-03-11, 1000-2000, 3.141.5926, +5 points", &[]),
                (
                    "Tel. 020 7946 0958\n020 7946 0959\nFax 020 7946 0960",
                    &["020 7946 0958", "020 7946 0959", "020 7946 0960"],
                ),
                (
                    "+49 30 12345678\n10115 Berlin, +49 30 123456\n10115",
                    &["+49 30 12345678", "+49 30 123456"],
                ),
                ("+44 20 7946 0958 2024 12 31", &["+44 20 7946 0958"]),
                ("030 1234567 089 7654321", &["030 1234567", "089 7654321"]),
                ("020 794 09 03 012 3456", &["020 794 09 03 012"]),
                ("020 794 09 03 012 34567", &["020 794 09 03", "012 34567"]),
            ],
        ),
        (
            BuiltIn::Iban,
            &[
                ("IBAN: DE89 3704 0044 0532 0130 00 BIC", &["DE89 3704 0044 0532 0130 00"]),
                ("GB29NWBK60161331926819, NO9386011117947.", &["GB29NWBK60161331926819", "NO9386011117947"]),
                (
                    "Ref AB12 DE89 3704 0044 0532 0130 00 GB29 NWBK 6016 1331 9268 19 OK",
                    &["DE89 3704 0044 0532 0130 00", "GB29 NWBK 6016 1331 9268 19"],
                ),
                ("DE88 3704 0044 0532 0130 00", &[]),
            ],
        ),
        (
            BuiltIn::Card,
            &[
                (
                    "4111 1111 1111 1111 or 5500-0000-0000-0004, 378282246310005",
                    &["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"],
                ),
                (
                    "4111 1111 1111 1111 123, 4111 1111 1111 1111 12/27 and 12 5500-0000-0000-0004-9",
                    &["4111 1111 1111 1111", "4111 1111 1111 1111", "5500-0000-0000-0004"],
                ),
                ("4111 1111 1111 1112, 1234567890123, 2019 2020 2021 2022 2023 2024", &[]),
            ],
        ),
    ];
    let mut wrong = Vec::new();
    for (set, cases) in table {
        for (text, expected) in cases {
            let found = by(set, text);
            if found != *expected {
                wrong.push(format!("{set}: {text:?} gives {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn phrases_are_whole_words_in_any_white_space() {
    let plain = rules([Rule::phrases("X", ["New York", "New York Times", "C++", "İzmir", "東京"])]);
    let texts =
        |rules: &Rules, text: &str| found(rules, text).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    assert_eq!(texts(&plain, "The New\n  York Times of New York"), ["New\n  York Times", "New York"]);
    assert_eq!(texts(&plain, "New Yorkers, NEW YORK, New York Timeshare"), ["New York"]);
    assert_eq!(texts(&plain, "C++ and C++11 in İzmir, 東京"), ["C++", "C++", "İzmir", "東京"]);
    assert!(texts(&rules([Rule::phrases("X", ["Jose", "foo"])]), "Jose\u{301}, foo_bar").is_empty());
    let folded = rules([Rule::phrases("X", ["İzmir", "straße", "ΟΔΟΣ"]).ignore_case(true)]);
    assert_eq!(texts(&folded, "aİ İZMIR İzmir; STRAßE"), ["İZMIR", "İzmir", "STRAßE"]);
    let folded = rules([Rule::phrases("X", ["ali", "groß", "k", "\u{307}zmir", "ⱥb"]).ignore_case(true)]);
    assert_eq!(texts(&folded, "ALİ GROẞ \u{212A} İzmir ȺB"), ["ALİ", "GROẞ", "\u{212A}", "İzmir", "ȺB"]);
    let exact = rules([Rule::phrases("X", ["New York"]).exact_space(true)]);
    assert_eq!(texts(&exact, "New York, New\nYork, New  York"), ["New York"]);
}

#[test]
fn long_phrases_are_found() {
    // Their automaton is of another kind.
    let long = "very long ".repeat(7000) + "phrase";
    let rules = rules([Rule::phrases("LONG", [long.as_str()]), Rule::phrases("SHORT", ["Oslo"])]);
    let all = found(&rules, &format!("In Oslo, a {long}, and a very long phrase"));
    assert_eq!(all, [("SHORT".to_owned(), "Oslo".to_owned()), ("LONG".to_owned(), long)]);
}

#[test]
fn all_matches_are_found_where_they_overlap() {
    let rules = rules([Rule::phrases("A", ["John Smith"]), Rule::phrases("B", ["Smith Street"])]);
    let all = rules.find_all("John Smith Street");
    let all: Vec<&str> = all.iter().map(|entity| entity.text.as_str()).collect();
    assert_eq!(all, ["John Smith", "Smith Street"]);
    assert_eq!(found(&rules, "John Smith Street"), [("B".to_owned(), "Smith Street".to_owned())]);
}

#[test]
fn priority_then_length_then_place_decide() {
    let labels = |list: Vec<Rule>, text: &str| {
        found(&rules(list), text).into_iter().map(|(label, _)| label).collect::<Vec<_>>()
    };
    let (short, long) = (Rule::phrases("SHORT", ["York"]), Rule::phrases("LONG", ["New York"]));
    assert_eq!(labels(vec![short.clone(), long.clone()], "New York"), ["LONG"]);
    assert_eq!(labels(vec![short.clone().priority(1), long.clone()], "New York"), ["SHORT"]);
    assert_eq!(labels(vec![long.clone(), long.clone().label("OTHER")], "New York"), ["LONG"]);
    assert_eq!(labels(vec![Rule::pattern("A", "a b"), Rule::pattern("B", "b c")], "a b c"), ["A"]);
}

#[test]
fn rules_win_over_a_model_unless_their_priority_is_below_0() {
    let text = "Bank of England in London";
    let entity = |label: &str, part: &str| {
        Entity::new(label, text, Span::find(text, part).expect("it should be there"), 0.9)
    };
    let model = vec![entity("ORG", "Bank of England"), entity("LOC", "London")];
    let rules = rules([
        Rule::phrases("COUNTRY", ["England"]),
        Rule::phrases("CITY", ["London"]).priority(-1),
        Rule::phrases("WORD", ["in"]).priority(-1),
    ]);
    let merged: Vec<(String, FoundBy)> = merged(rules.settled(text), model)
        .into_iter()
        .map(|entity| (entity.label, entity.found_by))
        .collect();
    let expected = [("COUNTRY", FoundBy::Rule), ("WORD", FoundBy::Rule), ("LOC", FoundBy::Model)];
    assert_eq!(merged, expected.map(|(label, by)| (label.to_owned(), by)));
}

#[test]
fn files_are_read_and_what_they_cannot_say_is_refused() {
    let spacy = Rules::from_jsonl(
        "{\"label\": \"ORG\", \"pattern\": \"Apple\", \"id\": \"apple\"}\n\n\
         {\"label\": \"GPE\", \"pattern\": [{\"LOWER\": \"san\"}, {\"LOWER\": \"francisco\"}]}\n",
    );
    let spacy = spacy.expect("the patterns should be valid");
    let signs = Rules::from_jsonl(
        "{\"label\": \"X\", \"pattern\": [{\"LOWER\": \"covid\"}, {\"LOWER\": \"-\"}, {\"LOWER\": \"19\"}]}",
    );
    let signs = signs.expect("the pattern should be valid");
    assert_eq!(found(&signs, "COVID-19 or covid - 19").len(), 2);
    // Only signs may touch words.
    assert_eq!(found(&spacy, "sanfrancisco"), []);
    let expected = [("ORG", "Apple"), ("GPE", "SAN Francisco")];
    assert_eq!(
        found(&spacy, "Apple in SAN Francisco"),
        expected.map(|(label, text)| (label.to_owned(), text.to_owned()))
    );

    let table: [(&str, &str); 9] = [
        ("[[rule]]\nlabel = \"A\"", "rule 1: it must have exactly one of phrases, pattern and built_in"),
        ("[[rule]]\nlabel = \"A\"\nphrases = []", "rule 1 (\"A\") has no phrase"),
        ("[[rule]]\nlabel = \" \"\nphrases = [\"x\"]", "blank label"),
        ("[[rule]]\nlabel = \"A\"\nphrases = [\"\\n\"]", "blank phrase"),
        ("[[rule]]\nlabel = \"A\"\npattern = \"(\"", "the pattern of rule 1 (\"A\") is not valid"),
        ("[[rule]]\nlabel = \"A\"\npattern = '\\w{1000}{1000}'", "size limit"),
        ("[[rule]]\nbuilt_in = \"dates\"", "choose one of date, time"),
        ("[[rule]]\nlabel = \"A\"\npattern = \"x\"\nexact_space = true", "exact_space is only for phrases"),
        ("[[rules]]", "unknown field `rules`"),
    ];
    for (text, expected) in table {
        let error = Rules::from_toml(text).expect_err("it should be refused");
        assert_eq!(error.kind(), ErrorKind::Rules);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let tokens = r#"{"label": "A", "pattern": [{"POS": "NOUN"}]}"#;
    let error = Rules::from_jsonl(tokens).expect_err("it should be refused");
    assert!(error.to_string().starts_with("line 1: the token {\"POS\":\"NOUN\"}"), "{error}");
}

#[test]
fn rules_that_would_take_too_much_memory_are_refused() {
    let phrase = |letter: &str| Rule::phrases("A", [letter.repeat(17 << 20)]);
    let table = [
        (vec![phrase("x"), phrase("y")], "the phrases up to rule 2 (\"A\") are more than 1048576, or have"),
        (
            vec![Rule::phrases("A", vec!["x"; (1 << 20) + 1])],
            "the phrases up to rule 1 (\"A\") are more than",
        ),
        (
            vec![Rule::pattern("A", "x".repeat((1 << 16) + 1))],
            "the pattern of rule 1 (\"A\") has more than 65536",
        ),
        (
            vec![Rule::phrases("x".repeat((1 << 16) + 1), ["x"])],
            "the label or the kind of rule 1 has more than",
        ),
        (vec![Rule::phrases("A", ["x"]).kind("x".repeat((1 << 16) + 1))], "the label or the kind of rule 1"),
        (vec![Rule::built_in(BuiltIn::Date); (1 << 20) + 1], "there are more than 1048576 rules"),
    ];
    for (rules, expected) in table {
        let error = Rules::new(rules).expect_err("they should be refused");
        assert_eq!(error.kind(), ErrorKind::Rules);
        assert!(error.to_string().contains(expected), "{error}");
    }
    // Each takes more than eight kilobytes, and at most sixteen.
    let patterns = |count: usize| vec![Rule::pattern("A", "[a-z]{200}"); count];
    assert!(Rules::compile(patterns(4), 64 << 10).is_ok());
    let error = Rules::compile(patterns(5), 64 << 10).expect_err("they should be refused");
    let expected = "the patterns up to rule 5 (\"A\") count as more than 65536 bytes of automata";
    assert!(error.to_string().contains(expected), "{error}");
}

proptest! {
    #[test]
    fn spans_are_exact_and_never_overlap(
        text in prop_oneof![any::<String>(), "[aikzİıẞßȺK \u{307}]{0,20}"],
        phrases in prop::collection::vec(prop_oneof!["\\PC{1,3}", "[aikzßⱥ\u{307}]{1,3}"], 1..4),
        ignore_case in any::<bool>(),
    ) {
        let phrases: Vec<String> = phrases.into_iter().filter(|phrase| !phrase.trim().is_empty()).collect();
        let mut list = vec![Rule::pattern("W", r"\w+"), Rule::pattern("S", r"\s|\pS").priority(2)];
        list.extend(BuiltIn::NAMES.iter().map(|(set, _)| Rule::built_in(*set)));
        if !phrases.is_empty() {
            list.push(Rule::phrases("P", phrases.clone()).ignore_case(ignore_case).priority(1));
        }
        let text = format!("{text} {} {text}", phrases.join(" "));
        let mut end = 0;
        for entity in rules(list).find(&text) {
            assert_eq!(Span::from_bytes(&text, entity.span.bytes.clone()).as_ref(), Some(&entity.span));
            assert_eq!(entity.span.of(&text), entity.text);
            assert!(entity.span.bytes.start >= end);
            end = entity.span.bytes.end;
        }
    }
}
