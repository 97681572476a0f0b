//! Models of a hub are found in the cache or fetched into it, verified, resumed and locked, and what a
//! hub may do wrong gives an error that says what to do. The hub is a server of this test.

#![cfg(feature = "hub")]

#[path = "hub/server.rs"]
mod server;

use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use entopic::{DownloadProgress, Error, ErrorKind, FetchedModel, Hub, Ner, Registry, TopicClassifier};
use server::{COMMIT, File, Reply, Server, content, describe, fixture, sha256};
use tempfile::TempDir;

const ID: &str = "owner/model";
const FIXTURE: &str = "ner-wordpiece-cased";
const NEEDED: [&str; 4] = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
const OTHER_COMMIT: &str = "fedcba9876543210fedcba9876543210fedcba98";
const TEXT: &str = "Angela Merkel spoke in Berlin, and the United Nations listened.";

/// A server with the model [`ID`], and an empty cache.
struct Place {
    server: Server,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            server: Server::with_fixture(ID, FIXTURE),
            folder: TempDir::new().expect("a temporary folder"),
        }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn repository(&self) -> PathBuf {
        self.cache().join("models--owner--model")
    }

    fn blob(&self, name: &str) -> PathBuf {
        self.repository().join("blobs").join(fixture(FIXTURE)[name].checksum())
    }

    fn partial(&self, name: &str) -> PathBuf {
        self.blob(name).with_extension("incomplete")
    }

    fn lock(&self) -> PathBuf {
        self.folder.path().join("models.lock")
    }

    fn hub(&self) -> Hub {
        Hub::new().cache(self.cache()).endpoint(&self.server.endpoint).token("").offline(false)
    }

    fn fetch(&self) -> Result<FetchedModel, Error> {
        fetch(&self.hub(), ID)
    }

    fn error(&self) -> Error {
        self.fetch().expect_err("cannot be fetched")
    }
}

fn fetch(hub: &Hub, name: &str) -> Result<FetchedModel, Error> {
    hub.fetch(&Registry::builtin().expect("is compiled in"), name)
}

fn load(hub: Hub, name: &str) -> Result<Ner, Error> {
    Ner::builder(name).threads(1).hub(hub).build()
}

fn folder(fixture: &str) -> String {
    format!("{}/tests/goldens/{fixture}", env!("CARGO_MANIFEST_DIR"))
}

fn assert_says(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error:?}");
    for word in words {
        assert!(format!("{error:?}").contains(word), "{error:?} does not say {word:?}");
    }
}

/// The names of files that were asked for, whole or in part.
fn names(reads: &[server::Request]) -> Vec<String> {
    let weights = fixture(FIXTURE)["model.safetensors"].checksum();
    let name = |path: &str| {
        let name = path.rsplit('/').next().expect("has a last part");
        if name == weights { "model.safetensors".to_owned() } else { name.to_owned() }
    };
    // The hub itself only says where large files are.
    let served = |read: &&server::Request| read.large || !read.path.ends_with(".safetensors");
    let mut names: Vec<String> = reads.iter().filter(served).map(|read| name(&read.path)).collect();
    names.sort();
    names
}

/// Answers reads of the weights on the port for large files.
fn for_weights(
    mut reply: impl FnMut(&server::Request, &[u8]) -> Option<Reply> + Send + 'static,
) -> impl FnMut(&server::Request) -> Option<Reply> + Send + 'static {
    let weights = fixture(FIXTURE)["model.safetensors"].content.clone();
    move |request| {
        if request.large && request.method == "GET" { reply(request, &weights) } else { None }
    }
}

fn with(name: &str, change: impl Fn(&mut File)) -> HashMap<String, File> {
    let mut files = fixture(FIXTURE);
    change(files.get_mut(name).expect("is in the fixture"));
    files
}

