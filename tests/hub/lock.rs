//! What holds a model to what it was.

use std::fs;

use entopic::{ErrorKind, Registry};
use tempfile::TempDir;

use crate::place::{FIXTURE, ID, OTHER_COMMIT, Place, TEXT, engine, fetch, fill, with};
use crate::server::{COMMIT, fixture, sha256};
use crate::support::assert_says;

#[test]
fn the_lock_file_holds_a_model() {
    let place = Place::new();
    let hub = place.hub().lock(place.lock());
    fetch(&hub, ID).expect("is fetched");
    let text = fs::read_to_string(place.lock()).expect("is written");
    let weights = fixture(FIXTURE)["model.safetensors"].checksum();
    for word in ["# Written by entopic", ID, "main", COMMIT, "config.json", "size = 934", &weights] {
        assert!(text.contains(word), "{text} does not have {word}");
    }

    // The branch moves on, the model does not; the hub is not even asked.
    place.server.take_requests();
    let mut moved = with("config.json", |file| file.content.push(b'\n'));
    moved.remove("tokenizer_config.json");
    place.server.put(ID, "main", OTHER_COMMIT, moved);
    assert_eq!(fetch(&hub, ID).expect("is there").commit, COMMIT);
    assert_eq!(place.server.take_requests().len(), 0);
    // Nor does it with an empty cache.
    let other = TempDir::new().expect("a temporary folder");
    let elsewhere = hub.clone().cache(other.path());
    assert_eq!(fetch(&elsewhere, ID).expect("is fetched").commit, COMMIT);
    assert_eq!(fs::read_to_string(place.lock()).expect("is there"), text);
    assert!(!other.path().join("models--owner--model/refs").exists(), "main is another commit now");

    // Without the lock the branch is what it is now, and without the entry too.
    assert_eq!(place.fetch().expect("is fetched").commit, OTHER_COMMIT);
    fs::remove_file(place.lock()).expect("is there");
    assert_eq!(fetch(&hub, ID).expect("is there").commit, OTHER_COMMIT);
    assert!(fs::read_to_string(place.lock()).expect("is written").contains(OTHER_COMMIT));
}

#[test]
fn what_differs_from_the_lock_is_an_error() {
    let place = Place::new();
    let hub = place.hub().lock(place.lock());
    fetch(&hub, ID).expect("is fetched");
    let text = fs::read_to_string(place.lock()).expect("is written");
    let elsewhere = TempDir::new().expect("a temporary folder");
    for name in ["model.safetensors", "config.json"] {
        let (held, found) = ("0".repeat(64), sha256(&fixture(FIXTURE)[name].content));
        fs::write(place.lock(), text.replace(&found, &held)).expect("is written");
        for hub in [hub.clone(), hub.clone().offline(true), hub.clone().cache(elsewhere.path())] {
            let error = fetch(&hub, ID).expect_err("differs");
            let words = [name, &held, &found, "delete the entry", "pin another revision", "models.lock"];
            assert_says(&error, ErrorKind::Lock, &words);
        }
    }
    // The weights differed by the list already, and were not fetched for that.
    let weights = place.server.take_reads().into_iter().filter(|read| read.large).count();
    assert_eq!(weights, 2, "once for each cache");

    fs::write(place.lock(), text.replace("size = 934", "size = 935")).expect("is written");
    assert_says(
        &fetch(&hub, ID).expect_err("differs"),
        ErrorKind::Lock,
        &["config.json", "935 bytes", "934"],
    );
    fs::write(place.lock(), text.replace("config.json", "../config.json")).expect("is written");
    assert_says(&fetch(&hub, ID).expect_err("is no entry"), ErrorKind::Lock, &["outside", "delete it"]);
    fs::write(place.lock(), "what = 1").expect("is written");
    assert_says(
        &fetch(&hub, ID).expect_err("is no lock file"),
        ErrorKind::Lock,
        &["models.lock", "delete it"],
    );
    let nowhere = hub.clone().lock(place.folder.path().join("none/models.lock"));
    assert_says(&fetch(&nowhere, ID).expect_err("has no folder"), ErrorKind::Lock, &["none", "Hub::lock"]);
}

#[test]
fn what_may_be_a_part_is_not_locked() {
    let place = Place::new();
    fill(&place, false);
    fetch(&place.hub().lock(place.lock()).offline(true), ID).expect("is there");
    assert!(!place.lock().exists());
    fetch(&place.hub().lock(place.lock()), ID).expect("is there");
    assert!(place.lock().exists());
}

#[test]
fn an_offline_load_holds_to_the_lock() {
    let place = Place::new();
    let hub = place.hub().lock(place.lock());
    fetch(&hub, ID).expect("is fetched");
    fs::remove_dir_all(place.repository().join(".entopic")).expect("is there");
    fs::remove_dir_all(place.repository().join("refs")).expect("is there");
    assert_eq!(fetch(&hub.clone().offline(true), ID).expect("is there").commit, COMMIT);
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
        fs::write(&path, text).expect("is written");
        Registry::from_file(&path).expect("is a registry")
    };
    let sha256 = fixture(FIXTURE)["model.safetensors"].checksum();
    let registry = write(&format!(r#", revision = "{COMMIT}""#), &sha256.to_uppercase());
    let engine = engine(place.hub(), registry.clone());
    let entities = engine.ner("mine").expect("is fetched").tag(TEXT).expect("is tagged");
    assert_eq!(entities, engine.ner(ID).expect("is there").tag(TEXT).expect("is tagged"));
    let lock = fs::read_to_string(path.with_extension("lock")).expect("is beside the registry");
    assert!(lock.contains(&format!("revision = \"{COMMIT}\"")), "{lock}");
    let all = Registry::default().with(registry.clone());
    assert_eq!(place.hub().fetch(&all, "mine").expect("is there").commit, COMMIT);

    place.server.take_requests();
    let place = Place::new();
    let registry = write("", &"1".repeat(64));
    let error = place.hub().fetch(&registry, "mine").expect_err("differs");
    assert_says(&error, ErrorKind::Checksum, &["model.safetensors", &"1".repeat(64), &sha256, "registry"]);
    assert_eq!(place.server.take_reads().len(), 0);
}
