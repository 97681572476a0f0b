use std::borrow::Cow;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::{fs, io};

use sha2::{Digest, Sha256};

#[cfg(feature = "hub")]
use super::layout::{self, Part};
use super::layout::{Description, Layout, Tokenizer};
use super::registry::ModelFile;
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind};
use crate::hex::hex;
use crate::limits::LONGEST_FILE;

/// The files of a model in memory, under the paths that they have on the Hugging Face hub.
///
/// ```
/// # fn main() -> Result<(), entopic::Error> {
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/ner-wordpiece-cased");
/// # let read = |file: &str| std::fs::read(format!("{folder}/{file}")).expect("the file should exist");
/// let files = entopic::ModelFiles::new("my-ner")
///     .with("config.json", read("config.json"))
///     .with("tokenizer.json", read("tokenizer.json"))
///     .with("model.safetensors", read("model.safetensors"));
/// let ner = entopic::Engine::new()?.ner(files)?;
/// assert_eq!(ner.name(), "my-ner");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ModelFiles {
    name: String,
    files: Vec<(String, Bytes)>,
}

impl ModelFiles {
    /// A model without files; `name` is its name in messages. Add the files with [`with`](Self::with).
    ///
    /// ```
    /// // For a model that is compiled in, `include_bytes!` reads the files.
    /// let files = entopic::ModelFiles::new("my-ner").with("config.json", b"{}");
    /// let error = entopic::Engine::new()?.ner(files).unwrap_err();
    /// assert!(error.to_string().contains("my-ner"));
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), files: Vec::new() }
    }

    /// Adds a file, such as `config.json` or `1_Pooling/config.json`; it replaces a file with the same path. The
    /// bytes are a `Vec`, or static: those of `include_bytes!` are not copied.
    ///
    /// ```
    /// use entopic::{Engine, ErrorKind, ModelFiles};
    ///
    /// let files = ModelFiles::new("my-ner").with("config.json", b"{}".to_vec());
    /// // The weights are missing.
    /// let error = Engine::new()?.ner(files).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Weights);
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn with(mut self, path: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        let path = path.into();
        self.files.retain(|(known, _)| *known != path);
        let bytes = match bytes.into() {
            Cow::Borrowed(bytes) => Bytes::Static(bytes),
            Cow::Owned(bytes) => Bytes::Shared(bytes.into()),
        };
        self.files.push((path, bytes));
        self
    }
}

/// The files of one model, under the paths that they have on the Hugging Face hub.
pub(crate) struct Files {
    /// The model's location, for messages.
    pub(crate) origin: String,
    place: Place,
    /// The checksums against which files are checked when they are read.
    known: Vec<ModelFile>,
}

enum Place {
    #[cfg_attr(not(feature = "bundled"), expect(dead_code, reason = "no model is in the build"))]
    Build {
        files: Vec<(&'static str, &'static [u8])>,
        words: SharedWords,
    },
    Folder(PathBuf),
    Memory(ModelFiles),
}

/// A word embedding outside the weights; models with the same `name` share it and their tokenizer.
#[derive(Clone, Copy)]
pub(crate) struct SharedWords {
    pub(crate) name: &'static str,
    /// The pieces of one safetensors file.
    pub(crate) pieces: [&'static [u8]; 2],
}

/// The bytes of the longest pointer of Git LFS, by its specification
/// (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>).
const LONGEST_POINTER: u64 = 1023;

/// Returns whether `bytes` are a pointer, which Git LFS leaves in place of a large file.
fn is_pointer(bytes: &[u8]) -> bool {
    bytes.len() as u64 <= LONGEST_POINTER && bytes.starts_with(b"version https://git-lfs.github.com/spec/")
}

fn pointer(name: &str, kind: ErrorKind) -> Error {
    let message = format!(
        "{name} is a pointer of Git LFS, not the file itself; run `git lfs pull` in the clone of its repository"
    );
    Error::new(kind, message)
}

impl Files {
    /// The files of a model that is compiled in.
    #[cfg(feature = "bundled")]
    pub(crate) fn bundled(name: &str) -> Result<Self, Error> {
        let [config, index, weights, last_layer] = match name {
            "ner-en-small" => [
                entopic_ner_en_small::CONFIG,
                entopic_ner_en_small::INDEX,
                entopic_ner_en_small::WEIGHTS,
                entopic_words_en_1::NER_LAST_LAYER,
            ],
            "topics-en-small" => [
                entopic_topics_en_small::CONFIG,
                entopic_topics_en_small::INDEX,
                entopic_topics_en_small::WEIGHTS,
                entopic_words_en_2::TOPICS_LAST_LAYER,
            ],
            _ => {
                let message = format!(
                    "no model {name:?} is in this build; its models are ner-en-small and topics-en-small"
                );
                return Err(Error::new(ErrorKind::UnknownModel, message));
            }
        };
        let files = vec![
            ("config.json", config),
            ("model.safetensors.index.json", index),
            ("model-00001-of-00002.safetensors", weights),
            ("model-00002-of-00002.safetensors", last_layer),
            ("tokenizer.json", entopic_words_en_1::TOKENIZER),
        ];
        let pieces = [entopic_words_en_1::WORDS, entopic_words_en_2::WORDS];
        let words = SharedWords { name: "words-en", pieces };
        Ok(Self { origin: name.to_owned(), place: Place::Build { files, words }, known: Vec::new() })
    }

