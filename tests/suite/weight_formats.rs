//! The same weights give the same logits in whatever form they are stored.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use entopic::{Error, ErrorKind, Ner, Precision};
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;

use crate::support::{changed, copy_into, fixture, precise};

/// The shape and the values of tensors, by name.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

const TEXTS: [&str; 3] = ["Anna Schmidt met Bob in Berlin.", "The Reuters office moved to Paris.", ""];

/// A folder with the config and tokenizer of ner-wordpiece-cased, with `layers` layers and without weights.
fn folder(layers: usize) -> TempDir {
    let folder = changed("ner-wordpiece-cased", |config| config["num_hidden_layers"] = layers.into());
    fs::remove_file(folder.path().join("model.safetensors")).expect("the weights should be removed");
    folder
}

/// Copies files of tests/goldens/weight-formats.
fn copy(folder: &Path, from: &str) {
    copy_into(&fixture("weight-formats").join(from), folder);
}

/// The weights of ner-wordpiece-cased.
pub(crate) fn tensors() -> Tensors {
    let bytes =
        fs::read(fixture("ner-wordpiece-cased").join("model.safetensors")).expect("the weights should exist");
    let file = SafeTensors::deserialize(&bytes).expect("they should be safetensors");
    let floats = |view: &TensorView<'_>| {
        let values = view.data().as_chunks::<4>().0.iter();
        values.map(|&value| f32::from_le_bytes(value)).collect()
    };
    let tensors = file.tensors().into_iter();
    tensors.map(|(name, view)| (name, (view.shape().to_vec(), floats(&view)))).collect()
}

fn rounded(round: impl Fn(f32) -> f32) -> Tensors {
    let mut tensors = tensors();
    tensors.values_mut().for_each(|(_, values)| values.iter_mut().for_each(|value| *value = round(*value)));
    tensors
}

/// A safetensors file of `tensors`, which `encode` turns into bytes of the type `dtype`.
fn safetensors<const N: usize>(tensors: &Tensors, dtype: Dtype, encode: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    let encode = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|&value| encode(value)).collect() };
    let encoded: Vec<_> =
        tensors.iter().map(|(name, (shape, values))| (name, shape.clone(), encode(values))).collect();
    let views = encoded.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(dtype, shape.clone(), bytes).expect("the bytes should have this shape"))
    });
    safetensors::serialize(views, None).expect("the file should be written")
}

pub(crate) fn f32_file(tensors: &Tensors) -> Vec<u8> {
    safetensors(tensors, Dtype::F32, f32::to_le_bytes)
}

fn load(folder: &Path, precision: Precision) -> Result<Ner, Error> {
    precise(precision).ner(folder)
}

/// The logits of all texts, at both precisions.
fn logits(folder: &Path) -> Vec<f32> {
    let mut logits = Vec::new();
    for precision in [Precision::F32, Precision::Int8] {
        let ner = load(folder, precision).expect("the model should load");
        for text in TEXTS {
            logits.extend(ner.logits(text).expect("it should be read").logits.iter().copied());
        }
    }
    assert!(logits.len() > 100, "the texts give {} logits", logits.len());
    logits
}

/// The logits of a model with these weights as f32.
fn reference(layers: usize, tensors: &Tensors) -> Vec<f32> {
    let folder = folder(layers);
    fs::write(folder.path().join("model.safetensors"), f32_file(tensors))
        .expect("the file should be written");
    logits(folder.path())
}

#[test]
fn safetensors_of_every_type_give_what_their_values_give_as_f32() {
    let plain = reference(2, &tensors());
    for (bytes, widened, differs) in [
        (
            safetensors(&tensors(), Dtype::F16, |value| f16::from_f32(value).to_le_bytes()),
            rounded(|value| f16::from_f32(value).to_f32()),
            true,
        ),
        (
            safetensors(&tensors(), Dtype::BF16, |value| bf16::from_f32(value).to_le_bytes()),
            rounded(|value| bf16::from_f32(value).to_f32()),
            true,
        ),
        (safetensors(&tensors(), Dtype::F64, |value| f64::from(value).to_le_bytes()), tensors(), false),
    ] {
        let folder = folder(2);
        fs::write(folder.path().join("model.safetensors"), bytes).expect("the file should be written");
        let found = logits(folder.path());
        assert_eq!(found, reference(2, &widened));
        assert_eq!(found != plain, differs);
    }
}

