//! Keys of config.json that are entopic's own.

use std::fs;

use entopic::{Aggregation, EntityOptions, ErrorKind, Ner};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{assert_refused, changed, fixture, load_ner};
use crate::weight_formats::{Tensors, f32_file, tensors};

const TEXT: &str = "Anna Schmidt met Bob in Berlin, and Reuters wrote of it.";

/// ner-wordpiece-cased with another config and other weights.
fn model(change: impl FnOnce(&mut Value), weights: impl FnOnce(&mut Tensors)) -> TempDir {
    let folder = changed("ner-wordpiece-cased", change);
    let mut all = tensors();
    weights(&mut all);
    fs::write(folder.path().join("model.safetensors"), f32_file(&all)).expect("the file should be written");
    folder
}

/// A model that finds every entity to be of the kind with the largest of `bias`.
fn with_kinds(kinds: &Value, bias: &[f32]) -> TempDir {
    model(
        |config| config["kinds"] = kinds.clone(),
        |weights| {
            let hidden = weights["classifier.weight"].0[1];
            weights.insert("kinds.weight".into(), (vec![bias.len(), hidden], vec![0.0; bias.len() * hidden]));
            weights.insert("kinds.bias".into(), (vec![bias.len()], bias.to_vec()));
        },
    )
}

#[test]
fn kinds_come_from_a_second_layer_and_change_nothing_else() {
    let plain = load_ner(fixture("ner-wordpiece-cased")).expect("the fixture should load");
    let types = plain.entity_types().to_vec();
    let kinds: Vec<String> =
        types.iter().flat_map(|label| [format!("{label}:x"), format!("{label}:y")]).collect();
    let bias: Vec<f32> = (0..kinds.len()).map(|at| [3.0, 0.0][at % 2]).collect();
    let folder = with_kinds(&json!(kinds), &bias);
    let ner = load_ner(folder.path()).expect("the model should load");
    assert_eq!(ner.entity_kinds(), kinds);
    assert!(plain.entity_kinds().is_empty());
    for aggregation in [Aggregation::Word, Aggregation::Simple, Aggregation::Average] {
        let options = EntityOptions::new().aggregation(aggregation);
        let [with, without] = [&ner, &plain].map(|ner: &Ner| {
            let ner = ner.with(options.clone()).expect("it should have the option");
            ner.tag(TEXT).expect("it should be tagged").entities
        });
        assert!(!with.is_empty());
        assert!(with.iter().all(|entity| entity.kind.as_deref() == Some("x")), "{with:?}");
        let found = with.into_iter().map(|mut entity| {
            entity.kind = None;
            entity
        });
        assert_eq!(found.collect::<Vec<_>>(), without);
    }
    let words = ["Anna", "Schmidt", "met", "Bob", "in", "Berlin"];
    let tagged = ner.tag_words(&words).expect("it should be tagged");
    assert!(tagged.entities.iter().all(|entity| entity.kind.as_deref() == Some("x")));
    let [with, without] = [&ner, &plain].map(|ner| ner.logits(TEXT).expect("it should be read").logits);
    assert_eq!(with, without);
}

#[test]
fn a_kind_that_is_not_sure_or_has_no_name_is_none() {
    for (first, second) in [("x", "y"), ("", "y")] {
        let plain = load_ner(fixture("ner-wordpiece-cased")).expect("the fixture should load");
        let types = plain.entity_types().iter();
        let kinds: Vec<String> =
            types.flat_map(|label| [format!("{label}:{first}"), format!("{label}:{second}")]).collect();
        let bias = vec![if first.is_empty() { [3.0, 0.0] } else { [0.0, 0.0] }; kinds.len() / 2].concat();
        let folder = with_kinds(&json!(kinds), &bias);
        let ner = load_ner(folder.path()).expect("the model should load");
        let entities = ner.tag(TEXT).expect("it should be tagged").entities;
        assert!(!entities.is_empty() && entities.iter().all(|entity| entity.kind.is_none()), "{entities:?}");
        assert!(ner.entity_kinds().iter().all(|kind| !kind.ends_with(':')));
    }
}

#[test]
fn kinds_need_their_weights_and_a_classifier_of_tokens() {
    let folder = changed("ner-wordpiece-cased", |config| config["kinds"] = json!(["PER:x"]));
    assert_refused(load_ner(folder.path()), ErrorKind::Weights, &["kinds.weight"]);
}

#[test]
fn token_types_may_be_the_places_of_words() {
    let logits = |token_types: &str, text: &str| {
        let folder = model(
            |config| {
                config["token_types"] = token_types.into();
                config["type_vocab_size"] = 16.into();
            },
            |weights| {
                let (shape, values) = weights
                    .iter_mut()
                    .find_map(|(name, tensor)| {
                        name.ends_with("token_type_embeddings.weight").then_some(tensor)
                    })
                    .expect("the model should have token types");
                shape[0] = 16;
                *values = (0..16 * shape[1]).map(|at| ((at * 29) % 17) as f32 / 8.0 - 1.0).collect();
            },
        );
        let ner = load_ner(folder.path()).expect("the model should load");
        ner.logits(text).expect("it should be read").logits
    };
    for text in ["Anna\nBob", "Anna\n\nBob", "Anna\tBob", "Anna   Bob"] {
        assert_eq!(logits("casing", text), logits("casing", "Anna Bob"), "{text:?}");
        assert_ne!(logits("casing and place", text), logits("casing and place", "Anna Bob"), "{text:?}");
    }
    assert_ne!(logits("casing and place", "Anna\nBob"), logits("casing and place", "Anna\n\nBob"));
    assert_eq!(logits("casing and place", "Anna\tBob"), logits("casing and place", "Anna   Bob"));
    assert_ne!(logits("casing and place", "anna bob"), logits("casing and place", "Anna bob"));
}
