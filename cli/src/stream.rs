//! Opens files: plain, gzip or Zstandard; UTF-8, UTF-16, or a named encoding.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::args::inputs::MOST_BYTES;
use crate::failure::Failure;

/// The first bytes of gzip files. No UTF-8 text begins with them: 0x8B continues a character, but 0x1F is a whole
/// character.
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// The first bytes of Zstandard files; they are not UTF-8 either.
const ZSTANDARD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// The number of bytes at the beginning of a file from which its compression and encoding are detected. It is small,
/// since a pipe may have no more yet.
const BEGINNING: usize = 4;

/// The number of bytes that are read and decoded at once.
const READ: usize = 64 * 1024;

/// The advice in messages about another encoding, and about a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Use the option --encoding.
    Option,
    /// Convert the file.
    Convert,
}

impl Advice {
    /// The advice for a file in `encoding`.
    fn of(self, encoding: &str) -> String {
        match self {
            Self::Option => format!("read it with --encoding {encoding}"),
            Self::Convert => format!("convert it with `iconv -f {encoding} -t utf-8`"),
        }
    }
}

/// Options for opening files.
#[derive(Clone)]
pub(crate) struct Opening {
    /// The encoding; `None` to detect it.
    pub(crate) encoding: Option<&'static Encoding>,
    pub(crate) advice: Advice,
    /// The maximum size of a text, a line or a row in bytes, after decompression.
    pub(crate) most: u64,
    /// Counts the bytes that were read from the files, before they are decompressed.
    pub(crate) done: Rc<Cell<u64>>,
    /// True if a line can be read without waiting for the program that writes it; always true for files.
    pub(crate) is_ready: Rc<Cell<bool>>,
}

impl Opening {
    /// The options for files that are not documents: their encoding and the limit of their size cannot be changed.
    pub(crate) fn new() -> Self {
        Self {
            encoding: None,
            advice: Advice::Convert,
            most: MOST_BYTES,
            done: Rc::default(),
            is_ready: Rc::new(Cell::new(true)),
        }
    }
}

/// The name of standard input in messages and results.
pub(crate) const STANDARD_INPUT: &str = "standard input";

/// A line of a file.
pub(crate) struct Line {
    /// The number of the line, from 1.
    pub(crate) number: u64,
    pub(crate) text: Result<String, Failure>,
    /// The line end; empty at the end of the file.
    pub(crate) end: &'static str,
}

/// An open file, decompressed, and decoded to UTF-8. A file that is taken for UTF-8 is not yet validated.
pub(crate) struct Stream {
    /// The name in messages: the path, or [`STANDARD_INPUT`].
    pub(crate) name: String,
    reader: BufReader<Box<dyn Read>>,
    advice: Advice,
    /// The maximum size of a text, a line or a row in bytes.
    pub(crate) most: u64,
    /// The flag [`Opening::is_ready`], for standard input.
    is_ready: Option<Rc<Cell<bool>>>,
    /// The byte and the line at which the next line begins.
    byte: u64,
    line: u64,
}