    /// The files of a model that is compiled in.
    #[cfg(not(feature = "bundled"))]
    pub(crate) fn bundled(name: &str) -> Result<Self, Error> {
        let message = format!(
            "the model {name:?} is only in builds with the feature `bundled`, which this build lacks; build with it, \
             or load another model"
        );
        Err(Error::new(ErrorKind::ModelUnavailable, message))
    }

    /// The files in a folder, laid out as on the Hugging Face hub; `known` has the checksums of some of them.
    pub(crate) fn folder(folder: &Path, known: &[ModelFile]) -> Self {
        let place = Place::Folder(folder.to_owned());
        Self { origin: folder.display().to_string(), place, known: known.to_vec() }
    }

    /// The files in memory.
    pub(crate) fn memory(files: ModelFiles) -> Self {
        Self { origin: files.name.clone(), place: Place::Memory(files), known: Vec::new() }
    }

    /// The files from which the model is loaded.
    pub(crate) fn layout(&self) -> Result<Layout, Error> {
        Layout::choose(&self.names()?, &self.origin)
    }

    /// The files that describe the model.
    pub(crate) fn description(&self) -> Result<Description, Error> {
        Description::choose(&self.names()?, &self.origin)
    }

    /// The files from which a tokenizer can be read.
    pub(crate) fn tokenizer(&self) -> Result<Tokenizer, Error> {
        Tokenizer::choose(&self.names()?).ok_or_else(|| Tokenizer::missing(&self.origin))
    }

    /// The paths of the files from which the part of a model is read.
    #[cfg(feature = "hub")]
    pub(crate) fn paths(&self, part: Part) -> Result<Vec<String>, Error> {
        layout::paths(&self.names()?, part, &self.origin)
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        match &self.place {
            Place::Build { files, .. } => Ok(files.iter().map(|(name, _)| (*name).to_owned()).collect()),
            Place::Memory(memory) => Ok(memory.files.iter().map(|(name, _)| name.clone()).collect()),
            Place::Folder(folder) if !folder.exists() => {
                let place = match std::env::current_dir() {
                    Ok(current) if folder.is_relative() => format!(" (relative to {})", current.display()),
                    _ => String::new(),
                };
                let message = format!(
                    "there is no folder {:?}{place}; give the folder that has the model's files",
                    self.origin
                );
                Err(Error::new(ErrorKind::ModelUnavailable, message))
            }
            Place::Folder(folder) if !folder.is_dir() => {
                let message =
                    format!("{} is a file; give the folder that has the model's files", self.origin);
                Err(Error::new(ErrorKind::ModelUnavailable, message))
            }
            Place::Folder(folder) => list(folder).map_err(|error| {
                let message = format!("the folder {} cannot be read", self.origin);
                Error::new(ErrorKind::ModelUnavailable, message).with_source(error)
            }),
        }
    }

    /// The word embedding, if it is not among the weights.
    pub(crate) fn words(&self) -> Option<SharedWords> {
        match &self.place {
            Place::Build { words, .. } => Some(*words),
            Place::Folder(_) | Place::Memory(_) => None,
        }
    }

    /// The name of the file `path` in messages.
    pub(crate) fn name(&self, path: &str) -> String {
        format!("{}/{path}", self.origin)
    }

    /// Reads the file `path`, which must exist; `kind` is the kind of the errors.
    pub(crate) fn read(&self, path: &str, kind: ErrorKind) -> Result<Bytes, Error> {
        self.find(path, kind)?.ok_or_else(|| Error::new(kind, format!("{} is missing", self.name(path))))
    }

    /// Reads the file `path`, if it exists; `kind` is the kind of the errors.
    pub(crate) fn find(&self, path: &str, kind: ErrorKind) -> Result<Option<Bytes>, Error> {
        let folder = match &self.place {
            Place::Build { files, .. } => {
                let found = files.iter().find(|(name, _)| *name == path);
                return Ok(found.map(|(_, bytes)| Bytes::Static(bytes)));
            }
            Place::Memory(memory) => {
                let Some((_, bytes)) = memory.files.iter().find(|(name, _)| name == path) else {
                    return Ok(None);
                };
                if is_pointer(bytes) {
                    return Err(pointer(&self.name(path), kind));
                }
                return Ok(Some(bytes.clone()));
            }
            Place::Folder(folder) => folder,
        };
        let name = self.name(path);
        if !stays_inside(path) {
            return Err(Error::new(kind, format!("{name} is outside the model's folder, so it is not read")));
        }
        let refuse = |error: io::Error| Error::new(kind, format!("{name} cannot be read")).with_source(error);
        let bytes = match fs::metadata(folder.join(path)) {
            // Reading a pipe or a device may never end.
            Ok(found) if !found.is_file() => {
                return Err(Error::new(kind, format!("{name} is not a regular file")));
            }
            Ok(found)
                if found.len() <= LONGEST_POINTER
                    && fs::read(folder.join(path)).is_ok_and(|bytes| is_pointer(&bytes)) =>
            {
                return Err(pointer(&name, kind));
            }
            Ok(_) if path.ends_with(".safetensors") => {
                let file = fs::File::open(folder.join(path)).map_err(refuse)?;
                safetensors(file)
                    .map_err(refuse)?
                    .map_err(|what| Error::new(kind, format!("{name}: {what}")))?
            }
            Ok(found) if kind != ErrorKind::Weights && found.len() > LONGEST_FILE => {
                let message = format!("{name} has {} bytes; at most {LONGEST_FILE} are read", found.len());
                return Err(Error::new(kind, message));
            }
            Ok(_) => fs::read(folder.join(path)).map_err(refuse)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refuse(error)),
        };
        self.check(path, &bytes, kind)?;
        Ok(Some(Bytes::Owned(bytes)))
    }

