//! Native f32 against the Python packages of GLiNER and GLiClass, on tiny random-weight models.

use std::fs;

use entopic::{Error, ErrorKind, Ner, Precision, Scoring, Tagger, TopicClassifier};
use serde::Deserialize;
use serde::de::DeserializeOwned;

const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Golden<T> {
    cases: Vec<T>,
}

fn folder(model: &str) -> String {
    format!("{}/tests/goldens/{model}", env!("CARGO_MANIFEST_DIR"))
}

fn golden<T: DeserializeOwned>(model: &str) -> Vec<T> {
    let json = fs::read(format!("{}/golden.json", folder(model))).expect("the golden is committed");
    serde_json::from_slice::<Golden<T>>(&json).expect("the golden is JSON").cases
}

#[derive(Deserialize)]
struct EntityCase {
    text: String,
    labels: Vec<String>,
    results: Vec<EntityResult>,
}

#[derive(Deserialize)]
struct EntityResult {
    threshold: f32,
    flat_ner: bool,
    multi_label: bool,
    entities: Vec<Entity>,
}

#[derive(Deserialize)]
struct Entity {
    start: usize,
    end: usize,
    text: String,
    label: String,
    score: f32,
}

const ENTITY_MODELS: [&str; 3] = ["gliner-span", "gliner-span-plain", "gliner-token"];

fn load_ner(model: &str) -> Ner {
    Ner::builder(folder(model)).precision(Precision::F32).threads(1).build().expect("the fixture loads")
}

