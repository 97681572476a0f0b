use std::io::{Cursor, Write};

use encoding_rs::Encoding;
use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::{Advice, Opening, Stream};
use crate::failure::Failure;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("a vector should take all");
    encoder.finish().expect("a vector should take all")
}

fn zstandard(text: &str) -> Vec<u8> {
    compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)
}

fn open(bytes: Vec<u8>, encoding: Option<&'static Encoding>) -> Result<Stream, Failure> {
    let opening = Opening { encoding, advice: Advice::Option, ..Opening::new() };
    Stream::decode("a".into(), Box::new(Cursor::new(bytes)), &opening)
}

fn text(bytes: Vec<u8>, encoding: Option<&'static Encoding>) -> Result<String, String> {
    open(bytes, encoding).and_then(Stream::text).map_err(|failure| failure.to_string())
}

fn failure(bytes: Vec<u8>) -> String {
    text(bytes, None).expect_err("it should fail")
}

#[test]
fn compressed_files_are_known_by_their_first_bytes_and_may_have_members() {
    for compress in [gzip, zstandard] {
        let bytes = [compress("one\n"), compress("two")].concat();
        assert_eq!(text(bytes, None).as_deref(), Ok("one\ntwo"));
        let long = "Zürich and Bern. ".repeat(30_000);
        assert!(text(compress(&long), None).as_ref() == Ok(&long));
    }
    // A frame that readers skip: a magic number, its length, its contents.
    let skipped = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let bytes = [zstandard("one "), skipped.to_vec(), zstandard("two")].concat();
    assert_eq!(text(bytes, None).as_deref(), Ok("one two"));
}

#[test]
fn compressed_files_that_are_cut_off_are_an_error() {
    for compress in [gzip, zstandard] {
        let mut bytes = compress("a longer text that needs its bytes");
        bytes.truncate(bytes.len() - 9);
        let failure = failure(bytes);
        assert!(failure.starts_with("a cannot be decompressed"), "{failure}");
    }
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
        assert_eq!(text(bytes, None).as_deref(), Ok(expected));
    }
    let long = "Zürich 🦤 ".repeat(40_000);
    let bytes = [b"\xFF\xFE".to_vec(), long.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
    assert!(text(bytes, None).as_ref() == Ok(&long));
    let cyrillic: Vec<u8> = "Москва".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for broken in [cyrillic, b"\xFF\xFEa".to_vec(), b"\xFF\xFE\x00\xD8".to_vec()] {
        assert!(failure(broken.clone()).to_uppercase().contains("UTF-16"), "{}", failure(broken));
    }
}

#[test]
fn an_encoding_that_is_named_is_read_and_one_that_is_not_is_guessed() {
    let latin = b"ol\xE9, d\xE9j\xE0 vu \x80 5\n".to_vec();
    let named = |name: &str| Encoding::for_label(name.as_bytes()).expect("it should be known");
    assert_eq!(text(latin.clone(), Some(named("windows-1252"))).as_deref(), Ok("olé, déjà vu € 5\n"));
    let message = failure(latin);
    assert!(message.contains("--encoding windows-1252"), "{message}");
    let japanese = encoding_rs::SHIFT_JIS.encode("東京で会議があった。").0.into_owned();
    assert_eq!(text(japanese.clone(), Some(named("shift_jis"))).as_deref(), Ok("東京で会議があった。"));
    // Invalid bytes are an error; they are not replaced.
    let mut broken = japanese;
    broken.insert(4, 0xFF);
    let message = text(broken, Some(named("shift_jis"))).expect_err("it should fail");
    assert!(message.contains("Shift_JIS"), "{message}");
}

#[test]
fn bytes_that_are_not_utf8_are_named() {
    let message = failure(b"ol\xC3\xA9\nol\xE9!".to_vec());
    assert!(message.starts_with("a is neither UTF-8 nor UTF-16: 0xE9 at byte 7, in line 2;"), "{message}");
}

#[test]
fn a_bad_line_costs_itself_alone() {
    let mut stream = open(b"\xEF\xBB\xBFone\r\n\xE9\n\nlast".to_vec(), None).expect("it should open");
    let lines: Vec<_> = std::iter::from_fn(|| stream.line()).collect();
    let shown: Vec<(u64, Option<&str>, &str)> =
        lines.iter().map(|line| (line.number, line.text.as_deref().ok(), line.end)).collect();
    let expected = [(1, Some("one"), "\r\n"), (2, None, "\n"), (3, Some(""), "\n"), (4, Some("last"), "")];
    assert_eq!(shown, expected);
    let failure = lines[1].text.as_ref().expect_err("it should fail").to_string();
    assert!(failure.contains("at byte 8, in line 2"), "{failure}");
}

#[test]
fn a_file_that_is_too_large_after_decompression_is_refused() {
    for (advice, way_out) in [(Advice::Option, "--max-bytes"), (Advice::Convert, "split it")] {
        for compress in [gzip, zstandard] {
            let opening = Opening { advice, most: 100, ..Opening::new() };
            let read = |length: usize| {
                let bytes = Box::new(Cursor::new(compress(&"x".repeat(length))));
                Stream::decode("a".into(), bytes, &opening).and_then(Stream::text)
            };
            assert_eq!(read(100).expect("it should be read").len(), 100);
            let failure = read(1 << 20).expect_err("it should be refused").to_string();
            assert!(failure.contains("more than 100 bytes") && failure.ends_with(way_out), "{failure}");
        }
    }
    // Files that are no documents have a limit, too.
    assert!(Opening::new().most < u64::MAX);
}
