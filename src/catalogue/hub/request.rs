use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::catalogue::files::stays_inside;
use crate::catalogue::layout::Part;
use crate::catalogue::registry::ModelFile;
use crate::error::{Error, ErrorKind};

/// A model that is in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FetchedModel {
    /// The id of the model on the hub.
    pub id: String,
    /// The branch, tag or commit that was requested.
    pub revision: String,
    /// The commit of that revision.
    pub commit: String,
    /// The folder with the files; [`Engine`](crate::Engine) loads it from this path, if the weights are among them.
    pub folder: PathBuf,
    /// The files from which the model is loaded, or those that [describe](crate::Hub::fetch_description) it.
    pub files: Vec<FetchedFile>,
    /// The model that provides the tokenizer, if this one has none, with the files of the tokenizer.
    #[serde(default)]
    pub tokenizer: Option<Box<FetchedModel>>,
}

/// One file of a [`FetchedModel`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FetchedFile {
    /// The path of the file inside the model.
    pub path: String,
    /// The size of the file in bytes.
    pub size: u64,
    /// The SHA-256 of the file in lower-case hexadecimal.
    pub sha256: String,
    /// True if this call downloaded it; otherwise it was in the cache.
    pub downloaded: bool,
}

/// A requested model.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) id: &'a str,
    /// The branch, tag or commit; if not given, `main`, the hub's default branch.
    pub(crate) revision: Option<&'a str>,
    /// The registry's entries for its files.
    pub(crate) known: &'a [ModelFile],
    pub(crate) part: Part,
}

/// The longest part of an id that the hub allows.
const LONGEST_NAME: usize = 96;

impl<'a> Wanted<'a> {
    /// Parses `owner/name` or `owner/name@revision`; returns `None` if `name` has another form.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let (id, revision) = match name.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (name, None),
        };
        let wanted = Self { id, revision, known: &[], part: Part::Whole };
        (id.contains('/') && wanted.fault().is_none()).then_some(wanted)
    }

    /// Requests only the tokenizer of the model `name`.
    pub(crate) fn tokenizer(name: &'a str) -> Result<Self, Error> {
        let wanted = Self::parse(name).ok_or_else(|| {
            let message =
                format!("the tokenizer {name:?} is not a model of the hub, which has the form owner/name");
            Error::new(ErrorKind::Registry, message)
        })?;
        Ok(Self { part: Part::Tokenizer, ..wanted })
    }

    /// The fault of the id or the revision, which become parts of URLs and paths.
    pub(super) fn fault(&self) -> Option<String> {
        let part = |part: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            let edge = |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, b'-' | b'.'));
            let bytes = part.as_bytes();
            part.bytes().all(plain)
                && !(edge(bytes.first()) || edge(bytes.last()))
                && !(part.contains("--") || part.contains(".."))
                && part.len() <= LONGEST_NAME
        };
        if self.id.split('/').count() > 2 || !self.id.split('/').all(part) {
            return Some(format!("{:?} is not an id of the hub, which has the form owner/name", self.id));
        }
        let revision = self.revision?;
        let outside = !stays_inside(revision) || revision.contains(char::is_control);
        (outside || revision.len() > 255).then(|| {
            format!("{revision:?} is not a revision of {}; give a branch, a tag or a commit", self.id)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    #[test]
    fn names_of_the_hub_are_distinguished_from_others() {
        for (name, id, revision) in [
            ("dslim/bert-base-NER", "dslim/bert-base-NER", None),
            ("a/b@refs/pr/1", "a/b", Some("refs/pr/1")),
            ("a/b.c_d@v1.0", "a/b.c_d", Some("v1.0")),
        ] {
            let wanted = Wanted::parse(name).expect("it should have the form");
            assert_eq!((wanted.id, wanted.revision), (id, revision));
        }
        for name in [
            "model", "a/b/c", "/a/b", "./a", "../a", "a/..", "a/b@", "a/b@..", "a/b@../x", "a/b@/etc",
            "a b/c", "a/b--c", "a\\b/c", "C:/x", "a/b@x\ny", "", "/", "a/",
        ] {
            assert!(Wanted::parse(name).is_none(), "{name:?}");
        }
    }
}
