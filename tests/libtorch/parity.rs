//! libtorch against transformers' goldens, and against the native engine in f32.

use entopic::{Ner, Scoring, TopicClassifier};
use serde::Deserialize;
use serde_json::Value;

use crate::fixtures::{
    TOLERANCE, folder, golden, native_ner, native_topics, torch_ner, torch_topics, with_its_epsilon,
};

/// Fixtures whose goldens are computed with the epsilon that rust-bert has.
const NER: [&str; 14] = [
    "ner-wordpiece-cased",
    "ner-wordpiece-uncased",
    "ner-bioes",
    "ner-bytelevel",
    "ner-int8",
    "ner-wordpiece-cased-v5",
    "distilbert-ner",
    "electra-ner",
    "albert-ner",
    "roberta-fixed-ner",
    "mobilebert-ner",
    "xlnet-ner",
    "longformer-ner",
    "fnet-ner",
];
const NLI: [&str; 13] = [
    "nli-cne",
    "nli-enc",
    "nli-e-not",
    "nli-not-e",
    "nli-unnamed",
    "distilbert-nli",
    "roberta-fixed-nli",
    "albert-fixed-nli",
    "bart-nli",
    "mobilebert-nli",
    "xlnet-nli",
    "longformer-nli",
    "fnet-nli",
];
const EMBEDDING: [&str; 3] = ["embed-mean", "embed-cls", "distilbert-embed"];

/// Others that the native engine has as well.
const NER_OF_OTHER_EPSILON: [&str; 6] = [
    "ner-metaspace",
    "roberta-ner",
    "roberta-ner-v5",
    "xlm-roberta-ner",
    "xlm-roberta-ner-v5",
    "camembert-ner",
];
const NLI_OF_OTHER_EPSILON: [&str; 3] = ["roberta-nli", "xlm-roberta-nli", "camembert-nli"];
const EMBEDDING_OF_OTHER_EPSILON: [&str; 3] = ["electra-embed", "xlm-roberta-embed", "camembert-embed"];

#[derive(Deserialize)]
struct NerGolden {
    texts: Vec<NerCase>,
}

#[derive(Deserialize)]
struct NerCase {
    text: String,
    special_tokens_mask: Vec<u8>,
    logits: Vec<Vec<f32>>,
    #[serde(default)]
    pipeline: Option<Pipeline>,
}

#[derive(Deserialize)]
struct Pipeline {
    simple: Vec<Entity>,
}

#[derive(Deserialize)]
struct Entity {
    entity_group: String,
    score: f32,
    start: usize,
    end: usize,
}

#[derive(Deserialize)]
struct NliGolden {
    cases: Vec<NliCase>,
}

#[derive(Deserialize)]
struct NliCase {
    text: String,
    candidate_labels: Value,
    hypothesis_template: String,
    multi_label: bool,
    pairs: Vec<Pair>,
    labels: Vec<String>,
    scores: Vec<f32>,
}

#[derive(Deserialize)]
struct Pair {
    logits: Vec<f32>,
}

#[derive(Deserialize)]
struct EmbeddingGolden {
    texts: Vec<Embedded>,
}

#[derive(Deserialize)]
struct Embedded {
    text: String,
    embedding: Vec<f32>,
}

fn largest<'a>(found: impl IntoIterator<Item = &'a f32>, expected: impl IntoIterator<Item = &'a f32>) -> f32 {
    found.into_iter().zip(expected).fold(0.0, |largest, (a, b)| largest.max((a - b).abs()))
}

