//! Models of which only a part is fetched.

use std::fs;

use entopic::{EntityOptions, ErrorKind, Registry};

use crate::place::{ID, NEEDED, OTHER_COMMIT, Place, TEXT, engine, fetch};
use crate::server::{COMMIT, fixture};
use crate::support::{self, assert_says, load_ner};

/// The repositories of GLiNER's first models have no tokenizer.
#[test]
fn a_tokenizer_may_be_another_models() {
    let place = Place::new();
    let base = "owner/base";
    let (mut model, mut whole) = (fixture("gliner-span"), fixture("gliner-span"));
    model.retain(|name, _| name == "gliner_config.json" || name == "model.safetensors");
    let weights = whole.remove("model.safetensors").expect("it should have weights");
    whole.insert("pytorch_model.bin".into(), weights);
    place.server.put("owner/gliner", "main", COMMIT, model);
    place.server.put(base, "main", OTHER_COMMIT, whole);
    let registry = place.folder.path().join("own.toml");
    let entry = |tokenizer: &str| {
        let source = r#"source = { hub = { id = "owner/gliner" } }"#;
        format!(
            "[[model]]\nname = \"mine\"\ntask = \"zero-shot-ner\"\narchitecture = \"gliner\"\n{source}\n{tokenizer}"
        )
    };
    let build = |entry: String| {
        fs::write(&registry, entry).expect("the file should be written");
        let registry = Registry::from_file(&registry).expect("it should be a registry");
        engine(place.hub(), registry).ner("mine")
    };
    let error = build(entry("")).expect_err("it should fail: it has no tokenizer");
    assert_says(&error, ErrorKind::Tokenizer, &["tokenizer.json", "`tokenizer`"]);
    place.server.take_requests();
    let fetched =
        build(entry(&format!("tokenizer = \"{base}\""))).expect("it should have another's tokenizer");
    let reads = place.server.take_requests();
    assert!(reads.iter().any(|read| read.path.ends_with("tokenizer.json")), "{reads:?}");
    assert!(!reads.iter().any(|read| read.path.contains("pytorch_model.bin")), "{reads:?}");
    let own = load_ner(support::fixture("gliner-span")).expect("the model should load");
    let [fetched, own] = [fetched, own].map(|ner| {
        let ner =
            ner.with(EntityOptions::new().entity_types(["person", "city"])).expect("the types should fit");
        ner.tag(TEXT).expect("the text should be tagged")
    });
    assert_eq!(fetched, own);
    // Both are in the lock file now, and nothing more is requested.
    let again = build(entry(&format!("tokenizer = \"{base}\"")));
    assert!(again.is_ok() && place.server.take_requests().is_empty());
}

#[test]
fn a_model_of_which_a_part_is_there_is_completed() {
    let place = Place::new();
    let registry = Registry::default();
    let hub = place.hub().lock(place.lock());
    let described = hub.fetch_description(&registry, ID).expect("the model should be fetched");
    let paths: Vec<&str> = described.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["config.json", "tokenizer.json", "tokenizer_config.json"]);
    assert!(place.server.take_reads().iter().all(|read| !read.path.ends_with(".safetensors")));
    let locked = || fs::read_to_string(place.lock()).expect("the file should be written");
    assert!(locked().contains("tokenizer.json") && !locked().contains("safetensors"), "{}", locked());
    // The description is in the cache, and the weights are not.
    let offline = hub.clone().offline(true);
    offline.fetch_description(&registry, ID).expect("it should exist");
    let error = fetch(&offline, ID).expect_err("it should fail: it lacks its weights");
    assert_says(&error, ErrorKind::ModelUnavailable, &[ID, "model.safetensors"]);

    let whole = fetch(&hub, ID).expect("the model should be fetched");
    let downloaded: Vec<&str> =
        whole.files.iter().filter(|file| file.downloaded).map(|file| file.path.as_str()).collect();
    assert_eq!(downloaded, ["model.safetensors"]);
    assert!(locked().contains("safetensors"), "{}", locked());
    place.server.take_requests();
    fetch(&hub, ID).expect("it should exist");
    assert!(place.server.take_requests().is_empty());

    // Without its weights, the model's description is still complete.
    fs::remove_file(place.blob("model.safetensors")).expect("it should exist");
    for hub in [&hub, &offline] {
        assert_eq!(hub.fetch_description(&registry, ID).expect("it should exist").files.len(), paths.len());
    }
    assert!(place.server.take_requests().is_empty());
}

#[test]
fn a_part_that_is_asked_for_leaves_the_whole_known() {
    let place = Place::new();
    let registry = Registry::default();
    place.fetch().expect("the model should be fetched");
    // A branch is looked up each time.
    place.hub().fetch_description(&registry, ID).expect("it should exist");
    place.server.take_requests();
    let at_commit = format!("{ID}@{COMMIT}");
    assert_eq!(fetch(&place.hub(), &at_commit).expect("it should exist").files.len(), NEEDED.len());
    assert!(place.server.take_requests().is_empty());
}
