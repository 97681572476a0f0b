//! ONNX graphs: batches, threads, and graphs that are wrong. `src/goldens.rs` compares their numbers with
//! transformers'.

use std::fs;
use std::sync::LazyLock;

use entopic::{Aggregation, EntityOptions, Error, ErrorKind, Ner, TopicClassifier};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use proptest::test_runner::RngSeed;
use tempfile::TempDir;

#[path = "support/mod.rs"]
mod support;

use support::random::{check_entities, check_topics, division, text};
use support::{assert_says, engine, fixture, load_topics};

const TOLERANCE: f32 = 1e-4;

/// Graphs, and the fixtures with their other files.
const NER: [(&str, &str); 2] =
    [("onnx-ner-wordpiece-cased", "ner-wordpiece-cased"), ("onnx-xlnet-ner", "onnx-xlnet-ner")];
const GLINER: [(&str, &str); 3] = [
    ("onnx-gliner-span", "gliner-span"),
    ("onnx-gliner-span-plain", "gliner-span-plain"),
    ("onnx-gliner-token", "gliner-token"),
];
const NLI: (&str, &str) = ("onnx-nli-e-not", "nli-e-not");
const EMBEDDING: (&str, &str) = ("onnx-distilbert-embed", "distilbert-embed");

/// A folder with a graph at `path` and what belongs to it.
fn folder_with((graph, other): (&str, &str), path: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder should be made");
    for file in [
        "config.json",
        "gliner_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "1_Pooling/config.json",
    ] {
        let (from, to) = (fixture(other).join(file), folder.path().join(file));
        if from.exists() {
            fs::create_dir_all(to.parent().expect("a temporary folder should be made"))
                .expect("it should be made");
            fs::copy(from, to).expect("it should be copied");
        }
    }
    let to = folder.path().join(path);
    fs::create_dir_all(to.parent().expect("a temporary folder should be made")).expect("it should be made");
    fs::copy(fixture(graph).join("model.onnx"), to).expect("it should be copied");
    folder
}

fn folder(names: (&str, &str)) -> TempDir {
    folder_with(names, "model.onnx")
}

fn ner(folder: &TempDir, threads: usize) -> Result<Ner, Error> {
    let ner = engine(threads).ner(folder.path())?;
    ner.with(EntityOptions::new().aggregation(Aggregation::Simple))
}

#[test]
fn a_graph_may_be_in_a_subfolder() {
    let classifier = load_topics(folder_with(NLI, "onnx/model.onnx").path()).expect("the graph should load");
    let labels = classifier.label_set(["sport", "law"]).expect("the labels should fit");
    assert_eq!(
        classifier.classify("Obama met Okafor", &labels).expect("it should be classified").topics.len(),
        2
    );
}

/// Every graph, each on one thread and on three.
static NERS: LazyLock<Vec<[Ner; 2]>> = LazyLock::new(|| {
    let engines = [engine(1), engine(3)];
    let load = |names| {
        let folder = folder(names);
        engines.each_ref().map(|engine| engine.ner(folder.path()).expect("the graph should load"))
    };
    NER.into_iter().chain(GLINER).map(load).collect()
});
static CLASSIFIERS: LazyLock<Vec<[TopicClassifier; 2]>> = LazyLock::new(|| {
    let engines = [engine(1), engine(3)];
    let load = |names| {
        let folder = folder(names);
        engines.each_ref().map(|engine| engine.topics(folder.path()).expect("the graph should load"))
    };
    [NLI, EMBEDDING].into_iter().map(load).collect()
});

/// The options for a model that takes entity types, and for any other.
fn options(ner: &Ner, window: usize) -> EntityOptions {
    match ner.tags().is_empty() {
        true => EntityOptions::new().entity_types(["person", "place"]).threshold(0.3),
        false => EntityOptions::new().aggregation(Aggregation::Simple).window(window),
    }
}

