use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::{is_commit, write_atomically};
use crate::catalogue::files::stays_inside;
use crate::error::{Error, ErrorKind};

const HEADER: &str = "\
# Written by entopic: the commit and the files with which each model of the Hugging Face hub was first
# loaded, by its id and the requested revision. Later loads accept no others. Delete an entry to lock
# the model again at its next load.
";

/// The contents of a lock file: the models that later loads must match.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockFile {
    #[serde(rename = "model", default, skip_serializing_if = "Vec::is_empty")]
    models: Vec<LockedModel>,
}

/// The commit and the files with which a model was first loaded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedModel {
    pub(super) id: String,
    /// The branch, tag or commit that was requested.
    pub(super) revision: String,
    pub(super) commit: String,
    #[serde(rename = "file", default)]
    pub(super) files: Vec<LockedFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedFile {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) sha256: String,
}

impl LockFile {
    /// Reads `path`; a missing file locks nothing.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                let message =
                    format!("the lock file {name} cannot be read; repair it, or name another with Hub::lock");
                return Err(Error::new(ErrorKind::Lock, message).with_source(error));
            }
        };
        toml::from_str(&text).map_err(|error| {
            let message = format!(
                "{name} is not a lock file of models; repair it, or delete it to lock all models again"
            );
            Error::new(ErrorKind::Lock, message).with_source(error)
        })
    }

    pub(super) fn find(&self, id: &str, revision: &str) -> Option<&LockedModel> {
        self.models.iter().find(|model| model.id == id && model.revision == revision)
    }

    /// Adds `model` to the file at `path`, or adds its missing files to the existing entry. The caller must prevent
    /// concurrent calls.
    pub(super) fn add(path: &Path, model: &LockedModel) -> Result<(), Error> {
        let mut lock = Self::read(path)?;
        let place = lock.models.iter_mut().find(|old| old.id == model.id && old.revision == model.revision);
        match place {
            Some(old) => {
                old.verify(model, path)?;
                let new = |file: &&LockedFile| !old.files.iter().any(|other| other.path == file.path);
                let new: Vec<LockedFile> = model.files.iter().filter(new).cloned().collect();
                if new.is_empty() {
                    return Ok(());
                }
                old.files.extend(new);
            }
            None => lock.models.push(model.clone()),
        }
        lock.models.sort_by(|a, b| (&a.id, &a.revision).cmp(&(&b.id, &b.revision)));
        lock.write(path)
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        let refuse = |error: Box<dyn std::error::Error + Send + Sync>| {
            let message = format!(
                "the lock file {} cannot be written; name another place with Hub::lock",
                path.display()
            );
            Error::new(ErrorKind::Lock, message).with_source(error)
        };
        let text = toml::to_string(self).map_err(|error| refuse(error.into()))?;
        // A link stays a link, and something that is not a file is not replaced by one.
        let found = path.canonicalize();
        if found.is_err() && path.is_symlink() {
            return Err(refuse("it is a link to a file that does not exist".into()));
        }
        let path = &found.unwrap_or_else(|_| path.to_owned());
        if path.exists() && !path.is_file() {
            return Err(refuse("it is not a regular file".into()));
        }
        write_atomically(path, format!("{HEADER}\n{text}").as_bytes()).map_err(|error| refuse(error.into()))
    }
}

impl LockedModel {
    /// Refuses an entry that was not written by [`LockFile::add`], because its values become parts of paths.
    pub(super) fn check(&self, path: &Path) -> Result<(), Error> {
        let outside = |file: &LockedFile| !stays_inside(&file.path);
        if is_commit(&self.commit) && !self.files.iter().any(outside) {
            return Ok(());
        }
        let message = format!(
            "the entry of {} at {} in {} has an invalid commit or a path outside the model; delete it to lock \
             the model again",
            self.id,
            self.revision,
            path.display()
        );
        Err(Error::new(ErrorKind::Lock, message))
    }

    /// Checks that `found` matches this entry of the lock file at `path`.
    pub(super) fn verify(&self, found: &LockedModel, path: &Path) -> Result<(), Error> {
        if self.commit != found.commit {
            return Err(self.differs("its commit", &self.commit, &found.commit, path));
        }
        for file in &found.files {
            self.verify_file(&file.path, file.size, Some(&file.sha256), path)?;
        }
        Ok(())
    }

