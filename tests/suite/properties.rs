//! Properties of every reader and every text: spans, order, coverage, and the same results however the texts are
//! divided into calls, windows and threads.

use std::sync::LazyLock;

use entopic::{
    Aggregation, ClassifiedText, Coverage, Engine, EntityOptions, Ner, Scoring, TaggedText, TopicClassifier,
    TopicOptions, WindowPooling,
};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

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

/// A text of some pieces, most of them plain.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(&[
            "Maria Okafor ", "of Lagos ", "met Reuters. ", "The World Bank, ", "on Monday\n", "São Tomé ", "(", ") ",
            "U.S. ", "e-mail\t", "\n\n", "- ", "| a | b |\n", "東京", "محمد ", "👩\u{200d}👧 ", "@handle ", "12,5 % ",
        ][..]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => Just("x".repeat(70)),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

fn tagger(model: &str, threads: usize, window: usize, aggregation: Aggregation) -> Ner {
    let ner = ENGINES[threads - 1].ner(fixture(model)).expect("the fixture should load");
    let options = EntityOptions::new();
    let options = match model.starts_with("gliner") {
        true => options.entity_types(["person", "place"]).threshold(0.3),
        false => options.window(window).aggregation(aggregation),
    };
    ner.with(options).expect("the options should fit")
}

fn classifier(model: &str, threads: usize, pooling: WindowPooling) -> TopicClassifier {
    let classifier = ENGINES[threads - 1].topics(fixture(model)).expect("the fixture should load");
    let options = TopicOptions::new().scoring(Scoring::MultiLabel);
    let pooled = classifier.with(options.clone().window_pooling(pooling));
    pooled.or_else(|_| classifier.with(options)).expect("every model has scores for each label")
}

/// The results of texts that are taken in the order of `keys`, in calls of the lengths in `calls`, in turn.
fn in_calls<T>(
    texts: &[String],
    keys: &[usize],
    calls: &[usize],
    read: impl Fn(&[&str]) -> Vec<T>,
) -> Vec<T> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&at| keys[at % keys.len()]);
    let mut results = Vec::new();
    let mut rest = &order[..];
    for &length in calls.iter().cycle() {
        let (call, more) = rest.split_at(length.min(rest.len()));
        let texts: Vec<&str> = call.iter().map(|&at| texts[at].as_str()).collect();
        results.extend(call.iter().copied().zip(read(&texts)));
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    results.sort_by_key(|&(at, _)| at);
    results.into_iter().map(|(_, result)| result).collect()
}

fn check_coverage(text: &str, coverage: &Coverage) -> Result<(), proptest::test_runner::TestCaseError> {
    prop_assert_eq!(coverage.chars, text.chars().count());
    prop_assert!(coverage.chars_read <= coverage.chars);
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
        threads in 1_usize..=4,
        keys in prop::collection::vec(any::<usize>(), 1..9),
        calls in prop::collection::vec(1_usize..5, 1..4),
    ) {
        let one = tagger(model, 1, window, aggregation);
        let alone: Vec<TaggedText> =
            texts.iter().map(|text| one.tag(text).expect("the text should be read")).collect();
        let many = tagger(model, threads, window, aggregation);
        let divided = in_calls(&texts, &keys, &calls, |texts| {
            many.tag_batch(texts).into_iter().map(|tagged| tagged.expect("the text should be read")).collect()
        });
        prop_assert_eq!(&alone, &divided);
        let streamed: Vec<TaggedText> =
            many.tag_iter(&texts).map(|tagged| tagged.expect("the text should be read")).collect();
        prop_assert_eq!(&alone, &streamed);
        for (text, tagged) in texts.iter().zip(&alone) {
            check_coverage(text, &tagged.coverage)?;
            let mut end = 0;
            for entity in &tagged.entities {
                let span = &entity.span;
                prop_assert_eq!(Some(&*entity.text), text.get(span.bytes.clone()));
                prop_assert_eq!(text[..span.bytes.start].chars().count(), span.chars.start);
                prop_assert_eq!(entity.text.chars().count(), span.chars.len());
                prop_assert!((0.0..=1.0).contains(&entity.score));
                // The pipelines' strategies may find two entities in the bytes of one character.
                let is_own = aggregation == Aggregation::Word || model.starts_with("gliner");
                prop_assert!(span.bytes.start >= end, "{:?}", tagged.entities);
                end = if is_own { span.bytes.end } else { span.bytes.start };
            }
        }
    }

    #[test]
    fn topics_have_scores_in_order_and_do_not_depend_on_the_call(
        texts in prop::collection::vec(text(), 1..6),
        model in prop::sample::select(&CLASSIFIERS[..]),
        pooling in prop::sample::select(&[WindowPooling::Mean, WindowPooling::Max, WindowPooling::Lead][..]),
        threads in 1_usize..=4,
        keys in prop::collection::vec(any::<usize>(), 1..9),
        calls in prop::collection::vec(1_usize..4, 1..4),
    ) {
        let one = classifier(model, 1, pooling);
        let labels = one.label_set(["sport", "law", "health"]).expect("the labels should fit");
        let alone: Vec<ClassifiedText> =
            texts.iter().map(|text| one.classify(text, &labels).expect("the text should be read")).collect();
        let many = classifier(model, threads, pooling);
        let labels = many.label_set(["sport", "law", "health"]).expect("the labels should fit");
        let divided = in_calls(&texts, &keys, &calls, |texts| {
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
