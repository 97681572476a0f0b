//! The formats that results are written in.

mod annotation;
mod brat;
mod conll;
mod html;
mod json;
#[cfg(feature = "parquet")]
mod parquet;
pub(crate) mod plain;
mod table;
mod text;
pub(crate) mod writer;

use std::io::{self, Write};
use std::path::PathBuf;

use entopic::TaggedDocument;

use self::writer::{Filed, Problem, Streamed, Writer};
use crate::args::{Format, TagArgs};
use crate::documents::document::Document;
use crate::failure::Failure;
use crate::failures;
use crate::sink::{Folder, Sink};
use crate::style::Style;

pub(crate) use conll::sentence as conll_sentence;
#[cfg(feature = "serve")]
pub(crate) use json::Options as JsonOptions;
pub(crate) use json::TAGGED;

/// A format that is written as one stream, and its destination.
struct Stream<F> {
    format: F,
    out: Sink,
    has_begun: bool,
}

/// A format that is written as files in a folder, and its destination.
struct Files<F> {
    format: F,
    folder: Folder,
}

/// The destination of results.
pub(crate) enum Target {
    Stream(Sink),
    Folder(Folder),
}

impl<F: Streamed> Stream<F> {
    fn begin(&mut self) -> io::Result<()> {
        if !self.has_begun {
            self.has_begun = true;
            self.format.begin(&mut self.out)?;
        }
        Ok(())
    }
}

impl<F: Streamed> Writer for Stream<F> {
    fn write(&mut self, document: &Document, tagged: &TaggedDocument) -> Result<(), Problem> {
        self.begin()?;
        self.format.document(&mut self.out, document, tagged)
    }

    fn failure(&self, error: &io::Error) -> Failure {
        self.out.failure(error)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        let ended = self.begin().and_then(|()| self.format.end(&mut self.out));
        self.out.finish_after(ended)
    }
}

impl<F: Filed> Writer for Files<F> {
    fn write(&mut self, document: &Document, tagged: &TaggedDocument) -> Result<(), Problem> {
        self.format.document(&mut self.folder, document, tagged)
    }

    fn failure(&self, error: &io::Error) -> Failure {
        self.folder.failure(error)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        let ended = self.format.end(&self.folder);
        ended.map_err(|error| self.folder.failure(&error))?;
        self.folder.finish()
    }

    fn failed(&mut self, line: &str) -> io::Result<Option<PathBuf>> {
        self.folder.append(failures::IN_FOLDER, line)?;
        Ok(Some(self.folder.path_of(failures::IN_FOLDER)))
    }

    fn abandon(self: Box<Self>) -> Result<(), Failure> {
        self.folder.abandon()
    }

    fn incomplete(&self) -> Option<String> {
        Some(self.folder.incomplete())
    }
}

/// The writer of the format that the options name.
pub(crate) fn writer(args: &TagArgs, is_one: bool, target: Target) -> Result<Box<dyn Writer>, Failure> {
    fn stream<F: Streamed + 'static>(format: F, out: Sink) -> Box<dyn Writer> {
        Box::new(Stream { format, out, has_begun: false })
    }
    let out = match (target, args.format) {
        (Target::Folder(folder), Format::Html) => {
            return Ok(Box::new(Files { format: html::Pages::default(), folder }));
        }
        (Target::Folder(folder), Format::Brat) => {
            return Ok(Box::new(Files { format: brat::Standoff::default(), folder }));
        }
        (Target::Stream(_), Format::Brat) => {
            return Err(folder_needed("brat has two files per document"));
        }
        (Target::Stream(_), Format::Html) if !is_one => {
            return Err(folder_needed("each document becomes a page"));
        }
        (Target::Folder(_), _) => {
            return Err(Failure::new("this format is written to one file; name a file with --output"));
        }
        (Target::Stream(out), _) => out,
    };
    let json = json::Options { offsets: args.offsets, groups: args.groups };
    Ok(match args.format {
        Format::Text => stream(text::Text::new(Style::of(args.color, &out), is_one), out),
        Format::Json if is_one => stream(json::One(json), out),
        Format::Json => stream(json::List::new(json), out),
        Format::Jsonl => stream(json::Lines(json), out),
        Format::Displacy if is_one => stream(json::One(json::Displacy), out),
        Format::Displacy => stream(json::List::new(json::Displacy), out),
        Format::Annotation => stream(annotation::Annotations, out),
        Format::Conll => stream(conll::Conll, out),
        Format::Csv => stream(table::Table::new(args.offsets), out),
        Format::Html | Format::Brat => stream(html::One, out),
        Format::Parquet => {
            #[cfg(feature = "parquet")]
            return Ok(Box::new(parquet::Table::new(out, args.offsets)?));
            #[cfg(not(feature = "parquet"))]
            return Err(Failure::new("this build cannot write Parquet; build it with the feature parquet"));
        }
    })
}

fn folder_needed(why: &str) -> Failure {
    Failure::new(format!("{why}; name a folder for them with --output DIR/"))
}