/// Holds `ner` to the golden of `name`.
fn assert_ner(name: &str, ner: &Ner) {
    let (mut difference, mut compared): (f32, usize) = (0.0, 0);
    for case in golden::<NerGolden>(name).texts {
        let found = ner.logits(&case.text).expect("is tagged").logits;
        let rows = case.logits.iter().zip(&case.special_tokens_mask).filter(|(_, special)| **special == 0);
        let expected: Vec<&Vec<f32>> = rows.map(|(row, _)| row).collect();
        assert_eq!(found.nrows(), expected.len(), "{name}: {:?}", case.text);
        difference = difference.max(largest(&found, expected.into_iter().flatten()));
        let Some(pipeline) = case.pipeline else { continue };
        let found = ner.tag(&case.text).expect("is tagged").entities;
        assert_eq!(found.len(), pipeline.simple.len(), "{name}: {:?}", case.text);
        for (found, expected) in found.iter().zip(&pipeline.simple) {
            let chars = &found.span.chars;
            let expected_span = (&*expected.entity_group, expected.start, expected.end);
            assert_eq!((&*found.label, chars.start, chars.end), expected_span, "{name}: {:?}", case.text);
            assert!((found.score - expected.score).abs() <= TOLERANCE);
            compared += 1;
        }
    }
    println!("{name}: largest difference of logits {difference:.1e}, {compared} entities");
    assert!(difference <= TOLERANCE, "{name}: {difference}");
    assert!(compared > 0 || name == "ner-int8", "{name}: nothing was compared");
}

#[test]
fn logits_and_entities_equal_transformers() {
    for name in NER {
        assert_ner(name, &torch_ner(folder(name)).build().expect("loads"));
    }
}

/// Holds what `build` loads for a template and a scoring to the golden of `name`.
fn assert_nli(name: &str, build: impl Fn(&str, Scoring) -> TopicClassifier) {
    let (mut difference, mut score_difference): (f32, f32) = (0.0, 0.0);
    for case in golden::<NliGolden>(name).cases {
        let Ok(candidates) = serde_json::from_value::<Vec<String>>(case.candidate_labels) else { continue };
        if case.text.trim().is_empty() {
            continue;
        }
        let scoring = if case.multi_label { Scoring::MultiLabel } else { Scoring::SingleLabel };
        let classifier = build(&case.hypothesis_template, scoring);
        let labels = classifier.label_set(candidates).expect("labels");
        for (label, pair) in case.pairs.iter().enumerate() {
            let logits = classifier.nli_logits(&case.text, &labels, label).expect("logits");
            difference = difference.max(largest(&logits, &pair.logits));
        }
        let found = classifier.classify(&case.text, &labels).expect("is classified").topics;
        let names: Vec<&String> = found.iter().map(|topic| &topic.label).collect();
        assert_eq!(names, case.labels.iter().collect::<Vec<_>>(), "{name}: {:?}", case.text);
        for (topic, expected) in found.iter().zip(&case.scores) {
            score_difference = score_difference.max((topic.score - expected).abs());
        }
    }
    println!("{name}: largest difference of logits {difference:.1e}, of scores {score_difference:.1e}");
    assert!(difference <= TOLERANCE && score_difference <= TOLERANCE, "{name}: {difference}");
}

#[test]
fn topics_equal_the_pipeline_for_every_order_of_classes() {
    for name in NLI {
        assert_nli(name, |template, scoring| {
            torch_topics(folder(name)).template(template).scoring(scoring).build().expect("loads")
        });
    }
}

#[test]
fn embeddings_equal_transformers() {
    for name in EMBEDDING {
        let classifier = torch_topics(folder(name)).build().expect("loads");
        let mut difference: f32 = 0.0;
        for case in golden::<EmbeddingGolden>(name).texts {
            let found = classifier.embed_text(&case.text).expect("is embedded");
            if !case.text.trim().is_empty() {
                assert_eq!(found.len(), case.embedding.len());
                difference = difference.max(largest(&found, &case.embedding));
            }
        }
        println!("{name}: largest difference {difference:.1e}");
        assert!(difference > 0.0 && difference <= TOLERANCE, "{name}: {difference}");
    }
}

