//! Finds the files of the model that a caller asks for.

use std::path::Path;

use super::profile::Profile;
use super::resources::Resources;
use crate::catalogue::files::Files;
#[cfg(feature = "hub")]
use crate::catalogue::hub::request::Wanted;
#[cfg(feature = "hub")]
use crate::catalogue::layout::Part;
use crate::catalogue::model_ref::ModelRef;
use crate::catalogue::registry::{ModelEntry, Source, Task};
use crate::error::{Error, ErrorKind};

/// A model that was found.
pub(super) struct Located {
    pub(super) name: String,
    pub(super) files: Files,
    /// The files of the model that provides its tokenizer, if that is another model.
    pub(super) tokenizer: Option<Files>,
    pub(super) profile: Profile,
}

impl Located {
    /// A model that is not in a registry.
    fn alone(name: String, files: Files) -> Self {
        Self { name, files, tokenizer: None, profile: Profile::default() }
    }
}

/// Finds the files of `model`, which should do one of `tasks`.
pub(super) fn locate(resources: &Resources, model: ModelRef, tasks: &[Task]) -> Result<Located, Error> {
    let name = match model {
        ModelRef::Folder(folder) => {
            return Ok(Located::alone(folder.display().to_string(), Files::folder(&folder, &[])));
        }
        ModelRef::Files(files) => {
            let files = Files::memory(files);
            return Ok(Located::alone(files.origin.clone(), files));
        }
        ModelRef::Name(name) => name,
    };
    let Some(entry) = resources.registry.find(&name) else {
        #[cfg(feature = "hub")]
        if let Some(wanted) = Wanted::parse(&name) {
            let files = fetch(resources, wanted).map_err(|error| match error.kind() {
                ErrorKind::UnknownModel if Path::new(&name).is_dir() => unknown(resources, &name, tasks),
                _ => error,
            })?;
            return Ok(Located::alone(name, files));
        }
        return Err(unknown(resources, &name, tasks));
    };
    let files = match &entry.source {
        Source::Bundled(name) => Files::bundled(name)?,
        Source::Folder(folder) => Files::folder(folder, &entry.files),
        Source::Hub { id, revision } => from_hub(resources, entry, id, revision.as_deref())?,
    };
    let tokenizer = match &entry.tokenizer {
        Some(other) if files.tokenizer().is_err() => other_tokenizer(resources, other)?,
        _ => None,
    };
    Ok(Located { name, files, tokenizer, profile: Profile::of(entry) })
}

/// The error of a `name` that cannot be found, with what it may have meant.
fn unknown(resources: &Resources, name: &str, tasks: &[Task]) -> Error {
    let path = Path::new(name);
    let hint = if path.is_dir() {
        format!("it is a folder; give Path::new({name:?}), because text is the name of a model")
    } else if path.is_file() {
        format!(
            "it is a file; give the folder of the model, as Path::new({:?})",
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
        )
    } else {
        let hub = if cfg!(feature = "hub") {
            "owner/name on the Hugging Face hub"
        } else {
            "owner/name on the Hugging Face hub (in builds with the feature `hub`)"
        };
        let suggestion = resources.registry.suggestion(name, |entry| tasks.contains(&entry.task));
        format!("{suggestion}give a name of the registry, {hub}, or a folder as a Path")
    };
    Error::new(ErrorKind::UnknownModel, format!("no model is named {name:?}; {hint}"))
}

/// The files of a registry's model on the hub.
#[cfg(feature = "hub")]
fn from_hub(
    resources: &Resources,
    entry: &ModelEntry,
    id: &str,
    revision: Option<&str>,
) -> Result<Files, Error> {
    fetch(resources, Wanted { id, revision, known: &entry.files, part: Part::Whole })
}

/// The files of a registry's model on the hub.
#[cfg(not(feature = "hub"))]
fn from_hub(_: &Resources, entry: &ModelEntry, id: &str, _: Option<&str>) -> Result<Files, Error> {
    let message = format!(
        "the model {:?} is on the Hugging Face hub, but this build of entopic does not download; build it with the \
         feature `hub`, or put the files of {id} into a folder and load that as a Path",
        entry.name
    );
    Err(Error::new(ErrorKind::ModelUnavailable, message))
}

/// The files of the tokenizer of the model `id` of the hub, which another model uses.
#[cfg(feature = "hub")]
fn other_tokenizer(resources: &Resources, id: &str) -> Result<Option<Files>, Error> {
    fetch(resources, Wanted::tokenizer(id)?).map(Some)
}

/// The files of the tokenizer of the model `id` of the hub, which another model uses.
#[cfg(not(feature = "hub"))]
fn other_tokenizer(_: &Resources, _: &str) -> Result<Option<Files>, Error> {
    Ok(None)
}

/// The files of a model on the hub.
#[cfg(feature = "hub")]
fn fetch(resources: &Resources, wanted: Wanted<'_>) -> Result<Files, Error> {
    let fetched = resources.hub.find_or_fetch(wanted, &resources.registry)?;
    Ok(Files::folder(&fetched.folder, wanted.known))
}
