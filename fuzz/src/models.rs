//! Folders of models, one file of which is damaged.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use entopic::{EntityOptions, Registry};
use tempfile::TempDir;

use crate::damage::damaged;
use crate::first;
use crate::texts::ENGINE;

/// The folder of the tiny models.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens")
}

/// A model in memory: its files by their names.
type Files = HashMap<String, Vec<u8>>;

/// The models. Inputs choose one by its place, so new ones come last.
#[rustfmt::skip]
const NAMES: [&str; 75] = [
    "albert-embed", "albert-fixed-nli", "albert-ner", "albert-nli", "bart-nli", "camembert-embed", "camembert-ner",
    "camembert-nli", "deberta-v2-c2p-nli", "deberta-v2-conv-nli", "deberta-v2-embed", "deberta-v2-ner",
    "deberta-v2-ner-v5", "deberta-v2-nli", "distilbert-embed", "distilbert-ner", "distilbert-nli", "electra-embed",
    "electra-ner", "electra-nli", "embed-cls", "embed-mean", "fnet-ner", "fnet-nli", "gliclass-deberta",
    "gliclass-lstm", "gliclass-modernbert", "gliner-span", "gliner-span-plain", "gliner-token", "longformer-ner",
    "longformer-nli", "mobilebert-ner", "mobilebert-nli", "modernbert-embed", "modernbert-mean-nli",
    "modernbert-ner", "modernbert-ner-v5", "modernbert-nli", "mpnet-embed", "mpnet-ner", "mpnet-ner-v5",
    "mpnet-nli", "ner-bioes", "ner-bytelevel", "ner-int8", "ner-metaspace", "ner-wordpiece-cased",
    "ner-wordpiece-cased-v5", "ner-wordpiece-uncased", "nli-cne", "nli-e-not", "nli-enc", "nli-not-e",
    "nli-unnamed", "onnx-distilbert-embed", "onnx-gliner-span", "onnx-gliner-span-plain", "onnx-gliner-token",
    "onnx-ner-wordpiece-cased", "onnx-nli-e-not", "onnx-xlnet-ner", "roberta-embed", "roberta-fixed-ner",
    "roberta-fixed-nli", "roberta-ner", "roberta-ner-v5", "roberta-nli", "weight-formats", "xlm-roberta-embed",
    "xlm-roberta-ner", "xlm-roberta-ner-v5", "xlm-roberta-nli", "xlnet-ner", "xlnet-nli",
];

static MODELS: LazyLock<Vec<(&str, Files)>> =
    LazyLock::new(|| NAMES.iter().map(|name| (*name, files(name))).collect());

/// The files of a model. Some folders have only what differs from another model: graphs, and weights in other formats.
fn files(name: &str) -> Files {
    let mut files = Files::new();
    let base = match name {
        "weight-formats" => Some("ner-wordpiece-cased"),
        "onnx-xlnet-ner" => None,
        _ => name.strip_prefix("onnx-"),
    };
    if let Some(base) = base {
        read(&folder().join(base), "", &mut files);
        files.remove("model.safetensors");
    }
    let own = if name == "weight-formats" { "weight-formats/zip" } else { name };
    read(&folder().join(own), "", &mut files);
    files.remove("golden.json");
    files
}

fn read(folder: &Path, prefix: &str, into: &mut Files) {
    for entry in fs::read_dir(folder).expect("the model should be there").flatten() {
        let (path, name) = (entry.path(), format!("{prefix}{}", entry.file_name().display()));
        match path.is_dir() {
            true => read(&path, &format!("{name}/"), into),
            false => drop(into.insert(name, fs::read(&path).expect("the file should be readable"))),
        }
    }
}

fn write(files: &Files) -> TempDir {
    let folder = TempDir::new().expect("a folder should be made");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a file should be in a folder"))
            .expect("a folder should be made");
        fs::write(path, bytes).expect("the file should be written");
    }
    folder
}

/// A copy of the model `name` as it is.
pub(crate) fn whole(name: &str) -> TempDir {
    let found = MODELS.iter().find(|(model, _)| *model == name);
    write(&found.unwrap_or_else(|| panic!("there should be a model {name}")).1)
}

