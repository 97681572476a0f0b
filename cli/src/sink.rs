//! The destinations of results: standard output, a file, or a folder. A file or folder gets its final name when it is
//! complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::documents::document::Place;
use crate::failure::Failure;

/// A stream of bytes to standard output or a file.
pub(crate) struct Sink {
    out: BufWriter<Box<dyn Write + Send>>,
    name: String,
    /// The name of the file until it is complete, and its final name; `None` for standard output, pipes and devices.
    rename: Option<(PathBuf, PathBuf)>,
    is_standard_output: bool,
}

/// The name of a file until it is complete.
pub(crate) fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

impl Sink {
    pub(crate) fn standard_output() -> Self {
        Self {
            out: BufWriter::new(Box::new(io::stdout())),
            name: "standard output".into(),
            rename: None,
            is_standard_output: true,
        }
    }

    /// Creates a file, which gets its name when it is complete. A pipe or device is written to directly.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        if fs::metadata(path).is_ok_and(|data| !data.is_file() && !data.is_dir()) {
            let opened = OpenOptions::new().write(true).open(path);
            return Self::of(path, opened, None);
        }
        if path.is_dir() {
            return Err(Failure::new(format!("{} is a folder; name a file in it", path.display())));
        }
        let partial = partial(path);
        let opened = OpenOptions::new().write(true).create_new(true).open(&partial).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                return Failure::new(format!(
                    "{} already exists, left by an unfinished run; remove it (a run of `entopic tag --format jsonl` can also \
                     be resumed with --resume)",
                    partial.display()
                ));
            }
            unwritable(path, &error)
        })?;
        Self::of(path, Ok(opened), Some((partial, path.to_owned())))
    }

    /// Opens the incomplete file of an earlier run, to append to it.
    pub(crate) fn go_on(path: &Path) -> Result<Self, Failure> {
        let partial = partial(path);
        let opened = OpenOptions::new().append(true).open(&partial);
        Self::of(path, opened, Some((partial, path.to_owned())))
    }

    fn of(
        path: &Path,
        opened: io::Result<File>,
        rename: Option<(PathBuf, PathBuf)>,
    ) -> Result<Self, Failure> {
        let file = opened.map_err(|error| unwritable(path, &error))?;
        Ok(Self {
            out: BufWriter::new(Box::new(file)),
            name: path.display().to_string(),
            rename,
            is_standard_output: false,
        })
    }

    pub(crate) fn is_standard_output(&self) -> bool {
        self.is_standard_output
    }

    /// The failure of a write.
    pub(crate) fn failure(&self, error: &io::Error) -> Failure {
        unwritten(&self.name, error)
    }

    /// The name in messages.
    #[cfg(feature = "parquet")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The place of an incomplete output.
    pub(crate) fn incomplete(&self) -> String {
        match &self.rename {
            Some((partial, _)) => format!("in {}", partial.display()),
            None => format!("on {}", self.name),
        }
    }

    /// Removes the incomplete file.
    pub(crate) fn abandon(self) -> Result<(), Failure> {
        match &self.rename {
            Some((partial, _)) => fs::remove_file(partial).map_err(|error| self.failure(&error)),
            None => Ok(()),
        }
    }

    /// The file that has another name until it is complete.
    #[cfg(feature = "sql")]
    pub(crate) fn unfinished(&self) -> Option<PathBuf> {
        self.rename.as_ref().map(|(partial, _)| partial.clone())
    }

    /// Finishes the output, which is complete.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        self.finish_after(Ok(()))
    }

    /// Finishes the output, which is complete if its last part was written. A reader that has gone away, as `head`
    /// does, is no failure.
    pub(crate) fn finish_after(mut self, ended: io::Result<()>) -> Result<(), Failure> {
        match ended.and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && self.rename.is_none() => return Ok(()),
            flushed => flushed.map_err(|error| self.failure(&error))?,
        }
        if let Some((partial, path)) = &self.rename {
            fs::rename(partial, path).map_err(|error| self.failure(&error))?;
        }
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    unwritten(&path.display().to_string(), error)
}

/// The failure of a write to the output `name`.
pub(crate) fn unwritten(name: &str, error: &io::Error) -> Failure {
    Failure::because(format!("{name} cannot be written"), error)
}

/// A folder of files, under another name until it is complete.
pub(crate) struct Folder {
    path: PathBuf,
    partial: PathBuf,
    files: usize,
}

impl Folder {
    /// Creates a folder; `path` must not exist, or must be an empty folder.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let is_free = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if !is_free {
            return Err(Failure::new(format!("{} is not an empty folder; name another", path.display())));
        }
        // This drops a separator at the end.
        let path: PathBuf = path.components().collect();
        let partial = partial(&path);
        fs::create_dir(&partial).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::new(format!(
                "{} already exists, left by an unfinished run; remove it",
                partial.display()
            )),
            _ => unwritable(&path, &error),
        })?;
        Ok(Self { path, partial, files: 0 })
    }

    /// The name of the next document's files, without an ending: a number, and the input's name up to its first dot.
    pub(crate) fn name_for(&mut self, place: &Place) -> String {
        self.files += 1;
        let stem = Path::new(&*place.file).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let plain = stem.split('.').next().unwrap_or_default();
        let plain: String =
            plain.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(40).collect();
        match plain.is_empty() {
            true => format!("{:06}", self.files),
            false => format!("{:06}-{plain}", self.files),
        }
    }

    pub(crate) fn write(&self, name: &str, contents: &str) -> io::Result<()> {
        fs::write(self.partial.join(name), contents)
    }

    /// Appends to a file.
    pub(crate) fn append(&self, name: &str, contents: &str) -> io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(self.partial.join(name));
        file.and_then(|mut file| file.write_all(contents.as_bytes()))
    }

    /// The path of a file once the folder is complete.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The failure of a write.
    pub(crate) fn failure(&self, error: &io::Error) -> Failure {
        unwritable(&self.path, error)
    }

    /// Removes the incomplete folder.
    pub(crate) fn abandon(self) -> Result<(), Failure> {
        fs::remove_dir_all(&self.partial).map_err(|error| self.failure(&error))
    }

    /// The place of the incomplete folder.
    pub(crate) fn incomplete(&self) -> String {
        format!("in {}", self.partial.display())
    }

    /// Finishes the folder, which is complete.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        // An empty folder is replaced.
        if self.path.is_dir() {
            fs::remove_dir(&self.path).map_err(|error| self.failure(&error))?;
        }
        fs::rename(&self.partial, &self.path).map_err(|error| self.failure(&error))
    }
}
