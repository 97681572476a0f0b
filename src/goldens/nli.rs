//! transformers' sequence classifiers, and its zero-shot-classification pipeline.

use std::collections::HashSet;

use serde::Deserialize;

use super::{Comparison, Fixture, Run, both, difference, engine, folder, golden, native, runs, torch};
use crate::document::Document;
use crate::schedule;
use crate::topics::label_set::Prepared;
use crate::{Engine, ErrorKind, LabelSet, Limits, Precision, Scoring, TopicClassifier, TopicOptions};

const FIXTURES: &[Fixture] = &[
    both("nli-cne"),
    both("nli-enc"),
    both("nli-e-not").graph("onnx-nli-e-not"),
    both("nli-not-e"),
    both("distilbert-nli"),
    native("roberta-nli"),
    both("roberta-fixed-nli"),
    native("xlm-roberta-nli"),
    native("camembert-nli"),
    native("electra-nli"),
    native("albert-nli").f32_only(),
    both("albert-fixed-nli"),
    native("mpnet-nli"),
    native("deberta-v2-nli"),
    native("deberta-v2-c2p-nli"),
    native("deberta-v2-conv-nli"),
    native("modernbert-nli").f32_only(),
    native("modernbert-mean-nli").f32_only(),
    both("bart-nli"),
    torch("mobilebert-nli"),
    torch("xlnet-nli"),
    torch("longformer-nli"),
    torch("fnet-nli"),
];

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    errors: Vec<Refused>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    candidate_labels: Labels,
    hypothesis_template: String,
    multi_label: bool,
    pairs: Vec<Pair>,
    labels: Vec<String>,
    scores: Vec<f32>,
}

#[derive(Deserialize)]
struct Refused {
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
            Self::Joined(labels) => {
                let labels = labels.split(',').map(|label| label.trim().to_owned());
                labels.filter(|label| !label.is_empty()).collect()
            }
        }
    }
}

/// The logits of a text of one window, for one label.
pub(super) fn logits(classifier: &TopicClassifier, text: &str, labels: &LabelSet, label: usize) -> Vec<f32> {
    let model = classifier.model();
    let Prepared::Hypotheses(hypotheses) = &labels.prepared else { panic!("the model should be for NLI") };
    let document = Document::read(text, &model.tokenizer, false).expect("the text should be read");
    let pair = model.pair(&document.tokens, 0..document.tokens.len(), &hypotheses[label]);
    let rows = schedule::run(&model.workers, &*model.backend, &[pair], &Limits::new(), |_, rows| rows);
    let rows = rows.into_iter().next().expect("a pair should have rows").expect("the pair should be run");
    assert_eq!(rows.nrows(), 1);
    rows.row(0).to_vec()
}

fn options(template: &str, multi_label: bool) -> TopicOptions {
    let scoring = if multi_label { Scoring::MultiLabel } else { Scoring::SingleLabel };
    TopicOptions::new().template(template).scoring(scoring)
}

#[test]
fn logits_and_scores_equal_the_pipeline_for_every_order_of_classes() {
    for run in runs(FIXTURES) {
        check(&run, &run.engine.topics(&run.folder).expect("the fixture should load"));
    }
}

/// The pipeline guesses that the last class is entailment.
#[test]
fn classes_without_names_are_named_by_the_registry() {
    let folder = folder("nli-unnamed");
    let error = engine(Precision::F32).topics(&folder).expect_err("it should be refused").to_string();
    assert!(error.contains("LABEL_0, LABEL_1, LABEL_2") && error.contains("`labels`"), "{error}");
    let registry = format!(
        "[[model]]\nname = \"named\"\ntask = \"nli\"\narchitecture = \"bert\"\nsource = {{ folder = {folder:?} }}\n\
         labels = [\"contradiction\", \"neutral\", \"entailment\"]\n"
    );
    let registry = registry.parse().expect("it should be a registry");
    let named = Engine::builder().precision(Precision::F32).registry(registry).build();
    let loaded = named.expect("an engine should start").topics("named").expect("the fixture should load");
    for run in runs(&[native("nli-unnamed").f32_only()]) {
        check(&run, &loaded);
    }
}