impl Stream {
    /// Opens the file `path`, or standard input if it is `-`.
    pub(crate) fn open(path: &Path, opening: &Opening) -> Result<Self, Failure> {
        let is_input = path == Path::new("-");
        let (name, file): (String, Box<dyn Read>) = if is_input {
            (STANDARD_INPUT.to_owned(), Box::new(io::stdin()))
        } else {
            let name = path.display().to_string();
            let opened = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
                true => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")),
                false => Ok(file),
            });
            let file = opened.map_err(|error| Failure::because(format!("{name} cannot be read"), &error))?;
            (name, Box::new(file))
        };
        let file = Counted { inner: file, done: Rc::clone(&opening.done) };
        let mut stream = Self::decode(name, Box::new(file), opening)?;
        stream.is_ready = is_input.then(|| Rc::clone(&opening.is_ready));
        Ok(stream)
    }

    fn decode(name: String, file: Box<dyn Read>, opening: &Opening) -> Result<Self, Failure> {
        let failed = |error: &io::Error| Failure::because(format!("{name} cannot be read"), error);
        let (beginning, file) = peek(file, BEGINNING).map_err(|error| failed(&error))?;
        let plain: Box<dyn Read> = if beginning.starts_with(&GZIP) {
            Box::new(MultiGzDecoder::new(file))
        } else if beginning.starts_with(&ZSTANDARD) {
            Box::new(Zstandard {
                file: Box::new(BufReader::new(file)),
                decoder: FrameDecoder::new(),
                is_in_frame: false,
            })
        } else {
            file
        };
        let damaged =
            |error: &io::Error| match beginning.starts_with(&GZIP) || beginning.starts_with(&ZSTANDARD) {
                true => Failure::because(format!("{name} cannot be decompressed"), error),
                false => failed(error),
            };
        let (beginning, plain) = peek(plain, BEGINNING).map_err(|error| damaged(&error))?;
        let marked = Encoding::for_bom(&beginning).map(|(encoding, _)| encoding);
        let encoding = match (opening.encoding, marked) {
            (Some(named), Some(marked)) if named != marked => {
                return Err(Failure::new(format!(
                    "{name} begins with the byte order mark of {}, not of {}; leave out --encoding",
                    marked.name().to_ascii_lowercase(),
                    named.name().to_ascii_lowercase()
                )));
            }
            (Some(named), _) => named,
            (None, _) => encoding_of(&name, &beginning)?,
        };
        let reader: Box<dyn Read> = match encoding == UTF_8 {
            true => plain,
            false => Box::new(Transcoder::new(plain, encoding)),
        };
        let reader = BufReader::with_capacity(READ, reader);
        let Opening { advice, most, .. } = *opening;
        let mut stream = Self { name, reader, advice, most, is_ready: None, byte: 0, line: 0 };
        stream.skip_mark()?;
        Ok(stream)
    }

    /// Skips the byte order mark that UTF-8 files may begin with.
    fn skip_mark(&mut self) -> Result<(), Failure> {
        const MARK: &[u8] = "\u{FEFF}".as_bytes();
        let buffer = self.reader.fill_buf().map_err(|error| unreadable(&self.name, &error))?;
        if buffer.starts_with(MARK) {
            self.reader.consume(MARK.len());
            self.byte = MARK.len() as u64;
        }
        Ok(())
    }

    /// The whole text.
    pub(crate) fn text(mut self) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(self.most.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(&self.name, &error))?;
        if bytes.len() as u64 > self.most {
            return Err(Failure::new(format!("{} {}", self.name, self.too_long())));
        }
        let text = self.utf8(bytes, self.byte, 1)?;
        if is_no_text(&text) {
            return Err(Failure::new(format!(
                "{} has many control characters, so it is not text; if it is UTF-16 without a byte order mark, {}",
                self.name,
                self.advice.of("utf-16le")
            )));
        }
        Ok(text)
    }

    /// The next line. After an error in one line, the next call returns the line after it; after an error in the file,
    /// it returns `None`.
    pub(crate) fn line(&mut self) -> Option<Line> {
        let mut bytes = Vec::new();
        // A line end may follow the longest line.
        let mut read = (&mut self.reader).take(self.most.saturating_add(2)).read_until(b'\n', &mut bytes);
        let end = ["\r\n", "\n"].into_iter().find(|end| bytes.ends_with(end.as_bytes())).unwrap_or_default();
        let is_too_long = (bytes.len() - end.len()) as u64 > self.most;
        let mut more = 0;
        if is_too_long && end.is_empty() {
            match self.reader.skip_until(b'\n') {
                Ok(skipped) => more = skipped,
                Err(error) => read = Err(error),
            }
        }
        if let Some(is_ready) = &self.is_ready {
            let there = self.reader.buffer();
            let end = there.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
            is_ready.set(!there[..end].trim_ascii().is_empty());
        }
        match read {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => {
                self.reader = BufReader::new(Box::new(Cursor::new([])));
                let number = self.line + 1;
                let what = format!("{}: line {number} and all lines after it cannot be read", self.name);
                return Some(Line { number, text: Err(Failure::because(what, &error)), end: "" });
            }
        }
        let start = self.byte;
        self.byte += (bytes.len() + more) as u64;
        self.line += 1;
        if is_too_long {
            let text = Err(Failure::new(format!("the line {}", self.too_long())));
            return Some(Line { number: self.line, text, end });
        }
        bytes.truncate(bytes.len() - end.len());
        Some(Line { number: self.line, text: self.utf8(bytes, start, self.line), end })
    }

    /// The end of the message about a part that is longer than the limit.
    fn too_long(&self) -> String {
        match self.advice {
            Advice::Option => too_long(self.most),
            Advice::Convert => format!("has more than {} bytes; split it", self.most),
        }
    }

    /// `bytes` as text; they begin at `byte`, in `line`.
    fn utf8(&self, bytes: Vec<u8>, byte: u64, line: u64) -> Result<String, Failure> {
        String::from_utf8(bytes).map_err(|error| {
            let bytes = error.as_bytes();
            let at = error.utf8_error().valid_up_to();
            let line = line + bytes[..at].iter().filter(|&&byte| byte == b'\n').count() as u64;
            let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
            detector.feed(bytes, true);
            let guess = detector.guess(None, Utf8Detection::Deny).name().to_ascii_lowercase();
            Failure::new(format!(
                "{} is neither UTF-8 nor UTF-16: 0x{:02X} at byte {}, in line {line}; if it is text, it looks like {guess}: {}",
                self.name,
                bytes[at],
                byte + at as u64,
                self.advice.of(&guess)
            ))
        })
    }

    /// A reader of the bytes that follow. It returns an error when more than the maximum size is read for one part;
    /// setting the cell to 0 begins the next part.
    pub(crate) fn into_reader(self) -> (impl BufRead + 'static, Rc<Cell<u64>>) {
        let count = Rc::default();
        (BufReader::new(Bounded { inner: self.reader, count: Rc::clone(&count), most: self.most }), count)
    }
}

