use serde::Deserialize;

use super::cache::is_commit;
use super::digest::Checksum;
use super::remote::Remote;
use crate::catalogue::files::stays_inside;
use crate::catalogue::layout::{self, Part};
use crate::error::Error;
use crate::limits::LONGEST_FILE;

/// The files of a part of a model, according to the hub.
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<RemoteFile>,
}

/// A file of a commit in the hub's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemoteFile {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) checksum: Checksum,
}

/// The hub's description of a revision, as far as it is needed.
#[derive(Deserialize)]
struct Description {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    #[serde(rename = "rfilename")]
    path: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    size: Option<u64>,
    sha256: Option<String>,
}

/// The largest file in bytes, 1 TiB: no model that fits a machine's memory has a larger file.
const LARGEST_FILE: u64 = 1 << 40;

impl Remote<'_> {
    /// Requests the current commit of `revision`, and the files from which the part of the model is read.
    ///
    /// hf-hub's lists lack the checksums of large files, so the description is read here: one request for the commit,
    /// the files, their sizes and their checksums.
    pub(super) async fn list(&self, revision: &str, part: Part) -> Result<Listing, Error> {
        let place = self.place();
        let body = self.describe(revision).await?;
        let description: Description = serde_json::from_slice(&body).map_err(|error| {
            place.malformed("a description in another format than the API's").with_source(error)
        })?;
        let commit = description.sha.filter(|commit| is_commit(commit));
        let commit = commit.ok_or_else(|| place.malformed(&format!("no commit for {revision:?}")))?;
        if is_commit(revision) && commit != revision {
            return Err(place.malformed(&format!("the commit {commit} for {revision}")));
        }
        let files = &description.siblings;
        if let Some(Sibling { path, .. }) =
            files.iter().find(|file| !stays_inside(&file.path) || file.path.contains(char::is_control))
        {
            return Err(place.malformed(&format!("the path {path:?}, which is outside the model's folder")));
        }
        let names: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
        let origin = format!("{} at commit {commit} on {}", place.id, place.endpoint);
        let wanted = layout::paths(&names, part, &origin)?;
        let chosen = files.iter().filter(|file| wanted.contains(&file.path));
        let mut files = chosen.map(|file| self.read_entry(file)).collect::<Result<Vec<_>, _>>()?;
        // Small files come before the weights, because they are more likely to be refused.
        files.sort_by(|a, b| (a.size, &a.path).cmp(&(b.size, &b.path)));
        files.dedup_by(|a, b| a.path == b.path);
        Ok(Listing { commit, files })
    }

    fn read_entry(&self, file: &Sibling) -> Result<RemoteFile, Error> {
        let Sibling { path, size, blob_id, lfs } = file;
        let (size, checksum, digits) = match lfs {
            Some(large) => (large.size.or(*size), &large.sha256, 64),
            None => (*size, blob_id, 40),
        };
        let checksum = checksum.as_deref().filter(|hex| hex.len() == digits).and_then(Checksum::of_name);
        let (Some(size), Some(checksum)) = (size, checksum) else {
            return Err(self.place().malformed(&format!("no size or no checksum of {path}")));
        };
        let is_text = [".json", ".txt"].iter().any(|end| path.ends_with(end));
        let limit = if is_text { LONGEST_FILE } else { LARGEST_FILE };
        if size > limit {
            let what = format!("a size of {size} bytes for {path}, of which at most {limit} are accepted");
            return Err(self.place().malformed(&what));
        }
        Ok(RemoteFile { path: path.clone(), size, checksum })
    }
}

impl RemoteFile {
    /// Its SHA-256, if it is known before the file is read.
    pub(super) fn sha256(&self) -> Option<&str> {
        match &self.checksum {
            Checksum::Sha256(hex) => Some(hex),
            Checksum::GitBlob(_) => None,
        }
    }
}
