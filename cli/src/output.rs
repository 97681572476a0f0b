//! Writes results, whole or not at all.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;

use serde::Serialize;

use crate::failure::Failure;

/// Prints `text` to standard output. A reader that has gone away, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::because("standard output cannot be written", &error))
        }
        _ => Ok(()),
    }
}

/// Prints `value` as one line of JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&(json(value)? + "\n"))
}

/// `value` as JSON, without line ends.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::because("the result cannot be put into JSON", &error))
}

/// Prints a line to standard error, where there is one.
pub(crate) fn warn(line: &str) {
    #[cfg(feature = "hub")]
    crate::download::clear();
    // With nobody to tell, there is nothing left to do about a failure here.
    let _ = writeln!(io::stderr(), "{line}");
}

/// A file that a long run is to write in the end.
#[derive(Debug)]
pub(crate) struct OutputFile<'a>(&'a Path);

impl<'a> OutputFile<'a> {
    /// Finds out before the run what would fail after it.
    pub(crate) fn check(path: &'a Path) -> Result<Self, Failure> {
        if path.is_dir() || path.file_name().is_none() {
            return Err(Failure::new(format!("{} is a folder; name a file in it", path.display())));
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            let message =
                format!("{} cannot be written: there is no folder {}", path.display(), folder.display());
            return Err(Failure::new(message));
        }
        Ok(Self(path))
    }

    /// Refuses to replace the file at `input`, which is read.
    pub(crate) fn unless(self, input: &Path) -> Result<Self, Failure> {
        let same =
            |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
        if same(self.0, input) {
            let message = format!("{} is the input; name another file to be written", self.0.display());
            return Err(Failure::new(message));
        }
        Ok(self)
    }

    /// Writes the file: beside it first, then moved into its place, so that no reader sees a part.
    pub(crate) fn write(self, contents: &str) -> Result<(), Failure> {
        let fail =
            |error: io::Error| Failure::because(format!("{} cannot be written", self.0.display()), &error);
        // A pipe or a device is written to, not replaced; a link stays one.
        let target = match fs::canonicalize(self.0) {
            Ok(path) if !path.is_file() => return fs::write(path, contents).map_err(fail),
            Ok(path) => path,
            Err(_) => self.0.to_owned(),
        };
        let beside = beside(&target);
        let mut open = OpenOptions::new();
        let mut file = open.write(true).create_new(true).open(&beside).map_err(fail)?;
        let written = file.write_all(contents.as_bytes()).and_then(|()| fs::rename(&beside, &target));
        written.map_err(|error| {
            // What is reported is why the file could not be written.
            let _ = fs::remove_file(&beside);
            fail(error)
        })
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A hidden file in the same folder, of this process alone.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::OutputFile;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a temporary folder should be made");
        let path = folder.path().join("predictions.tsv");
        for contents in ["one", "two"] {
            OutputFile::check(&path).and_then(|file| file.write(contents)).expect("it should be writable");
            assert_eq!(fs::read_to_string(&path).expect("the file should be written"), contents);
        }
        assert_eq!(fs::read_dir(&folder).expect("a temporary folder should be made").count(), 1);
    }

    #[test]
    fn the_input_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder should be made");
        let (input, other) = (folder.path().join("gold.tsv"), folder.path().join("other.tsv"));
        fs::write(&input, "gold").expect("the file should be written");
        let same = folder.path().join(".").join("gold.tsv");
        assert!(OutputFile::check(&same).and_then(|file| file.unless(&input)).is_err());
        assert!(OutputFile::check(&other).and_then(|file| file.unless(&input)).is_ok());
    }

    #[test]
    fn folders_are_refused_before_the_run() {
        let folder = tempfile::tempdir().expect("a temporary folder should be made");
        assert!(OutputFile::check(folder.path()).is_err());
        let missing = OutputFile::check(&folder.path().join("no/such.tsv"))
            .expect_err("it should fail: it has no folder");
        assert!(missing.to_string().contains("there is no folder"), "{missing}");
    }
}
