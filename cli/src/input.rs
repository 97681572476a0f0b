//! Reads files: plain or gzip, UTF-8 or UTF-16.

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
        if matches!(bytes.as_slice(), [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..]) {
            let message =
                format!("{name} is UTF-32; convert it, for example with `iconv -f utf-32 -t utf-8`");
            return Err(Failure::new(message));
        }
        if let Some(order) = ByteOrder::of(&bytes) {
            let text = order.decode(&bytes).ok_or_else(|| {
                Failure::new(format!(
                    "{name} begins with the mark of UTF-16, but is not valid UTF-16; convert it to UTF-8"
                ))
            })?;
            return Ok(Self { name, text });
        }
        match String::from_utf8(bytes) {
            Ok(text) if is_no_text(&text) => Err(Failure::new(format!(
                "{name} has many control characters, so it is no text; if it is UTF-16 without a byte order mark, convert it \
                 with `iconv -f utf-16le -t utf-8`"
            ))),
            Ok(text) => Ok(Self { name, text: without_mark(text) }),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let before = &error.as_bytes()[..at];
                let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
                let byte = error.as_bytes()[at];
                Err(Failure::new(format!(
                    "{name} is neither UTF-8 nor UTF-16: 0x{byte:02X} at byte {at}, in line {line}; if it is text, \
                     convert it, for example with `iconv -f windows-1252 -t utf-8`"
                )))
            }
        }
    }

    /// The lines and their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }
}

/// The order of the two bytes of UTF-16.
#[derive(Clone, Copy)]
enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The order that a byte order mark names, or that the zero bytes of Latin letters show.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xFF, 0xFE, ..] => Some(Self::Little),
            [0xFE, 0xFF, ..] => Some(Self::Big),
            [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some(Self::Little),
            [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some(Self::Big),
            _ => None,
        }
    }

    fn decode(self, bytes: &[u8]) -> Option<String> {
        let pairs = bytes.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return None;
        }
        let units = pairs.map(|pair| match self {
            Self::Little => u16::from_le_bytes([pair[0], pair[1]]),
            Self::Big => u16::from_be_bytes([pair[0], pair[1]]),
        });
        char::decode_utf16(units).collect::<Result<String, _>>().ok().map(without_mark)
    }
}

/// Whether more than a tenth of `text` is control characters, as in UTF-16 that was read as UTF-8.
fn is_no_text(text: &str) -> bool {
    let strange = |c: &char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    10 * text.chars().filter(strange).count() > text.len()
}

/// `text` without a byte order mark.
fn without_mark(mut text: String) -> String {
    if text.starts_with('\u{FEFF}') {
        text.drain(..'\u{FEFF}'.len_utf8());
    }
    text
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
    fn utf16_is_decoded_and_a_mark_is_no_text() {
        let little: Vec<u8> = "Ünal 🦤\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "Oslo\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, expected) in [
            ([b"\xFF\xFE".as_slice(), &little].concat(), "Ünal 🦤\n"),
            ([b"\xFE\xFF".as_slice(), &big].concat(), "Oslo\n"),
            (big, "Oslo\n"),
            (b"\xEF\xBB\xBFOslo".to_vec(), "Oslo"),
            (b"\xFF\xFE".to_vec(), ""),
        ] {
            assert_eq!(Input::decode("a".into(), bytes).expect("it should be text").text, expected);
        }
        let cyrillic: Vec<u8> = "Москва".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for broken in [cyrillic, b"\xFF\xFEa".to_vec(), b"\xFF\xFE\x00\xD8".to_vec()] {
            let failure = Input::decode("a".into(), broken).expect_err("it should fail: it is cut off");
            assert!(failure.to_string().contains("UTF-16"), "{failure}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named() {
        let failure = Input::decode("a".into(), b"ol\xC3\xA9\nol\xE9!".to_vec())
            .expect_err("it should fail: it is Latin-1");
        assert!(
            failure.to_string().starts_with("a is neither UTF-8 nor UTF-16: 0xE9 at byte 7, in line 2;"),
            "{failure}"
        );
    }

    #[test]
    fn lines_are_numbered_and_bare() {
        let lines: Vec<(usize, String)> =
            Input::of("a\r\n\r\nb").lines().map(|(at, line)| (at, line.into())).collect();
        assert_eq!(lines, [(1, "a".into()), (2, String::new()), (3, "b".into())]);
    }
}
