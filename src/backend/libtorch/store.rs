//! Copies weights into the variables of rust-bert's models.

use std::collections::HashMap;
use std::io::Cursor;

use tch::{Tensor, nn};

use crate::bytes::Bytes;
use crate::checkpoint::{Checkpoint, WeightFiles};
use crate::error::{Error, ErrorKind};

/// The stored weights of a model.
pub(crate) enum Stored {
    /// Files that the native backend reads, too.
    Files(WeightFiles),
    /// A file in libtorch's format, as rust-bert's converter writes it: its name for messages, and its bytes.
    Ot(String, Bytes),
}

/// Tensors by name. A name may begin with the second of `alias` instead of the first.
pub(super) struct Opened<'a> {
    tensors: Tensors<'a>,
    alias: [&'static str; 2],
    /// The size of the weight files in bytes.
    pub(super) bytes: usize,
}

enum Tensors<'a> {
    Checkpoint(Checkpoint<'a>),
    Ot(&'a str, HashMap<String, Tensor>),
}

impl Stored {
    pub(super) fn open(&self, alias: [&'static str; 2]) -> Result<Opened<'_>, Error> {
        let (tensors, bytes) = match self {
            Self::Files(files) => (Tensors::Checkpoint(files.open(&[alias])?), files.bytes()),
            Self::Ot(file, bytes) => {
                let tensors = Tensor::load_multi_from_stream(Cursor::new(&**bytes)).map_err(|error| {
                    let size = bytes.len();
                    let message =
                        format!("{file} ({size} bytes) is not a file of tensors that libtorch can read");
                    Error::new(ErrorKind::Weights, message).with_source(error)
                })?;
                (Tensors::Ot(file, tensors.into_iter().collect()), bytes.len())
            }
        };
        Ok(Opened { tensors, alias, bytes })
    }
}

impl Opened<'_> {
    /// Sets every variable of `store`. A variable may be missing only if `is_unused` returns true for it.
    pub(super) fn fill(&self, store: &nn::VarStore, is_unused: impl Fn(&str) -> bool) -> Result<(), Error> {
        let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
        // The order is fixed, so that an error always names the same tensor.
        variables.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, mut variable) in variables {
            let shape: Vec<usize> = variable.size().iter().map(|&size| size as usize).collect();
            let tensor = match &self.tensors {
                Tensors::Checkpoint(checkpoint) => from_checkpoint(checkpoint, &name, &shape),
                Tensors::Ot(file, tensors) => from_tensors(file, tensors, &name, &shape, self.alias),
            };
            let tensor = match tensor {
                Err(_) if is_unused(&name) => continue,
                tensor => tensor?,
            };
            variable.f_copy_(&tensor).map_err(|error| {
                Error::new(ErrorKind::Weights, format!("tensor {name:?} cannot be set")).with_source(error)
            })?;
        }
        Ok(())
    }
}

fn from_checkpoint(checkpoint: &Checkpoint<'_>, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
    let values = checkpoint.values(name, shape)?;
    let sizes: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
    Tensor::f_from_slice(&values).and_then(|tensor| tensor.f_reshape(sizes)).map_err(|error| {
        Error::new(ErrorKind::System, format!("tensor {name:?} cannot be made")).with_source(error)
    })
}

fn from_tensors(
    file: &str,
    tensors: &HashMap<String, Tensor>,
    name: &str,
    shape: &[usize],
    [begin, other]: [&str; 2],
) -> Result<Tensor, Error> {
    let refuse = |message: String| Error::new(ErrorKind::Weights, message);
    let alias = name.strip_prefix(begin).map(|rest| format!("{other}{rest}"));
    let found = tensors.get(name).or_else(|| tensors.get(&alias?));
    let found = found
        .ok_or_else(|| refuse(format!("{file} has no tensor {name:?}, which its config.json requires")))?;
    let sizes: Vec<usize> = found.size().iter().map(|&size| size as usize).collect();
    if sizes != shape {
        let message =
            format!("tensor {name:?} in {file} has shape {sizes:?}, but config.json requires {shape:?}");
        return Err(refuse(message));
    }
    let finite = found.f_isfinite().and_then(|finite| finite.f_all()).and_then(|all| i64::try_from(&all));
    match finite {
        Ok(1) => Ok(found.shallow_clone()),
        _ => Err(refuse(format!(
            "tensor {name:?} in {file} has values that are not finite; fetch the file again"
        ))),
    }
}
