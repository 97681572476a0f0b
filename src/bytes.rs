use std::io::Read;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::{fmt, fs, io};

use crate::limits::LONGEST_TEXT;

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

/// The text of a file that a caller names, of at most [`LONGEST_TEXT`] bytes. It may also be a device without an end.
pub(crate) fn text_of(path: &Path) -> io::Result<String> {
    let file = fs::File::open(path)?;
    let mut text = String::new();
    if file.metadata()?.len() <= LONGEST_TEXT {
        file.take(LONGEST_TEXT + 1).read_to_string(&mut text)?;
        if text.len() as u64 <= LONGEST_TEXT {
            return Ok(text);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it has more than {LONGEST_TEXT} bytes; split it"),
    ))
}

#[cfg(test)]
mod tests {
    use super::text_of;
    use crate::limits::LONGEST_TEXT;

    #[test]
    fn a_text_of_too_many_bytes_is_not_read() {
        let file = tempfile::NamedTempFile::new().expect("a file should be made");
        file.as_file().set_len(LONGEST_TEXT + 1).expect("the file should be sparse");
        let error = text_of(file.path()).expect_err("it should be refused");
        assert!(error.to_string().contains("268435456"), "{error}");
        file.as_file().set_len(3).expect("the file should be cut");
        assert_eq!(text_of(file.path()).expect("it should be read"), "\0\0\0");
    }
}
