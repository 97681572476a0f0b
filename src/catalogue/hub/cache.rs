use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::digest::hash_file;
use crate::error::{Error, ErrorKind};
use crate::hex::hex;

/// A model's folder in the cache that the hub's clients share:
///
/// ```text
/// models--owner--name/blobs/<checksum>            contents, named by what the hub says they hash to
/// models--owner--name/refs/<revision>             the commit of a branch or tag
/// models--owner--name/snapshots/<commit>/<path>   links to the contents
/// models--owner--name/.entopic/<commit>.json      which files were verified; other clients pass it by
/// .locks/models--owner--name/<checksum>.lock      held by who writes a content
/// ```
pub(super) struct Repository {
    folder: PathBuf,
    locks: PathBuf,
}

/// The files of a commit that were verified here, so that they need not be hashed at each load.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Record {
    /// Whether the parts of the model that they make are whole, by the hub's own list of its files.
    pub(super) listed: bool,
    pub(super) files: Vec<Held>,
}

/// A file in the cache that hashed to `sha256`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Held {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) sha256: String,
    /// When it was last written, in nanoseconds since 1970, by the file system.
    pub(super) modified: Option<u64>,
}

/// What a file is to be. Where it was verified, and not written since, it is not hashed again.
pub(super) struct Expected<'a> {
    pub(super) path: &'a str,
    pub(super) size: u64,
    pub(super) sha256: &'a str,
    pub(super) modified: Option<u64>,
}

/// Why files of the cache are not what was expected.
pub(super) enum Fault {
    Missing(String),
    /// The path, and what was expected and found.
    Differs(String, String, String),
    Unreadable(Error),
}

impl Repository {
    pub(super) fn new(cache: &Path, id: &str) -> Self {
        let name = format!("models--{}", id.replace('/', "--"));
        Self { folder: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    pub(super) fn blob(&self, checksum: &str) -> PathBuf {
        self.folder.join("blobs").join(checksum)
    }

    /// Where a content is while it is not whole.
    pub(super) fn partial(&self, checksum: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{checksum}.incomplete"))
    }

    /// The commit that `revision` was, when it was last asked for.
    pub(super) fn read_ref(&self, revision: &str) -> Result<Option<String>, Error> {
        let path = self.folder.join("refs").join(revision);
        match fs::read_to_string(&path) {
            Ok(commit) if is_commit(commit.trim()) => Ok(Some(commit.trim().to_owned())),
            Ok(_) => {
                let message = format!("{} holds no commit; delete it and fetch again", path.display());
                Err(Error::new(ErrorKind::System, message))
            }
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(unreadable(&path, error)),
        }
    }

    pub(super) fn write_ref(&self, revision: &str, commit: &str) -> Result<(), Error> {
        let path = self.folder.join("refs").join(revision);
        if fs::read_to_string(&path).is_ok_and(|old| old == commit) {
            return Ok(());
        }
        create_parent(&path)?;
        write_atomically(&path, commit.as_bytes()).map_err(|error| unwritable(&path, error))
    }

    /// The record of `commit`; one that cannot be read is as good as none.
    pub(super) fn record(&self, commit: &str) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.record_path(commit)).ok()?).ok()
    }

    /// Keeps a record where that is possible, beside what was verified of the commit before: without one,
    /// files are hashed again.
    pub(super) fn keep_record(&self, commit: &str, mut record: Record) {
        // What was listed does not vouch for what was not.
        if let Some(old) = self.record(commit).filter(|old| old.listed || !record.listed) {
            let is_new = |old: &Held| record.files.iter().all(|held| held.path != old.path);
            let others: Vec<Held> = old.files.into_iter().filter(is_new).collect();
            record.files.extend(others);
        }
        let path = self.record_path(commit);
        if let (Ok(bytes), Ok(())) = (serde_json::to_vec(&record), create_parent(&path)) {
            write_atomically(&path, &bytes).ok();
        }
    }

    fn record_path(&self, commit: &str) -> PathBuf {
        self.folder.join(".entopic").join(format!("{commit}.json"))
    }

    /// Waits until no one else, in this process or another, writes the content `checksum`; others
    /// wait until the answer is dropped. It is the lock that the hub's other clients take.
    pub(super) fn guard(&self, checksum: &str) -> Result<File, Error> {
        lock(&self.locks.join(format!("{checksum}.lock")))
    }

    /// Puts the content `checksum` at `path` into the snapshot of `commit`.
    pub(super) fn link(&self, commit: &str, path: &str, checksum: &str) -> Result<(), Error> {
        let (place, blob) = (self.snapshot(commit).join(path), self.blob(checksum));
        let same =
            |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
        if same(&place, &blob) {
            return Ok(());
        }
        create_parent(&place)?;
        let up = "../".repeat(2 + path.matches('/').count());
        let target = PathBuf::from(format!("{up}blobs/{checksum}"));
        let linked = replace(&place, |new| match symlink(&target, new) {
            // Not every file system has them, and Windows does not give them to everyone.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::copy(&blob, new).map(|_| ()),
            linked => linked,
        });
        linked.map_err(|error| unwritable(&place, error))
    }

    /// The files of the snapshot of `commit`, if they are what is expected of them.
    pub(super) fn held<'a>(
        &self,
        commit: &str,
        expected: impl IntoIterator<Item = Expected<'a>>,
    ) -> Result<Vec<Held>, Fault> {
        let snapshot = self.snapshot(commit);
        expected.into_iter().map(|expected| Self::held_file(&snapshot, &expected)).collect()
    }

    fn held_file(snapshot: &Path, expected: &Expected<'_>) -> Result<Held, Fault> {
        let place = snapshot.join(expected.path);
        let unreadable = |error: io::Error| Fault::Unreadable(unreadable(&place, error));
        let found = match fs::metadata(&place) {
            Ok(found) => found,
            Err(error) if is_absence(&error) => return Err(Fault::Missing(expected.path.to_owned())),
            Err(error) => return Err(unreadable(error)),
        };
        let differs =
            |expected: String, found: String| Fault::Differs(place.display().to_string(), expected, found);
        if found.len() != expected.size {
            let bytes = |size: u64| format!("{size} bytes");
            return Err(differs(bytes(expected.size), bytes(found.len())));
        }
        let modified = modified(&found);
        if modified.is_none() || modified != expected.modified {
            let hashes = hash_file(&place, found.len(), None).map_err(unreadable)?;
            if hashes.sha256 != expected.sha256 {
                return Err(differs(format!("sha256 {}", expected.sha256), hashes.sha256));
            }
        }
        let (path, sha256) = (expected.path.to_owned(), expected.sha256.to_owned());
        Ok(Held { path, size: found.len(), sha256, modified })
    }
}

