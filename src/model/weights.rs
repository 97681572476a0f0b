use std::borrow::Cow;

use super::layout::{Layout, Weights};
use super::source::Files;
use crate::engine::{Checkpoint, Format, Index};
use crate::error::{Error, ErrorKind};

/// The bytes of a model's weights: one file, or the shards of an index.
pub(super) struct WeightFiles {
    format: Format,
    /// Each with what messages call it.
    files: Vec<(String, Cow<'static, [u8]>)>,
    index: Option<Index>,
}

/// Reads the files of a model's weights.
pub(super) fn read(files: &Files, layout: &Layout) -> Result<WeightFiles, Error> {
    let path = layout.weights.file();
    let (format, ending) = match layout.weights {
        Weights::Safetensors => return WeightFiles::single(files, path, Format::Safetensors),
        Weights::Pickle => return WeightFiles::single(files, path, Format::Pickle),
        Weights::ShardedSafetensors => (Format::Safetensors, ".safetensors"),
        Weights::ShardedPickle => (Format::Pickle, ".bin"),
        Weights::Onnx(_) => {
            let message = format!(
                "{} is a graph, whose weights are not read; give the model as model.safetensors",
                files.name(path)
            );
            return Err(Error::new(ErrorKind::Weights, message));
        }
    };
    let name = files.name(path);
    let index = Index::parse(&name, &files.read(path, ErrorKind::Weights)?, ending)?;
    // Before any is read, so that what an index makes up costs nothing.
    if let Some(missing) = index.shards.iter().find(|shard| !layout.shards.contains(shard)) {
        let message = format!(
            "{name} names {missing:?}, which is missing, or not named as transformers names the parts of weights"
        );
        return Err(Error::new(ErrorKind::Weights, message));
    }
    let shard = |shard: &String| Ok((files.name(shard), files.read(shard, ErrorKind::Weights)?));
    let shards = index.shards.iter().map(shard).collect::<Result<_, Error>>()?;
    Ok(WeightFiles { format, files: shards, index: Some(index) })
}

impl WeightFiles {
    fn single(files: &Files, path: &str, format: Format) -> Result<Self, Error> {
        let bytes = files.read(path, ErrorKind::Weights)?;
        Ok(Self { format, files: vec![(files.name(path), bytes)], index: None })
    }

    /// Their tensors; `aliases` tells what names may begin with instead.
    pub(super) fn open(&self, aliases: &[[&'static str; 2]]) -> Result<Checkpoint<'_>, Error> {
        let files: Vec<(&str, &[u8])> =
            self.files.iter().map(|(name, bytes)| (name.as_str(), &**bytes)).collect();
        Checkpoint::open_as(self.format, &files, self.index.as_ref(), aliases)
    }
}
