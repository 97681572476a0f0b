//! Right on real text, not only on clean paragraphs: lists, tables, mail, posts, odd characters.

use std::collections::HashMap;
use std::sync::LazyLock;

use entopic::{EntityOptions, Ner, Scoring, Tagger, TopicClassifier, TopicOptions, news_topics};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use serde::Deserialize;

static NER: LazyLock<Ner> = LazyLock::new(|| Ner::bundled().expect("the model should be bundled"));

/// A text and all of its entities.
#[derive(Deserialize)]
struct Case {
    kind: String,
    text: String,
    /// Mentions and labels.
    entities: Vec<(String, String)>,
    /// The score that each must reach.
    #[serde(default)]
    min_score: f32,
    /// Why the bundled model, as it is trained today, gives something else.
    needs_weights: Option<String>,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../cases/entities.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect("each line should be a case")).collect()
}

#[test]
fn each_kind_of_text_is_tagged_right() {
    let cases = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        let tagged = NER.tag(&case.text).expect("the text should be tagged");
        let found: Vec<(String, String)> =
            tagged.entities.iter().map(|entity| (entity.text.clone(), entity.label.clone())).collect();
        let is_sure = tagged.entities.iter().all(|entity| entity.score >= case.min_score);
        let is_right = found == case.entities && is_sure;
        if is_right == case.needs_weights.is_some() {
            wrong.push(format!("{}: {:?}: {:?}", case.kind, case.text, tagged.entities));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// A text, topics, and what must hold of their scores.
#[derive(Deserialize)]
struct TopicCase {
    text: String,
    topics: Topics,
    #[serde(default)]
    multi_label: bool,
    #[serde(default)]
    at_least: HashMap<String, f32>,
    #[serde(default)]
    at_most: HashMap<String, f32>,
    first: Option<String>,
    #[serde(default)]
    not_first: Vec<String>,
    needs_weights: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Topics {
    Some(Vec<String>),
    /// `default`: those of news agencies.
    Default(String),
}

#[test]
fn each_text_has_its_topics() {
    let classifier = TopicClassifier::bundled().expect("the model should be bundled");
    for line in include_str!("../cases/topics.jsonl").lines() {
        let case: TopicCase = serde_json::from_str(line).expect("each line should be a case");
        let scoring = if case.multi_label { Scoring::MultiLabel } else { Scoring::SingleLabel };
        let classifier =
            classifier.with(TopicOptions::new().scoring(scoring)).expect("the option should fit");
        let labels = match case.topics {
            Topics::Some(labels) => classifier.label_set(labels),
            Topics::Default(name) => {
                assert_eq!(name, "default");
                classifier.label_set(news_topics())
            }
        };
        let labels = labels.expect("the labels should fit");
        let topics = classifier.classify(&case.text, &labels).expect("the text should be classified").topics;
        let score = |label: &String| {
            topics
                .iter()
                .find(|topic| topic.label == *label)
                .map(|topic| topic.score)
                .expect("it should be scored")
        };
        let first = &topics[0].label;
        let is_right = case.at_least.iter().all(|(label, least)| score(label) >= *least)
            && case.at_most.iter().all(|(label, most)| score(label) <= *most)
            && case.first.as_ref().is_none_or(|label| label == first)
            && !case.not_first.contains(first);
        assert_eq!(is_right, case.needs_weights.is_none(), "{}: {topics:?}", case.text);
    }
}

#[test]
fn the_rules_can_be_switched_off() {
    let found = |options: EntityOptions, text: &str| {
        let ner = NER.with(options).expect("the options should fit");
        let tagged = ner.tag(text).expect("the text should be tagged");
        tagged.entities.into_iter().map(|entity| entity.text).collect::<Vec<_>>()
    };
    let options = EntityOptions::new;
    let text = "Chen Wei - Dana Cohen - Bob Keller";
    assert_eq!(found(options(), text).len(), 3);
    assert!(found(options().boundaries(false), text).len() < 3);
    let text = "He works at Acme Inc.";
    assert_eq!(found(options(), text), ["Acme Inc."]);
    assert_eq!(found(options().clean_spans(false), text), ["Acme Inc"]);
    assert_eq!(found(options(), "Griﬃn met Merkel"), ["Griﬃn", "Merkel"]);
    assert_eq!(found(options().prepare_text(false), "Griﬃn met Merkel"), ["Merkel"]);
}

#[test]
fn coverage_says_how_much_was_unreadable() {
    let tagger = Tagger::bundled().expect("the models should be bundled");
    let coverage = |text: &str| tagger.tag(text).expect("the text should be tagged").coverage;
    assert!(coverage("Mr Griﬃn in Ｐａｒｉｓ\u{200E} _today_ #news").is_complete());
    // The model knows no such emoji, and all words around it.
    let with_emoji = coverage("Paris🦤 is lovely");
    assert_eq!(with_emoji.chars - with_emoji.chars_read, 1);
}

/// Texts of the parts that layouts are made of.
fn layouts() -> impl prop::strategy::Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "Angela Merkel",
        "@nasa",
        "#London",
        "U.K.",
        "Acme Inc",
        "_Paris_",
        "Mr",
        "of",
        "the",
        "Griﬃn",
        "Ｓｏｎｙ",
        "Biden🇺🇸",
        "🔥",
        "™",
        " ",
        " ",
        "\n",
        "\n\n",
        "\r\n",
        "\t",
        " - ",
        "- ",
        "; ",
        " | ",
        "/",
        "-",
        "(",
        ")",
        "“",
        "”",
        "**",
        "\u{200E}",
        "\u{202A}",
        "\u{2028}",
        "e\u{301}",
        ", ",
        ". ",
        ": ",
        "said",
        "in",
    ]);
    prop::strategy::Strategy::prop_map(prop::collection::vec(parts, 0..24), |parts| parts.concat())
}

fn check(ner: &Ner, text: &str) {
    let tagged = ner.tag(text).expect("the text should be tagged");
    let mut end = 0;
    for entity in &tagged.entities {
        let (bytes, chars) = (entity.span.bytes.clone(), entity.span.chars.clone());
        assert_eq!(text.get(bytes.clone()), Some(entity.text.as_str()), "{text:?}");
        let of_chars: String = text.chars().skip(chars.start).take(chars.len()).collect();
        assert_eq!(of_chars, entity.text, "{text:?}");
        assert!(bytes.start >= end, "{text:?}: {:?}", tagged.entities);
        assert!((0.0..=1.0 + 1e-6).contains(&entity.score), "{text:?}: {entity:?}");
        let is_edge = |c: char| "*_#~`()[]{}\"“”‘-–—\u{200E}\u{202A}™🔥".contains(c) || c.is_whitespace();
        assert!(!entity.text.starts_with(is_edge) && !entity.text.ends_with(is_edge), "{text:?}: {entity:?}");
        assert!(
            !entity.text.contains(['\t', '\u{1F525}', ';', '|']) && !entity.text.contains("\n\n"),
            "{text:?}: {entity:?}"
        );
        assert!(entity.text.contains(char::is_alphanumeric), "{text:?}: {entity:?}");
        end = bytes.end;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spans_of_any_text_are_exact_slices(text in any::<String>()) {
        check(&NER, &text);
    }

    #[test]
    fn spans_of_any_layout_are_exact_and_clean(text in layouts()) {
        check(&NER, &text);
    }
}
