//! What the cache holds, and what is made of it.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use entopic::{ErrorKind, Registry, TopicClassifier};

use crate::place::{FIXTURE, ID, NEEDED, OTHER_COMMIT, Place, TEXT, engine, fetch, fill, load, names};
use crate::server::{COMMIT, File, Server, fixture, sha256};
use crate::support::{self, assert_says, load_ner};

#[test]
fn a_fetched_model_is_that_of_the_folder() {
    let place = Place::new();
    let fetched = load(place.hub(), ID).expect("is fetched").tag(TEXT).expect("is tagged");
    let local = load_ner(support::fixture(FIXTURE)).expect("is there").tag(TEXT);
    assert_eq!(fetched, local.expect("is tagged"));
    assert_eq!(names(&place.server.take_reads()), NEEDED);

    let place = Place { server: Server::with_fixture("owner/nli", "nli-cne"), ..place };
    let engine = engine(place.hub(), Registry::default());
    let scores = |classifier: TopicClassifier| {
        let labels = classifier.label_set(["politics", "sport"]).expect("are labels");
        classifier.classify(TEXT, &labels).expect("is classified")
    };
    let fetched = scores(engine.topics("owner/nli@main").expect("is fetched"));
    assert_eq!(fetched, scores(engine.topics(support::fixture("nli-cne")).expect("is there")));
}

#[test]
fn the_cache_has_the_layout_of_the_hubs_clients() {
    let place = Place::new();
    let fetched = place.fetch().expect("is fetched");
    let snapshot = place.repository().join("snapshots").join(COMMIT);
    assert_eq!((fetched.id.as_str(), fetched.revision.as_str()), (ID, "main"));
    assert_eq!((fetched.commit.as_str(), &fetched.folder), (COMMIT, &snapshot));
    assert_eq!(fs::read_to_string(place.repository().join("refs/main")).expect("is written"), COMMIT);
    for (file, name) in fetched.files.iter().zip(NEEDED) {
        let original = &fixture(FIXTURE)[name];
        assert_eq!((file.path.as_str(), file.size), (name, original.content.len() as u64));
        assert_eq!(file.sha256, sha256(&original.content));
        assert!(file.downloaded);
        assert_eq!(fs::read(place.blob(name)).expect("is there"), original.content);
        if cfg!(unix) {
            let link = fs::read_link(snapshot.join(name)).expect("is a link");
            assert_eq!(link, Path::new("../../blobs").join(original.checksum()));
        }
    }
    assert_eq!(fetched.files.len(), NEEDED.len());
    assert_eq!(fs::read_dir(place.repository().join("blobs")).expect("is there").count(), NEEDED.len());

    // The branch is looked up again, but nothing is fetched; a commit asks nothing.
    place.server.take_requests();
    let again = place.fetch().expect("is there");
    assert!(again.files.iter().all(|file| !file.downloaded), "{again:?}");
    assert_eq!(place.server.take_requests().len(), 1);
    fetch(&place.hub(), &format!("{ID}@{COMMIT}")).expect("is there");
    assert_eq!(place.server.take_requests().len(), 0);
}

#[test]
fn files_in_folders_are_linked() {
    let place = Place::new();
    let mut files = fixture(FIXTURE);
    let pooling = File { content: b"{}".to_vec(), large: false };
    files.insert("1_Pooling/config.json".to_owned(), pooling.clone());
    place.server.put(ID, "refs/pr/1", OTHER_COMMIT, files);
    let fetched = fetch(&place.hub(), "owner/model@refs/pr/1").expect("is fetched");
    assert_eq!(fs::read(fetched.folder.join("1_Pooling/config.json")).expect("is linked"), pooling.content);
    let named = place.repository().join("refs/refs/pr/1");
    assert_eq!(fs::read_to_string(named).expect("is written"), OTHER_COMMIT);
}

#[test]
fn what_python_fetched_is_found() {
    for links in [true, false] {
        let place = Place::new();
        fill(&place, links);
        place.fetch().expect("is there");
        assert_eq!(names(&place.server.take_reads()), [""; 0]);
        let place = Place::new();
        fill(&place, links);
        load(place.hub().offline(true), ID).expect("is there");
        assert_eq!(place.server.take_requests().len(), 0);
        // What may be a part of the model only is completed when the hub can be asked.
        fetch(&place.hub(), &format!("{ID}@{COMMIT}")).expect("is there");
        assert_eq!(place.server.take_requests().len(), 1);
    }
}

