//! A hub with a model, and a cache to fetch it into.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use entopic::{Engine, Error, FetchedModel, Hub, Ner, Registry};
use tempfile::TempDir;

use crate::server::{self, COMMIT, File, Reply, Server, fixture};

pub const ID: &str = "owner/model";
pub const FIXTURE: &str = "ner-wordpiece-cased";
pub const NEEDED: [&str; 4] = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
pub const OTHER_COMMIT: &str = "fedcba9876543210fedcba9876543210fedcba98";
pub const TEXT: &str = "Angela Merkel spoke in Berlin, and the United Nations listened.";

/// A server with the model [`ID`], and an empty cache.
pub struct Place {
    pub server: Server,
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self {
            server: Server::with_fixture(ID, FIXTURE),
            folder: TempDir::new().expect("a temporary folder should be made"),
        }
    }

    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    pub fn repository(&self) -> PathBuf {
        self.cache().join("models--owner--model")
    }

    pub fn blob(&self, name: &str) -> PathBuf {
        self.repository().join("blobs").join(fixture(FIXTURE)[name].checksum())
    }

    pub fn partial(&self, name: &str) -> PathBuf {
        self.blob(name).with_extension("incomplete")
    }

    pub fn lock(&self) -> PathBuf {
        self.folder.path().join("models.lock")
    }

    pub fn hub(&self) -> Hub {
        Hub::new().cache(self.cache()).endpoint(&self.server.endpoint).token("").offline(false)
    }

    pub fn fetch(&self) -> Result<FetchedModel, Error> {
        fetch(&self.hub(), ID)
    }

    pub fn error(&self) -> Error {
        self.fetch().expect_err("it should fail: it cannot be fetched")
    }
}

pub fn fetch(hub: &Hub, name: &str) -> Result<FetchedModel, Error> {
    hub.fetch(&Registry::default(), name)
}

pub fn load(hub: Hub, name: &str) -> Result<Ner, Error> {
    engine(hub, Registry::default()).ner(name)
}

/// An engine with one thread.
pub fn engine(hub: Hub, registry: Registry) -> Engine {
    Engine::builder().threads(1).hub(hub).registry(registry).build().expect("a thread should start")
}

/// The names of files that were requested, whole or in part.
pub fn names(reads: &[server::Request]) -> Vec<String> {
    let weights = fixture(FIXTURE)["model.safetensors"].checksum();
    let name = |path: &str| {
        let name = path.rsplit('/').next().expect("it should have a last part");
        if name == weights { "model.safetensors".to_owned() } else { name.to_owned() }
    };
    // The hub itself only redirects to large files.
    let served = |read: &&server::Request| read.large || !read.path.ends_with(".safetensors");
    let mut names: Vec<String> = reads.iter().filter(served).map(|read| name(&read.path)).collect();
    names.sort();
    names
}

/// A hook that answers reads of the weights on the port for large files.
pub fn for_weights(
    mut reply: impl FnMut(&server::Request, &[u8]) -> Option<Reply> + Send + 'static,
) -> impl FnMut(&server::Request) -> Option<Reply> + Send + 'static {
    let weights = fixture(FIXTURE)["model.safetensors"].content.clone();
    move |request| {
        if request.large && request.method == "GET" { reply(request, &weights) } else { None }
    }
}

pub fn with(name: &str, change: impl Fn(&mut File)) -> HashMap<String, File> {
    let mut files = fixture(FIXTURE);
    change(files.get_mut(name).expect("it should be in the fixture"));
    files
}

/// Fills the cache as Python does, with links or without.
pub fn fill(place: &Place, links: bool) {
    let snapshot = place.repository().join("snapshots").join(COMMIT);
    for folder in [snapshot.clone(), place.repository().join("refs"), place.repository().join("blobs")] {
        fs::create_dir_all(folder).expect("it should be new");
    }
    fs::write(place.repository().join("refs/main"), COMMIT).expect("the file should be written");
    for name in NEEDED {
        let content = &fixture(FIXTURE)[name].content;
        #[cfg(unix)]
        if links {
            fs::write(place.blob(name), content).expect("the file should be written");
            let blob = Path::new("../../blobs").join(fixture(FIXTURE)[name].checksum());
            std::os::unix::fs::symlink(blob, snapshot.join(name)).expect("it should be linked");
            continue;
        }
        assert!(!links || cfg!(windows));
        fs::write(snapshot.join(name), content).expect("the file should be written");
    }
}
