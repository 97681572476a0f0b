use crate::catalogue::files::Files;
use crate::catalogue::layout::{Layout, Weights};
use crate::checkpoint::index::Index;
use crate::checkpoint::{Format, WeightFiles};
use crate::error::{Error, ErrorKind};

/// Reads the files of a model's weights.
pub(super) fn read(files: &Files, layout: &Layout) -> Result<WeightFiles, Error> {
    let path = layout.weights.file();
    let (format, ending) = match layout.weights {
        Weights::Safetensors => return single(files, path, Format::Safetensors),
        Weights::Pickle => return single(files, path, Format::Pickle),
        Weights::ShardedSafetensors => (Format::Safetensors, ".safetensors"),
        Weights::ShardedPickle => (Format::Pickle, ".bin"),
        Weights::Onnx(_) | Weights::Ot => {
            let what = match layout.weights {
                Weights::Ot => "is in libtorch's format, which only the libtorch backend reads",
                _ => "is a graph, whose weights are not read",
            };
            let message = format!("{} {what}; give the model as model.safetensors", files.name(path));
            return Err(Error::new(ErrorKind::Weights, message));
        }
    };
    let name = files.name(path);
    let index = Index::parse(&name, &files.read(path, ErrorKind::Weights)?, ending)?;
    // Checked before a shard is read, so that an index with invented names costs nothing.
    if let Some(missing) = index.shards.iter().find(|shard| !layout.shards.contains(shard)) {
        let message = format!(
            "{name} names {missing:?}, which is missing, or whose name is not as in model-00001-of-00002.safetensors; \
             fetch the model again"
        );
        return Err(Error::new(ErrorKind::Weights, message));
    }
    let shard = |shard: &String| Ok((files.name(shard), files.read(shard, ErrorKind::Weights)?));
    let shards = index.shards.iter().map(shard).collect::<Result<_, Error>>()?;
    Ok(WeightFiles::new(format, shards, Some(index)))
}

fn single(files: &Files, path: &str, format: Format) -> Result<WeightFiles, Error> {
    let bytes = files.read(path, ErrorKind::Weights)?;
    Ok(WeightFiles::new(format, vec![(files.name(path), bytes)], None))
}