/// Writes `tensors` as two shards and their index.
fn write_shards(folder: &Path, tensors: &Tensors) -> serde_json::Value {
    let mut map = serde_json::Map::new();
    let mut shards = [Tensors::new(), Tensors::new()];
    for (at, (name, tensor)) in tensors.iter().enumerate() {
        shards[at % 2].insert(name.clone(), tensor.clone());
        map.insert(name.clone(), shard_name(at % 2).into());
    }
    for (number, shard) in shards.iter().enumerate() {
        fs::write(folder.join(shard_name(number)), f32_file(shard)).expect("the file should be written");
    }
    let index = serde_json::json!({"metadata": {"total_size": 0}, "weight_map": map});
    write_index(folder, &index);
    index
}

fn write_index(folder: &Path, index: &serde_json::Value) {
    fs::write(folder.join("model.safetensors.index.json"), index.to_string())
        .expect("the file should be written");
}

fn shard_name(number: usize) -> String {
    format!("model-0000{}-of-00002.safetensors", number + 1)
}

#[test]
fn shards_give_what_one_file_gives() {
    let folder = folder(2);
    let index = write_shards(folder.path(), &tensors());
    let expected = reference(2, &tensors());
    assert_eq!(logits(folder.path()), expected);

    // A tensor does not count if it is in a shard but not in the index, or in another shard than the index says.
    let classifier = "classifier.weight";
    let place = index["weight_map"][classifier].as_str().expect("it should be placed");
    let other = usize::from(place == shard_name(0));
    let wrong = tensors().into_iter().filter(|(name, _)| index["weight_map"][name] == shard_name(other));
    let mut wrong: Tensors = wrong.collect();
    wrong.insert(classifier.to_owned(), (vec![1], vec![0.0]));
    fs::write(folder.path().join(shard_name(other)), f32_file(&wrong)).expect("the file should be written");
    assert_eq!(logits(folder.path()), expected);
}

/// The fixtures are PyTorch's own: f32 with parameters and matrices stored by columns, f16 in the form
/// before torch 1.6 with all in one storage, and transformers' shards in bf16.
#[test]
fn pickles_give_what_their_values_give_as_safetensors() {
    for (form, widened) in [
        ("zip", tensors()),
        ("legacy", rounded(|value| f16::from_f32(value).to_f32())),
        ("sharded", rounded(|value| bf16::from_f32(value).to_f32())),
    ] {
        let folder = folder(1);
        copy(folder.path(), form);
        assert_eq!(logits(folder.path()), reference(1, &widened), "{form}");
    }
}

fn refused(folder: &Path, words: &[&str]) {
    let error = load(folder, Precision::Int8).expect_err("the model should not load");
    assert_eq!(error.kind(), ErrorKind::Weights, "{error:?}");
    for word in words {
        assert!(format!("{error:?}").contains(word), "{error:?} does not say {word:?}");
    }
}