/// Loads a model one file of which is damaged, and reads a text with it if it loads. The first byte of `data` chooses
/// the model, the second the file, among those that `is_meant`.
fn load(data: &[u8], is_meant: impl Fn(&str) -> bool) {
    let (model, data) = first(data);
    let (file, data) = first(data);
    let meant: Vec<(&Files, Vec<&str>)> = MODELS
        .iter()
        .map(|(_, files)| {
            let mut names: Vec<&str> =
                files.keys().map(String::as_str).filter(|name| is_meant(name)).collect();
            names.sort_unstable();
            (files, names)
        })
        .filter(|(_, names)| !names.is_empty())
        .collect();
    let (files, names) = &meant[model % meant.len()];
    let file = names[file % names.len()];
    let mut files = (*files).clone();
    let changed = damaged(&files[file], data);
    files.insert(file.to_owned(), changed);
    let folder = write(&files);
    let text = "Maria Okafor of Lagos met Reuters. She left on Monday.";
    if let Ok(ner) = ENGINE.ner(folder.path()) {
        let types = ner.with(EntityOptions::new().entity_types(["person", "place"])).unwrap_or(ner);
        // A text may be refused, for example if the model has no types of entities.
        let _ = types.tag(text);
    }
    if let Ok(classifier) = ENGINE.topics(folder.path())
        && let Ok(labels) = classifier.label_set(["sport", "law"])
    {
        let _ = classifier.classify(text, &labels);
    }
}

fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors") || name.ends_with(".bin") || name.ends_with(".index.json")
}

/// Loads a model with damaged weights: safetensors, a pickle, or an index.
pub fn weights(data: &[u8]) {
    load(data, is_weights);
}

/// Loads a model with a damaged configuration.
pub fn config(data: &[u8]) {
    load(data, |name| name.ends_with("config.json"));
}

/// Loads a model with a damaged graph.
pub fn onnx(data: &[u8]) {
    load(data, |name| name.ends_with(".onnx"));
}

/// The kinds of tokenizers. Inputs choose one by its place, so new ones come last.
#[rustfmt::skip]
const KINDS: [&str; 22] = [
    "albert", "albert-cased", "bart", "bert", "bert-cased", "camembert", "deberta", "deberta-v2",
    "deberta-v2-split", "distilbert", "electra", "json-bert", "json-bert-specials", "json-fast", "json-roberta",
    "mpnet", "mpnet-cased", "roberta", "roberta-spaced", "xlm-roberta", "xlm-roberta-bpe", "xlm-roberta-named",
];

static TOKENIZERS: LazyLock<Vec<Files>> = LazyLock::new(|| {
    let files = KINDS.iter().map(|name| {
        let mut files = Files::new();
        read(&folder().join("tokenizers").join(name), "", &mut files);
        files.remove("golden.json");
        files
    });
    files.collect()
});

/// Reads the tokenizer of a folder in which a file is damaged, and tokenises a text with it.
pub fn tokenizer(data: &[u8]) {
    let (kind, data) = first(data);
    let (file, data) = first(data);
    let mut files = TOKENIZERS[kind % TOKENIZERS.len()].clone();
    let mut names: Vec<String> = files.keys().cloned().collect();
    names.sort_unstable();
    let file = &names[file % names.len()];
    let changed = damaged(&files[file], data);
    files.insert(file.clone(), changed);
    let folder = write(&files);
    let text = "Maria Okafor met José in São Tomé, then left for İzmir.\u{a0}東京 won 4-2! 👩\u{200d}👧";
    // Either result is right; a panic is not.
    let _ = entopic::internals::tokenise_with(folder.path(), text);
}

/// Reads a registry, and finds each of its models by name.
pub fn registry(data: &[u8]) {
    let folder = TempDir::new().expect("a folder should be made");
    let path = folder.path().join("models.toml");
    fs::write(&path, data).expect("the file should be written");
    if let Ok(registry) = Registry::from_file(&path) {
        for entry in registry.entries() {
            assert_eq!(registry.find(&entry.name).map(|found| &found.name), Some(&entry.name));
        }
        registry.nearest("bert", |_| true);
    }
}