impl Held {
    /// The verified file at `path` of the snapshot of `commit`.
    pub(super) fn new(
        repository: &Repository,
        commit: &str,
        path: &str,
        sha256: String,
    ) -> Result<Self, Error> {
        let place = repository.snapshot(commit).join(path);
        let found = fs::metadata(&place).map_err(|error| unreadable(&place, error))?;
        Ok(Self { path: path.to_owned(), size: found.len(), sha256, modified: modified(&found) })
    }

    pub(super) fn expected(&self) -> Expected<'_> {
        let Self { path, size, sha256, modified } = self;
        Expected { path, size: *size, sha256, modified: *modified }
    }
}

/// Waits until no one else changes the lock file at `path`, which is held in `cache`, so that
/// nothing is left beside it; where nothing can be written into the cache, nothing is held.
pub(super) fn guard_lock_file(cache: &Path, path: &Path) -> Option<File> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let digest = Sha256::digest(whole.as_os_str().as_encoded_bytes());
    let name = hex(&digest[..8]);
    lock(&cache.join(".locks/entopic").join(format!("{name}.lock"))).ok()
}

fn lock(path: &Path) -> Result<File, Error> {
    create_parent(path)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let locked = file.and_then(|file| match file.lock() {
        // Some network file systems have no locks. Contents and lists still appear whole or not at all.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(file),
    });
    locked.map_err(|error| unwritable(path, error))
}

/// Whether `revision` is a whole commit, which no push changes.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && crate::hex::is_hex(revision)
}

/// Whether the error says that nothing is there.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

pub(super) fn create_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(|error| unwritable(parent, error))
}

/// The error of something in the cache that cannot be read.
pub(super) fn unreadable(path: &Path, error: io::Error) -> Error {
    let message = format!(
        "{} cannot be read; mend its permissions, or name another cache by Hub::cache or HF_HUB_CACHE",
        path.display()
    );
    Error::new(ErrorKind::System, message).with_source(error)
}

/// The error of something in the cache that cannot be written.
pub(super) fn unwritable(path: &Path, error: io::Error) -> Error {
    let path = path.display();
    let message = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!(
                "no space is left to write {path}; make some, or name another cache by Hub::cache or HF_HUB_CACHE"
            )
        }
        _ => format!("{path} cannot be written; name another cache by Hub::cache or HF_HUB_CACHE"),
    };
    Error::new(ErrorKind::System, message).with_source(error)
}

/// Writes a file such that others see it whole or not at all.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, |new| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(new)?;
        file.write_all(bytes)?;
        file.sync_all()
    })
}

/// Makes a file under another name beside `path`, and then gives it that.
fn replace(path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let mut attempt = 0;
    let new = loop {
        let new = path.with_file_name(format!(".{name}.{}-{attempt}", std::process::id()));
        match make(&new) {
            Ok(()) => break new,
            // Of another thread, or of a process of the same number that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
            Err(error) => {
                fs::remove_file(&new).ok();
                return Err(error);
            }
        }
    };
    fs::rename(&new, path).inspect_err(|_| drop(fs::remove_file(&new)))
}

fn modified(metadata: &fs::Metadata) -> Option<u64> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
