use std::collections::HashMap;

use super::machine::{self, Pickled, Value};
use super::message::{damaged, refuse};
use crate::error::Error;

/// The start of the files: pickles of torch's magic number and of its protocol version, 1001.
pub(super) const START: &[u8] =
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.";

/// Reads the format that torch.save wrote before 1.6: after the start, pickles of the machine that wrote the file, of
/// the object and of the keys of its storages; then each storage, its length first. Returns the object and the bytes
/// of its storages.
pub(super) fn read<'a>(file: &'a str, bytes: &'a [u8]) -> Result<(Pickled<'a>, Vec<&'a [u8]>), Error> {
    let bytes = bytes.strip_prefix(START).ok_or_else(|| damaged(file, "its start is missing"))?;
    let (machine, bytes) = machine::read(file, bytes)?;
    let described =
        if let Value::Dict(number) = machine.root { machine.dicts[number].as_slice() } else { &[] };
    let little_endian = |(key, value): &(Value<'_>, Value<'_>)| {
        matches!((key, value), (Value::Text("little_endian"), Value::Bool(true)))
    };
    if !described.iter().any(little_endian) {
        return Err(refuse(file, "it does not say that its byte order is little-endian"));
    }
    let (pickled, bytes) = machine::read(file, bytes)?;
    let (keys, mut bytes) = machine::read(file, bytes)?;
    let keys = if let Value::List(number) = keys.root { keys.lists[number].as_slice() } else { &[] };

    let numbers: HashMap<&str, usize> =
        pickled.storages.iter().enumerate().map(|(number, storage)| (storage.key, number)).collect();
    let mut storages: Vec<Option<&[u8]>> = vec![None; pickled.storages.len()];
    for key in keys {
        let number = if let Value::Text(key) = key { numbers.get(key) } else { None };
        let number =
            *number.ok_or_else(|| damaged(file, "it contains a storage with none of its tensors"))?;
        let storage = &pickled.storages[number];
        let cut = || damaged(file, "it breaks off among its storages");
        let (&len, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let size = storage.dtype.bitsize() / 8;
        let len = usize::try_from(u64::from_le_bytes(len)).ok().and_then(|len| len.checked_mul(size));
        let (numbers, rest) = len.and_then(|len| rest.split_at_checked(len)).ok_or_else(cut)?;
        bytes = rest;
        if storages[number].replace(storage.numbers(file, numbers)?).is_some() {
            return Err(damaged(file, "it contains a storage twice"));
        }
    }
    let storages: Option<Vec<&[u8]>> = storages.into_iter().collect();
    let storages = storages.ok_or_else(|| damaged(file, "it lacks a storage of its tensors"))?;
    Ok((pickled, storages))
}
