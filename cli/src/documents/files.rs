//! The files of a run, and their formats by their names.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::args::inputs::{InputFormat, Inputs};
use crate::failure::Failure;
use crate::output;

/// Files of a run and the format of each.
type Files = Vec<(PathBuf, InputFormat)>;

/// The maximum number of skipped files that a note lists.
const SHOWN: usize = 5;

/// The files that the arguments name, in their order, and the files in folders among them, sorted by name.
pub(super) fn files(inputs: &Inputs) -> Result<Files, Failure> {
    let given = inputs.format();
    let mut files = Files::new();
    let (mut skipped, mut links) = (Vec::new(), Vec::new());
    for path in &inputs.files {
        if !path.is_dir() {
            files.push((path.clone(), format_of(path, given)?));
            continue;
        }
        let is_hidden = |entry: &walkdir::DirEntry| {
            entry.depth() > 0 && entry.file_name().to_str().is_some_and(|name| name.starts_with('.'))
        };
        for entry in
            WalkDir::new(path).sort_by_file_name().into_iter().filter_entry(|entry| !is_hidden(entry))
        {
            let entry = entry
                .map_err(|error| Failure::because(format!("{} cannot be read", path.display()), &error))?;
            if !entry.path().is_file() {
                // A link may lead back to a folder that contains it.
                if entry.path_is_symlink() && entry.path().is_dir() {
                    links.push(entry.into_path());
                }
                continue;
            }
            match by_name(entry.path()) {
                Some(format) => files.push((entry.into_path(), given.unwrap_or(format))),
                None => skipped.push(entry.into_path()),
            }
        }
    }
    note("files with other endings", &skipped);
    note("linked folders", &links);
    if files.is_empty() {
        return Err(Failure::new(
            "the folder has no file to read: .txt, .md, .jsonl, .ndjson, .csv, .tsv or .parquet, or one of these with .gz or \
             .zst; name files with other endings one by one",
        ));
    }
    Ok(files)
}

/// Prints a note about the `paths` that are skipped.
fn note(what: &str, paths: &[PathBuf]) {
    if paths.is_empty() {
        return;
    }
    let names: Vec<String> = paths.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
    let more = if paths.len() > SHOWN { ", …" } else { "" };
    output::warn(&format!("note: {} {what} are not read: {}{more}", paths.len(), names.join(", ")));
}

/// The format of a file that an argument names.
fn format_of(path: &Path, given: Option<InputFormat>) -> Result<InputFormat, Failure> {
    if let Some(format) = given {
        return Ok(format);
    }
    let name = name(path);
    if name.ends_with(".json") {
        return Err(Failure::new(format!(
            "{} may be JSON or JSON lines; for one object per line, add --input-format jsonl; to tag the file as one \
             text, add --input-format text",
            path.display()
        )));
    }
    Ok(by_name(path).unwrap_or(InputFormat::Text))
}

/// The format that the ending of a name indicates.
fn by_name(path: &Path) -> Option<InputFormat> {
    let name = name(path);
    match name.rsplit_once('.')?.1 {
        "txt" | "text" | "md" => Some(InputFormat::Text),
        "jsonl" | "ndjson" => Some(InputFormat::Jsonl),
        "csv" => Some(InputFormat::Csv),
        "tsv" => Some(InputFormat::Tsv),
        "parquet" => Some(InputFormat::Parquet),
        _ => None,
    }
}

/// The name of a file in lower case, without the ending of its compression.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = [".gz", ".zst"].into_iter().find_map(|ending| name.strip_suffix(ending));
    plain.unwrap_or(&name).to_owned()
}
