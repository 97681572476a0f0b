//! The package GLiNER.

use serde::Deserialize;

use super::{Fixture, engine, folder, golden, native, runs};
use crate::{EntityOptions, Precision};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    labels: Vec<String>,
    results: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    threshold: f32,
    flat_ner: bool,
    multi_label: bool,
    entities: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    start: usize,
    end: usize,
    text: String,
    label: String,
    score: f32,
}

const MODELS: [&str; 3] = ["gliner-span", "gliner-span-plain", "gliner-token"];

const FIXTURES: &[Fixture] = &[
    native(MODELS[0]).f32_only().graph("onnx-gliner-span"),
    native(MODELS[1]).f32_only().graph("onnx-gliner-span-plain"),
    native(MODELS[2]).f32_only().graph("onnx-gliner-token"),
];

#[test]
fn entities_of_given_types_equal_gliner() {
    for run in runs(FIXTURES) {
        let model = &run.name;
        let loaded = run.engine.ner(run.folder.clone()).expect("the fixture should load");
        let mut compared = 0;
        for case in golden::<Golden>(run.fixture).cases {
            for expected in case.results {
                let options = EntityOptions::new()
                    .boundaries(false)
                    .clean_spans(false)
                    .entity_types(&case.labels)
                    .threshold(expected.threshold)
                    .nested(!expected.flat_ner)
                    .multi_label(expected.multi_label);
                let ner = loaded.with(options).expect("the types should fit");
                let found = ner.tag(&case.text).expect("the text should be tagged").entities;
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
                    assert!((found.score - expected.score).abs() <= super::TOLERANCE, "{model}: {found:?}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 30, "{model}: {compared} entities");
    }
}

#[test]
fn long_texts_are_read_whole_and_batches_give_what_texts_give_alone() {
    for model in MODELS {
        let loaded = engine(Precision::F32).ner(folder(model)).expect("the fixture should load");
        let ner =
            loaded.with(EntityOptions::new().entity_types(["person", "city"])).expect("the types should fit");
        let cases = golden::<Golden>(model).cases;
        let long = cases.iter().map(|case| case.text.as_str()).collect::<Vec<_>>().join(" ").repeat(5);
        let texts: Vec<&str> =
            cases.iter().map(|case| case.text.as_str()).chain([long.as_str(), ""]).collect();
        for (text, tagged) in texts.iter().zip(ner.tag_batch(&texts)) {
            let tagged = tagged.expect("the text should be tagged");
            assert_eq!(tagged, ner.tag(text).expect("the text should be tagged"));
            for entity in &tagged.entities {
                assert_eq!(entity.text, entity.span.of(text));
            }
            assert!(text.len() < 1000 || tagged.coverage.windows > 5, "{:?}", tagged.coverage);
        }
    }
}
