//! Graphs in ONNX against transformers, on tiny random-weight models, and graphs that are wrong.

use std::fs;
use std::path::Path;

use entopic::{Aggregation, Error, ErrorKind, Ner, Scoring, TopicClassifier};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

const TOLERANCE: f32 = 1e-4;

/// Graphs, and the fixtures that have their other files.
const NER: [(&str, &str); 2] =
    [("onnx-ner-wordpiece-cased", "ner-wordpiece-cased"), ("onnx-xlnet-ner", "onnx-xlnet-ner")];
const NLI: (&str, &str) = ("onnx-nli-e-not", "nli-e-not");
const EMBEDDING: (&str, &str) = ("onnx-distilbert-embed", "distilbert-embed");

#[derive(Deserialize)]
struct NerGolden {
    texts: Vec<NerCase>,
}

#[derive(Deserialize)]
struct NerCase {
    text: String,
    special_tokens_mask: Vec<u8>,
    logits: Vec<Vec<f32>>,
    pipeline: Pipeline,
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
    candidate_labels: serde_json::Value,
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

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

fn golden<T: DeserializeOwned>(name: &str) -> T {
    let json = fs::read(fixture(name).join("golden.json")).expect("the golden is committed");
    serde_json::from_slice(&json).expect("the golden is JSON")
}

/// A folder with a graph at `path` and what belongs to it.
fn folder_with((graph, other): (&str, &str), path: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json", "1_Pooling/config.json"] {
        let (from, to) = (fixture(other).join(file), folder.path().join(file));
        if from.exists() {
            fs::create_dir_all(to.parent().expect("a folder")).expect("is made");
            fs::copy(from, to).expect("is copied");
        }
    }
    let to = folder.path().join(path);
    fs::create_dir_all(to.parent().expect("a folder")).expect("is made");
    fs::copy(fixture(graph).join("model.onnx"), to).expect("is copied");
    folder
}

fn folder(names: (&str, &str)) -> TempDir {
    folder_with(names, "model.onnx")
}

fn name(folder: &TempDir) -> String {
    folder.path().display().to_string()
}

fn ner(folder: &TempDir, threads: usize) -> Result<Ner, Error> {
    Ner::builder(name(folder)).aggregation(Aggregation::Simple).threads(threads).build()
}

#[test]
fn logits_and_entities_equal_transformers() {
    for names in NER {
        let ner = ner(&folder(names), 1).expect("loads");
        let (mut largest, mut compared): (f32, usize) = (0.0, 0);
        for case in golden::<NerGolden>(names.1).texts {
            let found = ner.logits(&case.text).expect("is tagged").logits;
            let expected = case.logits.iter().zip(&case.special_tokens_mask);
            let expected: Vec<&Vec<f32>> =
                expected.filter(|(_, special)| **special == 0).map(|(row, _)| row).collect();
            assert_eq!(found.nrows(), expected.len(), "{names:?}: {:?}", case.text);
            for (row, expected) in found.rows().into_iter().zip(expected) {
                for (value, expected) in row.iter().zip(expected) {
                    largest = largest.max((value - expected).abs());
                }
            }
            let found = ner.tag(&case.text).expect("is tagged").entities;
            assert_eq!(found.len(), case.pipeline.simple.len(), "{names:?}: {:?}", case.text);
            for (found, expected) in found.iter().zip(&case.pipeline.simple) {
                let chars = &found.span.chars;
                assert_eq!(
                    (&*found.label, chars.start, chars.end),
                    (&*expected.entity_group, expected.start, expected.end)
                );
                assert!((found.score - expected.score).abs() <= TOLERANCE);
                compared += 1;
            }
        }
        println!("{names:?}: largest difference of logits {largest:.1e}, {compared} entities");
        assert!(largest <= TOLERANCE && compared > 0, "{names:?}: {largest}");
    }
}

#[test]
fn topics_equal_the_pipeline() {
    let folder = folder_with(NLI, "onnx/model.onnx");
    let (mut largest, mut largest_score): (f32, f32) = (0.0, 0.0);
    for case in golden::<NliGolden>(NLI.1).cases {
        let Ok(candidates) = serde_json::from_value::<Vec<String>>(case.candidate_labels) else { continue };
        if case.text.trim().is_empty() {
            continue;
        }
        let scoring = if case.multi_label { Scoring::MultiLabel } else { Scoring::SingleLabel };
        let builder = TopicClassifier::builder(name(&folder)).template(&case.hypothesis_template);
        let classifier = builder.scoring(scoring).threads(1).build().expect("loads");
        let labels = classifier.label_set(candidates).expect("labels");
        for (label, pair) in case.pairs.iter().enumerate() {
            let logits = classifier.nli_logits(&case.text, &labels, label).expect("logits");
            for (value, expected) in logits.iter().zip(&pair.logits) {
                largest = largest.max((value - expected).abs());
            }
        }
        let found = classifier.classify(&case.text, &labels).expect("is classified").topics;
        let names: Vec<&String> = found.iter().map(|topic| &topic.label).collect();
        assert_eq!(names, case.labels.iter().collect::<Vec<_>>(), "{:?}", case.text);
        for (topic, expected) in found.iter().zip(&case.scores) {
            largest_score = largest_score.max((topic.score - expected).abs());
        }
    }
    println!("{NLI:?}: largest difference of logits {largest:.1e}, of scores {largest_score:.1e}");
    assert!(largest > 0.0 && largest <= TOLERANCE && largest_score <= TOLERANCE);
}

