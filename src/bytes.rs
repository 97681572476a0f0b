use std::io::Read;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::{fmt, fs, io};

use crate::limits::LONGEST_LIST;

/// The bytes of a file.
#[derive(Clone)]
pub(crate) enum Bytes {
    Static(&'static [u8]),
    Owned(Vec<u8>),
    Shared(Arc<[u8]>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        match bytes {
            Bytes::Owned(bytes) => bytes,
            bytes => bytes.to_vec(),
        }
    }
}

/// The text of a file that a caller names, of at most [`LONGEST_LIST`] bytes. The limit also applies to a device that
/// never ends.
pub(crate) fn text_of(path: &Path) -> io::Result<String> {
    let file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    if length > LONGEST_LIST { Err(too_long(LONGEST_LIST)) } else { read_text(file, LONGEST_LIST) }
}

fn read_text(from: impl Read, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(too_long(most));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn too_long(most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes; split it"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{read_text, text_of};
    use crate::limits::LONGEST_LIST;

    #[test]
    fn a_text_of_too_many_bytes_is_not_read() {
        let file = tempfile::NamedTempFile::new().expect("a file should be made");
        file.as_file().set_len(LONGEST_LIST + 1).expect("the file should be sparse");
        let error = text_of(file.path()).expect_err("it should be refused");
        assert!(error.to_string().contains("67108864"), "{error}");
        file.as_file().set_len(3).expect("the file should be cut");
        assert_eq!(text_of(file.path()).expect("it should be read"), "\0\0\0");
        assert_eq!(read_text("aé".as_bytes(), 3).expect("it should be read"), "aé");
        // The limit is within a character, and the input has no end.
        for error in [read_text("aéé".as_bytes(), 4), read_text(io::repeat(b'x'), 100)] {
            assert_eq!(error.expect_err("it should be refused").kind(), io::ErrorKind::FileTooLarge);
        }
        let error = read_text(&b"\xff"[..], 4).expect_err("it should be refused");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
