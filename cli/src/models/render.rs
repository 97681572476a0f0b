//! Models of the registry for people to read.

#[cfg(feature = "hub")]
use entopic::FetchedModel;
use entopic::{ModelEntry, Source};
use serde_json::Value;

use crate::failure::Failure;
use crate::output::json;
use crate::text::printable;

const HEADINGS: [&str; 6] = ["name", "task", "architecture", "languages", "licence", "where"];

/// The maximum number of languages shown for a model; further ones are counted.
const LANGUAGES: usize = 4;

/// A table with headings and one line per model.
pub(super) fn table(entries: &[&ModelEntry]) -> Result<String, Failure> {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    for entry in entries {
        rows.push([
            printable(&entry.name),
            word(&fields(&entry.task)?),
            printable(&entry.architecture),
            languages(&entry.languages),
            entry.licence.as_deref().map_or("-".into(), printable),
            place(&entry.source),
        ]);
    }
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    Ok(rows.iter().map(line).collect())
}

/// All that is known about a model, in the form of a registry file.
pub(super) fn lines(entry: &ModelEntry) -> Result<String, Failure> {
    let fields = fields(entry)?;
    let mut known: Vec<(&String, &Value)> = fields.as_object().into_iter().flatten().collect();
    known.retain(|(_, value)| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
    let first = ["name", "task", "architecture", "source"];
    known.sort_by_key(|(key, _)| {
        (first.iter().position(|other| other == key).unwrap_or(first.len()), *key == "files", *key)
    });
    Ok(known.into_iter().map(|(key, value)| format!("{key} = {}\n", toml(value))).collect())
}

/// The folder and the files of a downloaded model.
#[cfg(feature = "hub")]
pub(super) fn fetched(model: &FetchedModel) -> String {
    let mut text = format!("{}@{}\n", model.id, model.revision);
    text.push_str(&format!("  commit  {}\n  folder  {}\n", model.commit, model.folder.display()));
    let name = model.files.iter().map(|file| file.path.chars().count()).max().unwrap_or(0);
    let size = model.files.iter().map(|file| file.size.to_string().len()).max().unwrap_or(0);
    for file in &model.files {
        let path = printable(&file.path);
        text.push_str(&format!("  {path:<name$}  {:>size$} bytes  sha256 {}\n", file.size, file.sha256));
    }
    text
}

/// A value's fields, converted through text, in which an f32 such as 0.0602 stays as short as it was written.
fn fields(value: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::from_str(&json(value)?)
        .map_err(|error| Failure::because("the model cannot be written as JSON", &error))
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn languages(codes: &[String]) -> String {
    let shown: Vec<String> = codes.iter().take(LANGUAGES).map(|code| printable(code)).collect();
    match codes.len() {
        0 => "-".into(),
        all if all > LANGUAGES => format!("{} +{}", shown.join(","), all - LANGUAGES),
        _ => shown.join(","),
    }
}

fn place(source: &Source) -> String {
    match source {
        Source::Bundled(_) => "in the build".into(),
        Source::Folder(folder) => printable(&folder.display().to_string()),
        Source::Hub { id, .. } => printable(id),
        _ => "elsewhere".into(),
    }
}

/// `value` on one line, except for lists of tables. JSON's strings and numbers are valid in TOML, too.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) if items.iter().all(Value::is_object) => {
            let lines = items.iter().map(|item| format!("  {},\n", toml(item)));
            format!("[\n{}]", lines.collect::<String>())
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let known = fields.iter().filter(|(_, value)| !value.is_null());
            let fields: Vec<String> = known.map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}
