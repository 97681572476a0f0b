//! Writes results completely or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Prints `text` to standard output. It is no failure if the reader has gone away, as `head` does.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::because("standard output cannot be written", &error))
        }
        _ => Ok(()),
    }
}

/// Prints `value` as one line of JSON, piece by piece, since it may be large.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = serde_json::to_writer(&mut out, value).map_err(io::Error::from);
    match written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::because("standard output cannot be written", &error))
        }
        _ => Ok(()),
    }
}

/// `value` as JSON, without line ends.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::because("the result cannot be written as JSON", &error))
}

/// Prints a line to standard error, if it is open.
pub(crate) fn warn(line: &str) {
    crate::progress::aside(|| {
        // There is nowhere left to report a failure here.
        let _ = writeln!(io::stderr(), "{line}");
    });
}

/// The file that a long run writes at its end. It is opened before the run, so that failures come early.
#[derive(Debug)]
pub(crate) struct OutputFile {
    /// The path as the user wrote it.
    path: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    /// Standard output, whatever the path that leads to it.
    Out,
    /// Standard error, likewise.
    Error,
    /// A pipe, a device, or another open file of the process, which is appended to.
    Append(File),
    /// A regular file in a folder where no file can be created.
    Overwrite(File),
    /// A regular file, or one that does not exist yet: a new file in the same folder replaces it.
    Replace { new: NamedTempFile, path: PathBuf },
}

/// The number of links that are followed before they are taken for a circle, as on Linux.
const MOST_LINKS: usize = 40;

impl OutputFile {
    /// Opens `path`, which must not be the `input`.
    pub(crate) fn open(path: &Path, input: &Path) -> Result<Self, Failure> {
        let same =
            |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
        if same(path, input) || input == Path::new("-") && is_stream(path, "/dev/stdin") {
            let message = format!("{} is the input; name another file for the output", path.display());
            return Err(Failure::new(message));
        }
        if path.is_dir() || path.file_name().is_none() {
            return Err(Failure::new(format!("{} is a folder; name a file in it", path.display())));
        }
        let target = Target::find(path)
            .map_err(|error| Failure::because(format!("{} cannot be written", path.display()), &error))?;
        Ok(Self { path: path.to_owned(), target })
    }

    /// Writes the file. A regular file is replaced as a whole, where that is possible.
    pub(crate) fn write(self, contents: &str) -> Result<(), Failure> {
        let bytes = contents.as_bytes();
        let written = match self.target {
            Target::Out => return print(contents),
            Target::Error => io::stderr().lock().write_all(bytes),
            Target::Append(mut file) => file.write_all(bytes),
            // The file is truncated only now, so that a run that fails does not empty it.
            Target::Overwrite(mut file) => file.set_len(0).and_then(|()| file.write_all(bytes)),
            Target::Replace { mut new, path } => {
                new.write_all(bytes).and_then(|()| new.flush()).and_then(|()| {
                    // A file that is a mount point can be written, but not replaced.
                    new.persist(&path).map(|_| ()).or_else(|_| fs::write(&path, bytes))
                })
            }
        };
        written
            .map_err(|error| Failure::because(format!("{} cannot be written", self.path.display()), &error))
    }
}

impl Target {
    fn find(path: &Path) -> io::Result<Self> {
        let path = match follow(path)? {
            Place::Descriptor(1) => return Ok(Self::Out),
            Place::Descriptor(2) => return Ok(Self::Error),
            // The process that opened the file may have written to it.
            Place::Descriptor(_) => return OpenOptions::new().append(true).open(path).map(Self::Append),
            Place::Path(path) => path,
        };
        let old = match fs::metadata(&path) {
            Ok(old) if !old.is_file() => return OpenOptions::new().write(true).open(path).map(Self::Append),
            Ok(_) if is_stream(&path, "/dev/stdout") => return Ok(Self::Out),
            Ok(old) => {
                // A file without write permission is not replaced either.
                drop(OpenOptions::new().write(true).open(&path)?);
                Some(old)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let folder = folder_of(&path);
        if !folder.is_dir() {
            let message = format!("there is no folder {}", folder.display());
            return Err(io::Error::new(ErrorKind::NotFound, message));
        }
        let mut new = tempfile::Builder::new();
        new.prefix(".entopic-");
        if let Some(permissions) = usual_permissions() {
            new.permissions(permissions);
        }
        match (new.tempfile_in(&folder), old) {
            (Ok(new), Some(old)) => {
                // The user's mask removed some of the permissions.
                new.as_file().set_permissions(old.permissions())?;
                match keeps_owner(new.as_file(), &old) {
                    true => Ok(Self::Replace { new, path }),
                    false => OpenOptions::new().write(true).open(path).map(Self::Overwrite),
                }
            }
            (Ok(new), None) => Ok(Self::Replace { new, path }),
            (Err(_), Some(_)) => OpenOptions::new().write(true).open(path).map(Self::Overwrite),
            (Err(error), None) => Err(error),
        }
    }
}

/// Reports whether `stream` of this process, such as `/dev/stdout`, is redirected to the regular file `path`.
fn is_stream(path: &Path, stream: &str) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let of = |path: &Path| {
            fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| (file.dev(), file.ino()))
        };
        of(path).is_some_and(|file| of(Path::new(stream)) == Some(file))
    }
    #[cfg(not(unix))]
    {
        let _ = (path, stream);
        false
    }
}

