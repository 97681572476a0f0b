//! Inputs that rust-bert's own pipelines get wrong, or panic at.

use std::sync::LazyLock;

use entopic::{Engine, Ner, Precision, Scoring, TopicOptions};
use proptest::prelude::{ProptestConfig, prop, proptest};
use proptest::test_runner::RngSeed;

use crate::fixtures::{
    TOLERANCE, fixture, native_ner, native_topics, simple, torch, torch_ner, torch_topics, with_its_epsilon,
};
use crate::support::random::{check_entities, check_topics, division, text};

const ARTICLE: &str = include_str!("../../examples/data/article.txt");

/// A long text that begins at another word for each `number`.
fn long_text(number: usize) -> String {
    let words = ARTICLE.split_whitespace().cycle().skip(7 * number);
    words.take(150 + number % 90).collect::<Vec<_>>().join(" ")
}

fn assert_same(found: &[entopic::Entity], expected: &[entopic::Entity], text: &str) {
    assert_eq!(found.len(), expected.len(), "{text:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!((&found.label, &found.span), (&expected.label, &expected.span), "{text:?}");
        assert!((found.score - expected.score).abs() <= TOLERANCE, "{text:?}");
        assert_eq!(found.text, text[found.span.bytes.clone()]);
    }
}

#[test]
fn two_hundred_long_documents_are_what_each_is_alone() {
    let ner = torch_ner(fixture("ner-wordpiece-cased")).expect("the model should load");
    let native = native_ner(fixture("ner-wordpiece-cased")).expect("the model should load");
    let texts: Vec<String> = (0..200).map(long_text).collect();
    let expected = native.tag_batch(&texts);
    let (mut windows, mut entities) = (0, 0);
    for ((text, found), expected) in texts.iter().zip(ner.tag_batch(&texts)).zip(expected) {
        let found = found.expect("the text should be tagged");
        assert_same(&found.entities, &ner.tag(text).expect("the text should be tagged").entities, text);
        assert_same(&found.entities, &expected.expect("the text should be tagged").entities, text);
        windows += found.coverage.windows;
        entities += found.entities.len();
    }
    assert!(windows > 64 * 10 && entities > 1000, "{windows} windows, {entities} entities");
}

/// The engine, once for all cases.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| torch(Precision::F32));

proptest! {
    // The seed is fixed, because a score may differ by so little that another label wins.
    #![proptest_config(ProptestConfig { cases: 32, rng_seed: RngSeed::Fixed(0), ..ProptestConfig::default() })]

    #[test]
    fn random_calls_give_what_their_documents_give_alone(
        texts in prop::collection::vec(text(), 1..12),
        entities in prop::sample::select(&[
            "ner-wordpiece-cased", "albert-ner", "distilbert-ner", "electra-ner", "fnet-ner", "longformer-ner",
            "mobilebert-ner", "roberta-fixed-ner", "xlnet-ner",
        ][..]),
        topics in prop::sample::select(&[
            "albert-fixed-nli", "bart-nli", "distilbert-nli", "fnet-nli", "longformer-nli", "mobilebert-nli",
            "nli-cne", "roberta-fixed-nli", "xlnet-nli", "embed-mean", "embed-cls", "distilbert-embed",
        ][..]),
        division in division(8),
    ) {
        let ner = simple(&ENGINE, fixture(entities)).expect("the model should load");
        check_entities([&ner; 2], &texts, &division, TOLERANCE);
        let classifier = ENGINE.topics(fixture(topics)).expect("the model should load");
        check_topics([&classifier; 2], &texts, &division, TOLERANCE);
    }
}

#[test]
fn a_window_may_be_exactly_full() {
    for name in ["roberta-ner", "xlm-roberta-ner", "camembert-ner", "longformer-ner", "ner-wordpiece-cased"] {
        let copy = with_its_epsilon(name);
        let ner = torch_ner(copy.path()).expect("the model should load");
        // Of 64 tokens two are special.
        let full =
            |ner: &Ner, text: &str| ner.tag(text).expect("the text should be tagged").coverage.tokens == 62;
        let mut text = "Maria".to_owned();
        let mut words = ["Maria", "in", "a", "Bern", "the"].into_iter().cycle();
        while !full(&ner, &text) {
            let longer = format!("{text} {}", words.next().expect("it should be endless"));
            let tokens = ner.tag(&longer).expect("the text should be tagged").coverage.tokens;
            if tokens <= 62 {
                text = longer;
            }
        }
        let found = ner.tag(&text).expect("the text should be tagged");
        assert_eq!(found.coverage.windows, 1, "{name}");
        if name != "longformer-ner" {
            let native = native_ner(copy.path()).expect("the model should load");
            assert_same(
                &found.entities,
                &native.tag(&text).expect("the text should be tagged").entities,
                &text,
            );
        }
        // A longer text is read in several windows.
        let beyond = ner.tag(&format!("{text} {text} {text}")).expect("the text should be tagged");
        assert!(beyond.coverage.windows > 1);
    }
}

#[test]
fn entailment_may_be_in_any_column() {
    for name in ["nli-cne", "nli-enc", "nli-e-not", "nli-not-e"] {
        let torch = torch_topics(fixture(name)).expect("the model should load");
        let native = native_topics(fixture(name)).expect("the model should load");
        for scoring in [Scoring::SingleLabel, Scoring::MultiLabel] {
            let options = TopicOptions::new().scoring(scoring);
            let [torch, native] =
                [&torch, &native].map(|model| model.with(options.clone()).expect("it has both"));
            let labels = ["politics", "sport", "economy"];
            let (own, other) = (
                torch.label_set(labels).expect("the labels should be prepared"),
                native.label_set(labels).expect("the labels should be prepared"),
            );
            let texts: Vec<String> = (0..20).map(long_text).collect();
            for text in &texts {
                let found = torch.classify(text, &own).expect("the text should be classified").topics;
                let expected = native.classify(text, &other).expect("the text should be classified").topics;
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found.label, expected.label, "{name}, {scoring:?}");
                    assert!((found.score - expected.score).abs() <= TOLERANCE);
                    // Two classes made rust-bert give 1 to every label.
                    assert!(found.score < 0.999, "{name}, {scoring:?}: {}", found.score);
                }
            }
        }
    }
}

#[test]
fn labels_keep_their_hyphens_and_texts_are_the_source() {
    let ner = torch_ner(fixture("ner-wordpiece-uncased")).expect("the model should load");
    let text = long_text(3);
    let entities = ner.tag(&text).expect("the text should be tagged").entities;
    assert!(entities.iter().any(|entity| entity.label == "creative-work"));
    assert!(entities.iter().all(|entity| entity.text == text[entity.span.bytes.clone()]));
}

#[test]
fn texts_with_special_tokens_or_without_any_are_read() {
    for name in ["bart-nli", "xlnet-nli", "longformer-nli", "fnet-nli", "mobilebert-nli"] {
        let topics = torch_topics(fixture(name)).expect("the model should load");
        let labels = topics.label_set(["law", "sport </s> <pad>"]).expect("the labels should be prepared");
        for text in ["", " ", "</s>", "<pad> <s> a </s></s> b", "\u{0}", "one two"] {
            topics.classify(text, &labels).expect("the text should be classified");
        }
    }
}
