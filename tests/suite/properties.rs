//! Properties of every reader and every text: spans, order, coverage, and the same results however the texts are
//! divided into calls, windows and threads.

use std::ops::Range;
use std::sync::LazyLock;

use entopic::{
    Aggregation, ClassifiedText, Coverage, Engine, EntityOptions, Ner, Scoring, TaggedText, TopicClassifier,
    TopicOptions, WindowPooling,
};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use crate::support::random::{division, text};
use crate::support::{engine, fixture};

/// Engines with one to four threads.
static ENGINES: LazyLock<Vec<Engine>> = LazyLock::new(|| (1..=4).map(engine).collect());

/// Models of every reader of entities: tags with each kind of tokenizer, and GLiNER's two kinds.
const TAGGERS: [&str; 9] = [
    "ner-wordpiece-cased",
    "ner-bytelevel",
    "ner-metaspace",
    "albert-ner",
    "deberta-v2-ner",
    "modernbert-ner",
    "gliner-span",
    "gliner-span-plain",
    "gliner-token",
];

/// Models of every reader of topics: NLI, embeddings, and GLiClass.
const CLASSIFIERS: [&str; 5] =
    ["nli-cne", "bart-nli", "embed-mean", "gliclass-deberta", "gliclass-modernbert"];

/// The options of a model of entities, as far as they apply to it.
#[derive(Clone, Debug)]
struct Choices {
    aggregation: Aggregation,
    window: usize,
    nested: bool,
    multi_label: bool,
}

fn tagger(model: &str, threads: usize, choices: &Choices) -> Ner {
    let ner = ENGINES[threads - 1].ner(fixture(model)).expect("the fixture should load");
    let options = EntityOptions::new();
    let options = match model.starts_with("gliner") {
        true => options
            .entity_types(["person", "place"])
            .threshold(0.3)
            .nested(choices.nested)
            .multi_label(choices.multi_label),
        false => options.window(choices.window).aggregation(choices.aggregation),
    };
    ner.with(options).expect("the options should fit")
}

fn classifier(model: &str, threads: usize, pooling: WindowPooling) -> TopicClassifier {
    let classifier = ENGINES[threads - 1].topics(fixture(model)).expect("the fixture should load");
    let options = TopicOptions::new().scoring(Scoring::MultiLabel);
    let pooled = classifier.with(options.clone().window_pooling(pooling));
    pooled.or_else(|_| classifier.with(options)).expect("every model has scores for each label")
}

/// Returns whether entities in these places may all be found in one text.
fn fit_together(spans: &[Range<usize>], model: &str, choices: &Choices) -> bool {
    let is_prompted = model.starts_with("gliner");
    // The pipelines' strategies may find two entities in the bytes of one character.
    if !is_prompted && choices.aggregation != Aggregation::Word {
        return true;
    }
    let contains =
        |outer: &Range<usize>, inner: &Range<usize>| outer.start <= inner.start && inner.end <= outer.end;
    let fit = |one: &Range<usize>, other: &Range<usize>| match one == other {
        true => is_prompted && choices.multi_label,
        false if is_prompted && choices.nested && (contains(one, other) || contains(other, one)) => true,
        false => one.end <= other.start || other.end <= one.start,
    };
    spans.iter().enumerate().all(|(at, one)| spans[at + 1..].iter().all(|other| fit(one, other)))
}

