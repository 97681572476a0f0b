//! Checks of a model against the lock file and the registry.

use std::fs;

use entopic::{ErrorKind, Registry};
use tempfile::TempDir;

use crate::place::{FIXTURE, ID, OTHER_COMMIT, Place, TEXT, engine, fetch, fill, with};
use crate::server::{COMMIT, fixture, sha256};
use crate::support::assert_says;

#[test]
fn the_lock_file_pins_a_model() {
    let place = Place::new();
    let hub = place.hub().lock(place.lock());
    fetch(&hub, ID).expect("the model should be fetched");
    let text = fs::read_to_string(place.lock()).expect("the file should be written");
    let weights = fixture(FIXTURE)["model.safetensors"].checksum();
    for word in ["# Written by entopic", ID, "main", COMMIT, "config.json", "size = 934", &weights] {
        assert!(text.contains(word), "{text} does not have {word}");
    }

    // The branch moves on, but the model stays the same, and the hub is not even asked.
    place.server.take_requests();
    let mut moved = with("config.json", |file| file.content.push(b'\n'));
    moved.remove("tokenizer_config.json");
    place.server.put(ID, "main", OTHER_COMMIT, moved);
    assert_eq!(fetch(&hub, ID).expect("it should exist").commit, COMMIT);
    assert_eq!(place.server.take_requests().len(), 0);
    // It also stays the same with an empty cache.
    let other = TempDir::new().expect("a temporary folder should be made");
    let elsewhere = hub.clone().cache(other.path());
    assert_eq!(fetch(&elsewhere, ID).expect("the model should be fetched").commit, COMMIT);
    assert_eq!(fs::read_to_string(place.lock()).expect("it should exist"), text);
    assert!(!other.path().join("models--owner--model/refs").exists(), "main is another commit now");

    // Without the lock file, or without the entry in it, the branch's current commit is used.
    assert_eq!(place.fetch().expect("the model should be fetched").commit, OTHER_COMMIT);
    fs::remove_file(place.lock()).expect("it should exist");
    assert_eq!(fetch(&hub, ID).expect("it should exist").commit, OTHER_COMMIT);
    assert!(fs::read_to_string(place.lock()).expect("the file should be written").contains(OTHER_COMMIT));
}

#[test]
fn what_differs_from_the_lock_is_an_error() {
    let place = Place::new();
    let hub = place.hub().lock(place.lock());
    fetch(&hub, ID).expect("the model should be fetched");
    let text = fs::read_to_string(place.lock()).expect("the file should be written");
    let elsewhere = TempDir::new().expect("a temporary folder should be made");
    for name in ["model.safetensors", "config.json"] {
        let (listed, found) = ("0".repeat(64), sha256(&fixture(FIXTURE)[name].content));
        fs::write(place.lock(), text.replace(&found, &listed)).expect("the file should be written");
        for hub in [hub.clone(), hub.clone().offline(true), hub.clone().cache(elsewhere.path())] {
            let error = fetch(&hub, ID).expect_err("it should differ");
            let words = [name, &listed, &found, "delete the entry", "pin another revision", "models.lock"];
            assert_says(&error, ErrorKind::Lock, &words);
        }
    }
    // The hub's list of files already showed that the weights differ, so they were not fetched again.
    let weights = place.server.take_reads().into_iter().filter(|read| read.large).count();
    assert_eq!(weights, 2, "once for each cache");

    fs::write(place.lock(), text.replace("size = 934", "size = 935")).expect("the file should be written");
    assert_says(
        &fetch(&hub, ID).expect_err("it should differ"),
        ErrorKind::Lock,
        &["config.json", "935 bytes", "934"],
    );
    fs::write(place.lock(), text.replace("config.json", "../config.json"))
        .expect("the file should be written");
    assert_says(
        &fetch(&hub, ID).expect_err("it should fail: it is no entry"),
        ErrorKind::Lock,
        &["outside", "delete it"],
    );
    fs::write(place.lock(), "what = 1").expect("the file should be written");
    assert_says(
        &fetch(&hub, ID).expect_err("it should fail: it is no lock file"),
        ErrorKind::Lock,
        &["models.lock", "delete it"],
    );
    let nowhere = hub.clone().lock(place.folder.path().join("none/models.lock"));
    assert_says(
        &fetch(&nowhere, ID).expect_err("it should fail: it has no folder"),
        ErrorKind::Lock,
        &["none", "Hub::lock"],
    );
}

#[test]
fn what_may_be_a_part_is_not_locked() {
    let place = Place::new();
    fill(&place, false);
    fetch(&place.hub().lock(place.lock()).offline(true), ID).expect("it should exist");
    assert!(!place.lock().exists());
    fetch(&place.hub().lock(place.lock()), ID).expect("it should exist");
    assert!(place.lock().exists());
}

#[test]
fn an_offline_load_obeys_the_lock() {
    let place = Place::new();
    let hub = place.hub().lock(place.lock());
    fetch(&hub, ID).expect("the model should be fetched");
    fs::remove_dir_all(place.repository().join(".entopic")).expect("it should exist");
    fs::remove_dir_all(place.repository().join("refs")).expect("it should exist");
    assert_eq!(fetch(&hub.clone().offline(true), ID).expect("it should exist").commit, COMMIT);
}

#[test]
fn a_registry_pins_and_locks_its_models() {
    let place = Place::new();
    let path = place.folder.path().join("own.toml");
    let write = |revision: &str, sha256: &str| {
        let text = format!(
            r#"
            [[model]]
            name = "mine"
            task = "ner"
            architecture = "bert"
            source = {{ hub = {{ id = "{ID}"{revision} }} }}
            files = [{{ path = "model.safetensors", sha256 = "{sha256}" }}]
            "#
        );
        fs::write(&path, text).expect("the file should be written");
        Registry::from_file(&path).expect("it should be a registry")
    };
    let sha256 = fixture(FIXTURE)["model.safetensors"].checksum();
    let registry = write(&format!(r#", revision = "{COMMIT}""#), &sha256.to_uppercase());
    let engine = engine(place.hub(), registry.clone());
    let entities = engine
        .ner("mine")
        .expect("the model should be fetched")
        .tag(TEXT)
        .expect("the text should be tagged");
    assert_eq!(
        entities,
        engine.ner(ID).expect("it should exist").tag(TEXT).expect("the text should be tagged")
    );
    let lock = fs::read_to_string(path.with_extension("lock")).expect("it should be next to the registry");
    assert!(lock.contains(&format!("revision = \"{COMMIT}\"")), "{lock}");
    let all = Registry::default().with(registry.clone());
    assert_eq!(place.hub().fetch(&all, "mine").expect("it should exist").commit, COMMIT);

    place.server.take_requests();
    let place = Place::new();
    let registry = write("", &"1".repeat(64));
    let error = place.hub().fetch(&registry, "mine").expect_err("it should differ");
    assert_says(&error, ErrorKind::Checksum, &["model.safetensors", &"1".repeat(64), &sha256, "registry"]);
    assert_eq!(place.server.take_reads().len(), 0);
}