#[test]
fn embeddings_equal_transformers() {
    let folder = folder(EMBEDDING);
    let classifier = TopicClassifier::builder(name(&folder)).threads(1).build().expect("loads");
    let mut largest: f32 = 0.0;
    for case in golden::<EmbeddingGolden>(EMBEDDING.1).texts {
        let found = classifier.embed_text(&case.text).expect("is embedded");
        if !case.text.trim().is_empty() {
            assert_eq!(found.len(), case.embedding.len());
            for (value, expected) in found.iter().zip(&case.embedding) {
                largest = largest.max((value - expected).abs());
            }
        }
    }
    println!("{EMBEDDING:?}: largest difference {largest:.1e}");
    assert!(largest > 0.0 && largest <= TOLERANCE);
}

#[test]
fn a_batch_gives_what_its_documents_give_alone() {
    for names in NER {
        let folder = folder(names);
        let texts: Vec<String> =
            golden::<NerGolden>(names.1).texts.into_iter().map(|case| case.text).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).cycle().take(60).collect();
        let one = ner(&folder, 1).expect("loads");
        let alone: Vec<_> = texts.iter().map(|text| one.tag(text).expect("is tagged").entities).collect();
        let mut largest: f32 = 0.0;
        for threads in [1, 3] {
            let ner = ner(&folder, threads).expect("loads");
            for (found, alone) in ner.tag_batch(&texts).into_iter().zip(&alone) {
                let found = found.expect("is tagged").entities;
                assert_eq!(found.len(), alone.len());
                for (found, alone) in found.iter().zip(alone) {
                    assert_eq!((&found.label, &found.span), (&alone.label, &alone.span));
                    largest = largest.max((found.score - alone.score).abs());
                }
            }
        }
        println!("{names:?}: largest difference of scores {largest:.1e}");
        assert!(largest <= TOLERANCE);
    }
}

#[test]
fn callers_may_be_many_and_jobs_of_another_pool() {
    let ner = ner(&folder(NER[0]), 2).expect("loads");
    let expected = ner.tag("Maria Okafor met Obama in Geneva").expect("is tagged");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
    let call = || {
        assert_eq!(
            ner.tag("Maria Okafor met Obama in Geneva").expect("is tagged").entities,
            expected.entities
        )
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| call()));
        }
        pool.scope(|jobs| (0..100).for_each(|_| jobs.spawn(|_| call())));
    });
}

fn assert_says(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error:?}");
    for word in words {
        assert!(format!("{error:?}").contains(word), "{error:?} does not say {word:?}");
    }
}