fn check_coverage(text: &str, coverage: &Coverage) -> Result<(), proptest::test_runner::TestCaseError> {
    prop_assert_eq!(coverage.chars, text.chars().count());
    prop_assert!(coverage.chars_read <= coverage.chars);
    let is_known = coverage.unknown_tokens == 0 && !text.contains('\u{FFFD}');
    prop_assert!(is_known || !coverage.is_complete(), "{:?}", coverage);
    // Other letters may be accents, which some tokenizers drop.
    let all_letters_are_ascii = !text.chars().any(|letter| letter.is_alphanumeric() && !letter.is_ascii());
    prop_assert!(coverage.is_complete() || !is_known || !all_letters_are_ascii, "{:?}", coverage);
    prop_assert!(coverage.unknown_tokens <= coverage.tokens);
    prop_assert_eq!(coverage.windows == 0, coverage.tokens == 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn entities_have_places_in_order_and_do_not_depend_on_the_call(
        texts in prop::collection::vec(text(), 1..9),
        model in prop::sample::select(&TAGGERS[..]),
        (aggregation, _) in prop::sample::select(Aggregation::NAMES),
        window in 10_usize..60,
        (nested, multi_label) in any::<(bool, bool)>(),
        threads in 1_usize..=4,
        division in division(4),
    ) {
        let choices = Choices { aggregation, window, nested, multi_label };
        let one = tagger(model, 1, &choices);
        let alone: Vec<TaggedText> =
            texts.iter().map(|text| one.tag(text).expect("the text should be read")).collect();
        let many = tagger(model, threads, &choices);
        let divided = division.read(&texts, |texts| {
            many.tag_batch(texts).into_iter().map(|tagged| tagged.expect("the text should be read")).collect()
        });
        prop_assert_eq!(&alone, &divided);
        let streamed: Vec<TaggedText> =
            many.tag_iter(&texts).map(|tagged| tagged.expect("the text should be read")).collect();
        prop_assert_eq!(&alone, &streamed);
        for (text, tagged) in texts.iter().zip(&alone) {
            check_coverage(text, &tagged.coverage)?;
            let spans: Vec<_> = tagged.entities.iter().map(|entity| entity.span.bytes.clone()).collect();
            prop_assert!(spans.is_sorted_by_key(|span| span.start), "{:?}", spans);
            prop_assert!(fit_together(&spans, model, &choices), "{:?}", spans);
            for entity in &tagged.entities {
                let span = &entity.span;
                prop_assert_eq!(Some(&*entity.text), text.get(span.bytes.clone()));
                prop_assert_eq!(text[..span.bytes.start].chars().count(), span.chars.start);
                prop_assert_eq!(entity.text.chars().count(), span.chars.len());
                prop_assert!((0.0..=1.0).contains(&entity.score));
            }
        }
    }

    #[test]
    fn topics_have_scores_in_order_and_do_not_depend_on_the_call(
        texts in prop::collection::vec(text(), 1..6),
        model in prop::sample::select(&CLASSIFIERS[..]),
        pooling in prop::sample::select(&[WindowPooling::Mean, WindowPooling::Max, WindowPooling::Lead][..]),
        threads in 1_usize..=4,
        division in division(3),
    ) {
        let one = classifier(model, 1, pooling);
        let labels = one.label_set(["sport", "law", "health"]).expect("the labels should fit");
        let alone: Vec<ClassifiedText> =
            texts.iter().map(|text| one.classify(text, &labels).expect("the text should be read")).collect();
        let many = classifier(model, threads, pooling);
        let labels = many.label_set(["sport", "law", "health"]).expect("the labels should fit");
        let divided = division.read(&texts, |texts| {
            let read = many.classify_batch(texts, &labels).into_iter();
            read.map(|classified| classified.expect("the text should be read")).collect()
        });
        prop_assert_eq!(&alone, &divided);
        for (text, classified) in texts.iter().zip(&alone) {
            check_coverage(text, &classified.coverage)?;
            prop_assert!(classified.topics.is_empty() || classified.topics.len() == 3);
            prop_assert!(classified.topics.is_sorted_by(|a, b| a.score >= b.score));
            for topic in &classified.topics {
                prop_assert!((0.0..=1.0).contains(&topic.score) && (0.0..=1.0).contains(&topic.fit));
                for evidence in &topic.evidence {
                    prop_assert!(text.get(evidence.span.bytes.clone()).is_some_and(|part| !part.is_empty()));
                }
            }
        }
    }
}
