//! Mean- and first-token-pooled encoders.

use serde::Deserialize;

#[cfg(feature = "libtorch")]
use super::difference;
use super::{Comparison, Fixture, both, golden, native, runs};

const FIXTURES: &[Fixture] = &[
    both("embed-mean"),
    both("embed-cls"),
    both("distilbert-embed").graph("onnx-distilbert-embed"),
    native("roberta-embed"),
    native("xlm-roberta-embed"),
    native("camembert-embed"),
    native("electra-embed"),
    native("albert-embed"),
    native("mpnet-embed"),
    native("deberta-v2-embed"),
    native("modernbert-embed"),
];

#[derive(Deserialize)]
struct Golden {
    texts: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    embedding: Vec<f32>,
}

#[test]
fn embeddings_equal_transformers() {
    for run in runs(FIXTURES) {
        let name = &run.name;
        let fixture = name.split(',').next().expect("a run should be named after its fixture");
        let classifier = run.engine.topics(&run.folder).expect("the fixture should load");
        let cases = golden::<Golden>(fixture).texts;
        let texts: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
        let mut compared = Comparison::default();
        for (case, found) in cases.iter().zip(classifier.embed_batch(&texts)) {
            let found = found.expect("the text should be embedded");
            if case.text.trim().is_empty() {
                assert!(found.iter().all(|&value| value == 0.0));
                continue;
            }
            assert_eq!(found.len(), case.embedding.len(), "{name}: {:?}", case.text);
            compared.add(&found, &case.embedding);
        }
        compared.check(&run);
    }
}

/// Repeats the check of token classifiers for embeddings: the golden has another epsilon than rust-bert.
#[cfg(feature = "libtorch")]
#[test]
fn with_the_epsilon_of_rust_bert_the_native_backend_gives_the_same() {
    let (torch, native) = (super::torch_engine(), super::engine(crate::Precision::F32));
    for name in ["electra-embed", "xlm-roberta-embed", "camembert-embed"] {
        let copy = super::with_epsilon_of_rust_bert(name);
        let load = |engine: &crate::Engine| engine.topics(copy.path()).expect("the fixture should load");
        let (torch, native) = (load(&torch), load(&native));
        let mut largest: f32 = 0.0;
        for case in golden::<Golden>(name).texts {
            let [a, b] =
                [&torch, &native].map(|model| model.embed(&case.text).expect("it should be embedded"));
            largest = largest.max(difference(&a, &b));
        }
        println!("{name}: largest difference {largest:.1e}");
        assert!(largest > 0.0 && largest <= super::TOLERANCE, "{name}: {largest}");
    }
}