#[test]
fn a_fetched_model_is_that_of_the_folder() {
    let place = Place::new();
    let fetched = load(place.hub(), ID).expect("is fetched").tag(TEXT).expect("is tagged");
    let local = Ner::builder(folder(FIXTURE)).threads(1).build().expect("is there").tag(TEXT);
    assert_eq!(fetched, local.expect("is tagged"));
    assert_eq!(names(&place.server.take_reads()), NEEDED);

    let place = Place { server: Server::with_fixture("owner/nli", "nli-cne"), ..place };
    let build = |name: &str| TopicClassifier::builder(name).threads(1).hub(place.hub()).build();
    let scores = |classifier: TopicClassifier| {
        let labels = classifier.label_set(["politics", "sport"]).expect("are labels");
        classifier.classify(TEXT, &labels).expect("is classified")
    };
    let fetched = scores(build("owner/nli@main").expect("is fetched"));
    assert_eq!(fetched, scores(build(&folder("nli-cne")).expect("is there")));
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

/// Fills the cache as Python does, with links or without.
fn fill(place: &Place, links: bool) {
    let snapshot = place.repository().join("snapshots").join(COMMIT);
    for folder in [snapshot.clone(), place.repository().join("refs"), place.repository().join("blobs")] {
        fs::create_dir_all(folder).expect("is new");
    }
    fs::write(place.repository().join("refs/main"), COMMIT).expect("is written");
    for name in NEEDED {
        let content = &fixture(FIXTURE)[name].content;
        #[cfg(unix)]
        if links {
            fs::write(place.blob(name), content).expect("is written");
            let blob = Path::new("../../blobs").join(fixture(FIXTURE)[name].checksum());
            std::os::unix::fs::symlink(blob, snapshot.join(name)).expect("is linked");
            continue;
        }
        assert!(!links || cfg!(windows));
        fs::write(snapshot.join(name), content).expect("is written");
    }
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
fn a_transfer_that_was_cut_off_is_resumed_by_the_next_call() {
    let place = Place::new();
    let whole = fixture(FIXTURE)["model.safetensors"].content.len();
    // The first read ends early, and no later one gives anything.
    let mut reads = 0;
    place.server.hook(for_weights(move |request, weights| {
        reads += 1;
        Some(content(weights, request).cut(if reads == 1 { 1000 } else { 0 }))
    }));
    let error = place.error();
    assert_says(&error, ErrorKind::Download, &["model.safetensors", "1000 of", "kept", "next call resumes"]);
    assert_eq!(fs::metadata(place.partial("model.safetensors")).expect("is kept").len(), 1000);
    assert!(!place.blob("model.safetensors").exists());

    place.server.unhook();
    place.server.take_requests();
    load(place.hub(), ID).expect("is resumed");
    let reads: Vec<_> = place.server.take_reads().into_iter().filter(|read| read.large).collect();
    assert_eq!(reads.len(), 1);
    assert_eq!(reads[0].range, Some(format!("bytes=1000-{}", whole - 1)));
    assert!(!place.partial("model.safetensors").exists());
}

#[test]
fn a_transfer_that_is_cut_off_once_is_resumed_at_once() {
    let place = Place::new();
    let mut reads = 0;
    place.server.hook(for_weights(move |request, weights| {
        reads += 1;
        (reads < 3).then(|| content(weights, request).cut(50_000))
    }));
    place.fetch().expect("is resumed");
    let reads = place.server.take_reads().into_iter().filter(|read| read.large);
    let starts: Vec<_> = reads.map(|read| read.range.map(|range| range[..12].to_owned())).collect();
    assert_eq!(starts, [None, Some("bytes=50000-".into()), Some("bytes=100000".into())]);
}

#[test]
fn a_hub_without_ranges_sends_the_file_anew() {
    let place = Place::new();
    let weights = fixture(FIXTURE)["model.safetensors"].content.clone();
    fs::create_dir_all(place.repository().join("blobs")).expect("is new");
    fs::write(place.partial("model.safetensors"), &weights[..2000]).expect("is written");
    place.server.hook(for_weights(|_, weights| Some(Reply::body(weights))));
    load(place.hub(), ID).expect("is fetched");
    let reads = place.server.take_reads().into_iter().filter(|read| read.large);
    assert_eq!(reads.map(|read| read.range.is_some()).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_part_of_another_content_is_thrown_away() {
    let weights = &fixture(FIXTURE)["model.safetensors"].content;
    for part in [vec![0; 3000], vec![0; weights.len()], vec![0; weights.len() + 1]] {
        let place = Place::new();
        fs::create_dir_all(place.repository().join("blobs")).expect("is new");
        fs::write(place.partial("model.safetensors"), part).expect("is written");
        place.fetch().expect("is fetched");
        assert_eq!(fs::read(place.blob("model.safetensors")).expect("is there"), *weights);
    }
}

#[test]
fn what_does_not_verify_is_deleted() {
    for name in ["model.safetensors", "config.json"] {
        let place = Place::new();
        let original = fixture(FIXTURE)[name].content.clone();
        let mut other = original.clone();
        other[20] ^= 1;
        place.server.hook(move |request| {
            let here = request.large == (name == "model.safetensors");
            let asked = request.large || request.path.ends_with(name) && !request.path.contains("_config");
            (here && asked && request.method == "GET").then(|| content(&other, request))
        });
        let error = place.error();
        let found = fixture(FIXTURE)[name].checksum();
        assert_says(&error, ErrorKind::Checksum, &[name, ID, "does not verify", &found, "deleted"]);
        assert!(!place.partial(name).exists() && !place.blob(name).exists());
        place.server.unhook();
        load(place.hub(), ID).expect("is fetched anew");
    }
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
fn redirects_are_followed_and_the_token_stays() {
    let place = Place::new();
    let weights = fixture(FIXTURE)["model.safetensors"].content.clone();
    fs::create_dir_all(place.repository().join("blobs")).expect("is new");
    fs::write(place.partial("model.safetensors"), &weights[..500]).expect("is written");
    // A renamed repository is found at another path of the same host.
    place.server.hook(|request| {
        let moved = !request.large && request.path.starts_with("/owner/model/resolve/");
        let to = request.path.replace("/owner/model/", "/new/name/");
        moved.then(|| Reply::status(307).header("Location", to))
    });
    place.server.put("new/name", "main", COMMIT, fixture(FIXTURE));
    fetch(&place.hub().token("hf_secret"), ID).expect("is fetched");
    let requests = place.server.take_requests();
    let (large, own): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.large);
    assert!(
        own.iter().all(|request| request.authorization.as_deref() == Some("Bearer hf_secret")),
        "{own:?}"
    );
    assert!(own.iter().any(|request| request.path.starts_with("/new/name/resolve/")));
    assert!(large.iter().all(|request| request.authorization.is_none()), "{large:?}");
    let range = large.iter().find(|request| request.method == "GET").expect("is read").range.clone();
    assert_eq!(range, Some(format!("bytes=500-{}", weights.len() - 1)));
}

#[test]
fn no_token_is_sent_where_none_is_set() {
    let place = Place::new();
    place.fetch().expect("is fetched");
    assert!(place.server.take_requests().iter().all(|request| request.authorization.is_none()));
}

#[test]
fn a_loop_of_redirects_is_an_error() {
    let place = Place::new();
    place.server.hook(|request| Some(Reply::status(302).header("Location", request.path.clone())));
    assert_says(&place.error(), ErrorKind::Download, &[ID, "redirect"]);
    assert!(place.server.take_requests().len() < 30);
    place
        .server
        .hook(|request| request.large.then(|| Reply::status(302).header("Location", request.path.clone())));
    assert_says(&place.error(), ErrorKind::Download, &["model.safetensors", "redirect"]);
}

#[test]
fn refusals_say_what_to_do() {
    let place = Place::new();
    let gated = format!("{}/{ID}", place.server.endpoint);
    for (reply, kind, words) in [
        (Reply::status(401), ErrorKind::Access, vec![ID, "token", "HF_TOKEN", &gated]),
        (
            Reply::status(401).header("X-Error-Code", "RepoNotFound"),
            ErrorKind::UnknownModel,
            vec![ID, "check the name", "token"],
        ),
        (Reply::status(403), ErrorKind::Access, vec![ID, "token", "licence", &gated]),
        (
            Reply::status(403).header("X-Error-Code", "GatedRepo"),
            ErrorKind::Access,
            vec!["gated", "accept its licence", &gated],
        ),
        (Reply::status(404), ErrorKind::UnknownModel, vec![ID, "check the name", "owner/name@revision"]),
        (
            Reply::status(400).header("X-Error-Message", "so it is"),
            ErrorKind::Download,
            vec!["status 400", "so it is"],
        ),
    ] {
        place.server.hook(move |_| Some(reply.clone()));
        assert_says(&place.error(), kind, &words);
        assert_eq!(place.server.take_requests().len(), 1, "what stays is not tried again");
    }
    place.server.unhook();
    let error = fetch(&place.hub(), "owner/none").expect_err("is unknown");
    assert_says(&error, ErrorKind::UnknownModel, &["owner/none", "check the name", "folder"]);
    let error = fetch(&place.hub(), "owner/model@v9").expect_err("is unknown");
    assert_says(&error, ErrorKind::UnknownModel, &[ID, "\"v9\"", &gated]);

    // A gated model tells of its files, but does not give them.
    place.server.hook(|request| {
        let refusal = Reply::status(401).header("X-Error-Code", "GatedRepo");
        request.path.contains("/resolve/").then_some(refusal)
    });
    assert_says(&place.error(), ErrorKind::Access, &["gated", "accept its licence", &gated]);
}

#[test]
fn a_file_that_is_listed_but_not_there_is_named() {
    let place = Place::new();
    place.server.hook(|request| request.path.ends_with("/tokenizer.json").then(|| Reply::status(404)));
    assert_says(&place.error(), ErrorKind::Download, &["tokenizer.json", ID, "does not have it"]);
}

#[test]
fn a_repository_without_a_model_is_an_error() {
    let place = Place::new();
    let mut files = fixture(FIXTURE);
    files.retain(|name, _| name.ends_with("config.json"));
    place.server.put(ID, "main", COMMIT, files);
    assert_says(&place.error(), ErrorKind::Weights, &[ID, COMMIT, "model.safetensors"]);
}

#[test]
fn failures_that_pass_are_tried_again() {
    let place = Place::new();
    let asked: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    place.server.hook(move |request| {
        let mut asked = asked.lock().expect("is not poisoned");
        let times = asked.entry(format!("{} {}", request.method, request.path)).or_default();
        *times += 1;
        (*times == 1).then(|| Reply::status(if request.large { 503 } else { 500 }))
    });
    load(place.hub(), ID).expect("is fetched");

    place.server.hook(|_| Some(Reply::status(500)));
    place.server.take_requests();
    assert_says(&place.error(), ErrorKind::Download, &[ID, "status 500", "later"]);
    assert_eq!(place.server.take_requests().len(), 4);
}

#[test]
fn a_hub_that_is_not_there_is_an_error() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let endpoint = format!("http://{}", listener.local_addr().expect("has an address"));
    drop(listener);
    let error = fetch(&place.hub().endpoint(&endpoint), ID).expect_err("nobody is there");
    assert_says(&error, ErrorKind::Download, &[ID, &endpoint, "network", "Hub::offline"]);
}

#[test]
fn a_hub_that_is_silent_is_an_error() {
    let place = Place::new();
    // Connections are taken by the system, and no one reads from them.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let endpoint = format!("http://{}", listener.local_addr().expect("has an address"));
    let hub = place.hub().endpoint(&endpoint).timeout(Duration::from_millis(20));
    let error = fetch(&hub, ID).expect_err("nobody answers");
    assert_says(&error, ErrorKind::Download, &[ID, &endpoint, "silent", "0.02 seconds"]);
}

#[test]
fn options_that_are_no_url_are_errors() {
    let place = Place::new();
    for hub in [place.hub().endpoint("nonsense"), place.hub().endpoint("file:///etc")] {
        assert_says(&fetch(&hub, ID).expect_err("is no URL"), ErrorKind::Options, &["URL of a hub"]);
    }
    let error = fetch(&place.hub().proxy("::"), ID).expect_err("is no URL");
    assert_says(&error, ErrorKind::Options, &["proxy"]);
    let error = fetch(&place.hub().token("a\nb"), ID).expect_err("is no token");
    assert_says(&error, ErrorKind::Options, &["token"]);
    assert!(!format!("{error:?}").contains("a\nb"));
}

#[test]
fn a_proxy_is_used_where_one_is_set() {
    let place = Place::new();
    let hub = place.hub().proxy(&place.server.endpoint).endpoint("http://hub.invalid");
    fetch(&hub, ID).expect_err("the server is no proxy");
    let requests = place.server.take_requests();
    assert!(requests[0].path.starts_with("http://hub.invalid/api/models/"), "{requests:?}");
}

#[test]
fn names_that_are_none_of_the_hub_are_errors() {
    let place = Place::new();
    for name in ["model", "a/b/c", "../model", "owner/model@../x"] {
        let error = load(place.hub(), name).err().expect("is no name");
        assert_says(&error, ErrorKind::UnknownModel, &[name, "owner/name"]);
    }
    let error = fetch(&place.hub(), "ner-en-small").expect_err("is in the build");
    assert_says(&error, ErrorKind::Options, &["not on the hub"]);
    assert_eq!(place.server.take_requests().len(), 0);
}

#[test]
fn no_more_than_was_announced_is_written() {
    let place = Place::new();
    let size = fixture(FIXTURE)["model.safetensors"].content.len() as u64;
    let partial = place.partial("model.safetensors");
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let hub = place.hub().progress(move |progress| {
        let length = fs::metadata(&partial).map_or(0, |partial| partial.len());
        assert!(progress.done <= progress.total && length <= size);
        seen.fetch_max(length as usize, Ordering::Relaxed);
    });
    for length in [None, Some(1 << 60)] {
        place.server.hook(for_weights(move |_, weights| {
            Some(Reply { length: Some(length), endless: true, ..Reply::body(weights) })
        }));
        let error = fetch(&hub, ID).expect_err("has no end");
        assert_says(&error, ErrorKind::Download, &["model.safetensors", "more than the", "announced"]);
        assert!(!place.partial("model.safetensors").exists());
    }
    assert_eq!(most.load(Ordering::Relaxed) as u64, size);
}

#[test]
fn less_than_was_announced_is_an_error() {
    let place = Place::new();
    // As if the file were another since the list was made: whole by itself, and shorter.
    place.server.hook(for_weights(|request, weights| match request.range {
        None => Some(Reply::body(&weights[..700])),
        Some(_) => Some(Reply::body("")),
    }));
    assert_says(&place.error(), ErrorKind::Download, &["model.safetensors", "700 of", "resumes"]);
}

#[test]
fn a_hub_that_offers_xet_and_has_none_is_an_error() {
    let place = Place::new();
    place.server.hook(|request| {
        let offer = || Reply::body("").header("X-Xet-Hash", "a".repeat(64)).header("X-Linked-Size", "148988");
        (request.large && request.method == "HEAD").then(offer)
    });
    assert_says(&place.error(), ErrorKind::Download, &["model.safetensors", ID]);
    assert!(place.server.take_requests().iter().any(|request| request.path.contains("xet-read-token")));
}

#[test]
fn descriptions_that_no_hub_gives_are_errors() {
    let place = Place::new();
    let with_path = |path: &str| {
        let mut files = fixture(FIXTURE);
        files.insert(path.to_owned(), File { content: Vec::new(), large: false });
        describe(ID, COMMIT, &files).to_string()
    };
    let changed = |change: fn(&mut serde_json::Value)| {
        let mut description = describe(ID, COMMIT, &fixture(FIXTURE));
        change(&mut description);
        description.to_string()
    };
    for (description, word) in [
        ("{".to_owned(), "description"),
        ("[1, 2]".to_owned(), "description"),
        ("<html>".to_owned(), "description"),
        (with_path("../config.json"), "../config.json"),
        (with_path("/etc/passwd"), "/etc/passwd"),
        (with_path("model-\\..\\x.safetensors"), "leave the model's folder"),
        (changed(|all| all["sha"] = "../../x".into()), "no commit"),
        (changed(|all| all["sha"] = serde_json::Value::Null), "no commit"),
        (changed(|all| all["siblings"][0]["size"] = (-1).into()), "description"),
        (
            changed(|all| {
                for file in all["siblings"].as_array_mut().expect("is a list") {
                    file["size"] = u64::MAX.into();
                    file["lfs"] = serde_json::Value::Null;
                }
            }),
            "at most",
        ),
        (
            changed(|all| {
                for file in all["siblings"].as_array_mut().expect("is a list") {
                    file["blobId"] = "../../../../x/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".into();
                }
            }),
            "no checksum",
        ),
    ] {
        place.server.hook(move |_| Some(Reply::body(description.clone())));
        assert_says(&place.error(), ErrorKind::Download, &[ID, word]);
    }
    let other = describe(ID, OTHER_COMMIT, &fixture(FIXTURE)).to_string();
    place.server.hook(move |_| Some(Reply::body(other.clone())));
    let error = fetch(&place.hub(), &format!("{ID}@{COMMIT}")).expect_err("is another commit");
    assert_says(&error, ErrorKind::Download, &[COMMIT, OTHER_COMMIT]);

    place
        .server
        .hook(|_| Some(Reply { length: Some(None), endless: true, ..Reply::body(vec![b' '; 65536]) }));
    assert_says(&place.error(), ErrorKind::Download, &["a description of more than"]);
    assert!(!place.cache().exists(), "nothing was written");
}

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
    let builder = |name: &str| Ner::builder(name).threads(1).hub(place.hub()).registry(registry.clone());
    let entities = builder("mine").build().expect("is fetched").tag(TEXT).expect("is tagged");
    assert_eq!(entities, builder(ID).build().expect("is there").tag(TEXT).expect("is tagged"));
    let lock = fs::read_to_string(path.with_extension("lock")).expect("is beside the registry");
    assert!(lock.contains(&format!("revision = \"{COMMIT}\"")), "{lock}");
    let all = Registry::builtin().expect("is compiled in").with(registry.clone());
    assert_eq!(place.hub().fetch(&all, "mine").expect("is there").commit, COMMIT);

    place.server.take_requests();
    let place = Place::new();
    let registry = write("", &"1".repeat(64));
    let error = place.hub().fetch(&registry, "mine").expect_err("differs");
    assert_says(&error, ErrorKind::Checksum, &["model.safetensors", &"1".repeat(64), &sha256, "registry"]);
    assert_eq!(place.server.take_reads().len(), 0);
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
fn progress_tells_of_each_file() {
    let place = Place::new();
    let weights = fixture(FIXTURE)["model.safetensors"].content.clone();
    fs::create_dir_all(place.repository().join("blobs")).expect("is new");
    fs::write(place.partial("model.safetensors"), &weights[..4000]).expect("is written");
    let told: Arc<Mutex<Vec<DownloadProgress>>> = Arc::default();
    let keep = Arc::clone(&told);
    let hub = place.hub().progress(move |progress| keep.lock().expect("is whole").push(progress.clone()));
    let take = || std::mem::take(&mut *told.lock().expect("is whole"));
    fetch(&hub, ID).expect("is fetched");
    let all = take();
    assert!(all.iter().all(|progress| progress.id == ID && progress.files == NEEDED.len()));
    assert!(all.is_sorted_by_key(|progress| (progress.file, progress.done)));
    for name in NEEDED {
        let size = fixture(FIXTURE)[name].content.len() as u64;
        let own: Vec<_> = all.iter().filter(|progress| progress.path == name).collect();
        assert!(own.iter().all(|progress| progress.total == size));
        assert_eq!(own[0].done, if name == "model.safetensors" { 4000 } else { 0 });
        assert_eq!(own[own.len() - 1].done, size);
    }
    fetch(&hub, ID).expect("is there");
    assert_eq!(take(), [], "what is there is not told of");
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

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let place = Place::new();
    fs::create_dir_all(place.repository().join("blobs")).expect("is new");
    let partial = place.partial("model.safetensors");
    std::os::unix::fs::symlink("/dev/full", &partial).expect("is linked");
    let error = place.error();
    assert_says(
        &error,
        ErrorKind::System,
        &["no space is left", &partial.display().to_string(), "HF_HUB_CACHE"],
    );
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

#[test]
fn a_callback_that_panics_costs_only_its_call() {
    let place = Place::new();
    let error = fetch(&place.hub().progress(|_| panic!("as it must")), ID).expect_err("was not finished");
    assert_says(&error, ErrorKind::System, &[ID, "panicked"]);
    place.fetch().expect("is fetched");
}

/// Says to a test that it is run by another one, in a process of its own.
const CHILD: &str = "ENTOPIC_TEST_IS_CHILD";

/// Run by the next test, since variables are a process's.
#[test]
fn child_of_the_environment() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let fetched = fetch(&Hub::new(), ID).expect("is fetched");
    let home = std::env::var("HF_HOME").expect("is set");
    assert!(fetched.folder.starts_with(Path::new(&home).join("hub")), "{fetched:?}");
}

#[test]
fn the_environment_is_that_of_the_hubs_clients() {
    let place = Place::new();
    let child = |offline: &str| {
        std::process::Command::new(std::env::current_exe().expect("is known"))
            .args(["--exact", "child_of_the_environment"])
            .env(CHILD, "1")
            .env_remove("HF_HUB_CACHE")
            .env("HF_HOME", place.folder.path())
            .env("HF_ENDPOINT", &place.server.endpoint)
            .env("HF_TOKEN", "hf_secret")
            .env("HF_HUB_OFFLINE", offline)
            // Proxies are none of the hub's variables.
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .output()
            .expect("can be started")
    };
    assert!(!child("1").status.success());
    assert_eq!(place.server.take_requests().len(), 0);
    let output = child("0");
    assert!(output.status.success(), "{output:?}");
    let requests = place.server.take_requests();
    assert_eq!(requests[0].authorization.as_deref(), Some("Bearer hf_secret"));
    assert!(child("1").status.success());
}

/// GLiNER's first models have no tokenizer of their own.
#[test]
fn a_tokenizer_may_be_another_models() {
    let place = Place::new();
    let base = "owner/base";
    let (mut model, mut whole) = (fixture("gliner-span"), fixture("gliner-span"));
    model.retain(|name, _| name == "gliner_config.json" || name == "model.safetensors");
    let weights = whole.remove("model.safetensors").expect("has weights");
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
        fs::write(&registry, entry).expect("is written");
        let registry = Registry::from_file(&registry).expect("is a registry");
        Ner::builder("mine").registry(registry).threads(1).hub(place.hub()).build()
    };
    let error = build(entry("")).err().expect("has no tokenizer");
    assert_says(&error, ErrorKind::Tokenizer, &["tokenizer.json", "`tokenizer`"]);
    place.server.take_requests();
    let fetched = build(entry(&format!("tokenizer = \"{base}\""))).expect("has another's tokenizer");
    let reads = place.server.take_requests();
    assert!(reads.iter().any(|read| read.path.ends_with("tokenizer.json")), "{reads:?}");
    assert!(!reads.iter().any(|read| read.path.contains("pytorch_model.bin")), "{reads:?}");
    let own = Ner::builder(folder("gliner-span")).threads(1).build().expect("loads");
    let types = ["person", "city"];
    assert_eq!(
        fetched.tag_types(TEXT, &types).expect("is tagged"),
        own.tag_types(TEXT, &types).expect("is tagged")
    );
    // Both are in the lock file now, and nothing more is asked for.
    let again = build(entry(&format!("tokenizer = \"{base}\"")));
    assert!(again.is_ok() && place.server.take_requests().is_empty());
}
