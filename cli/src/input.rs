//! Files that are read as a whole.

use std::path::Path;

use crate::failure::Failure;
use crate::stream::{Opening, Stream};

/// A text and the name of its source.
#[derive(Debug)]
pub(crate) struct Input {
    /// The name in messages, as in [`Stream`].
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Input {
    /// Reads the file `path`, or standard input if it is `-`.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let stream = Stream::open(path, &Opening::new())?;
        Ok(Self { name: stream.name.clone(), text: stream.text()? })
    }

    /// The lines and their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line))
    }
}

#[cfg(test)]
impl Input {
    pub(crate) fn of(text: &str) -> Self {
        Self { name: "test".into(), text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::Input;

    #[test]
    fn lines_are_numbered_and_bare() {
        let lines: Vec<(usize, String)> =
            Input::of("a\r\n\r\nb").lines().map(|(at, line)| (at, line.into())).collect();
        assert_eq!(lines, [(1, "a".into()), (2, String::new()), (3, "b".into())]);
    }
}