proptest! {
    // The seed is fixed, because a score of another backend may differ by so little that another label wins.
    #![proptest_config(ProptestConfig { cases: 16, rng_seed: RngSeed::Fixed(0), ..ProptestConfig::default() })]

    #[test]
    fn random_calls_give_what_their_documents_give_alone(
        texts in prop::collection::vec(text(), 1..12),
        ner in any::<prop::sample::Index>(),
        classifier in any::<prop::sample::Index>(),
        window in 16_usize..60,
        division in division(8),
    ) {
        let ners = ner.get(&NERS).each_ref().map(|ner| {
            ner.with(options(ner, window)).expect("the options should fit")
        });
        check_entities(ners.each_ref(), &texts, &division, TOLERANCE);
        check_topics(classifier.get(&CLASSIFIERS).each_ref(), &texts, &division, TOLERANCE);
    }
}

#[test]
fn a_word_that_is_longer_than_a_window_is_read() {
    let text = format!("Maria Okafor met {} in Lagos", "x".repeat(1000));
    for [ner, _] in &*NERS {
        let tagged =
            ner.with(options(ner, 60)).and_then(|ner| ner.tag(&text)).expect("the text should be read");
        assert_eq!(tagged.coverage.chars, text.len(), "{}", ner.name());
    }
}

#[test]
fn callers_may_be_many_and_jobs_of_another_pool() {
    let ner = ner(&folder(NER[0]), 2).expect("the model should load");
    let expected = ner.tag("Maria Okafor met Obama in Geneva").expect("the text should be tagged");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("the threads should start");
    let call = || {
        assert_eq!(
            ner.tag("Maria Okafor met Obama in Geneva").expect("the text should be tagged").entities,
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

/// The error of a folder whose file was changed.
fn damaged(names: (&str, &str), file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Error {
    let folder = folder(names);
    let path = folder.path().join(file);
    fs::write(&path, change(fs::read(&path).expect("it should exist"))).expect("the file should be written");
    ner(&folder, 1).err().unwrap_or_else(|| panic!("a damaged {file} was loaded"))
}

fn configured(names: (&str, &str), key: &str, value: serde_json::Value) -> Error {
    damaged(names, "config.json", |bytes| {
        let mut config: serde_json::Value = serde_json::from_slice(&bytes).expect("it should be JSON");
        config[key] = value.clone();
        config.to_string().into_bytes()
    })
}

#[test]
fn labels_that_disagree_are_named() {
    let error = configured(NER[0], "id2label", serde_json::json!({"0": "O", "1": "PER"}));
    assert_says(&error, ErrorKind::Weights, &["model.onnx", "[1, 5, 9]", "[1, 5, 2]", "with 2 labels"]);
    let classes = serde_json::json!(["BertForSequenceClassification"]);
    let error = configured(NER[0], "architectures", classes);
    assert_says(&error, ErrorKind::WrongTask, &["named-entity recognition"]);
    let classes = serde_json::json!(["XLNetForQuestionAnsweringSimple"]);
    let error = configured(NER[1], "architectures", classes);
    assert_says(&error, ErrorKind::Config, &["config.json", "ForTokenClassification"]);
    // The graph has one output per sequence, and the task needs one per token.
    let error = damaged((NLI.0, NER[0].1), "config.json", |bytes| bytes);
    assert_says(&error, ErrorKind::Weights, &["[1, 2]", "[1, 5, 9]"]);
}

#[test]
fn a_length_must_be_given() {
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

/// Some of these load, since not every byte matters; none may panic, or end the process.
#[test]
fn no_flipped_byte_brings_the_process_down() {
    let folder = folder(NER[1]);
    let path = folder.path().join("model.onnx");
    let whole = fs::read(&path).expect("it should exist");
    let mut refused = 0;
    for step in 0..150 {
        let mut bytes = whole.clone();
        // The nodes are at the start, the inputs at the end.
        let at = if step % 5 == 0 { bytes.len() - 1 - step } else { step * 113 % bytes.len() };
        bytes[at] ^= 1 << (step % 8);
        fs::write(&path, bytes).expect("the file should be written");
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
    // A tensor without a name or a shape; the place of its data is checked first.
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
        assert_says(&with_data_at(place), ErrorKind::Weights, &["outside the model's folder"]);
    }
    assert_says(&with_data_at("model.onnx_data"), ErrorKind::Weights, &["model.onnx_data", "is missing"]);
    // A file of the folder that has no tensors.
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
    assert_says(&error, ErrorKind::Weights, &["not a tensor of f32"]);
    let error = damaged(NER[1], "model.onnx", |_| chain((1 << 15) + 1));
    assert_says(&error, ErrorKind::Weights, &["more than 32768 nodes"]);
}
