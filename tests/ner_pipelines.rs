//! Native f32 against transformers' token-classification pipeline, on tiny random-weight models.

use std::fs;
use std::path::Path;

use entopic::{Aggregation, Ner, Precision};
use serde::Deserialize;

const TOLERANCE: f32 = 1e-4;

/// What logits may differ by: more where the test is told that portable kernels run, which round each
/// product and each sum, since CPUs without a fused multiply-add have no other way.
fn tolerance() -> f32 {
    let portable = std::env::var("ENTOPIC_EXPECT_KERNELS").is_ok_and(|kernels| kernels.contains("generic"));
    if portable { 2.0 * TOLERANCE } else { TOLERANCE }
}

const MODELS: [&str; 21] = [
    "ner-wordpiece-cased",
    "ner-wordpiece-uncased",
    "ner-bioes",
    "ner-bytelevel",
    "ner-metaspace",
    "ner-int8",
    "distilbert-ner",
    "roberta-ner",
    "xlm-roberta-ner",
    "camembert-ner",
    "electra-ner",
    "albert-ner",
    "mpnet-ner",
    "deberta-v2-ner",
    "modernbert-ner",
    "ner-wordpiece-cased-v5",
    "roberta-ner-v5",
    "xlm-roberta-ner-v5",
    "deberta-v2-ner-v5",
    "mpnet-ner-v5",
    "modernbert-ner-v5",
];

#[derive(Deserialize)]
struct Golden {
    texts: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    offsets: Vec<(usize, usize)>,
    special_tokens_mask: Vec<u8>,
    logits: Vec<Vec<f32>>,
    #[serde(default)]
    pipeline: Option<Pipeline>,
}

#[derive(Deserialize)]
struct Pipeline {
    none: Vec<Reference>,
    simple: Vec<Reference>,
    first: Vec<Reference>,
    average: Vec<Reference>,
    max: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(alias = "entity_group")]
    entity: String,
    score: f32,
    start: usize,
    end: usize,
}

fn folder(model: &str) -> String {
    format!("{}/tests/goldens/{model}", env!("CARGO_MANIFEST_DIR"))
}

fn golden(model: &str) -> Golden {
    let path = Path::new(&folder(model)).join("golden.json");
    serde_json::from_slice(&fs::read(path).expect("the golden is committed")).expect("the golden is JSON")
}

fn load(model: &str, aggregation: Aggregation) -> Ner {
    let builder = Ner::builder(folder(model)).precision(Precision::F32).threads(1);
    builder.aggregation(aggregation).build().expect("the fixture loads")
}

#[test]
fn logits_and_offsets_equal_transformers() {
    for model in MODELS {
        let ner = load(model, Aggregation::None);
        let mut largest: f32 = 0.0;
        for case in golden(model).texts {
            let found = ner.logits(&case.text).expect("is tagged");
            let real = (0..case.ids.len()).filter(|&token| case.special_tokens_mask[token] == 0);
            let real: Vec<usize> = real.collect();
            assert_eq!(found.logits.nrows(), real.len(), "{model}: tokens of {:?}", case.text);
            for (row, &token) in real.iter().enumerate() {
                let chars = &found.tokens[row].chars;
                assert_eq!((chars.start, chars.end), case.offsets[token], "{model}: {:?}", case.text);
                for (value, expected) in found.logits.row(row).iter().zip(&case.logits[token]) {
                    largest = largest.max((value - expected).abs());
                }
            }
        }
        println!("{model}: largest difference of logits {largest:.1e}");
        assert!(largest <= tolerance(), "{model}: {largest}");
    }
}

#[test]
fn entities_equal_the_pipelines() {
    for model in MODELS {
        for (aggregation, expected_of) in [
            (Aggregation::None, (|p| p.none) as fn(Pipeline) -> Vec<Reference>),
            (Aggregation::Simple, |p| p.simple),
            (Aggregation::First, |p| p.first),
            (Aggregation::Average, |p| p.average),
            (Aggregation::Max, |p| p.max),
        ] {
            let ner = load(model, aggregation);
            let mut compared = 0;
            for case in golden(model).texts {
                let Some(pipeline) = case.pipeline else { continue };
                let expected = expected_of(pipeline);
                let found = ner.tag(&case.text).expect("is tagged").entities;
                let spans = |e: &Reference| (e.entity.clone(), e.start, e.end);
                assert_eq!(
                    found
                        .iter()
                        .map(|e| (e.label.clone(), e.span.chars.start, e.span.chars.end))
                        .collect::<Vec<_>>(),
                    expected.iter().map(spans).collect::<Vec<_>>(),
                    "{model}, {aggregation:?}: {:?}",
                    case.text
                );
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found.score - expected.score).abs() <= TOLERANCE);
                    assert_eq!(found.text, case.text[found.span.bytes.clone()]);
                    compared += 1;
                }
            }
            assert!(compared > 0 || model == "ner-int8", "{model}, {aggregation:?}: nothing was compared");
        }
    }
}
