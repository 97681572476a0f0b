//! Reads files: plain or gzip, always UTF-8.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::failure::Failure;

/// A text and where it is from.
#[derive(Debug)]
pub(crate) struct Input {
    /// The path, or `standard input`: what messages call it.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What gzip files begin with, and no UTF-8 text does: 0x8B goes on with a character, but 0x1F is
/// a whole one.
const GZIP: [u8; 2] = [0x1F, 0x8B];

impl Input {
    /// Reads the file `path`, or standard input if it is `-`.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let (name, read) = if path == Path::new("-") {
            ("standard input".to_owned(), read_all(io::stdin().lock()))
        } else {
            (path.display().to_string(), File::open(path).and_then(read_all))
        };
        let bytes = read.map_err(|error| Failure::because(format!("{name} cannot be read"), &error))?;
        Self::decode(name, bytes)
    }

    fn decode(name: String, mut bytes: Vec<u8>) -> Result<Self, Failure> {
        if bytes.starts_with(&GZIP) {
            bytes = read_all(MultiGzDecoder::new(bytes.as_slice()))
                .map_err(|error| Failure::because(format!("{name} cannot be decompressed"), &error))?;
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let before = &error.as_bytes()[..at];
                let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
                let byte = error.as_bytes()[at];
                let likely = match error.as_bytes() {
                    [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "utf-16",
                    _ => "windows-1252",
                };
                Err(Failure::new(format!(
                    "{name} is not UTF-8: 0x{byte:02X} at byte {at}, in line {line}; if it is text, convert it, \
                     for example with `iconv -f {likely} -t utf-8`"
                )))
            }
        }
    }

    /// The lines and their numbers, from 1. A byte order mark is no part of the first.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let text = self.text.strip_prefix('\u{FEFF}').unwrap_or(&self.text);
        text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }
}

fn read_all(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
impl Input {
    pub(crate) fn of(text: &str) -> Self {
        Self { name: "test".into(), text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::Input;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).expect("a vector should take all");
        encoder.finish().expect("a vector should take all")
    }

    #[test]
    fn gzip_is_known_by_its_first_bytes_and_may_have_members() {
        let bytes = [gzip("one\n"), gzip("two")].concat();
        assert_eq!(Input::decode("a".into(), bytes).expect("it should be gzip").text, "one\ntwo");
    }

    #[test]
    fn gzip_that_is_cut_off_is_an_error() {
        let mut bytes = gzip("a longer text that needs its bytes");
        bytes.truncate(bytes.len() - 9);
        let failure = Input::decode("a.gz".into(), bytes).expect_err("it should fail: it is cut off");
        assert!(failure.to_string().starts_with("a.gz cannot be decompressed: "), "{failure}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named() {
        let failure = Input::decode("a".into(), b"ol\xC3\xA9\nol\xE9!".to_vec())
            .expect_err("it should fail: it is Latin-1");
        assert!(failure.to_string().starts_with("a is not UTF-8: 0xE9 at byte 7, in line 2;"), "{failure}");
    }

    #[test]
    fn lines_are_numbered_and_bare() {
        let lines: Vec<(usize, String)> =
            Input::of("\u{FEFF}a\r\n\r\nb").lines().map(|(at, line)| (at, line.into())).collect();
        assert_eq!(lines, [(1, "a".into()), (2, String::new()), (3, "b".into())]);
    }
}
