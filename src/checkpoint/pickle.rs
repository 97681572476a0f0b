//! Reads PyTorch's files of plain state dicts, without running anything in them.

mod archive;
mod legacy;
mod machine;
mod message;

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::Dtype;

use self::machine::{Value, View};
use self::message::{clip, damaged, refuse};
use super::tensor::Tensor;
use crate::error::{Error, ErrorKind};

/// The tensors of one file.
pub(super) struct StateDict<'a> {
    /// The indices of the tensors, by name; several names may have one index.
    names: HashMap<&'a str, usize>,
    views: Vec<View>,
    storages: Vec<(Dtype, &'a [u8])>,
}

/// The largest ratio of the size of all tensors to that of their file. Tensors may share a storage: a tied weight
/// appears two to four times. With more sharing, a small file could fill the memory.
const MOST_SHARING: usize = 8;

impl<'a> StateDict<'a> {
    /// Reads the file `file`, a name for messages, whose content is `bytes`.
    pub(super) fn open(file: &'a str, bytes: &'a [u8]) -> Result<Self, Error> {
        let (mut pickled, storages) = if bytes.starts_with(b"PK\x03\x04") {
            archive::read(file, bytes)?
        } else if bytes.starts_with(legacy::START) {
            legacy::read(file, bytes)?
        } else {
            let message = format!("{file} ({} bytes) is not a file that torch.save wrote", bytes.len());
            return Err(Error::new(ErrorKind::Weights, format!("{message}; fetch it again")));
        };
        let Value::Dict(root) = pickled.root else {
            return Err(refuse(file, &format!("it contains {}, not a state dict", pickled.root.kind())));
        };
        let dtypes = pickled.storages.iter().map(|storage| storage.dtype);
        let mut state =
            Self { names: HashMap::new(), views: pickled.tensors, storages: dtypes.zip(storages).collect() };
        let mut total = 0_usize;
        for (key, value) in std::mem::take(&mut pickled.dicts[root]) {
            let Value::Text(name) = key else {
                return Err(refuse(file, &format!("a key of its dict is {}, not a string", key.kind())));
            };
            let Value::Tensor(number) = value else {
                let what = format!("{:?} in its dict is {}, not a tensor", clip(name), value.kind());
                return Err(refuse(file, &what));
            };
            total = total.saturating_add(state.size(number));
            if state.names.insert(name, number).is_some() {
                return Err(damaged(file, &format!("it has two tensors {:?}", clip(name))));
            }
        }
        if total > bytes.len().saturating_mul(MOST_SHARING) {
            let what = format!("its tensors share storages so much that they have {total} bytes");
            return Err(refuse(file, &what));
        }
        if !state.names.is_empty() && state.names().all(|name| name.starts_with("module.")) {
            return Err(refuse(file, "all names in it start with \"module.\", as DataParallel writes them"));
        }
        Ok(state)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().copied()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    pub(super) fn tensor(&self, name: &str) -> Option<Tensor<'a>> {
        let view = &self.views[*self.names.get(name)?];
        let (dtype, bytes) = self.storages[view.storage];
        Some(Tensor { dtype, shape: view.shape.clone(), bytes: row_major(view, dtype, bytes) })
    }

    /// The size of the tensor `number` in bytes.
    fn size(&self, number: usize) -> usize {
        let view = &self.views[number];
        view.len * (self.storages[view.storage].0.bitsize() / 8)
    }
}

/// The numbers of `view`, row-major: a part of its storage, or a copy if the strides are different. `Machine::view`
/// checked that all of them lie within the storage.
fn row_major<'a>(view: &View, dtype: Dtype, storage: &'a [u8]) -> Cow<'a, [u8]> {
    let View { offset, ref shape, ref strides, len, .. } = *view;
    let size = dtype.bitsize() / 8;
    if len == 0 {
        return Cow::Borrowed(&[]);
    }
    let mut expected = 1;
    let contiguous = shape.iter().zip(strides).rev().all(|(&count, &stride)| {
        let fits = count == 1 || stride == expected;
        expected *= count;
        fits
    });
    if contiguous {
        return Cow::Borrowed(&storage[offset * size..][..len * size]);
    }
    let mut bytes = Vec::with_capacity(len * size);
    let mut at = vec![0; shape.len()];
    for _ in 0..len {
        let number = offset + at.iter().zip(strides).map(|(at, stride)| at * stride).sum::<usize>();
        bytes.extend_from_slice(&storage[number * size..][..size]);
        for (at, &count) in at.iter_mut().zip(shape).rev() {
            *at += 1;
            if *at < count {
                break;
            }
            *at = 0;
        }
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests;
