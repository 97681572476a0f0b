use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use futures_util::StreamExt;

use super::cache::{create_parent, unreadable, unwritable};
use super::digest::{Digests, Hashes, read_pieces};
use super::failure::{caused_by, status};
use super::listing::RemoteFile;
use super::progress::Meter;
use super::remote::{BACKOFF, RETRIES, Remote};
use crate::error::{Error, ErrorKind};

/// A partly downloaded file.
struct Partial<'a> {
    path: &'a Path,
    file: File,
    length: u64,
    digests: Digests,
    whole: &'a RemoteFile,
}

/// The reason why a transfer ended before its file was complete.
enum Stop {
    Cut(hf_hub::HFError),
    /// The hub sent more than it announced, or has nothing at the position to resume from.
    Beyond,
    Refused(Error),
}

/// Downloads a file of `commit` to `path`, resuming where an earlier call was cut off, and verifies it. An incomplete
/// file stays for the next call; a file that does not match its checksum is deleted.
pub(super) async fn download(
    remote: &Remote<'_>,
    commit: &str,
    file: &RemoteFile,
    path: &Path,
    meter: &mut Meter<'_>,
) -> Result<Hashes, Error> {
    let mut partial = Partial::open(path, file)?;
    let mut resumed = partial.length > 0;
    let mut cuts = 0;
    loop {
        match read(remote, commit, &mut partial, meter).await {
            Ok(()) => {
                let hashes = partial.finish()?;
                let Some(found) = hashes.other_than(&file.checksum) else { return Ok(hashes) };
                if !resumed {
                    fs::remove_file(path).map_err(|error| unwritable(path, error))?;
                    return Err(wrong(remote, file, found));
                }
            }
            Err(Stop::Beyond) if !resumed => {
                fs::remove_file(path).map_err(|error| unwritable(path, error))?;
                let what = format!("more than the {} bytes that it announced for {}", file.size, file.path);
                return Err(remote.place().malformed(&what));
            }
            Err(Stop::Beyond) => {}
            Err(Stop::Cut(error)) if cuts == RETRIES => return Err(cut(remote, &partial, error)),
            Err(Stop::Cut(_)) => {
                tokio::time::sleep(BACKOFF * 2_u32.pow(cuts)).await;
                cuts += 1;
                resumed = partial.length > 0;
                continue;
            }
            Err(Stop::Refused(error)) => return Err(error),
        }
        // The parts are not of one content, or the hub does not support ranges: start again.
        partial.restart()?;
        resumed = false;
    }
}

/// Reads until the file is complete.
async fn read(
    remote: &Remote<'_>,
    commit: &str,
    partial: &mut Partial<'_>,
    meter: &mut Meter<'_>,
) -> Result<(), Stop> {
    let (place, whole) = (remote.place(), partial.whole);
    meter.report(partial.length);
    if partial.length == whole.size {
        return Ok(());
    }
    let range = (partial.length > 0).then_some(partial.length..whole.size);
    let request = remote.repository().download_file_stream();
    let request = request.filename(&whole.path).revision(commit).maybe_range(range).send();
    // hf-hub sends two requests, each with its own attempts, and reads the whole message of a refusal.
    let patience = place.timeout * (2 * (RETRIES + 1));
    let opened = tokio::time::timeout(patience, request).await;
    let opened = opened.map_err(|_| Stop::Refused(place.silent(patience)))?;
    let (_, mut stream) = opened.map_err(|error| match status(&error) {
        Some(416) => Stop::Beyond,
        _ => Stop::Refused(place.unread(error, &whole.path)),
    })?;
    loop {
        // The client's own limit is reached first; Xet has none.
        let patience = place.timeout * 2;
        let next = tokio::time::timeout(patience, stream.next()).await;
        let next = next.map_err(|_| Stop::Refused(place.silent(patience)))?;
        let Some(piece) = next else { break };
        let piece = piece.map_err(Stop::Cut)?;
        let rest = usize::try_from(whole.size - partial.length).unwrap_or(usize::MAX);
        partial.write(&piece[..piece.len().min(rest)]).map_err(Stop::Refused)?;
        meter.report(partial.length);
        if piece.len() > rest {
            return Err(Stop::Beyond);
        }
    }
    if partial.length < whole.size {
        return Err(Stop::Cut(hf_hub::HFError::Other("the answer ended early".to_owned())));
    }
    Ok(())
}

fn cut(remote: &Remote<'_>, partial: &Partial<'_>, error: hf_hub::HFError) -> Error {
    let (id, RemoteFile { path, size, .. }) = (remote.place().id, partial.whole);
    let message = format!(
        "{path} of {id} was cut off after {} of {size} bytes; they are kept, and the next call resumes there",
        partial.length
    );
    caused_by(Error::new(ErrorKind::Download, message), error)
}

fn wrong(remote: &Remote<'_>, file: &RemoteFile, found: &str) -> Error {
    let (place, RemoteFile { path, checksum, .. }) = (remote.place(), file);
    let message = format!(
        "{path} of {} does not match its checksum: {} says that its {} is {}, but sent a file with {found}; the file was \
         deleted; try again, and if this happens again, do not trust the endpoint",
        place.id,
        place.endpoint,
        checksum.algorithm(),
        checksum.hex()
    );
    Error::new(ErrorKind::Checksum, message)
}

impl<'a> Partial<'a> {
    fn open(path: &'a Path, whole: &'a RemoteFile) -> Result<Self, Error> {
        create_parent(path)?;
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| unwritable(path, error))?;
        let length = file.metadata().map_err(|error| unreadable(path, error))?.len();
        let mut partial = Self { path, file, length, digests: digests(whole), whole };
        if length > whole.size {
            partial.restart()?;
        } else if length > 0 {
            let digests = &mut partial.digests;
            read_pieces(path, |piece| digests.update(piece)).map_err(|error| unreadable(path, error))?;
        }
        Ok(partial)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|error| unwritable(self.path, error))?;
        self.digests.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Error> {
        self.file.set_len(0).map_err(|error| unwritable(self.path, error))?;
        (self.length, self.digests) = (0, digests(self.whole));
        Ok(())
    }

    /// Writes all of the file to the disk, and returns its hashes.
    fn finish(&mut self) -> Result<Hashes, Error> {
        self.file.sync_all().map_err(|error| unwritable(self.path, error))?;
        Ok(std::mem::replace(&mut self.digests, digests(self.whole)).finish())
    }
}

fn digests(whole: &RemoteFile) -> Digests {
    Digests::new(whole.size, Some(&whole.checksum))
}