#[test]
fn offline_opens_no_connection() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("can be set");
    let address = listener.local_addr().expect("has an address");
    let offline = place.hub().offline(true).endpoint(format!("http://{address}"));

    let error = fetch(&offline, ID).expect_err("is not there");
    assert_says(&error, ErrorKind::ModelUnavailable, &[ID, "\"main\"", "offline", "fetch it once without"]);
    let error = fetch(&offline, &format!("{ID}@{COMMIT}")).expect_err("is not there");
    assert_says(&error, ErrorKind::ModelUnavailable, &[ID, COMMIT]);

    place.fetch().expect("is fetched");
    let tagged = load(offline.clone(), ID).expect("is there").tag(TEXT).expect("is tagged");
    assert_eq!(tagged, load(place.hub(), ID).expect("is there").tag(TEXT).expect("is tagged"));

    fs::remove_file(place.blob("tokenizer.json")).expect("is there");
    let error = fetch(&offline, ID).expect_err("is no longer whole");
    assert_says(&error, ErrorKind::ModelUnavailable, &["tokenizer.json", COMMIT]);
    let seen = listener.accept().expect_err("nobody came");
    assert_eq!(seen.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn offline_takes_no_damaged_file() {
    let place = Place::new();
    fill(&place, cfg!(unix));
    let offline = place.hub().offline(true);
    let mut bytes = fixture(FIXTURE)["model.safetensors"].content.clone();
    bytes[1000] ^= 1;
    fs::write(place.blob("model.safetensors"), &bytes).expect("is written");
    if cfg!(unix) {
        let error = fetch(&offline, ID).expect_err("is damaged");
        assert_says(&error, ErrorKind::Checksum, &["model.safetensors", "sha256", &sha256(&bytes)]);
    }
    // With the hub at hand it is mended, and no second time.
    let mended = place.fetch().expect("is fetched");
    assert_eq!(mended.files.iter().filter(|file| file.downloaded).count(), 1);
    fetch(&offline, ID).expect("is whole");
    // Damage after the check is seen by the time of the file.
    fs::write(place.blob("config.json"), "x".repeat(934)).expect("is written");
    let error = fetch(&offline, ID).expect_err("is damaged");
    assert_says(&error, ErrorKind::Checksum, &["config.json"]);
}

#[test]
fn a_damaged_content_in_the_cache_is_fetched_anew() {
    let place = Place::new();
    place.fetch().expect("is fetched");
    fs::write(place.blob("tokenizer.json"), "cut off").expect("is written");
    let mended = fetch(&place.hub(), &format!("{ID}@{COMMIT}")).expect("is fetched");
    let mended: Vec<_> = mended.files.iter().filter(|file| file.downloaded).map(|file| &file.path).collect();
    assert_eq!(mended, ["tokenizer.json"]);
    // A branch is asked for again, and what was verified and not written since is not hashed.
    fs::write(place.blob("config.json"), "x".repeat(934)).expect("is written");
    let mended = place.fetch().expect("is fetched");
    let mended: Vec<_> = mended.files.iter().filter(|file| file.downloaded).map(|file| &file.path).collect();
    assert_eq!(mended, ["config.json"]);
    load(place.hub(), ID).expect("is whole");
}

#[test]
fn calls_at_once_fetch_each_file_once() {
    let place = Place::new();
    let hub = place.hub().lock(place.lock());
    let start = std::sync::Barrier::new(4);
    let commits = thread::scope(|scope| {
        let calls = [(); 4].map(|()| {
            scope.spawn(|| {
                start.wait();
                load(hub.clone(), ID).expect("is fetched");
                fetch(&hub, ID).expect("is there").commit
            })
        });
        calls.map(|call| call.join().expect("does not panic"))
    });
    assert_eq!(commits, [COMMIT; 4]);
    assert_eq!(names(&place.server.take_reads()), NEEDED);
    assert_eq!(fs::read_dir(place.repository().join("blobs")).expect("is there").count(), NEEDED.len());
    assert_eq!(fs::read_to_string(place.lock()).expect("is written").matches("[[model]]").count(), 1);
}

#[test]
fn a_file_that_another_process_fetches_is_waited_for() {
    let place = Place::new();
    let original = &fixture(FIXTURE)["tokenizer.json"];
    let locks = place.cache().join(".locks/models--owner--model");
    fs::create_dir_all(&locks).expect("is new");
    let guard = fs::File::create(locks.join(format!("{}.lock", original.checksum()))).expect("is new");
    guard.lock().expect("is free");
    thread::scope(|scope| {
        let call = scope.spawn(|| place.fetch().expect("is fetched"));
        // Smaller files come first, so this one is next when the last of them is there.
        while !place.blob("config.json").exists() && !call.is_finished() {
            thread::yield_now();
        }
        fs::write(place.blob("tokenizer.json"), &original.content).expect("is written");
        guard.unlock().expect("is locked");
        call.join().expect("does not panic");
    });
    assert!(!names(&place.server.take_reads()).contains(&"tokenizer.json".to_owned()));
}

#[test]
fn a_cache_that_cannot_be_used_is_named() {
    let place = Place::new();
    let file = place.folder.path().join("file");
    fs::write(&file, "").expect("is written");
    let error = fetch(&place.hub().cache(&file), ID).expect_err("is no folder");
    assert_says(&error, ErrorKind::System, &["file", "cannot be written", "HF_HUB_CACHE"]);

    fs::create_dir_all(place.repository().join("refs/main")).expect("is new");
    let error = fetch(&place.hub().offline(true), ID).expect_err("is no file");
    assert_says(&error, ErrorKind::System, &["refs", "cannot be read"]);
    fs::remove_dir(place.repository().join("refs/main")).expect("is empty");
    fs::write(place.repository().join("refs/main"), "../../x").expect("is written");
    let error = fetch(&place.hub().offline(true), ID).expect_err("is no commit");
    assert_says(&error, ErrorKind::System, &["refs", "no commit", "delete it"]);
}

#[test]
fn a_load_may_come_from_tokio_or_rayon() {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("can be started");
    runtime.block_on(async { load(place.hub(), ID).map(drop) }).expect("is fetched");
    let place = Place::new();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("can be started");
    let (first, second) = pool.install(|| rayon::join(|| place.fetch(), || place.fetch()));
    assert_eq!(first.expect("is fetched").folder, second.expect("is fetched").folder);
}
