//! Native f32 against transformers' zero-shot-classification pipeline and against mean- and
//! first-token-pooled encoders, on tiny random-weight models.

use std::fs;

use entopic::{ErrorKind, Precision, Scoring, TopicClassifier};
use serde::Deserialize;
use serde::de::DeserializeOwned;

const TOLERANCE: f32 = 1e-4;

/// What logits may differ by: more where the test is told that portable kernels run, which round each
/// product and each sum, since CPUs without a fused multiply-add have no other way.
fn tolerance() -> f32 {
    let portable = std::env::var("ENTOPIC_EXPECT_KERNELS").is_ok_and(|kernels| kernels.contains("generic"));
    if portable { 2.0 * TOLERANCE } else { TOLERANCE }
}

const NLI_MODELS: [&str; 18] = [
    "nli-cne",
    "nli-enc",
    "nli-e-not",
    "nli-not-e",
    "nli-unnamed",
    "distilbert-nli",
    "roberta-nli",
    "xlm-roberta-nli",
    "camembert-nli",
    "electra-nli",
    "albert-nli",
    "mpnet-nli",
    "deberta-v2-nli",
    "deberta-v2-c2p-nli",
    "deberta-v2-conv-nli",
    "modernbert-nli",
    "modernbert-mean-nli",
    "bart-nli",
];

const EMBEDDING_MODELS: [&str; 11] = [
    "embed-mean",
    "embed-cls",
    "distilbert-embed",
    "roberta-embed",
    "xlm-roberta-embed",
    "camembert-embed",
    "electra-embed",
    "albert-embed",
    "mpnet-embed",
    "deberta-v2-embed",
    "modernbert-embed",
];

#[derive(Deserialize)]
struct NliGolden {
    model_labels: Vec<String>,
    cases: Vec<NliCase>,
    errors: Vec<NliError>,
}

#[derive(Deserialize)]
struct NliCase {
    text: String,
    candidate_labels: Labels,
    hypothesis_template: String,
    multi_label: bool,
    pairs: Vec<Pair>,
    labels: Vec<String>,
    scores: Vec<f32>,
}

#[derive(Deserialize)]
struct NliError {
    text: String,
    candidate_labels: Labels,
    hypothesis_template: String,
}

#[derive(Deserialize)]
struct Pair {
    logits: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Labels {
    List(Vec<String>),
    /// The pipeline splits a string at its commas.
    Joined(String),
}

impl Labels {
    fn list(self) -> Vec<String> {
        match self {
            Self::List(labels) => labels,
            Self::Joined(labels) => labels
                .split(',')
                .map(|label| label.trim().to_owned())
                .filter(|label| !label.is_empty())
                .collect(),
        }
    }
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

fn folder(model: &str) -> String {
    format!("{}/tests/goldens/{model}", env!("CARGO_MANIFEST_DIR"))
}

fn golden<T: DeserializeOwned>(model: &str) -> T {
    let json = fs::read(format!("{}/golden.json", folder(model))).expect("the golden is committed");
    serde_json::from_slice(&json).expect("the golden is JSON")
}

fn load(model: &str, template: &str, multi_label: bool) -> TopicClassifier {
    let scoring = if multi_label { Scoring::MultiLabel } else { Scoring::SingleLabel };
    let builder = TopicClassifier::builder(folder(model)).precision(Precision::F32).threads(1);
    builder.template(template).scoring(scoring).build().expect("the fixture loads")
}

#[test]
fn nli_equals_the_pipeline_for_every_order_of_classes() {
    for model in NLI_MODELS {
        let golden: NliGolden = golden(model);
        let (mut largest_logit, mut largest_score): (f32, f32) = (0.0, 0.0);
        for case in golden.cases {
            let classifier = load(model, &case.hypothesis_template, case.multi_label);
            assert_eq!(classifier.nli_labels(), golden.model_labels);
            let candidates = case.candidate_labels.list();
            let labels = classifier.label_set(candidates.clone()).expect("labels");
            if case.text.trim().is_empty() {
                // The pipeline scores white space; a text without tokens has no topics here.
                assert!(classifier.classify(&case.text, &labels).expect("is classified").topics.is_empty());
                continue;
            }
            for (label, pair) in case.pairs.iter().enumerate() {
                let logits = classifier.nli_logits(&case.text, &labels, label).expect("logits");
                assert_eq!(logits.dim(), (1, pair.logits.len()), "{model}: one window for {:?}", case.text);
                for (value, expected) in logits.iter().zip(&pair.logits) {
                    largest_logit = largest_logit.max((value - expected).abs());
                }
            }
            let found = classifier.classify(&case.text, &labels).expect("is classified").topics;
            let names: Vec<&str> = found.iter().map(|topic| topic.label.as_str()).collect();
            assert_eq!(names, case.labels, "{model}: {:?} for {candidates:?}", case.text);
            for (topic, expected) in found.iter().zip(&case.scores) {
                largest_score = largest_score.max((topic.score - expected).abs());
            }
        }
        println!("{model}: largest difference of logits {largest_logit:.1e}, of scores {largest_score:.1e}");
        assert!(largest_logit <= tolerance() && largest_score <= TOLERANCE, "{model}");
    }
}

#[test]
fn what_the_pipeline_refuses_is_refused_or_empty() {
    for case in golden::<NliGolden>("nli-cne").errors {
        let builder = TopicClassifier::builder(folder("nli-cne")).template(&case.hypothesis_template);
        let classifier = match builder.threads(1).build() {
            Ok(classifier) => classifier,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Options, "{error}");
                assert!(!case.hypothesis_template.contains("{}"));
                continue;
            }
        };
        match classifier.label_set(case.candidate_labels.list()) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Labels, "{error}"),
            // The pipeline raises for an empty text; here it has no topics.
            Ok(labels) => {
                assert_eq!(case.text, "");
                assert!(classifier.classify(&case.text, &labels).expect("is classified").topics.is_empty());
            }
        }
    }
}

#[test]
fn embeddings_equal_transformers() {
    for model in EMBEDDING_MODELS {
        let classifier = load(model, "{}", false);
        let mut largest: f32 = 0.0;
        for case in golden::<EmbeddingGolden>(model).texts {
            let found = classifier.embed_text(&case.text).expect("is embedded");
            if case.text.trim().is_empty() {
                assert!(found.iter().all(|&value| value == 0.0));
                continue;
            }
            for (value, expected) in found.iter().zip(&case.embedding) {
                largest = largest.max((value - expected).abs());
            }
        }
        println!("{model}: largest difference {largest:.1e}");
        assert!(largest <= tolerance(), "{model}: {largest}");
    }
}