#[test]
fn entities_of_given_types_equal_gliner() {
    for model in ENTITY_MODELS {
        let mut compared = 0;
        for case in golden::<EntityCase>(model) {
            for expected in case.results {
                let builder = Ner::builder(folder(model)).precision(Precision::F32).threads(1);
                let builder = builder.threshold(expected.threshold).nested(!expected.flat_ner);
                let ner = builder.multi_label(expected.multi_label).build().expect("the fixture loads");
                let found = ner.tag_types(&case.text, &case.labels).expect("is tagged").entities;
                let spans: Vec<_> = found
                    .iter()
                    .map(|e| (e.span.chars.start, e.span.chars.end, e.text.as_str(), e.label.as_str()))
                    .collect();
                let wanted: Vec<_> = expected
                    .entities
                    .iter()
                    .map(|e| (e.start, e.end, e.text.as_str(), e.label.as_str()))
                    .collect();
                assert_eq!(spans, wanted, "{model}: {:?}", case.text);
                for (found, expected) in found.iter().zip(&expected.entities) {
                    assert!((found.score - expected.score).abs() <= TOLERANCE, "{model}: {found:?}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 30, "{model}: {compared} entities");
    }
}

#[test]
fn long_texts_are_read_whole_and_batches_give_what_texts_give_alone() {
    for model in ENTITY_MODELS {
        let ner = load_ner(model);
        let types = ["person", "city"];
        let cases = golden::<EntityCase>(model);
        let long = cases.iter().map(|case| case.text.as_str()).collect::<Vec<_>>().join(" ").repeat(5);
        let texts: Vec<&str> =
            cases.iter().map(|case| case.text.as_str()).chain([long.as_str(), ""]).collect();
        for (text, tagged) in texts.iter().zip(ner.tag_types_batch(&texts, &types)) {
            let tagged = tagged.expect("is tagged");
            assert_eq!(tagged, ner.tag_types(text, &types).expect("is tagged"));
            for entity in &tagged.entities {
                assert_eq!(entity.text, text[entity.span.bytes.clone()]);
            }
            assert!(text.len() < 1000 || tagged.coverage.windows > 5, "{:?}", tagged.coverage);
        }
    }
}

#[test]
fn types_may_be_given_when_the_model_is_built() {
    let case = golden::<EntityCase>("gliner-span").remove(0);
    let builder = Ner::builder(folder("gliner-span")).precision(Precision::F32).threads(1);
    let ner = builder.entity_types(&case.labels).build().expect("the fixture loads");
    assert_eq!(ner.labels(), case.labels);
    let tagged = ner.tag(&case.text).expect("is tagged");
    assert!(!tagged.entities.is_empty());
    assert_eq!(tagged, ner.tag_types(&case.text, &case.labels).expect("is tagged"));
    let words: Vec<&str> = case.text.split(' ').collect();
    let by_words = ner.tag_words(&words).expect("is tagged");
    assert!(by_words.entities.iter().all(|entity| entity.words.end <= words.len()));
}

fn refused<T>(result: Result<T, Error>, kind: ErrorKind, says: &str) {
    let error = result.err().unwrap_or_else(|| panic!("was taken; should say {says:?}"));
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{error} does not say {says:?}");
}

#[test]
fn types_must_be_given_and_fit_their_model() {
    let ner = load_ner("gliner-span");
    refused(ner.tag("Anna"), ErrorKind::Labels, "no entity types");
    refused(ner.tag_types::<&str>("Anna", &[]), ErrorKind::Labels, "no entity types");
    refused(ner.tag_types("Anna", &["person", " "]), ErrorKind::Labels, "entity type 1 is blank");
    refused(ner.tag_types("Anna", &["person", "person"]), ErrorKind::Labels, "twice");
    refused(ner.tag_types("Anna", &["a<<ENT>>b"]), ErrorKind::Labels, "<<ENT>>");
    refused(ner.tag_types("Anna", &["very ".repeat(200)]), ErrorKind::Labels, "tokens of a window");
    refused(ner.logits("Anna"), ErrorKind::WrongTask, "spans");
    refused(
        Ner::builder(folder("gliner-span")).threshold(f32::NAN).build().map(|_| ()),
        ErrorKind::Options,
        "threshold",
    );
    let tagger = Ner::builder(folder("ner-wordpiece-cased")).threads(1).build().expect("the fixture loads");
    refused(tagger.tag_types("Anna", &["person"]), ErrorKind::WrongTask, "B-PER");
}

#[derive(Deserialize)]
struct TopicCase {
    text: String,
    labels: Vec<String>,
    logits: Vec<f32>,
    multi_label: TopicScores,
    single_label: TopicScores,
}

#[derive(Deserialize)]
struct TopicScores {
    scores: Vec<f32>,
}

#[test]
fn topics_equal_gliclass() {
    for model in ["gliclass-deberta", "gliclass-modernbert", "gliclass-lstm"] {
        let (mut largest, mut compared): (f32, usize) = (0.0, 0);
        for scoring in [Scoring::SingleLabel, Scoring::MultiLabel] {
            let builder = TopicClassifier::builder(folder(model)).precision(Precision::F32).threads(1);
            let classifier = builder.scoring(scoring).build().expect("the fixture loads");
            for case in golden::<TopicCase>(model) {
                let labels = classifier.label_set(&case.labels).expect("labels");
                let topics = classifier.classify(&case.text, &labels).expect("is classified").topics;
                if case.text.trim().is_empty() {
                    assert!(topics.is_empty());
                    continue;
                }
                // A single label has nothing to be compared with here.
                let multi = scoring == Scoring::MultiLabel || case.labels.len() == 1;
                let expected = if multi { &case.multi_label.scores } else { &case.single_label.scores };
                // Labels may repeat: equal ones come with the better score first.
                let mut order: Vec<usize> = (0..case.labels.len()).collect();
                order.sort_by(|&a, &b| expected[b].total_cmp(&expected[a]));
                assert_eq!(topics.len(), order.len());
                for (topic, at) in topics.into_iter().zip(order) {
                    assert_eq!(topic.label, case.labels[at], "{model}: {:?}", case.text);
                    assert!((topic.score - expected[at]).abs() <= TOLERANCE, "{model}: {topic:?}");
                    if multi {
                        let logit = (topic.score / (1.0 - topic.score)).ln();
                        largest = largest.max((logit - case.logits[at]).abs());
                    }
                    compared += 1;
                }
            }
        }
        println!("{model}: largest difference of logits {largest:.1e}");
        assert!(largest <= TOLERANCE && compared > 30, "{model}: {largest} of {compared}");
    }
}

#[test]
fn labels_of_a_uni_encoder_must_leave_room() {
    let classifier =
        TopicClassifier::builder(folder("gliclass-deberta")).threads(1).build().expect("the fixture loads");
    refused(classifier.label_set(vec!["a label"; 60]), ErrorKind::Labels, "tokens of a window");
    refused(classifier.label_set(["a<<LABEL>>b"]), ErrorKind::Labels, "<<LABEL>>");
    let labels = classifier.label_set(["sport", "law"]).expect("labels");
    let long = "The guests won the cup final. ".repeat(50);
    let found = classifier.classify(&long, &labels).expect("is classified");
    assert!(found.coverage.is_complete() && found.coverage.windows > 3);
}

#[test]
fn a_tagger_has_the_settings_of_both_its_models() {
    let (case, wanted) = golden::<EntityCase>("gliner-span")
        .into_iter()
        .find_map(|mut case| {
            let at = case.results.iter().position(|result| !result.flat_ner && result.multi_label)?;
            let result = case.results.swap_remove(at);
            (!result.entities.is_empty()).then_some((case, result))
        })
        .expect("a case has them");
    let tagger = Tagger::builder()
        .ner(folder("gliner-span"))
        .entity_types(&case.labels)
        .entity_threshold(wanted.threshold)
        .nested(true)
        .entity_multi_label(true)
        .topics(folder("gliclass-deberta"))
        .labels(["sport", "law"])
        .precision(Precision::F32)
        .threads(1)
        .build()
        .expect("the fixtures load");
    let tagged = tagger.tag(&case.text).expect("is tagged");
    let mut found: Vec<_> =
        tagged.entities.iter().map(|e| (e.span.chars.start, e.span.chars.end, e.label.as_str())).collect();
    let mut expected: Vec<_> = wanted.entities.iter().map(|e| (e.start, e.end, e.label.as_str())).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(tagged.topics.len(), 2);
}