/// The error of a folder whose file was changed.
fn damaged(names: (&str, &str), file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Error {
    let folder = folder(names);
    let path = folder.path().join(file);
    fs::write(&path, change(fs::read(&path).expect("is there"))).expect("is written");
    ner(&folder, 1).err().unwrap_or_else(|| panic!("a damaged {file} was loaded"))
}

fn configured(names: (&str, &str), key: &str, value: serde_json::Value) -> Error {
    damaged(names, "config.json", |bytes| {
        let mut config: serde_json::Value = serde_json::from_slice(&bytes).expect("is JSON");
        config[key] = value.clone();
        config.to_string().into_bytes()
    })
}

#[test]
fn labels_that_disagree_are_named() {
    let error = configured(NER[0], "id2label", serde_json::json!({"0": "O", "1": "PER"}));
    assert_says(&error, ErrorKind::Weights, &["model.onnx", "[1, 5, 9]", "[1, 5, 2]", "labels are 2"]);
    let classes = serde_json::json!(["BertForSequenceClassification"]);
    let error = configured(NER[0], "architectures", classes);
    assert_says(&error, ErrorKind::WrongTask, &["named-entity recognition"]);
    let classes = serde_json::json!(["XLNetForQuestionAnsweringSimple"]);
    let error = configured(NER[1], "architectures", classes);
    assert_says(&error, ErrorKind::Config, &["config.json", "ForTokenClassification"]);
    // What the graph gives to a sequence is not what a task of tokens needs.
    let error = damaged((NLI.0, NER[0].1), "config.json", |bytes| bytes);
    assert_says(&error, ErrorKind::Weights, &["[1, 2]", "[1, 5, 9]"]);
}

#[test]
fn a_length_must_be_told() {
    let error = damaged(NER[1], "tokenizer_config.json", |_| b"{}".to_vec());
    assert_says(&error, ErrorKind::Config, &["max_position_embeddings", "model_max_length"]);
}

#[test]
fn a_damaged_graph_is_refused() {
    for length in [0, 1, 7, 100, 20_000] {
        let error = damaged(NER[1], "model.onnx", |bytes| bytes[..length].to_vec());
        assert_says(&error, ErrorKind::Weights, &["model.onnx"]);
    }
    for other in [&b"RTEN\x02\0\0\0\0\0\0\0"[..], b"{}", b"\x80\x04\x95", &[0x3a, 0xff, 0xff, 0xff, 0x7f]] {
        let error = damaged(NER[1], "model.onnx", |_| other.to_vec());
        assert_says(&error, ErrorKind::Weights, &["model.onnx"]);
    }
    let error = damaged(NER[1], "model.onnx", |mut bytes| {
        while let Some(at) = bytes.windows(14).position(|part| part == b"token_type_ids") {
            bytes[at..at + 14].copy_from_slice(b"token_type_idx");
        }
        bytes
    });
    assert_says(&error, ErrorKind::Weights, &["token_type_idx", "attention_mask"]);
}

/// Some of these load, since not every byte tells; none may panic, or end the process.
#[test]
fn no_flipped_byte_brings_the_process_down() {
    let folder = folder(NER[1]);
    let path = folder.path().join("model.onnx");
    let whole = fs::read(&path).expect("is there");
    let mut refused = 0;
    for step in 0..150 {
        let mut bytes = whole.clone();
        // The nodes are at the start, the inputs at the end.
        let at = if step % 5 == 0 { bytes.len() - 1 - step } else { step * 113 % bytes.len() };
        bytes[at] ^= 1 << (step % 8);
        fs::write(&path, bytes).expect("is written");
        refused += usize::from(ner(&folder, 1).is_err());
    }
    println!("{refused} of 150 are refused");
    assert!(refused > 50);
}

/// A field of a protocol buffer.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn data_beside_the_graph_stays_in_its_folder() {
    // A tensor without a name or a shape: what is read of it comes first.
    let with_data_at = |place: &str| {
        let entry = |key: &str, value: &str| {
            field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat())
        };
        let tensor = [
            entry("location", place),
            entry("offset", "0"),
            entry("length", "4"),
            vec![14 << 3, 1, 2 << 3, 1],
        ];
        let graph = field(7, &field(5, &tensor.concat()));
        damaged(NER[1], "model.onnx", move |bytes| [bytes, graph.clone()].concat())
    };
    for place in ["/etc/hostname.data", "../secret.data", "a/../../secret.data", "C:\\secret.data"] {
        assert_says(&with_data_at(place), ErrorKind::Weights, &["leave the model's folder"]);
    }
    assert_says(&with_data_at("model.onnx_data"), ErrorKind::Weights, &["model.onnx_data", "is missing"]);
    // A file of the folder that holds no tensors.
    assert_says(&with_data_at("config.json"), ErrorKind::Weights, &["config.json"]);
}

#[test]
fn a_graph_may_be_as_long_as_it_is_allowed_and_no_longer() {
    // x0 -> Neg -> x1 -> Neg -> ... : each node waits for the one before it.
    let chain = |nodes: usize| {
        let node = |index: usize| {
            let name = |index: usize| if index == 0 { "input_ids".into() } else { format!("x{index}") };
            let fields = [
                field(1, name(index).as_bytes()),
                field(2, name(index + 1).as_bytes()),
                field(4, if index == 0 { &b"Shape"[..] } else { b"Neg" }),
            ];
            field(1, &fields.concat())
        };
        let nodes_of: Vec<u8> = (0..nodes).flat_map(node).collect();
        let value = |name: &str| field(1, name.as_bytes());
        let ends = [field(11, &value("input_ids")), field(12, &value(&format!("x{nodes}")))].concat();
        let opset = field(8, &[field(1, b""), vec![2 << 3, 17]].concat());
        [vec![1 << 3, 8], field(7, &[nodes_of, ends].concat()), opset].concat()
    };
    let error = damaged(NER[1], "model.onnx", |_| chain(1 << 15));
    assert_says(&error, ErrorKind::Weights, &["no floats"]);
    let error = damaged(NER[1], "model.onnx", |_| chain((1 << 15) + 1));
    assert_says(&error, ErrorKind::Weights, &["more than 32768 nodes"]);
}
