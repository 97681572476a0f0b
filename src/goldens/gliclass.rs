//! The package GLiClass.

use std::collections::HashSet;

use serde::Deserialize;

use super::{engine, folder, golden};
use crate::{ErrorKind, Precision, Scoring, TopicOptions};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    labels: Vec<String>,
    logits: Vec<f32>,
    multi_label: Expected,
    single_label: Expected,
}

#[derive(Deserialize)]
struct Expected {
    scores: Vec<f32>,
}

#[test]
fn topics_equal_gliclass() {
    for model in ["gliclass-deberta", "gliclass-modernbert", "gliclass-lstm"] {
        let loaded = engine(Precision::F32).topics(folder(model)).expect("the fixture should load");
        let (mut largest, mut compared): (f32, usize) = (0.0, 0);
        for scoring in [Scoring::SingleLabel, Scoring::MultiLabel] {
            let classifier = loaded.with(TopicOptions::new().scoring(scoring)).expect("it should have both");
            for case in golden::<Golden>(model).cases {
                if case.labels.iter().collect::<HashSet<_>>().len() < case.labels.len() {
                    // The package accepts equal labels.
                    let error =
                        classifier.label_set(&case.labels).expect_err("equal labels should be refused");
                    assert_eq!(error.kind(), ErrorKind::Labels);
                    continue;
                }
                let labels = classifier.label_set(&case.labels).expect("the labels should fit");
                let topics =
                    classifier.classify(&case.text, &labels).expect("it should be classified").topics;
                if case.text.trim().is_empty() {
                    assert!(topics.is_empty());
                    continue;
                }
                // A single label has no other to be compared with.
                let multi = scoring == Scoring::MultiLabel || case.labels.len() == 1;
                let expected = if multi { &case.multi_label.scores } else { &case.single_label.scores };
                let mut order: Vec<usize> = (0..case.labels.len()).collect();
                order.sort_by(|&a, &b| expected[b].total_cmp(&expected[a]));
                assert_eq!(topics.len(), order.len());
                for (topic, at) in topics.into_iter().zip(order) {
                    assert_eq!(topic.label, case.labels[at], "{model}: {:?}", case.text);
                    assert!((topic.score - expected[at]).abs() <= super::TOLERANCE, "{model}: {topic:?}");
                    if multi {
                        let logit = (topic.score / (1.0 - topic.score)).ln();
                        largest = largest.max((logit - case.logits[at]).abs());
                    }
                    compared += 1;
                }
            }
        }
        println!("{model}: largest difference of logits {largest:.1e}");
        assert!(
            largest > 0.0 && largest <= super::TOLERANCE && compared > 30,
            "{model}: {largest} of {compared}"
        );
    }
}
