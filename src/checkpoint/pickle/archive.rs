use std::collections::HashMap;

use rawzip::{CompressionMethod, ZipArchive, ZipSliceArchive};

use super::machine::{self, Pickled};
use super::message::{damaged, refuse};
use crate::error::Error;

/// Reads the format that torch.save has written since 1.6: a zip archive of uncompressed entries, `<name>/data.pkl`
/// and a `<name>/data/<key>` for each storage. Returns the pickle and the bytes of its storages.
pub(super) fn read<'a>(file: &'a str, bytes: &'a [u8]) -> Result<(Pickled<'a>, Vec<&'a [u8]>), Error> {
    let archive = ZipArchive::from_slice(bytes).map_err(|error| broken(file, error))?;
    let entries = entries(file, &archive, bytes)?;
    let entry = |name: &str| entries.get(name.as_bytes()).copied();
    if entry("byteorder").is_some_and(|order| order != b"little") {
        return Err(refuse(file, "it is in big-endian byte order"));
    }
    let pickle = entry("data.pkl").ok_or_else(|| {
        refuse(file, "it is a zip archive without data.pkl, and so not one that torch.save wrote")
    })?;
    let (pickled, _) = machine::read(file, pickle)?;
    let storages = pickled.storages.iter().map(|storage| {
        let name = format!("data/{}", storage.key);
        let bytes = entry(&name).ok_or_else(|| damaged(file, &format!("it has no entry {name:.60}")))?;
        storage.numbers(file, bytes)
    });
    let storages = storages.collect::<Result<_, _>>()?;
    Ok((pickled, storages))
}

/// The entries, as parts of the archive's `bytes`, by their names without the archive's folder.
fn entries<'n, 'a>(
    file: &str,
    archive: &'n ZipSliceArchive<&[u8]>,
    bytes: &'a [u8],
) -> Result<HashMap<&'n [u8], &'a [u8]>, Error> {
    let mut folder: Option<&[u8]> = None;
    let mut found = HashMap::new();
    let mut ranges = Vec::new();
    for entry in archive.entries() {
        let entry = entry.map_err(|error| broken(file, error))?;
        let name = entry.file_path().as_bytes();
        let shown = || name.escape_ascii().to_string();
        let strange = |what: &str| refuse(file, &format!("its entry {:.60} {what}", shown()));
        if entry.compression_method() != CompressionMethod::STORE {
            return Err(strange("is compressed"));
        }
        if entry.flags().is_encrypted() {
            return Err(strange("is encrypted"));
        }
        let place = archive.get_entry(entry.wayfinder()).map_err(|error| broken(file, error))?;
        let (start, end) = place.compressed_data_range();
        if end - start != entry.uncompressed_size_hint() {
            return Err(damaged(file, &format!("its entry {:.60} has two lengths", shown())));
        }
        ranges.push((entry.local_header_offset(), end));
        let Some(slash) = name.iter().position(|&byte| byte == b'/') else {
            return Err(strange("is in no folder, but torch.save puts all entries into one"));
        };
        let (top, inner) = (&name[..slash], &name[slash + 1..]);
        if *folder.get_or_insert(top) != top || name.split(|&byte| byte == b'/').any(is_dots) {
            return Err(strange("is not in the folder of the others"));
        }
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let data = range.and_then(|(start, end)| bytes.get(start..end));
        let data = data.ok_or_else(|| damaged(file, "an entry of its zip archive lies outside it"))?;
        if found.insert(inner, data).is_some() {
            return Err(damaged(file, &format!("its archive has the entry {:.60} twice", shown())));
        }
    }
    if ranges.len() as u64 != archive.entries_hint() {
        return Err(damaged(file, "its zip archive does not have as many entries as it says"));
    }
    ranges.sort_unstable();
    if ranges.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(refuse(file, "entries of its zip archive overlap"));
    }
    Ok(found)
}

fn broken(file: &str, error: rawzip::Error) -> Error {
    damaged(file, "its zip archive is not whole").with_source(error)
}

fn is_dots(part: &[u8]) -> bool {
    part == b"." || part == b".."
}
