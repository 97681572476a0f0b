//! `entopic models` lists, downloads and checks the models of the registry.

mod render;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use entopic::{ModelEntry, Registry, Source};

#[cfg(feature = "hub")]
use crate::args::PullArgs;
use crate::args::{CheckArgs, ListArgs, ListFormat, ModelsCommand, ShowArgs};
use crate::failure::Failure;
use crate::text::printable;
use crate::{load, output};

pub(crate) fn run(command: &ModelsCommand) -> Result<ExitCode, Failure> {
    match command {
        ModelsCommand::List(args) => list(args),
        ModelsCommand::Show(args) => show(args),
        #[cfg(feature = "hub")]
        ModelsCommand::Pull(args) => pull(args),
        ModelsCommand::Check(args) => return check(args),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let registry = load::registry(args.registry.as_deref())?;
    let wanted = |entry: &&ModelEntry| args.task.is_none_or(|task| entry.task == task);
    let entries: Vec<&ModelEntry> = registry.entries().iter().filter(wanted).collect();
    match args.format {
        ListFormat::Json => output::print_json(&entries),
        ListFormat::Text => output::print(&render::table(&entries)?),
    }
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let registry = load::registry(args.registry.as_deref())?;
    let entry =
        registry.find(&args.name).ok_or_else(|| unknown(&registry, args.registry.as_deref(), &args.name))?;
    match args.format {
        ListFormat::Json => output::print_json(entry),
        ListFormat::Text => output::print(&render::lines(entry)?),
    }
}

#[cfg(feature = "hub")]
fn pull(args: &PullArgs) -> Result<(), Failure> {
    let registry = load::registry(args.places.registry.as_deref())?;
    let hub = load::hub(&args.places);
    for name in &args.names {
        let fetched = hub.fetch(&registry, name)?;
        match args.format {
            ListFormat::Json => output::print_json(&fetched)?,
            ListFormat::Text => output::print(&render::fetched(&fetched))?,
        }
    }
    Ok(())
}

fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let registry = load::registry(args.places.registry.as_deref())?;
    let mut entries = Vec::new();
    if args.all_bundled {
        entries.extend(registry.entries().iter().filter(|entry| matches!(entry.source, Source::Bundled(_))));
    }
    for name in &args.names {
        let entry = registry.find(name).or_else(|| of_folder(&registry, name));
        entries.push(entry.ok_or_else(|| unknown(&registry, args.places.registry.as_deref(), name))?);
    }
    let mut code = ExitCode::SUCCESS;
    for entry in entries {
        for difference in differences(entry, &registry, args)? {
            output::print(&format!("{}: {}\n", printable(&entry.name), printable(&difference)))?;
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

#[cfg(feature = "hub")]
fn differences(entry: &ModelEntry, registry: &Registry, args: &CheckArgs) -> Result<Vec<String>, Failure> {
    match &entry.source {
        Source::Hub { .. } => {
            let fetched = load::hub(&args.places).fetch_description(registry, &entry.name)?;
            Ok(entry.differences_in(fetched.folder)?)
        }
        _ => Ok(entry.differences()?),
    }
}

#[cfg(not(feature = "hub"))]
fn differences(entry: &ModelEntry, _: &Registry, _: &CheckArgs) -> Result<Vec<String>, Failure> {
    Ok(entry.differences()?)
}

/// The registry's model in the folder `path`.
fn of_folder<'r>(registry: &'r Registry, path: &str) -> Option<&'r ModelEntry> {
    let wanted = fs::canonicalize(path).ok()?;
    registry.entries().iter().find(|entry| match &entry.source {
        Source::Folder(folder) => fs::canonicalize(folder).is_ok_and(|folder| folder == wanted),
        _ => false,
    })
}

/// The error of a model that is not in `registry`, with what it may have meant. `file` is the caller's registry.
fn unknown(registry: &Registry, file: Option<&Path>, name: &str) -> Failure {
    let what = if Path::new(name).is_dir() {
        "the registry has no model in the folder"
    } else {
        "the registry has no model"
    };
    let near: Vec<&str> = registry.nearest(name, |_| true).iter().map(|entry| entry.name.as_str()).collect();
    let similar = match near.as_slice() {
        [] => String::new(),
        near => format!("similar names: {}; ", near.join(", ")),
    };
    let with = file.map_or(String::new(), |file| format!(" --registry {}", file.display()));
    Failure::new(format!("{what} {name:?}; {similar}`entopic models list{with}` shows all"))
}