fn check(run: &Run, loaded: &TopicClassifier) {
    let (name, fixture) = (&run.name, run.fixture);
    let (mut compared, mut largest_score): (_, f32) = (Comparison::default(), 0.0);
    for case in golden::<Golden>(fixture).cases {
        let classifier = loaded.with(options(&case.hypothesis_template, case.multi_label));
        let classifier = classifier.expect("the template should have a place");
        let candidates = case.candidate_labels.list();
        if candidates.iter().collect::<HashSet<_>>().len() < candidates.len() {
            // The pipeline accepts equal labels.
            let error = classifier.label_set(candidates).expect_err("equal labels should be refused");
            assert_eq!(error.kind(), ErrorKind::Labels);
            continue;
        }
        let labels = classifier.label_set(candidates.clone()).expect("the labels should be prepared");
        let classified = classifier.classify(&case.text, &labels).expect("the text should be classified");
        if case.text.trim().is_empty() {
            // The pipeline scores white space; a text without tokens has no topics here.
            assert!(classified.topics.is_empty());
            continue;
        }
        assert_eq!(classified.coverage.windows, 1, "{name}: {:?}", case.text);
        for (label, pair) in case.pairs.iter().enumerate() {
            let found = logits(&classifier, &case.text, &labels, label);
            assert_eq!(found.len(), pair.logits.len());
            compared.add(&found, &pair.logits);
        }
        if !run.is_exact {
            continue;
        }
        let names: Vec<&str> = classified.topics.iter().map(|topic| topic.label.as_str()).collect();
        assert_eq!(names, case.labels, "{name}: {:?} for {candidates:?}", case.text);
        let scores: Vec<f32> = classified.topics.iter().map(|topic| topic.score).collect();
        largest_score = largest_score.max(difference(&scores, &case.scores));
    }
    compared.check(run);
    assert!(largest_score <= super::TOLERANCE, "{name}: {largest_score}");
}

#[test]
fn what_the_pipeline_refuses_is_refused_or_empty() {
    let loaded = engine(Precision::F32).topics(folder("nli-cne")).expect("the fixture should load");
    for case in golden::<Golden>("nli-cne").errors {
        let classifier = match loaded.with(options(&case.hypothesis_template, false)) {
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
                let classified = classifier.classify(&case.text, &labels);
                assert!(classified.expect("an empty text should be classified").topics.is_empty());
            }
        }
    }
}

/// Repeats the check of token classifiers for NLI: the golden has another epsilon than rust-bert.
#[cfg(feature = "libtorch")]
#[test]
fn with_the_epsilon_of_rust_bert_the_native_backend_gives_the_same() {
    let (torch, native) = (super::torch_engine(), engine(Precision::F32));
    for name in ["roberta-nli", "xlm-roberta-nli", "camembert-nli"] {
        let copy = super::with_epsilon_of_rust_bert(name);
        let load = |engine: &crate::Engine| engine.topics(copy.path()).expect("the fixture should load");
        let (torch, native) = (load(&torch), load(&native));
        let mut largest: f32 = 0.0;
        for case in golden::<Golden>(name).cases {
            let options = options(&case.hypothesis_template, case.multi_label);
            let view = |model: &TopicClassifier| {
                model.with(options.clone()).expect("the template should have a place")
            };
            let (torch, native) = (view(&torch), view(&native));
            let candidates = case.candidate_labels.list();
            let Ok(labels) = torch.label_set(candidates.clone()) else { continue };
            if case.text.trim().is_empty() {
                continue;
            }
            for label in 0..candidates.len() {
                let [a, b] = [&torch, &native].map(|model| logits(model, &case.text, &labels, label));
                largest = largest.max(difference(&a, &b));
            }
            let order = |model: &TopicClassifier| -> Vec<String> {
                let classified = model.classify(&case.text, &labels).expect("the text should be classified");
                classified.topics.into_iter().map(|topic| topic.label).collect()
            };
            assert_eq!(order(&torch), order(&native), "{name}: {:?}", case.text);
        }
        println!("{name}: largest difference of logits {largest:.1e}");
        assert!(largest > 0.0 && largest <= super::TOLERANCE, "{name}: {largest}");
    }
}
