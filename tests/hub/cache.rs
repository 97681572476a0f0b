//! The contents of the cache, and their use.

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
    let fetched = load(place.hub(), ID)
        .expect("the model should be fetched")
        .tag(TEXT)
        .expect("the text should be tagged");
    let local = load_ner(support::fixture(FIXTURE)).expect("it should exist").tag(TEXT);
    assert_eq!(fetched, local.expect("the text should be tagged"));
    assert_eq!(names(&place.server.take_reads()), NEEDED);

    let place = Place { server: Server::with_fixture("owner/nli", "nli-cne"), ..place };
    let engine = engine(place.hub(), Registry::default());
    let scores = |classifier: TopicClassifier| {
        let labels = classifier.label_set(["politics", "sport"]).expect("the labels should be prepared");
        classifier.classify(TEXT, &labels).expect("the text should be classified")
    };
    let fetched = scores(engine.topics("owner/nli@main").expect("the model should be fetched"));
    assert_eq!(fetched, scores(engine.topics(support::fixture("nli-cne")).expect("it should exist")));
}

#[test]
fn the_cache_has_the_layout_of_the_hubs_clients() {
    let place = Place::new();
    let fetched = place.fetch().expect("the model should be fetched");
    let snapshot = place.repository().join("snapshots").join(COMMIT);
    assert_eq!((fetched.id.as_str(), fetched.revision.as_str()), (ID, "main"));
    assert_eq!((fetched.commit.as_str(), &fetched.folder), (COMMIT, &snapshot));
    assert_eq!(
        fs::read_to_string(place.repository().join("refs/main")).expect("the file should be written"),
        COMMIT
    );
    for (file, name) in fetched.files.iter().zip(NEEDED) {
        let original = &fixture(FIXTURE)[name];
        assert_eq!((file.path.as_str(), file.size), (name, original.content.len() as u64));
        assert_eq!(file.sha256, sha256(&original.content));
        assert!(file.downloaded);
        assert_eq!(fs::read(place.blob(name)).expect("it should exist"), original.content);
        if cfg!(unix) {
            let link = fs::read_link(snapshot.join(name)).expect("it should be a link");
            assert_eq!(link, Path::new("../../blobs").join(original.checksum()));
        }
    }
    assert_eq!(fetched.files.len(), NEEDED.len());
    assert_eq!(
        fs::read_dir(place.repository().join("blobs")).expect("it should exist").count(),
        NEEDED.len()
    );

    // The branch is looked up again, but nothing is fetched; a commit asks nothing.
    place.server.take_requests();
    let again = place.fetch().expect("it should exist");
    assert!(again.files.iter().all(|file| !file.downloaded), "{again:?}");
    assert_eq!(place.server.take_requests().len(), 1);
    fetch(&place.hub(), &format!("{ID}@{COMMIT}")).expect("it should exist");
    assert_eq!(place.server.take_requests().len(), 0);
}

#[test]
fn files_in_folders_are_linked() {
    let place = Place::new();
    let mut files = fixture(FIXTURE);
    let pooling = File { content: b"{}".to_vec(), large: false };
    files.insert("1_Pooling/config.json".to_owned(), pooling.clone());
    place.server.put(ID, "refs/pr/1", OTHER_COMMIT, files);
    let fetched = fetch(&place.hub(), "owner/model@refs/pr/1").expect("the model should be fetched");
    assert_eq!(
        fs::read(fetched.folder.join("1_Pooling/config.json")).expect("it should be linked"),
        pooling.content
    );
    let named = place.repository().join("refs/refs/pr/1");
    assert_eq!(fs::read_to_string(named).expect("the file should be written"), OTHER_COMMIT);
}

#[test]
fn what_python_fetched_is_found() {
    for links in [true, false] {
        let place = Place::new();
        fill(&place, links);
        place.fetch().expect("it should exist");
        assert_eq!(names(&place.server.take_reads()), [""; 0]);
        let place = Place::new();
        fill(&place, links);
        load(place.hub().offline(true), ID).expect("it should exist");
        assert_eq!(place.server.take_requests().len(), 0);
        // The cached files may be only a part of the model, so they are completed when the hub can be asked.
        fetch(&place.hub(), &format!("{ID}@{COMMIT}")).expect("it should exist");
        assert_eq!(place.server.take_requests().len(), 1);
    }
}