    /// The length of the file `path` and samples of its bytes; nothing if it cannot be read.
    pub(crate) fn sample(&self, path: &str) -> Vec<u8> {
        let of_bytes = |bytes: &[u8]| sample(&mut io::Cursor::new(bytes), bytes.len() as u64).ok();
        let of_file = |path: PathBuf| {
            let mut file = fs::File::open(path).ok()?;
            let length = file.metadata().ok()?.len();
            sample(&mut file, length).ok()
        };
        let taken = match &self.place {
            Place::Build { files, .. } => {
                let found = files.iter().find(|(name, _)| *name == path);
                found.and_then(|(_, bytes)| of_bytes(bytes))
            }
            Place::Memory(memory) => {
                let found = memory.files.iter().find(|(name, _)| name == path);
                found.and_then(|(_, bytes)| of_bytes(bytes))
            }
            Place::Folder(folder) => of_file(folder.join(path)),
        };
        taken.unwrap_or_default()
    }

    /// Checks a file against its known checksum.
    fn check(&self, path: &str, bytes: &[u8], kind: ErrorKind) -> Result<(), Error> {
        let known = self.known.iter().find(|file| file.path == path);
        let Some(expected) = known.and_then(|file| file.sha256.as_deref()) else { return Ok(()) };
        let found = hex(&Sha256::digest(bytes));
        if found == expected.to_lowercase() {
            return Ok(());
        }
        let message = format!(
            "{} has sha256 {found}, but the registry has {expected}: the file is damaged or of another revision; \
             fetch it again, or correct the sha256",
            self.name(path)
        );
        Err(Error::new(kind, message))
    }
}

/// The number of blocks in a sample, and the bytes of each. They are read in a fraction of a millisecond.
const SAMPLES: u64 = 16;
const SAMPLE: u64 = 4096;

/// The length of a file and blocks that are spread over it.
fn sample(file: &mut (impl Read + Seek), length: u64) -> io::Result<Vec<u8>> {
    let mut sample = length.to_le_bytes().to_vec();
    for block in 0..SAMPLES {
        file.seek(io::SeekFrom::Start(length.saturating_sub(SAMPLE) / (SAMPLES - 1) * block))?;
        file.by_ref().take(SAMPLE).read_to_end(&mut sample)?;
    }
    Ok(sample)
}

/// The crate's limit for the header of a safetensors file, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// Reads a safetensors file, or returns its fault: if the announced length of the header is too large, the rest is
/// not read.
fn safetensors(mut file: fs::File) -> io::Result<Result<Vec<u8>, String>> {
    let mut bytes = Vec::new();
    (&mut file).take(8).read_to_end(&mut bytes)?;
    if let Ok(length) = <[u8; 8]>::try_from(&bytes[..]) {
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER {
            return Ok(Err(format!(
                "it announces a header of {length} bytes; at most {LONGEST_HEADER} are read"
            )));
        }
    }
    // A sparse file may be larger than the memory.
    bytes.try_reserve_exact(file.metadata()?.len().saturating_sub(8).try_into().unwrap_or(usize::MAX))?;
    file.read_to_end(&mut bytes)?;
    Ok(Ok(bytes))
}

/// Returns whether `path`, which a model's own files may name, stays in the model's folder.
pub(crate) fn stays_inside(path: &str) -> bool {
    let mut parts = path.split(['/', '\\']);
    !path.contains(':') && parts.all(|part| !part.is_empty() && part != "." && part != "..")
}

/// The files of a folder and of the folders in it, as paths with `/`.
fn list(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_dir() {
            names.push(name);
            continue;
        }
        // Folders that do not belong to the model need not be readable.
        for inner in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            names.push(format!("{name}/{}", inner.file_name().to_string_lossy()));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::stays_inside;

    #[test]
    fn paths_that_leave_the_folder_are_reported() {
        for path in ["model.safetensors", "1_Pooling/config.json", "a..b"] {
            assert!(stays_inside(path), "{path}");
        }
        for path in ["", "/etc/passwd", "../model", "a/../../b", "a//b", "..\\x", "C:\\x", "./x"] {
            assert!(!stays_inside(path), "{path}");
        }
    }
}
