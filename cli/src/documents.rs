//! The documents of a run, one after another.

pub(crate) mod document;
mod files;
mod json;
#[cfg(feature = "parquet")]
mod parquet;
mod table;

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use self::document::{Document, Field, Place, Results, TEXT, Unread};
use self::files::files;
use crate::args::inputs::{InputFormat, Inputs};
use crate::failure::Failure;
use crate::stream::{Advice, Opening, STANDARD_INPUT, Stream};

/// The documents of a run.
pub(crate) struct Documents {
    /// True if the input is one text, whose result is one object, not a list.
    pub(crate) is_one: bool,
    /// The number of files.
    pub(crate) files: usize,
    /// The size of all files in bytes, unless one is not a regular file.
    pub(crate) bytes: Option<u64>,
    /// The number of bytes read from the files so far.
    pub(crate) done: Rc<Cell<u64>>,
    /// True if the next document can be read without waiting for the program that writes it.
    pub(crate) is_ready: Rc<Cell<bool>>,
    all: Results,
    kinds: Vec<Kind>,
}

/// The treatment of blank lines where each line is a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blank {
    Skip,
    Keep,
}

/// The kinds of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Texts, or lines of them.
    Texts,
    /// Lines of JSON.
    Objects,
    /// Rows of tables.
    Rows,
}

impl Kind {
    fn of(format: InputFormat) -> Self {
        match format {
            InputFormat::Text | InputFormat::Lines => Self::Texts,
            InputFormat::Jsonl => Self::Objects,
            InputFormat::Csv | InputFormat::Tsv | InputFormat::Parquet => Self::Rows,
        }
    }
}

impl Documents {
    /// Finds the files. Each is opened when its documents are requested.
    pub(crate) fn find(inputs: &Inputs, blank: Blank) -> Result<Self, Failure> {
        let Inputs { encoding, max_bytes: most, .. } = *inputs;
        let opening = Opening { encoding, advice: Advice::Option, most, ..Opening::new() };
        let files = files(inputs)?;
        // The result for a folder is a list, even if the folder has only one file.
        let is_one = matches!(&files[..], [(_, InputFormat::Text)]) && !inputs.files[0].is_dir();
        let mut kinds: Vec<Kind> = Vec::new();
        for (_, format) in &files {
            let kind = Kind::of(*format);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let size =
            |path: &Path| path.metadata().ok().filter(std::fs::Metadata::is_file).map(|data| data.len());
        let bytes = files.iter().map(|(path, _)| size(path)).sum();
        let (count, done, is_ready) = (files.len(), Rc::clone(&opening.done), Rc::clone(&opening.is_ready));
        let field = inputs.text_field.clone();
        let all = files.into_iter().flat_map(move |(path, format)| {
            of_file(&path, format, field.as_deref(), blank, &opening).unwrap_or_else(|failure| {
                let file = match path == Path::new("-") {
                    true => STANDARD_INPUT.into(),
                    false => path.display().to_string().into(),
                };
                Box::new(std::iter::once(Err(Unread { place: Place { file, line: None }, failure })))
            })
        });
        Ok(Self { is_one, files: count, bytes, done, is_ready, all: Box::new(all), kinds })
    }

    /// The kind of all inputs.
    pub(crate) fn kind(&self) -> Result<Kind, Failure> {
        match self.kinds[..] {
            [kind] => Ok(kind),
            _ => Err(Failure::new(
                "the inputs have several formats, but the output has one; name files of one format",
            )),
        }
    }
}

impl Iterator for Documents {
    type Item = Result<Document, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        self.all.next()
    }
}

/// The documents of a file.
fn of_file(
    path: &Path,
    format: InputFormat,
    field: Option<&str>,
    blank: Blank,
    opening: &Opening,
) -> Result<Results, Failure> {
    if format == InputFormat::Parquet {
        if path
            .extension()
            .is_some_and(|ending| ["gz", "zst"].iter().any(|packed| ending.eq_ignore_ascii_case(packed)))
        {
            let message = format!(
                "{} is a compressed Parquet file, which cannot be read; decompress it first",
                path.display()
            );
            return Err(Failure::new(message));
        }
        #[cfg(feature = "parquet")]
        return parquet::read(path, field, opening);
        #[cfg(not(feature = "parquet"))]
        return Err(Failure::new("this build cannot read Parquet; build it with the feature parquet"));
    }
    let stream = Stream::open(path, opening)?;
    let file: Rc<str> = stream.name.as_str().into();
    Ok(match format {
        InputFormat::Text | InputFormat::Parquet => {
            let place = Place { file, line: None };
            Box::new(std::iter::once(match stream.text() {
                Ok(text) => Ok(plain(place, text, None)),
                Err(failure) => Err(Unread { place, failure }),
            }))
        }
        InputFormat::Lines => {
            Box::new(lines(stream, blank, |place, text, end| Ok(plain(place, text, Some(end)))))
        }
        InputFormat::Jsonl => {
            let field = field.unwrap_or(TEXT).to_owned();
            Box::new(lines(stream, Blank::Skip, move |place, line, _| json::read(place, &line, &field)))
        }
        InputFormat::Csv => table::read(stream, b',', field)?,
        InputFormat::Tsv => table::read(stream, b'\t', field)?,
    })
}

/// A document that is only a text.
fn plain(place: Place, text: String, end: Option<&'static str>) -> Document {
    let mut fields = vec![("file".to_owned(), Field::of(&*place.file))];
    fields.extend(place.line.map(|line| ("line".to_owned(), Field::of(&line))));
    fields.push((TEXT.to_owned(), Field::Text));
    Document { place, text, fields, end }
}

/// The documents of the lines.
fn lines(
    mut stream: Stream,
    blank: Blank,
    read: impl Fn(Place, String, &'static str) -> Result<Document, Unread>,
) -> impl Iterator<Item = Result<Document, Unread>> {
    let file: Rc<str> = stream.name.as_str().into();
    std::iter::from_fn(move || stream.line()).filter_map(move |line| {
        let place = Place { file: Rc::clone(&file), line: Some(line.number) };
        match line.text {
            Ok(text) if blank == Blank::Skip && text.trim().is_empty() => None,
            Ok(text) => Some(read(place, text, line.end)),
            Err(failure) => Some(Err(Unread { place, failure })),
        }
    })
}

#[cfg(test)]
mod tests;