#[test]
fn offline_opens_no_connection() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port should be free");
    listener.set_nonblocking(true).expect("can be set");
    let address = listener.local_addr().expect("it should have an address");
    let offline = place.hub().offline(true).endpoint(format!("http://{address}"));

    let error = fetch(&offline, ID).expect_err("it should fail: it is not cached");
    assert_says(&error, ErrorKind::ModelUnavailable, &[ID, "\"main\"", "offline", "fetch it once without"]);
    let error = fetch(&offline, &format!("{ID}@{COMMIT}")).expect_err("it should fail: it is not cached");
    assert_says(&error, ErrorKind::ModelUnavailable, &[ID, COMMIT]);

    place.fetch().expect("the model should be fetched");
    let tagged =
        load(offline.clone(), ID).expect("it should exist").tag(TEXT).expect("the text should be tagged");
    assert_eq!(
        tagged,
        load(place.hub(), ID).expect("it should exist").tag(TEXT).expect("the text should be tagged")
    );

    fs::remove_file(place.blob("tokenizer.json")).expect("it should exist");
    let error = fetch(&offline, ID).expect_err("it should fail: it is no longer whole");
    assert_says(&error, ErrorKind::ModelUnavailable, &["tokenizer.json", COMMIT]);
    let seen = listener.accept().expect_err("it should fail: nobody came");
    assert_eq!(seen.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn offline_takes_no_damaged_file() {
    let place = Place::new();
    fill(&place, cfg!(unix));
    let offline = place.hub().offline(true);
    let mut bytes = fixture(FIXTURE)["model.safetensors"].content.clone();
    bytes[1000] ^= 1;
    fs::write(place.blob("model.safetensors"), &bytes).expect("the file should be written");
    if cfg!(unix) {
        let error = fetch(&offline, ID).expect_err("it should fail: it is damaged");
        assert_says(&error, ErrorKind::Checksum, &["model.safetensors", "sha256", &sha256(&bytes)]);
    }
    // If the hub can be asked, the file is fetched again, but only once.
    let mended = place.fetch().expect("the model should be fetched");
    assert_eq!(mended.files.iter().filter(|file| file.downloaded).count(), 1);
    fetch(&offline, ID).expect("it should be whole");
    // Damage after the check is noticed from the file's modification time.
    fs::write(place.blob("config.json"), "x".repeat(934)).expect("the file should be written");
    let error = fetch(&offline, ID).expect_err("it should fail: it is damaged");
    assert_says(&error, ErrorKind::Checksum, &["config.json"]);
}

#[test]
fn a_damaged_content_in_the_cache_is_fetched_anew() {
    let place = Place::new();
    place.fetch().expect("the model should be fetched");
    fs::write(place.blob("tokenizer.json"), "cut off").expect("the file should be written");
    let mended = fetch(&place.hub(), &format!("{ID}@{COMMIT}")).expect("the model should be fetched");
    let mended: Vec<_> = mended.files.iter().filter(|file| file.downloaded).map(|file| &file.path).collect();
    assert_eq!(mended, ["tokenizer.json"]);
    // A branch is looked up again, and files that were verified and not written since are not hashed.
    fs::write(place.blob("config.json"), "x".repeat(934)).expect("the file should be written");
    let mended = place.fetch().expect("the model should be fetched");
    let mended: Vec<_> = mended.files.iter().filter(|file| file.downloaded).map(|file| &file.path).collect();
    assert_eq!(mended, ["config.json"]);
    load(place.hub(), ID).expect("it should be whole");
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
                load(hub.clone(), ID).expect("the model should be fetched");
                fetch(&hub, ID).expect("it should exist").commit
            })
        });
        calls.map(|call| call.join().expect("it should not panic"))
    });
    assert_eq!(commits, [COMMIT; 4]);
    assert_eq!(names(&place.server.take_reads()), NEEDED);
    assert_eq!(
        fs::read_dir(place.repository().join("blobs")).expect("it should exist").count(),
        NEEDED.len()
    );
    assert_eq!(
        fs::read_to_string(place.lock()).expect("the file should be written").matches("[[model]]").count(),
        1
    );
}

#[test]
fn a_file_that_another_process_fetches_is_waited_for() {
    let place = Place::new();
    let original = &fixture(FIXTURE)["tokenizer.json"];
    let locks = place.cache().join(".locks/models--owner--model");
    fs::create_dir_all(&locks).expect("it should be new");
    let guard =
        fs::File::create(locks.join(format!("{}.lock", original.checksum()))).expect("it should be new");
    guard.lock().expect("it should be free");
    thread::scope(|scope| {
        let call = scope.spawn(|| place.fetch().expect("the model should be fetched"));
        // Smaller files are fetched first, so this one is next when the last of them has arrived.
        while !place.blob("config.json").exists() && !call.is_finished() {
            thread::yield_now();
        }
        fs::write(place.blob("tokenizer.json"), &original.content).expect("the file should be written");
        guard.unlock().expect("it should be locked");
        call.join().expect("it should not panic");
    });
    assert!(!names(&place.server.take_reads()).contains(&"tokenizer.json".to_owned()));
}

#[test]
fn a_cache_that_cannot_be_used_is_named() {
    let place = Place::new();
    let file = place.folder.path().join("file");
    fs::write(&file, "").expect("the file should be written");
    let error = fetch(&place.hub().cache(&file), ID).expect_err("it should fail: it is no folder");
    assert_says(&error, ErrorKind::System, &["file", "cannot be written", "HF_HUB_CACHE"]);

    fs::create_dir_all(place.repository().join("refs/main")).expect("it should be new");
    let error = fetch(&place.hub().offline(true), ID).expect_err("it should fail: it is no file");
    assert_says(&error, ErrorKind::System, &["refs", "cannot be read"]);
    fs::remove_dir(place.repository().join("refs/main")).expect("it should be empty");
    fs::write(place.repository().join("refs/main"), "../../x").expect("the file should be written");
    let error = fetch(&place.hub().offline(true), ID).expect_err("it should fail: it is no commit");
    assert_says(&error, ErrorKind::System, &["refs", "no commit", "delete it"]);
}

#[test]
fn a_load_may_come_from_tokio_or_rayon() {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it should start");
    runtime.block_on(async { load(place.hub(), ID).map(drop) }).expect("the model should be fetched");
    let place = Place::new();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("it should start");
    let (first, second) = pool.install(|| rayon::join(|| place.fetch(), || place.fetch()));
    assert_eq!(
        first.expect("the model should be fetched").folder,
        second.expect("the model should be fetched").folder
    );
}
