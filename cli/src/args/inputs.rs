//! The documents that a command reads.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use encoding_rs::Encoding;
use entopic::Limits;

use crate::failure::Failure;

/// The default of --max-bytes: more than any book, and less than the memory of any server.
pub(crate) const MOST_BYTES: u64 = 256 << 20;

/// The documents.
#[derive(Clone, Debug, Args)]
pub(crate) struct Inputs {
    /// Files, folders (their .txt, .md, .jsonl, .csv, .tsv and .parquet files, except hidden ones), or `-` for standard
    /// input. The ending of a file's name decides how it is read: as JSON lines (.jsonl, .ndjson), as a table (.csv,
    /// .tsv, .parquet), or else as one text; all but Parquet may be compressed (gzip, Zstandard)
    #[arg(required = true, value_name = "FILE|DIR|-")]
    pub(crate) files: Vec<PathBuf>,
    /// The format of the inputs [default: from the endings of their names]
    #[arg(long, value_enum)]
    pub(crate) input_format: Option<InputFormat>,
    /// Read each line as a document; short for --input-format lines
    #[arg(long, conflicts_with = "input_format")]
    pub(crate) lines: bool,
    /// The field (JSON lines) or column (tables) with the text [default: text, or the only column]
    #[arg(long, visible_alias = "text-column", value_name = "NAME")]
    pub(crate) text_field: Option<String>,
    /// The encoding of text files, such as windows-1252 or shift_jis [default: UTF-8, or UTF-16 if a file looks like
    /// it]
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    pub(crate) encoding: Option<&'static Encoding>,
    /// The maximum size of one text, line or row, after decompression, and of Parquet on standard input. A longer one
    /// fails; the others are still read, except later rows of the same CSV file
    #[arg(long, value_name = "BYTES", default_value_t = MOST_BYTES, value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    pub(crate) max_bytes: u64,
}

impl Inputs {
    /// The format of all inputs, if an option names it.
    pub(crate) fn format(&self) -> Option<InputFormat> {
        if self.lines { Some(InputFormat::Lines) } else { self.input_format }
    }

    /// The limits of a call with one of the texts.
    pub(crate) fn limits(&self) -> Limits {
        Limits::new().max_bytes(usize::try_from(self.max_bytes).unwrap_or(usize::MAX))
    }

    /// Refuses an output path that is one of the inputs, or is inside an input folder, where the next run would read
    /// it.
    pub(crate) fn refuse_as_output(&self, path: &Path) -> Result<(), Failure> {
        let name = path.display();
        // The output need not exist yet, but its folder must.
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let place = folder.canonicalize().ok().zip(path.file_name()).map(|(folder, name)| folder.join(name));
        for (input, file) in self.files.iter().filter_map(|file| Some((file.canonicalize().ok()?, file))) {
            if path.canonicalize().is_ok_and(|path| path == input) {
                return Err(Failure::new(format!("{name} is an input; name another file for the output")));
            }
            if input.is_dir() && place.as_ref().is_some_and(|place| place.starts_with(&input)) {
                return Err(Failure::new(format!(
                    "{name} is inside the input folder {}; choose an output path outside it",
                    file.display()
                )));
            }
        }
        Ok(())
    }
}

fn encoding(name: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label_no_replacement(name.as_bytes())
        .ok_or_else(|| "this encoding is unknown; https://encoding.spec.whatwg.org/ lists the names".into())
}

/// The format of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    /// One text
    Text,
    /// One document per non-blank line
    Lines,
    /// One object per line, with the text in one field
    Jsonl,
    /// Comma-separated, with a header row
    Csv,
    /// Tab-separated, with a header row
    Tsv,
    /// Apache Parquet
    Parquet,
}