    /// Checks that a file, as far as it is known, matches this entry of the lock file at `path`.
    pub(super) fn verify_file(
        &self,
        file: &str,
        size: u64,
        sha256: Option<&str>,
        path: &Path,
    ) -> Result<(), Error> {
        let Some(locked) = self.files.iter().find(|locked| locked.path == file) else { return Ok(()) };
        if let Some(found) = sha256.filter(|found| !found.eq_ignore_ascii_case(&locked.sha256)) {
            return Err(self.differs(&format!("{file}: sha256"), &locked.sha256, found, path));
        }
        if locked.size != size {
            let (locked, found) = (format!("{} bytes", locked.size), format!("{size} bytes"));
            return Err(self.differs(&format!("{file}: its size"), &locked, &found, path));
        }
        Ok(())
    }

    fn differs(&self, what: &str, expected: &str, found: &str, path: &Path) -> Error {
        let Self { id, revision, .. } = self;
        let message = format!(
            "{id} does not match {}: {what} {expected} is locked, but {found} was found; to accept the change, \
             delete the entry of {id} at {revision} there, or pin another revision",
            path.display()
        );
        Error::new(ErrorKind::Lock, message)
    }
}

/// The lock file of the registry file at `path`: `own.lock` next to `own.toml`.
pub(crate) fn lock_beside(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{LockFile, LockedFile, LockedModel};

    fn model(id: &str, files: &[(&str, &str)]) -> LockedModel {
        let files = files.iter();
        let files = files.map(|(path, sha256)| LockedFile {
            path: (*path).into(),
            size: 3,
            sha256: (*sha256).into(),
        });
        LockedModel { id: id.into(), revision: "main".into(), commit: "c".into(), files: files.collect() }
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_devices_are_not_replaced() {
        let folder = tempfile::TempDir::new().expect("a temporary folder should be made");
        let (link, null) = (folder.path().join("own.lock"), folder.path().join("null"));
        std::os::unix::fs::symlink("shared.lock", &link).expect("a link should be made");
        std::os::unix::fs::symlink("/dev/null", &null).expect("a link should be made");
        fs::write(folder.path().join("shared.lock"), "").expect("a file should be written");
        LockFile::add(&link, &model("b/b", &[("x", "1")])).expect("it should be new");
        assert!(link.is_symlink());
        let error = LockFile::add(&null, &model("b/b", &[("x", "1")])).expect_err("it should be refused");
        assert!(error.to_string().contains("null") && null.is_symlink(), "{error}");
    }

    #[test]
    fn entries_are_added_and_verified() {
        let folder = tempfile::TempDir::new().expect("a temporary folder should be made");
        let path = folder.path().join("own.lock");
        LockFile::add(&path, &model("b/b", &[("x", "1")])).expect("it should be new");
        LockFile::add(&path, &model("a/a", &[("x", "2")])).expect("it should be new");
        LockFile::add(&path, &model("b/b", &[("x", "1"), ("y", "3")])).expect("agrees");

        let text = fs::read_to_string(&path).expect("it should exist");
        assert!(text.starts_with("# Written by entopic") && text.contains("[[model.file]]"), "{text}");
        assert!(text.find("a/a") < text.find("b/b"), "{text}");
        let lock = LockFile::read(&path).expect("reads what it wrote");
        assert_eq!(lock.find("b/b", "main"), Some(&model("b/b", &[("x", "1"), ("y", "3")])));
        assert_eq!(lock.find("b/b", "other"), None);

        let error =
            LockFile::add(&path, &model("b/b", &[("x", "9")])).expect_err("it should differ").to_string();
        for word in ["b/b", "x: sha256 1", "9 was found", "delete the entry", "own.lock"] {
            assert!(error.contains(word), "{error} does not say {word:?}");
        }
        assert_eq!(
            fs::read_dir(folder.path()).expect("it should exist").count(),
            1,
            "temporary files should be gone"
        );
    }
}