#[test]
fn an_index_that_lies_is_refused() {
    const INDEX: &str = "model.safetensors.index.json";
    let folder = folder(2);
    let folder = folder.path();
    let index = write_shards(folder, &tensors());
    let spoil = |change: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>)| {
        let mut spoiled = index.clone();
        change(spoiled["weight_map"].as_object_mut().expect("it should be an object"));
        write_index(folder, &spoiled);
    };

    // The file outside exists, and would be read.
    let outside = folder.join("../outside.safetensors");
    for outside in
        ["../outside.safetensors", "..\\outside.safetensors", outside.to_str().expect("it should be a path")]
    {
        spoil(&|map| map["classifier.bias"] = outside.into());
        refused(folder, &[INDEX, "classifier.bias", "not the name of a file in the same folder"]);
    }
    spoil(&|map| map["classifier.bias"] = INDEX.into());
    refused(folder, &[INDEX, "classifier.bias", ".safetensors"]);
    spoil(&|map| map["classifier.bias"] = "model-00003-of-00003.safetensors".into());
    refused(folder, &[INDEX, "model-00003-of-00003.safetensors", "missing"]);
    spoil(&|map| {
        for number in 0..3000 {
            map.insert(format!("{number}"), format!("model-{number}.safetensors").into());
        }
    });
    refused(folder, &[INDEX, "more than 1024 files"]);
    spoil(&|map| {
        map.insert("made.up".to_owned(), shard_name(0).into());
    });
    refused(folder, &[INDEX, "made.up", &shard_name(0), "does not contain it"]);
    spoil(&|map| {
        let other = usize::from(map["classifier.bias"] == shard_name(0));
        map["classifier.bias"] = shard_name(other).into();
    });
    refused(folder, &[INDEX, "classifier.bias", "does not contain it"]);
    spoil(&|map| {
        map.remove("classifier.bias");
    });
    refused(folder, &[INDEX, "has no tensor \"classifier.bias\""]);
    fs::write(folder.join(INDEX), "{\"weight_map\": [").expect("the file should be written");
    refused(folder, &[INDEX, "weight_map"]);

    write_index(folder, &index);
    fs::write(folder.join(shard_name(1)), [0; 20]).expect("the file should be written");
    refused(folder, &[&shard_name(1), "not a whole safetensors file"]);
    fs::remove_file(folder.join(shard_name(1))).expect("it should be removed");
    refused(folder, &[INDEX, &shard_name(1), "missing"]);
}

#[test]
fn a_pickle_that_would_run_something_is_refused() {
    for (file, index) in [("pytorch_model.bin", false), ("pytorch_model-00001-of-00002.bin", true)] {
        let folder = folder(1);
        copy(folder.path(), if index { "sharded" } else { "legacy" });
        let path = folder.path().join(file);
        let bytes = fs::read(&path).expect("the weights should exist");
        let at =
            bytes.windows(13).position(|window| window == b"torch._utils\n").expect("it should be a global");
        // In as many bytes as before, so that archives stay whole.
        let mut spoiled = bytes.clone();
        spoiled[at..at + 31].copy_from_slice(b"subprocess\ncheck_output_of_it__");
        fs::write(&path, spoiled).expect("the file should be written");
        let says = [file, "subprocess.check_output_of_it__", "which is not run", "safe_serialization=True"];
        refused(folder.path(), &says);

        for length in [0, 1, 100, 1000, bytes.len() - 1] {
            fs::write(&path, &bytes[..length]).expect("the file should be written");
            refused(folder.path(), &[file, "fetch it again"]);
        }
    }
}

#[test]
fn numbers_that_are_none_are_refused_in_every_type() {
    let spoiled = || rounded(|value| if value > 0.1 { f32::INFINITY } else { value });
    for bytes in [
        safetensors(&spoiled(), Dtype::F16, |value| f16::from_f32(value).to_le_bytes()),
        safetensors(&spoiled(), Dtype::BF16, |value| bf16::from_f32(value).to_le_bytes()),
        // Finite, but not as f32.
        safetensors(&tensors(), Dtype::F64, |value| (f64::from(value) * 1e300).to_le_bytes()),
    ] {
        let folder = folder(2);
        fs::write(folder.path().join("model.safetensors"), bytes).expect("the file should be written");
        refused(folder.path(), &["model.safetensors", "not finite"]);
    }
    let folder = folder(2);
    let bytes = safetensors(&tensors(), Dtype::I32, |value| (value as i32).to_le_bytes());
    fs::write(folder.path().join("model.safetensors"), bytes).expect("the file should be written");
    refused(folder.path(), &["type I32", "F32, F16, BF16 and F64"]);
}