#[test]
fn with_its_epsilon_the_native_engine_gives_the_same() {
    for name in NER_OF_OTHER_EPSILON {
        let copy = with_its_epsilon(name);
        let torch = torch_ner(copy.path()).build().expect("loads");
        let native = native_ner(copy.path()).build().expect("loads");
        let mut difference: f32 = 0.0;
        for case in golden::<NerGolden>(name).texts {
            let found = torch.logits(&case.text).expect("is tagged").logits;
            let expected = native.logits(&case.text).expect("is tagged").logits;
            assert_eq!(found.dim(), expected.dim());
            difference = difference.max(largest(&found, &expected));
            let spans = |ner: &Ner| -> Vec<_> {
                let entities = ner.tag(&case.text).expect("is tagged").entities.into_iter();
                entities.map(|entity| (entity.label, entity.span)).collect()
            };
            assert_eq!(spans(&torch), spans(&native), "{name}: {:?}", case.text);
        }
        println!("{name}: largest difference of logits {difference:.1e}");
        assert!(difference > 0.0 && difference <= TOLERANCE, "{name}: {difference}");
    }
    for name in NLI_OF_OTHER_EPSILON {
        let copy = with_its_epsilon(name);
        let mut difference: f32 = 0.0;
        let torch = torch_topics(copy.path()).build().expect("loads");
        let native = native_topics(copy.path()).build().expect("loads");
        for case in golden::<NliGolden>(name).cases {
            let Ok(candidates) = serde_json::from_value::<Vec<String>>(case.candidate_labels) else {
                continue;
            };
            let of_torch = torch.label_set(candidates.clone()).expect("labels");
            let of_native = native.label_set(candidates.clone()).expect("labels");
            for label in 0..candidates.len() {
                let found = torch.nli_logits(&case.text, &of_torch, label).expect("logits");
                let expected = native.nli_logits(&case.text, &of_native, label).expect("logits");
                difference = difference.max(largest(&found, &expected));
            }
            let topics = torch.classify(&case.text, &of_torch).expect("is classified").topics;
            let expected = native.classify(&case.text, &of_native).expect("is classified").topics;
            for (topic, expected) in topics.iter().zip(&expected) {
                assert_eq!(topic.label, expected.label, "{name}: {:?}", case.text);
            }
        }
        println!("{name}: largest difference of logits {difference:.1e}");
        assert!(difference > 0.0 && difference <= TOLERANCE, "{name}: {difference}");
    }
    for name in EMBEDDING_OF_OTHER_EPSILON {
        let copy = with_its_epsilon(name);
        let torch = torch_topics(copy.path()).build().expect("loads");
        let native = native_topics(copy.path()).build().expect("loads");
        let mut difference: f32 = 0.0;
        for case in golden::<EmbeddingGolden>(name).texts {
            let found = torch.embed_text(&case.text).expect("is embedded");
            difference =
                difference.max(largest(&found, &native.embed_text(&case.text).expect("is embedded")));
        }
        println!("{name}: largest difference {difference:.1e}");
        assert!(difference > 0.0 && difference <= TOLERANCE, "{name}: {difference}");
    }
}

/// What it changes that rust-bert computes with another epsilon than these say, which is 1e-5.
#[test]
fn the_fixed_epsilon_moves_no_entity() {
    for name in NER_OF_OTHER_EPSILON {
        let torch = torch_ner(folder(name)).build().expect("loads");
        let native = native_ner(folder(name)).build().expect("loads");
        let mut difference: f32 = 0.0;
        for case in golden::<NerGolden>(name).texts {
            let found = torch.logits(&case.text).expect("is tagged").logits;
            difference =
                difference.max(largest(&found, &native.logits(&case.text).expect("is tagged").logits));
            let spans = |ner: &Ner| -> Vec<_> {
                let entities = ner.tag(&case.text).expect("is tagged").entities.into_iter();
                entities.map(|entity| (entity.label, entity.span)).collect()
            };
            assert_eq!(spans(&torch), spans(&native), "{name}: {:?}", case.text);
        }
        println!("{name}: 1e-12 for 1e-5 moves logits by at most {difference:.1e}");
        assert!(difference < 1e-2, "{name}: {difference}");
    }
}
