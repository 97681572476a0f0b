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
/// models--owner--name/blobs/<checksum>            contents, named by the hub's checksums
/// models--owner--name/refs/<revision>             the commit of a branch or tag
/// models--owner--name/snapshots/<commit>/<path>   links to the contents
/// models--owner--name/.entopic/<commit>.json      the verified files; other clients ignore this file
/// .locks/models--owner--name/<checksum>.lock      locked while a content is written
/// ```
pub(super) struct Repository {
    folder: PathBuf,
    locks: PathBuf,
}

/// The files of a commit that were verified here, so that they need not be hashed at each load.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Record {
    /// True if the files make up complete parts of the model, according to the hub's list of its files.
    pub(super) listed: bool,
    pub(super) files: Vec<CachedFile>,
}

/// A file in the cache whose hash was `sha256`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct CachedFile {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) sha256: String,
    /// The time when the file was last written according to the file system, in nanoseconds since 1970.
    pub(super) modified: Option<u64>,
}

/// The expected properties of a file. If it was verified and not written since, it is not hashed again.
pub(super) struct Expected<'a> {
    pub(super) path: &'a str,
    pub(super) size: u64,
    pub(super) sha256: &'a str,
    pub(super) modified: Option<u64>,
}

/// The reason why files in the cache are not as expected.
pub(super) enum Fault {
    Missing(String),
    /// The path, the expected value and the value that was found.
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

    /// The path of a content that is not complete yet.
    pub(super) fn partial(&self, checksum: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{checksum}.incomplete"))
    }

    /// The commit of `revision` when it was last requested.
    pub(super) fn read_ref(&self, revision: &str) -> Result<Option<String>, Error> {
        let path = self.folder.join("refs").join(revision);
        match fs::read_to_string(&path) {
            Ok(commit) if is_commit(commit.trim()) => Ok(Some(commit.trim().to_owned())),
            Ok(_) => {
                let message = format!("{} contains no commit; delete it and fetch again", path.display());
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

    /// The record of `commit`; a record that cannot be read counts as missing.
    pub(super) fn record(&self, commit: &str) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.record_path(commit)).ok()?).ok()
    }

    /// Writes the record of `commit`, with the files of an earlier one, if possible; without a record, files are
    /// hashed again.
    pub(super) fn write_record(&self, commit: &str, mut record: Record) {
        // A listed record must not take in files that were not listed.
        if let Some(old) = self.record(commit).filter(|old| old.listed || !record.listed) {
            let is_new = |old: &CachedFile| record.files.iter().all(|new| new.path != old.path);
            let others: Vec<CachedFile> = old.files.into_iter().filter(is_new).collect();
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

    /// Waits until no one else, in this process or another, writes the content `checksum`; others wait until the
    /// returned file is dropped. The hub's other clients use the same lock.
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
            // Not every file system has links, and Windows does not grant them to everyone.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::copy(&blob, new).map(|_| ()),
            linked => linked,
        });
        linked.map_err(|error| unwritable(&place, error))
    }

    /// Returns the files of the snapshot of `commit`, if they are as expected.
    pub(super) fn verify<'a>(
        &self,
        commit: &str,
        expected: impl IntoIterator<Item = Expected<'a>>,
    ) -> Result<Vec<CachedFile>, Fault> {
        let snapshot = self.snapshot(commit);
        expected.into_iter().map(|expected| Self::verify_file(&snapshot, &expected)).collect()
    }

    fn verify_file(snapshot: &Path, expected: &Expected<'_>) -> Result<CachedFile, Fault> {
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
        Ok(CachedFile { path, size: found.len(), sha256, modified })
    }
}

impl CachedFile {
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

/// Waits until no one else changes the lock file at `path`. The guard is a file in `cache`, so that nothing is left
/// next to the lock file; if nothing can be written into the cache, there is no guard.
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

/// Returns whether `revision` is a complete commit hash, which pushes never change.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && crate::hex::is_hex(revision)
}

/// Returns whether the error says that a file does not exist.
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
        "{} cannot be read; fix its permissions, or name another cache with Hub::cache or HF_HUB_CACHE",
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
                "no space is left to write {path}; free some, or name another cache with Hub::cache or HF_HUB_CACHE"
            )
        }
        _ => format!("{path} cannot be written; name another cache with Hub::cache or HF_HUB_CACHE"),
    };
    Error::new(ErrorKind::System, message).with_source(error)
}

/// Writes a file so that others see either all of it or nothing.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, |new| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(new)?;
        file.write_all(bytes)?;
        file.sync_all()
    })
}

/// Creates a file under a temporary name next to `path`, and then renames it to `path`.
fn replace(path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let mut attempt = 0;
    let new = loop {
        let new = path.with_file_name(format!(".{name}.{}-{attempt}", std::process::id()));
        match make(&new) {
            Ok(()) => break new,
            // The file of another thread, or of a killed process with the same id.
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
