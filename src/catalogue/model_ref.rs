use std::path::{Path, PathBuf};

use super::files::ModelFiles;

/// A model to load: text is a name or a hub id, a [`Path`] is a folder, and [`ModelFiles`] are the files
/// themselves.
///
/// Text is never interpreted as a folder, so that a folder in the working directory cannot take the place of a model.
/// Every function that loads a model accepts anything that converts into this type.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ModelRef {
    /// The name of a model in the [`Registry`](crate::Registry), or with the feature `hub` `owner/name` or
    /// `owner/name@revision` on the Hugging Face hub.
    Name(String),
    /// A folder with `config.json`, weights and tokenizer, as the Hugging Face hub lays them out.
    Folder(PathBuf),
    /// Files in memory.
    Files(ModelFiles),
}

impl From<&str> for ModelRef {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for ModelRef {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<&String> for ModelRef {
    fn from(name: &String) -> Self {
        Self::Name(name.clone())
    }
}

impl From<&Path> for ModelRef {
    fn from(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }
}

impl From<PathBuf> for ModelRef {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

impl From<&PathBuf> for ModelRef {
    fn from(folder: &PathBuf) -> Self {
        Self::Folder(folder.clone())
    }
}

impl From<ModelFiles> for ModelRef {
    fn from(files: ModelFiles) -> Self {
        Self::Files(files)
    }
}
