//! transformers' token classifiers, and its token-classification pipeline.

use serde::Deserialize;

#[cfg(feature = "libtorch")]
use super::difference;
use super::{Comparison, Fixture, Run, both, golden, native, runs, torch};
use crate::{Aggregation, Entity, EntityOptions, Ner};

const FIXTURES: &[Fixture] = &[
    both("ner-wordpiece-cased").graph("onnx-ner-wordpiece-cased"),
    both("ner-wordpiece-uncased"),
    both("ner-bioes"),
    both("ner-bytelevel"),
    native("ner-metaspace"),
    both("ner-int8"),
    both("distilbert-ner"),
    native("roberta-ner"),
    both("roberta-fixed-ner"),
    native("xlm-roberta-ner"),
    native("camembert-ner"),
    both("electra-ner"),
    both("albert-ner"),
    native("mpnet-ner"),
    native("deberta-v2-ner"),
    native("modernbert-ner"),
    both("ner-wordpiece-cased-v5"),
    native("roberta-ner-v5"),
    native("xlm-roberta-ner-v5"),
    native("deberta-v2-ner-v5"),
    native("mpnet-ner-v5"),
    native("modernbert-ner-v5"),
    torch("mobilebert-ner"),
    torch("xlnet-ner"),
    torch("longformer-ner"),
    torch("fnet-ner"),
    ONNX_ONLY,
];

const ONNX_ONLY: Fixture = Fixture {
    name: "onnx-xlnet-ner",
    native: false,
    int8: false,
    libtorch: false,
    graph: Some("onnx-xlnet-ner"),
};

#[derive(Deserialize)]
struct Golden {
    texts: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    #[serde(default)]
    offsets: Vec<(usize, usize)>,
    special_tokens_mask: Vec<u8>,
    logits: Vec<Vec<f32>>,
    #[serde(default)]
    pipeline: Option<Pipeline>,
}

/// The entities of each strategy; some goldens have only `simple`.
#[derive(Deserialize)]
struct Pipeline {
    #[serde(default)]
    none: Option<Vec<Reference>>,
    simple: Vec<Reference>,
    #[serde(default)]
    first: Option<Vec<Reference>>,
    #[serde(default)]
    average: Option<Vec<Reference>>,
    #[serde(default)]
    max: Option<Vec<Reference>>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(alias = "entity_group")]
    entity: String,
    score: f32,
    start: usize,
    end: usize,
}

impl Pipeline {
    fn by_strategy(self) -> impl Iterator<Item = (Aggregation, Vec<Reference>)> {
        let all = [
            (Aggregation::None, self.none),
            (Aggregation::Simple, Some(self.simple)),
            (Aggregation::First, self.first),
            (Aggregation::Average, self.average),
            (Aggregation::Max, self.max),
        ];
        all.into_iter().filter_map(|(aggregation, entities)| Some((aggregation, entities?)))
    }
}

#[test]
fn logits_offsets_and_entities_equal_transformers() {
    for run in runs(FIXTURES) {
        check(&run);
    }
}

fn check(run: &Run) {
    let name = &run.name;
    let fixture = name.split(',').next().expect("a run should be named after its fixture");
    let ner = run.engine.ner(&run.folder).expect("the fixture should load");
    let (mut logits, mut compared) = (Comparison::default(), 0);
    for case in golden::<Golden>(fixture).texts {
        let found = ner.logits(&case.text).expect("the text should be read");
        let real: Vec<usize> =
            (0..case.logits.len()).filter(|&token| case.special_tokens_mask[token] == 0).collect();
        assert_eq!(found.logits.nrows(), real.len(), "{name}: tokens of {:?}", case.text);
        for (row, &token) in real.iter().enumerate() {
            if let Some(&offsets) = case.offsets.get(token) {
                let chars = &found.tokens[row].chars;
                assert_eq!((chars.start, chars.end), offsets, "{name}: {:?}", case.text);
            }
            logits.add(found.logits.row(row), &case.logits[token]);
        }
        if let (Some(pipeline), true) = (case.pipeline, run.is_exact) {
            compared += check_entities(name, &ner, &case.text, pipeline);
        }
    }
    logits.check(run);
    assert!(compared > 0 || !run.is_exact || fixture == "ner-int8", "{name}: nothing was compared");
}

/// Checks the entities of every strategy, and returns their number.
fn check_entities(name: &str, ner: &Ner, text: &str, pipeline: Pipeline) -> usize {
    let mut compared = 0;
    for (aggregation, expected) in pipeline.by_strategy() {
        let ner =
            ner.with(EntityOptions::new().aggregation(aggregation)).expect("it should have the strategy");
        let found = ner.tag(text).expect("the text should be tagged").entities;
        let spans: Vec<_> = found.iter().map(span).collect();
        let wanted: Vec<_> = expected.iter().map(|e| (e.entity.clone(), e.start, e.end)).collect();
        assert_eq!(spans, wanted, "{name}, {aggregation}: {text:?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found.score - expected.score).abs() <= super::TOLERANCE,
                "{name}, {aggregation}: {text:?}"
            );
            assert_eq!(found.text, found.span.of(text));
            compared += 1;
        }
    }
    compared
}

fn span(entity: &Entity) -> (String, usize, usize) {
    (entity.label.clone(), entity.span.chars.start, entity.span.chars.end)
}

/// Checks the fixtures whose golden has another epsilon than rust-bert, which has 1e-12 whatever config.json says.
/// With that epsilon, the native backend gives the same results, and the other epsilon moves no entity.
#[cfg(feature = "libtorch")]
#[test]
fn with_the_epsilon_of_rust_bert_the_native_backend_gives_the_same() {
    let fixtures = ["ner-metaspace", "roberta-ner", "roberta-ner-v5", "xlm-roberta-ner", "camembert-ner"];
    let (torch, native) = (super::torch_engine(), super::engine(crate::Precision::F32));
    for name in fixtures {
        let copy = super::with_epsilon_of_rust_bert(name);
        for (folder, tolerance) in [(copy.path(), super::TOLERANCE), (&super::folder(name), 1e-2)] {
            let load = |engine: &crate::Engine| engine.ner(folder).expect("the fixture should load");
            let (torch, native) = (load(&torch), load(&native));
            let mut largest: f32 = 0.0;
            for case in golden::<Golden>(name).texts {
                let logits = |ner: &Ner| ner.logits(&case.text).expect("the text should be read").logits;
                largest = largest.max(difference(&logits(&torch), &logits(&native)));
                let spans = |ner: &Ner| -> Vec<_> {
                    let simple = ner.with(EntityOptions::new().aggregation(Aggregation::Simple));
                    let tagged = simple.expect("it should have the strategy").tag(&case.text);
                    tagged.expect("the text should be tagged").entities.iter().map(span).collect()
                };
                assert_eq!(spans(&torch), spans(&native), "{name}: {:?}", case.text);
            }
            println!("{name}: largest difference of logits {largest:.1e}");
            assert!(largest > 0.0 && largest <= tolerance, "{name}: {largest}");
        }
    }
}