/// A reader that ends with an error when it has read `most` bytes since the count was set to 0.
struct Bounded<R> {
    inner: R,
    count: Rc<Cell<u64>>,
    most: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.count.get() > self.most {
            return Err(io::Error::other(format!("the row {}", too_long(self.most))));
        }
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// The end of the message about a text of more than `most` bytes.
pub(crate) fn too_long(most: u64) -> String {
    format!("has more than {most} bytes; split it, or raise the limit with --max-bytes")
}

/// The first bytes of `reader`, at most `count`, and a reader of all bytes.
fn peek(mut reader: Box<dyn Read>, count: usize) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut beginning = Vec::new();
    reader.by_ref().take(count as u64).read_to_end(&mut beginning)?;
    let all = Cursor::new(beginning.clone()).chain(reader);
    Ok((beginning, Box::new(all)))
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
            Failure::because(format!("{name} cannot be decompressed or decoded"), error)
        }
        _ => Failure::because(format!("{name} cannot be read"), error),
    }
}

/// The encoding of a file, from its beginning: that of its byte order mark, UTF-16 if every other byte is zero, or else
/// UTF-8.
fn encoding_of(name: &str, beginning: &[u8]) -> Result<&'static Encoding, Failure> {
    if matches!(beginning, [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..]) {
        let message = format!("{name} is UTF-32; convert it, for example with `iconv -f utf-32 -t utf-8`");
        return Err(Failure::new(message));
    }
    Ok(match beginning {
        [0xFF, 0xFE, ..] => UTF_16LE,
        [0xFE, 0xFF, ..] => UTF_16BE,
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => UTF_16LE,
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => UTF_16BE,
        _ => UTF_8,
    })
}

/// Reports whether more than a tenth of `text` is control characters, as in UTF-16 that was read as UTF-8.
fn is_no_text(text: &str) -> bool {
    let strange = |c: &char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    10 * text.chars().filter(strange).count() > text.len()
}

/// A reader that counts its bytes.
struct Counted {
    inner: Box<dyn Read>,
    done: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.done.set(self.done.get() + count as u64);
        Ok(count)
    }
}

/// Zstandard, which may have several frames.
struct Zstandard {
    file: Box<dyn BufRead>,
    decoder: FrameDecoder,
    is_in_frame: bool,
}

impl Read for Zstandard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let broken = |error: FrameDecoderError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.is_in_frame && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.file, one).map_err(broken)?;
                continue;
            }
            if self.file.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.is_in_frame = match self.decoder.init(&mut self.file) {
                Ok(()) => true,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut self.file.by_ref().take(length.into()), &mut io::sink())?;
                    false
                }
                Err(error) => return Err(broken(error)),
            };
        }
    }
}

/// A reader that decodes another encoding to UTF-8. Invalid bytes are an error.
struct Transcoder {
    inner: Box<dyn Read>,
    decoder: Decoder,
    /// The bytes to decode, and the number of them that are decoded.
    bytes: Vec<u8>,
    at: usize,
    /// The decoded text, and the number of its bytes that were read.
    text: Vec<u8>,
    given: usize,
    /// The number of all bytes that were decoded, for messages.
    total: u64,
    is_last: bool,
    is_done: bool,
}

impl Transcoder {
    fn new(inner: Box<dyn Read>, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            bytes: Vec::new(),
            at: 0,
            text: Vec::new(),
            given: 0,
            total: 0,
            is_last: false,
            is_done: false,
        }
    }

    /// Decodes more bytes.
    fn decode(&mut self) -> io::Result<()> {
        if self.at == self.bytes.len() && !self.is_last {
            self.bytes.resize(READ, 0);
            let count = self.inner.read(&mut self.bytes)?;
            self.bytes.truncate(count);
            self.at = 0;
            self.is_last = count == 0;
        }
        self.text.resize(READ, 0);
        let source = &self.bytes[self.at..];
        let (result, read, written) =
            self.decoder.decode_to_utf8_without_replacement(source, &mut self.text, self.is_last);
        self.at += read;
        self.total += read as u64;
        self.text.truncate(written);
        self.given = 0;
        match result {
            DecoderResult::Malformed(..) => {
                let name = self.decoder.encoding().name();
                let message = format!("the bytes before byte {} are not valid {name}", self.total);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            DecoderResult::InputEmpty => self.is_done = self.is_last,
            DecoderResult::OutputFull => {}
        }
        Ok(())
    }
}

impl Read for Transcoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.is_done {
            self.decode()?;
        }
        let count = buffer.len().min(self.text.len() - self.given);
        buffer[..count].copy_from_slice(&self.text[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