/// Gives `new` the owner of the file that it will replace; returns whether it has that owner.
fn keeps_owner(new: &File, old: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let same = |new: &fs::Metadata| (new.uid(), new.gid()) == (old.uid(), old.gid());
        new.metadata().is_ok_and(|new| same(&new)) || fchown(new, Some(old.uid()), Some(old.gid())).is_ok()
    }
    #[cfg(not(unix))]
    {
        let _ = (new, old);
        true
    }
}

/// The target of a path.
enum Place {
    /// An open file of this process, such as `/dev/stdout` or what a shell's `>(…)` gives.
    Descriptor(u32),
    /// Any other path, with its links followed.
    Path(PathBuf),
}

/// Follows the links of `path`. The last may lead to a file that does not exist yet.
fn follow(path: &Path) -> io::Result<Place> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let folder = folder_of(&path);
        if let (Some(number), true) = (descriptor(&path), is_of_descriptors(&folder)) {
            return Ok(Place::Descriptor(number));
        }
        match fs::read_link(&path) {
            Ok(link) => path = folder.join(link),
            Err(_) => return Ok(Place::Path(path)),
        }
    }
    Err(io::Error::other("its links lead in a circle"))
}

fn descriptor(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Reports whether `folder` lists the open files of this process.
fn is_of_descriptors(folder: &Path) -> bool {
    let own = ["/proc/self/fd", "/proc/thread-self/fd", "/dev/fd"];
    let folder = folder.canonicalize();
    folder.is_ok_and(|folder| {
        own.iter().any(|own| Path::new(own).canonicalize().is_ok_and(|own| own == folder))
    })
}

/// The permissions of a new file, from which the system removes those in the user's mask.
fn usual_permissions() -> Option<fs::Permissions> {
    #[cfg(unix)]
    return Some(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    #[cfg(not(unix))]
    return None;
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::OutputFile;
    use crate::failure::Failure;

    fn open(path: &Path) -> Result<OutputFile, Failure> {
        OutputFile::open(path, Path::new("input"))
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a temporary folder should be made");
        let path = folder.path().join("predictions.tsv");
        for contents in ["one", "two"] {
            open(&path).and_then(|file| file.write(contents)).expect("it should be writable");
            assert_eq!(fs::read_to_string(&path).expect("the file should be written"), contents);
        }
        drop(open(&path).expect("it should be writable"));
        assert_eq!(fs::read_to_string(&path).expect("the file should be as it was"), "two");
        assert_eq!(fs::read_dir(&folder).expect("the folder should be readable").count(), 1);
    }

    #[test]
    fn the_input_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder should be made");
        let (input, other) = (folder.path().join("gold.tsv"), folder.path().join("other.tsv"));
        fs::write(&input, "gold").expect("the file should be written");
        let same = folder.path().join(".").join("gold.tsv");
        assert!(OutputFile::open(&same, &input).is_err());
        assert!(OutputFile::open(&other, &input).is_ok());
    }

    #[test]
    fn folders_are_refused_before_the_run() {
        let folder = tempfile::tempdir().expect("a temporary folder should be made");
        assert!(open(folder.path()).is_err());
        let missing = open(&folder.path().join("no/such.tsv")).expect_err("it should fail: it has no folder");
        assert!(missing.to_string().contains("there is no folder"), "{missing}");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_they_name_is_written() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().expect("a temporary folder should be made");
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        symlink("target", &link).expect("a link should be made");
        for contents in ["one", "two"] {
            open(&link).and_then(|file| file.write(contents)).expect("it should be writable");
            assert!(link.is_symlink());
            assert_eq!(fs::read_to_string(&target).expect("the file should be written"), contents);
        }
        let circle = folder.path().join("circle");
        symlink("circle", &circle).expect("a link should be made");
        assert!(open(&circle).expect_err("it should fail").to_string().contains("circle"));
    }
}
