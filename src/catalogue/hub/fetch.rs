use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::cache::{CachedFile, Expected, Fault, Record, Repository, guard_lock_file, is_absence, is_commit};
use super::cache::{unreadable, unwritable};
use super::digest::{Checksum, hash_file};
use super::failure::Place;
use super::listing::{Listing, RemoteFile};
use super::lock::{LockFile, LockedFile, LockedModel};
use super::options::Options;
use super::progress::{DownloadProgress, Meter};
use super::remote::Remote;
use super::request::{FetchedFile, FetchedModel, Wanted};
use super::settings::Settings;
use super::transfer::download;
use crate::catalogue::files::Files;
use crate::catalogue::layout;
use crate::error::{Error, ErrorKind};

/// Three times the time that hf-hub's Python counterpart waits for the start of a file.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A month: the time that is counted from now must not overflow.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// One call of [`fetch`].
struct Call<'a> {
    hub: &'a Options,
    settings: Settings,
    wanted: Wanted<'a>,
    revision: &'a str,
    repository: Repository,
    /// The path of the lock file, and its entry for this model.
    lock: Option<&'a Path>,
    locked: Option<LockedModel>,
}

/// The files in the snapshot of a model.
struct Snapshot {
    commit: String,
    files: Vec<CachedFile>,
    /// True if these are all files of the part, according to the hub's list.
    listed: bool,
    /// The paths of the files that this call downloaded.
    downloaded: HashSet<String>,
}

/// Finds a model in the cache or fetches it, and checks it against the lock file at `lock`.
pub(super) fn fetch(hub: &Options, wanted: Wanted<'_>, lock: Option<&Path>) -> Result<FetchedModel, Error> {
    if let Some(fault) = wanted.fault() {
        return Err(Error::new(ErrorKind::UnknownModel, fault));
    }
    let settings = Settings::new(hub)?;
    let repository = Repository::new(&settings.cache, wanted.id);
    let revision = wanted.revision.unwrap_or("main");
    let locked = match lock {
        Some(path) => LockFile::read(path)?.find(wanted.id, revision).cloned(),
        None => None,
    };
    if let (Some(locked), Some(path)) = (&locked, lock) {
        locked.check(path)?;
    }
    let call = Call { hub, settings, wanted, revision, repository, lock, locked };
    let snapshot = match call.cached()? {
        Some(snapshot) => snapshot,
        None if call.settings.offline => call.offline()?,
        None => call.on_own_thread()?,
    };
    call.finish(snapshot)
}

