//! Code that tests share: fixtures, engines, and the check of errors.

#![allow(dead_code, reason = "each test program uses a part")]

pub mod random;

use std::fs;
use std::path::{Path, PathBuf};

use entopic::{Engine, Error, ErrorKind, Ner, Precision, TopicClassifier};
use serde_json::Value;
use tempfile::TempDir;

/// The folder of a fixture.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

/// A copy of the fixture `name` that a test may change, without its golden.
pub fn copy(name: &str) -> TempDir {
    let copy = TempDir::new().expect("a folder should be made");
    copy_into(&fixture(name), copy.path());
    copy
}

/// Copies the files of a folder, and of the folders in it, except goldens.
pub fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the folder should be there") {
        let path = entry.expect("the folder should be readable").path();
        let target = to.join(path.file_name().expect("a file should have a name"));
        if path.is_dir() {
            fs::create_dir_all(&target).expect("a folder should be made");
            copy_into(&path, &target);
        } else if !path.ends_with("golden.json") {
            fs::copy(&path, &target).expect("the file should be copied");
        }
    }
}

/// A copy of the fixture `name` whose config.json `change` has changed.
pub fn changed(name: &str, change: impl FnOnce(&mut Value)) -> TempDir {
    let copy = copy(name);
    let path = copy.path().join("config.json");
    let config = fs::read(&path).expect("the fixture should have a config");
    let mut config: Value = serde_json::from_slice(&config).expect("the config should be JSON");
    change(&mut config);
    fs::write(&path, config.to_string()).expect("the config should be written");
    copy
}

/// An engine with `threads` threads.
pub fn engine(threads: usize) -> Engine {
    Engine::builder().threads(threads).build().expect("the threads should start")
}

/// An engine with one thread that computes in `precision`.
pub fn precise(precision: Precision) -> Engine {
    Engine::builder().threads(1).precision(precision).build().expect("a thread should start")
}

/// The model in `folder`, on one thread.
pub fn load_ner(folder: impl AsRef<Path>) -> Result<Ner, Error> {
    engine(1).ner(folder.as_ref())
}

/// The model in `folder`, on one thread.
pub fn load_topics(folder: impl AsRef<Path>) -> Result<TopicClassifier, Error> {
    engine(1).topics(folder.as_ref())
}

/// Checks that `result` is an error of this kind whose message and causes have all of `words`.
pub fn assert_refused<T>(result: Result<T, Error>, kind: ErrorKind, words: &[&str]) {
    match result {
        Ok(_) => panic!("it was accepted; the error should say {words:?}"),
        Err(error) => assert_says(&error, kind, words),
    }
}

/// Checks the kind of an error, and that its message and causes have all of `words`.
pub fn assert_says(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error:?}");
    for word in words {
        assert!(format!("{error:?}").contains(word), "{error:?} does not say {word:?}");
    }
}
