use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::error::{Error, ErrorKind};

/// The index of weights in several files, such as `model.safetensors.index.json`.
pub(crate) struct Index {
    /// The name of the index in messages.
    pub(super) file: String,
    /// The files that it names, in its order.
    pub(crate) shards: Vec<String>,
    /// The shard of each tensor.
    pub(super) places: HashMap<String, usize>,
}

/// The most shards of a model. transformers begins a new shard every 5 GB, and no model that runs on a CPU has so
/// many.
const MOST_SHARDS: usize = 1024;

#[derive(Deserialize)]
struct Json {
    weight_map: Pairs,
}

/// The pairs of a JSON object, including those that share a name.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a file for each tensor")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl Index {
    /// Parses the index `file`, a name for messages. The names of its shards must end with `ending`.
    pub(crate) fn parse(file: &str, json: &[u8], ending: &str) -> Result<Self, Error> {
        let refuse = |message: String| Error::new(ErrorKind::Weights, format!("{file} {message}"));
        let Json { weight_map: Pairs(pairs) } = serde_json::from_slice(json).map_err(|error| {
            refuse("is not an index of weights (`weight_map`: the file of each tensor)".to_owned())
                .with_source(error)
        })?;
        if pairs.is_empty() {
            return Err(refuse("names no tensors".to_owned()));
        }
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut index = Self { file: file.to_owned(), shards: Vec::new(), places: HashMap::new() };
        for (tensor, shard) in pairs {
            let number = match numbers.get(&shard) {
                Some(&number) => number,
                None => {
                    if !is_plain(&shard) || !shard.ends_with(ending) {
                        let message = format!(
                            "puts the tensor {tensor:?} into {shard:?}, which is not the name of a file in the \
                             same folder that ends with {ending}; it is not read"
                        );
                        return Err(refuse(message));
                    }
                    if index.shards.len() == MOST_SHARDS {
                        return Err(refuse(format!("names more than {MOST_SHARDS} files")));
                    }
                    index.shards.push(shard.clone());
                    numbers.insert(shard, index.shards.len() - 1);
                    index.shards.len() - 1
                }
            };
            if let Some(other) = index.places.insert(tensor.clone(), number)
                && other != number
            {
                let [one, two] = [other, number].map(|number| &index.shards[number]);
                return Err(refuse(format!("puts the tensor {tensor:?} into both {one} and {two}")));
            }
        }
        Ok(index)
    }
}

/// Returns whether `name` names a file in the same folder.
fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && !name.contains(['/', '\\', ':']) && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::{Index, MOST_SHARDS};

    fn parse(json: &str) -> Result<Index, String> {
        let parsed = Index::parse("an/index.json", json.as_bytes(), ".bin");
        parsed.map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn the_shards_are_those_named() {
        let json =
            r#"{"metadata": {"total_size": 4}, "weight_map": {"a": "2.bin", "b": "1.bin", "c": "2.bin"}}"#;
        let index = parse(json).expect("it should be an index");
        assert_eq!(index.shards, ["2.bin", "1.bin"]);
        assert_eq!([index.places["a"], index.places["b"], index.places["c"]], [0, 1, 0]);
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for (json, says) in [
            ("[]", "weight_map"),
            ("{", "weight_map"),
            (r#"{"metadata": {}}"#, "weight_map"),
            (r#"{"weight_map": {"a": 1}}"#, "weight_map"),
            (r#"{"weight_map": {"a": "1.bin"}, "weight_map": {}}"#, "weight_map"),
            (r#"{"weight_map": {}}"#, "no tensors"),
            (r#"{"weight_map": {"a": "1.bin", "a": "2.bin"}}"#, "both 1.bin and 2.bin"),
            (r#"{"weight_map": {"a": "../x.bin"}}"#, "../x.bin"),
            (r#"{"weight_map": {"a": "..\\x.bin"}}"#, "x.bin"),
            (r#"{"weight_map": {"a": "C:x.bin"}}"#, "C:x.bin"),
            (r#"{"weight_map": {"a": "/etc/x.bin"}}"#, "/etc/x.bin"),
            (r#"{"weight_map": {"a": "inner/x.bin"}}"#, "inner/x.bin"),
            (r#"{"weight_map": {"a": ".bin"}}"#, ".bin"),
            (r#"{"weight_map": {"a": ""}}"#, "ends with .bin"),
            (r#"{"weight_map": {"a": "index.json"}}"#, "ends with .bin"),
            (r#"{"weight_map": {"a": "1.safetensors"}}"#, "ends with .bin"),
        ] {
            let error = parse(json).err().expect("it should be no index");
            assert!(error.contains(says) && error.contains("an/index.json"), "{json}: {error}");
        }
    }

    #[test]
    fn thousands_of_shards_are_refused() {
        let map = |shards: usize| {
            let pairs: Vec<String> =
                (0..shards).map(|shard| format!(r#""{shard}": "{shard}.bin""#)).collect();
            format!(r#"{{"weight_map": {{{}}}}}"#, pairs.join(","))
        };
        assert_eq!(parse(&map(MOST_SHARDS)).expect("they should be few enough").shards.len(), MOST_SHARDS);
        assert!(parse(&map(MOST_SHARDS + 1)).err().expect("they should be too many").contains("more than"));
    }
}