impl Call<'_> {
    /// The wanted commit, if it is known without asking the hub.
    fn known_commit(&self) -> Option<&str> {
        let locked = self.locked.as_ref().map(|locked| locked.commit.as_str());
        locked.or_else(|| is_commit(self.revision).then_some(self.revision))
    }

    /// Returns the model if all of it is in the cache, and as it was recorded or locked.
    fn cached(&self) -> Result<Option<Snapshot>, Error> {
        let Some(commit) = self.known_commit() else { return Ok(None) };
        let record = self.repository.record(commit).filter(|record| record.listed);
        let recorded = record.and_then(|record| self.part_of(record.files, |file| &file.path));
        let verified = match (&recorded, self.locked_files()) {
            (Some(files), _) => self.repository.verify(commit, files.iter().map(CachedFile::expected)),
            // The lock file says all that the hub could. It may come from a checkout, and the cache from elsewhere.
            (None, Some(files)) => self.repository.verify(commit, files.iter().map(LockedFile::expected)),
            _ => return Ok(None),
        };
        let Ok(files) = verified else { return Ok(None) };
        if recorded.is_none_or(|recorded| recorded != files) {
            self.repository.write_record(commit, Record { listed: true, files: files.clone() });
        }
        let (commit, downloaded) = (commit.to_owned(), HashSet::new());
        Ok(Some(Snapshot { commit, files, listed: true, downloaded }))
    }

    /// Returns those of `files` from which the wanted part is read, if none is missing.
    fn part_of<T>(&self, files: Vec<T>, path: impl Fn(&T) -> &String) -> Option<Vec<T>> {
        let names: Vec<String> = files.iter().map(|file| path(file).clone()).collect();
        let wanted = layout::paths(&names, self.wanted.part, self.wanted.id).ok()?;
        Some(files.into_iter().filter(|file| wanted.contains(path(file))).collect())
    }

    /// The files of the wanted part in the lock file, if none is missing there.
    fn locked_files(&self) -> Option<Vec<LockedFile>> {
        self.part_of(self.locked.as_ref()?.files.clone(), |file| &file.path)
    }

    /// Finds the model in the cache, whichever client put it there.
    fn offline(&self) -> Result<Snapshot, Error> {
        let commit = match self.known_commit() {
            Some(commit) => commit.to_owned(),
            None => self
                .repository
                .read_ref(self.revision)?
                .ok_or_else(|| self.absent(&format!("the commit of {:?}", self.revision)))?,
        };
        let fault = |fault| match fault {
            Fault::Missing(path) => self.absent(&format!("{path} of commit {commit}")),
            Fault::Differs(path, expected, found) => self.damaged(&path, &expected, &found),
            Fault::Unreadable(error) => error,
        };
        let record = self.repository.record(&commit).unwrap_or_default();
        let listed = record.listed;
        let (files, listed) = if let Some(files) = self.part_of(record.files, |file| &file.path) {
            (self.repository.verify(&commit, files.iter().map(CachedFile::expected)).map_err(fault)?, listed)
        } else if let Some(files) = self.locked_files() {
            (self.repository.verify(&commit, files.iter().map(LockedFile::expected)).map_err(fault)?, true)
        } else {
            let files = self.found(&commit)?;
            self.repository.write_record(&commit, Record { listed: false, files: files.clone() });
            (files, false)
        };
        Ok(Snapshot { commit, files, listed, downloaded: HashSet::new() })
    }

    /// Returns the files in the snapshot of `commit`, after checking them against the checksums that name their
    /// contents.
    fn found(&self, commit: &str) -> Result<Vec<CachedFile>, Error> {
        let snapshot = self.repository.snapshot(commit);
        if !snapshot.is_dir() {
            return Err(self.absent(&format!("commit {commit}")));
        }
        let paths = Files::folder(&snapshot, &[]).paths(self.wanted.part);
        let paths = paths.map_err(|error| self.absent("all of its files").with_source(error))?;
        let verify = |path: String| {
            let place = snapshot.join(&path);
            let size = fs::metadata(&place).map_err(|error| unreadable(&place, error))?.len();
            // Without links, the snapshot contains the files themselves.
            let link = fs::read_link(&place).ok();
            let name = link.as_ref().and_then(|link| link.file_name()?.to_str());
            let checksum = name.and_then(Checksum::of_name);
            let hashes = hash_file(&place, size, checksum.as_ref());
            let hashes = hashes.map_err(|error| unreadable(&place, error))?;
            if let Some(checksum) = &checksum
                && let Some(found) = hashes.other_than(checksum)
            {
                let expected = format!("{} {}", checksum.algorithm(), checksum.hex());
                return Err(self.damaged(&place.display().to_string(), &expected, found));
            }
            CachedFile::new(&self.repository, commit, &path, hashes.sha256)
        };
        paths.into_iter().map(verify).collect()
    }

    fn absent(&self, what: &str) -> Error {
        let (id, cache) = (self.wanted.id, self.settings.cache.display());
        let message = format!(
            "{id} cannot be loaded offline: the cache {cache} does not have {what}; fetch it once without \
             Hub::offline and HF_HUB_OFFLINE"
        );
        Error::new(ErrorKind::ModelUnavailable, message)
    }

    fn damaged(&self, path: &str, expected: &str, found: &str) -> Error {
        let message = format!(
            "{path} is damaged: it should have {expected}, but has {found}; fetch it again without Hub::offline and \
             HF_HUB_OFFLINE"
        );
        Error::new(ErrorKind::Checksum, message)
    }

    /// Fetches on a new thread with a separate runtime. So the caller needs no runtime, and a caller's runtime is not
    /// blocked from within.
    fn on_own_thread(&self) -> Result<Snapshot, Error> {
        let refuse = |what: &str| {
            Error::new(ErrorKind::System, format!("no {what} can be started to fetch {}", self.wanted.id))
        };
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| refuse("runtime").with_source(error))?;
            let fetched = runtime.block_on(self.online());
            // This does not wait for a host name that is still being looked up.
            runtime.shutdown_background();
            fetched
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("entopic-hub".to_owned()).spawn_scoped(scope, work);
            let thread = thread.map_err(|error| refuse("thread").with_source(error))?;
            thread.join().unwrap_or_else(|_| {
                let message = format!("the download of {} or its progress callback panicked", self.wanted.id);
                Err(Error::new(ErrorKind::System, message))
            })
        })
    }

    async fn online(&self) -> Result<Snapshot, Error> {
        let asked = self.known_commit().unwrap_or(self.revision);
        let place = Place {
            id: self.wanted.id,
            revision: asked,
            endpoint: &self.settings.endpoint,
            timeout: self.hub.timeout.unwrap_or(TIMEOUT).min(LONGEST_TIMEOUT),
        };
        let remote = Remote::new(place, self.settings.token.as_deref(), self.hub.proxy.as_deref())?;
        let Listing { commit, files } = remote.list(asked, self.wanted.part).await?;
        for file in &files {
            self.verify_against_registry(&file.path, file.sha256())?;
            if let (Some(locked), Some(path)) = (&self.locked, self.lock) {
                locked.verify_file(&file.path, file.size, file.sha256(), path)?;
            }
        }
        let verified = self.repository.record(&commit).unwrap_or_default().files;
        let mut missing = Vec::new();
        let mut cached = Vec::new();
        for file in &files {
            match self.find_cached(&commit, file, &verified)? {
                Some(file) => cached.push(file),
                None => missing.push(file),
            }
        }
        let mut downloaded = HashSet::new();
        for (index, file) in missing.iter().enumerate() {
            let progress = DownloadProgress {
                id: self.wanted.id.to_owned(),
                path: file.path.clone(),
                file: index + 1,
                files: missing.len(),
                done: 0,
                total: file.size,
            };
            let mut meter = Meter::new(self.hub.progress.as_ref(), progress);
            let (file, is_new) = self.download_file(&remote, &commit, file, &mut meter).await?;
            if is_new {
                downloaded.insert(file.path.clone());
            }
            cached.push(file);
        }
        if asked == self.revision && !is_commit(self.revision) {
            self.repository.write_ref(self.revision, &commit)?;
        }
        self.repository.write_record(&commit, Record { listed: true, files: cached.clone() });
        Ok(Snapshot { commit, files: cached, listed: true, downloaded })
    }

    /// Returns the file if its content is in the cache and has the right checksum, or if it is among the files
    /// `verified` at this commit before.
    fn find_cached(
        &self,
        commit: &str,
        file: &RemoteFile,
        verified: &[CachedFile],
    ) -> Result<Option<CachedFile>, Error> {
        if let Some(verified) =
            verified.iter().find(|known| known.path == file.path && known.size == file.size)
            && file.sha256().is_none_or(|sha256| sha256 == verified.sha256)
            && let Ok(files) = self.repository.verify(commit, [verified.expected()])
        {
            return Ok(files.into_iter().next());
        }
        let name = file.checksum.hex();
        let (blob, place) = (self.repository.blob(name), self.repository.snapshot(commit).join(&file.path));
        for path in [&blob, &place] {
            match fs::metadata(path) {
                Ok(found) if found.is_file() && found.len() == file.size => {}
                Ok(_) => continue,
                Err(error) if is_absence(&error) => continue,
                Err(error) => return Err(unreadable(path, error)),
            }
            let hashes = hash_file(path, file.size, Some(&file.checksum));
            let hashes = hashes.map_err(|error| unreadable(path, error))?;
            if hashes.other_than(&file.checksum).is_none() {
                if *path == blob {
                    self.repository.link(commit, &file.path, name)?;
                }
                return CachedFile::new(&self.repository, commit, &file.path, hashes.sha256).map(Some);
            }
        }
        Ok(None)
    }

    /// Downloads the file, unless someone else did so meanwhile; also returns whether it was downloaded.
    async fn download_file(
        &self,
        remote: &Remote<'_>,
        commit: &str,
        file: &RemoteFile,
        meter: &mut Meter<'_>,
    ) -> Result<(CachedFile, bool), Error> {
        let name = file.checksum.hex();
        let _guard = self.repository.guard(name)?;
        if let Some(cached) = self.find_cached(commit, file, &[])? {
            meter.report(file.size);
            return Ok((cached, false));
        }
        let (partial, blob) = (self.repository.partial(name), self.repository.blob(name));
        let hashes = download(remote, commit, file, &partial, meter).await?;
        // This replaces a content that did not verify.
        fs::rename(&partial, &blob).map_err(|error| unwritable(&blob, error))?;
        self.repository.link(commit, &file.path, name)?;
        Ok((CachedFile::new(&self.repository, commit, &file.path, hashes.sha256)?, true))
    }

    /// Checks that a file's SHA-256, if it is known, is that of the registry.
    fn verify_against_registry(&self, path: &str, sha256: Option<&str>) -> Result<(), Error> {
        let known = self.wanted.known.iter().find(|known| known.path == path);
        let (Some(known), Some(found)) = (known.and_then(|known| known.sha256.as_deref()), sha256) else {
            return Ok(());
        };
        if known.eq_ignore_ascii_case(found) {
            return Ok(());
        }
        let message = format!(
            "{path} of {} at {} has sha256 {found}, but the registry has {known}; name another revision in the \
             registry, or correct the sha256",
            self.wanted.id, self.revision
        );
        Err(Error::new(ErrorKind::Checksum, message))
    }

    /// Checks the snapshot against the registry and the lock file, and adds missing files to the lock file.
    fn finish(&self, snapshot: Snapshot) -> Result<FetchedModel, Error> {
        let Snapshot { commit, mut files, listed, downloaded } = snapshot;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        for file in &files {
            self.verify_against_registry(&file.path, Some(&file.sha256))?;
        }
        if let Some(path) = self.lock {
            let model = LockedModel {
                id: self.wanted.id.to_owned(),
                revision: self.revision.to_owned(),
                commit: commit.clone(),
                files: files.iter().map(LockedFile::new).collect(),
            };
            let lacks = |locked: &LockedModel| model.files.iter().any(|file| !locked.files.contains(file));
            if let Some(locked) = &self.locked {
                locked.verify(&model, path)?;
            }
            // Files that were found in a cache may be only some of the part's files.
            if listed && self.locked.as_ref().is_none_or(lacks) {
                let _guard = guard_lock_file(&self.settings.cache, path);
                LockFile::add(path, &model)?;
            }
        }
        let folder = self.repository.snapshot(&commit);
        let fetched = |CachedFile { path, size, sha256, .. }| {
            let downloaded = downloaded.contains(&path);
            FetchedFile { path, size, sha256, downloaded }
        };
        let (id, revision) = (self.wanted.id.to_owned(), self.revision.to_owned());
        let files = files.into_iter().map(fetched).collect();
        Ok(FetchedModel { id, revision, commit, folder, files, tokenizer: None })
    }
}

impl LockedFile {
    fn new(file: &CachedFile) -> Self {
        Self { path: file.path.clone(), size: file.size, sha256: file.sha256.clone() }
    }

    fn expected(&self) -> Expected<'_> {
        Expected { path: &self.path, size: self.size, sha256: &self.sha256, modified: None }
    }
}
