use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::hex::{hex, is_hex};

/// The hub's checksum of a file's content; in the cache it names the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// The checksum of a file in the large file storage.
    Sha256(String),
    /// The checksum of a file in git itself: the SHA-1 of `blob <length>\0` and the content.
    GitBlob(String),
}

/// Hashes content while it passes by.
pub(super) struct Digests {
    sha256: Sha256,
    git: Option<Sha1>,
}

/// The hashes of a content.
#[derive(Clone, Debug)]
pub(super) struct Hashes {
    pub(super) sha256: String,
    git: Option<String>,
}

impl Checksum {
    /// The checksum in hexadecimal.
    pub(super) fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::GitBlob(hex) => hex,
        }
    }

    /// The name of the algorithm in messages.
    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::GitBlob(_) => "git blob hash",
        }
    }

    /// Parses the name of a content in the cache.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        match name.len() {
            _ if !is_hex(name) => None,
            64 => Some(Self::Sha256(name.to_owned())),
            40 => Some(Self::GitBlob(name.to_owned())),
            _ => None,
        }
    }
}

impl Digests {
    /// Starts to hash a content of `size` bytes; git hashes its size first.
    pub(super) fn new(size: u64, checksum: Option<&Checksum>) -> Self {
        let git = matches!(checksum, Some(Checksum::GitBlob(_)))
            .then(|| Sha1::new_with_prefix(format!("blob {size}\0")));
        Self { sha256: Sha256::new(), git }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(git) = &mut self.git {
            git.update(bytes);
        }
    }

    pub(super) fn finish(self) -> Hashes {
        Hashes { sha256: hex(&self.sha256.finalize()), git: self.git.map(|git| hex(&git.finalize())) }
    }
}

impl Hashes {
    /// Returns the hash that was found in place of `checksum`, or `None` if they are equal.
    pub(super) fn other_than(&self, checksum: &Checksum) -> Option<&str> {
        let found = match checksum {
            Checksum::Sha256(_) => &self.sha256,
            Checksum::GitBlob(_) => self.git.as_ref().unwrap_or(&self.sha256),
        };
        (found != checksum.hex()).then_some(found)
    }
}

/// Passes the file at `path` to `take`, piece by piece.
pub(super) fn read_pieces(path: &Path, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; 1 << 18];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => take(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Hashes the file at `path`, of `size` bytes.
pub(super) fn hash_file(path: &Path, size: u64, checksum: Option<&Checksum>) -> io::Result<Hashes> {
    let mut digests = Digests::new(size, checksum);
    read_pieces(path, |piece| digests.update(piece))?;
    Ok(digests.finish())
}

#[cfg(test)]
mod tests {
    use super::{Checksum, Digests};

    #[test]
    fn a_git_blob_hashes_as_git_does() {
        // echo 'hello' | git hash-object --stdin
        let checksum =
            Checksum::of_name("ce013625030ba8dba906f756967f9e9ca394464a").expect("it should be a name");
        let mut digests = Digests::new(6, Some(&checksum));
        digests.update(b"hel");
        digests.update(b"lo\n");
        let hashes = digests.finish();
        assert_eq!(hashes.other_than(&checksum), None);
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        assert_eq!(hashes.sha256, sha256);
        assert!(hashes.other_than(&Checksum::Sha256("0".repeat(64))).is_some());
    }
}
