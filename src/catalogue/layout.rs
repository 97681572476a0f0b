//! The choice of the files to read among a model's files, wherever they are.

use crate::error::{Error, ErrorKind};

/// The files from which a model is loaded, chosen from those that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) description: Description,
    pub(crate) weights: Weights,
    /// The files to which `weights` refers, as far as they exist.
    pub(crate) shards: Vec<String>,
}

/// The files that say what a model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) config: &'static str,
    /// `None` if the model has no tokenizer.
    pub(crate) tokenizer: Option<Tokenizer>,
    /// The existing configs, and the existing files that refine the config or the tokenizer.
    beside: Vec<String>,
}

/// The wanted part of a model. The files of each part are among those of the next, and the files of a smaller part
/// are never all files of a larger one, so the existing files show which parts are complete.
#[cfg(feature = "hub")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The files of its tokenizer.
    Tokenizer,
    /// All files but the weights.
    Description,
    Whole,
}

/// The files of a tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tokenizer {
    /// `tokenizer.json`, which is complete.
    Json,
    /// WordPiece: `vocab.txt`.
    Vocabulary,
    /// Byte-level BPE: `vocab.json` and `merges.txt`.
    Merges,
    /// A SentencePiece model, of this name.
    SentencePiece(&'static str),
}

/// The files of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weights {
    Safetensors,
    /// Several safetensors files and an index of their tensors.
    ShardedSafetensors,
    /// PyTorch's pickle of a state dict.
    Pickle,
    /// Several pickles and an index of their tensors.
    ShardedPickle,
    /// libtorch's format, as rust-bert's converter writes it.
    Ot,
    /// An ONNX graph at this path; the weights are in it, or in files next to it.
    Onnx(&'static str),
}

/// Configs, the preferred one first: the config.json next to a gliner_config.json does not describe the model.
const CONFIGS: [&str; 2] = ["gliner_config.json", "config.json"];

const SENTENCE_PIECES: [&str; 4] =
    ["spm.model", "sentencepiece.bpe.model", "spiece.model", "sentencepiece.model"];

/// Weights, the preferred ones first. Safetensors files are read fastest, and pickles only in their absence. The most
/// exact graphs come first; their names are those of optimum and of transformers.js.
const WEIGHTS: [(&str, Weights); 17] = [
    ("model.safetensors", Weights::Safetensors),
    ("model.safetensors.index.json", Weights::ShardedSafetensors),
    ("pytorch_model.bin", Weights::Pickle),
    ("pytorch_model.bin.index.json", Weights::ShardedPickle),
    ("model.onnx", Weights::Onnx("model.onnx")),
    ("onnx/model.onnx", Weights::Onnx("onnx/model.onnx")),
    ("model_fp16.onnx", Weights::Onnx("model_fp16.onnx")),
    ("onnx/model_fp16.onnx", Weights::Onnx("onnx/model_fp16.onnx")),
    ("model_quantized.onnx", Weights::Onnx("model_quantized.onnx")),
    ("onnx/model_quantized.onnx", Weights::Onnx("onnx/model_quantized.onnx")),
    ("model_int8.onnx", Weights::Onnx("model_int8.onnx")),
    ("onnx/model_int8.onnx", Weights::Onnx("onnx/model_int8.onnx")),
    ("model_uint8.onnx", Weights::Onnx("model_uint8.onnx")),
    ("onnx/model_uint8.onnx", Weights::Onnx("onnx/model_uint8.onnx")),
    ("model_q4.onnx", Weights::Onnx("model_q4.onnx")),
    ("onnx/model_q4.onnx", Weights::Onnx("onnx/model_q4.onnx")),
    ("rust_model.ot", Weights::Ot),
];

/// Files that refine a model's config or its tokenizer.
const REFINEMENTS: [&str; 6] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "modules.json",
    "1_Pooling/config.json",
    "config_sentence_transformers.json",
];

impl Weights {
    /// The file that leads to all others.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Safetensors => "model.safetensors",
            Self::ShardedSafetensors => "model.safetensors.index.json",
            Self::Pickle => "pytorch_model.bin",
            Self::ShardedPickle => "pytorch_model.bin.index.json",
            Self::Onnx(path) => path,
            Self::Ot => "rust_model.ot",
        }
    }

    /// Returns whether `name` is one of its shards.
    fn is_shard(self, name: &str) -> bool {
        let (start, end) = match self {
            Self::ShardedSafetensors => ("model-", ".safetensors"),
            Self::ShardedPickle => ("pytorch_model-", ".bin"),
            Self::Onnx(path) => {
                let end = name.strip_prefix(path);
                return end.is_some_and(|end| end.starts_with("_data") || end.starts_with(".data"));
            }
            Self::Safetensors | Self::Pickle | Self::Ot => return false,
        };
        name.starts_with(start) && name.ends_with(end) && !name.contains('/')
    }
}

impl Tokenizer {
    /// The preferred tokenizer among the files `names`.
    pub(crate) fn choose(names: &[String]) -> Option<Self> {
        let mut kinds = [Self::Json, Self::Vocabulary, Self::Merges].into_iter();
        let found = kinds.find(|kind| kind.files().into_iter().all(|name| has(names, name)));
        found.or_else(|| SENTENCE_PIECES.into_iter().find(|name| has(names, name)).map(Self::SentencePiece))
    }

    /// The files from which a tokenizer is read, of a model that is needed for its tokenizer alone.
    #[cfg(any(test, feature = "hub"))]
    fn paths(names: &[String], origin: &str) -> Result<Vec<String>, Error> {
        let kind = Self::choose(names).ok_or_else(|| Self::missing(origin))?;
        Ok(kind.files().into_iter().map(str::to_owned).chain(beside(names)).collect())
    }

    /// The error of a model at `origin` that has no tokenizer.
    pub(crate) fn missing(origin: &str) -> Error {
        let message = format!(
            "{origin} has no tokenizer.json, nor vocab.txt, nor vocab.json and merges.txt, nor {}; add those \
             of its base model, or name that model as `tokenizer` in a registry file",
            SENTENCE_PIECES.join(", nor ")
        );
        Error::new(ErrorKind::Tokenizer, message)
    }

    /// Its files.
    pub(crate) fn files(self) -> Vec<&'static str> {
        match self {
            Self::Json => vec!["tokenizer.json"],
            Self::Vocabulary => vec!["vocab.txt"],
            Self::Merges => vec!["vocab.json", "merges.txt"],
            Self::SentencePiece(name) => vec![name],
        }
    }
}

/// The paths of the files among `names` from which the part is read.
#[cfg(feature = "hub")]
pub(crate) fn paths(names: &[String], part: Part, origin: &str) -> Result<Vec<String>, Error> {
    match part {
        Part::Tokenizer => Tokenizer::paths(names, origin),
        Part::Description => Ok(Description::choose(names, origin)?.paths()),
        Part::Whole => Ok(Layout::choose(names, origin)?.paths()),
    }
}

/// The configs among `names`, and the files that refine them or a tokenizer. All configs are included, because a
/// tokenizer is built by the encoder's config, whatever other config the model has.
fn beside(names: &[String]) -> impl Iterator<Item = String> {
    CONFIGS.into_iter().chain(REFINEMENTS).filter(|name| has(names, name)).map(str::to_owned)
}

/// The number of folders that a message names.
const MOST_NAMED: usize = 3;

/// The folders among `names` that have a config, as those of a training's checkpoints do.
fn models_inside(names: &[String]) -> Vec<&str> {
    // The modules of sentence-transformers, such as `1_Pooling`, are parts of a model.
    let is_module = |folder: &str| {
        let last = folder.rsplit('/').next().unwrap_or(folder);
        last.starts_with(|first: char| first.is_ascii_digit()) && last.contains('_')
    };
    let configs =
        names.iter().filter_map(|name| name.rsplit_once('/')).filter(|(folder, _)| !is_module(folder));
    let mut folders: Vec<&str> =
        configs.filter(|(_, file)| CONFIGS.contains(file)).map(|(folder, _)| folder).collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other == name)
}

impl Description {
    /// Chooses among the files `names`, paths inside the model with `/`; `origin` names the model in
    /// messages.
    pub(crate) fn choose(names: &[String], origin: &str) -> Result<Self, Error> {
        let config = CONFIGS.into_iter().find(|name| has(names, name)).ok_or_else(|| {
            let [gliner, usual] = CONFIGS;
            let inner = models_inside(names);
            let hint = match inner.as_slice() {
                [] => "give a model with its config, tokenizer and weights, for example as transformers' \
                       save_pretrained writes them"
                    .to_owned(),
                [one] => format!("its folder {one} has one; load that folder alone, by its path"),
                several => {
                    let named = &several[..several.len().min(MOST_NAMED)];
                    let more = if named.len() < several.len() { " and others" } else { "" };
                    format!(
                        "its folders {}{more} have one; load one of them alone, by its path",
                        named.join(", ")
                    )
                }
            };
            let message = format!("{origin} has no {usual} or {gliner}; {hint}");
            Error::new(ErrorKind::Config, message)
        })?;
        Ok(Self { config, tokenizer: Tokenizer::choose(names), beside: beside(names).collect() })
    }

    /// The paths of all files.
    #[cfg(any(test, feature = "hub"))]
    fn paths(&self) -> Vec<String> {
        let tokenizer = self.tokenizer.iter().flat_map(|kind| kind.files()).map(str::to_owned);
        self.beside.iter().cloned().chain(tokenizer).collect()
    }
}

impl Layout {
    /// Chooses like [`Description::choose`], with the weights.
    pub(crate) fn choose(names: &[String], origin: &str) -> Result<Self, Error> {
        let description = Description::choose(names, origin)?;
        let weights = WEIGHTS.into_iter().find(|(name, _)| has(names, name)).map(|(_, weights)| weights);
        let weights = weights.ok_or_else(|| {
            let graphs: Vec<&str> =
                names.iter().map(String::as_str).filter(|name| name.ends_with(".onnx")).collect();
            let hint = match graphs.as_slice() {
                [] => "save the model with transformers' save_pretrained".to_owned(),
                graphs => format!("rename one of {} to model.onnx", graphs.join(", ")),
            };
            let message = format!(
                "{origin} has no weights, such as model.safetensors, pytorch_model.bin or model.onnx; {hint}"
            );
            Error::new(ErrorKind::Weights, message)
        })?;
        let mut shards: Vec<String> = names.iter().filter(|name| weights.is_shard(name)).cloned().collect();
        shards.sort_unstable();
        Ok(Self { description, weights, shards })
    }

    /// The paths of all files.
    #[cfg(any(test, feature = "hub"))]
    fn paths(&self) -> Vec<String> {
        let mut paths = self.description.paths();
        paths.push(self.weights.file().to_owned());
        paths.extend(self.shards.iter().cloned());
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::{Layout, Tokenizer, Weights};

    fn choose(names: &[&str]) -> Layout {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Layout::choose(&names, "here").expect("it should be a model")
    }

    #[test]
    fn the_best_of_several_is_chosen() {
        let layout = choose(&[
            "README.md",
            "config.json",
            "model.safetensors",
            "pytorch_model.bin",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.txt",
            "onnx/model.onnx",
        ]);
        assert_eq!(layout.weights, Weights::Safetensors);
        assert_eq!(layout.description.tokenizer, Some(Tokenizer::Json));
        let expected = ["config.json", "tokenizer_config.json", "tokenizer.json"];
        assert_eq!(layout.description.paths(), expected);
        assert_eq!(layout.paths(), [&expected[..], &["model.safetensors"]].concat());
    }

    #[test]
    fn graphs_are_found_by_the_names_that_exporters_give() {
        let layout = choose(&["config.json", "onnx/model_q4.onnx", "tokenizer.json"]);
        assert_eq!(layout.weights, Weights::Onnx("onnx/model_q4.onnx"));
        let several = ["config.json", "model_quantized.onnx", "onnx/model.onnx", "onnx/model_int8.onnx"];
        assert_eq!(choose(&several).weights, Weights::Onnx("onnx/model.onnx"));
        let names = ["config.json".to_owned(), "onnx/decoder.onnx".to_owned()];
        let error = Layout::choose(&names, "here").expect_err("it should be refused").to_string();
        assert!(error.ends_with("rename one of onnx/decoder.onnx to model.onnx"), "{error}");
    }

    #[test]
    fn shards_belong_to_their_index() {
        let layout = choose(&[
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "spm.model",
            "training/model-00001-of-00002.safetensors",
        ]);
        assert_eq!(layout.weights, Weights::ShardedSafetensors);
        assert_eq!(layout.description.tokenizer, Some(Tokenizer::SentencePiece("spm.model")));
        let expected = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        assert_eq!(layout.shards, expected);
    }

    #[test]
    fn a_tokenizer_may_be_elsewhere() {
        let layout = choose(&["gliner_config.json", "pytorch_model.bin", "vocab.json"]);
        assert_eq!(layout.description.tokenizer, None);
        let names =
            ["config.json", "gliner_config.json", "pytorch_model.bin", "spm.model", "tokenizer_config.json"];
        let names = names.map(str::to_owned);
        let paths = Tokenizer::paths(&names, "there").expect("it should have one");
        assert_eq!(paths, ["spm.model", "gliner_config.json", "config.json", "tokenizer_config.json"]);
        let error = Tokenizer::paths(&names[..2], "there").expect_err("it should fail: it has none");
        assert!(error.to_string().contains("merges.txt"), "{error}");
    }

    #[test]
    fn data_belongs_to_its_graph() {
        let layout = choose(&[
            "config.json",
            "onnx/model.onnx",
            "onnx/model.onnx_data",
            "onnx/model_quantized.onnx",
            "tokenizer.json",
        ]);
        assert_eq!(layout.weights, Weights::Onnx("onnx/model.onnx"));
        assert_eq!(layout.shards, ["onnx/model.onnx_data"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (names, missing) in [
            (&["model.safetensors", "tokenizer.json"][..], "config.json"),
            (&["config.json", "tokenizer.json"], "pytorch_model.bin"),
        ] {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let error = Layout::choose(&names, "here").expect_err("it should fail: it is not whole");
            assert!(error.to_string().contains(missing), "{error}");
        }
    }

    #[test]
    fn folders_inside_that_have_a_model_are_named() {
        for (names, hint) in [
            (
                &["1_Pooling/config.json", "best/config.json", "best/model.safetensors"][..],
                "its folder best has",
            ),
            (&["b/config.json", "a/config.json", "a/gliner_config.json"], "its folders a, b have"),
            (
                &["a/config.json", "b/config.json", "c/config.json", "d/config.json"],
                "folders a, b, c and others have",
            ),
            (&["1_Pooling/config.json", "a/2_Dense/config.json", "a/model.safetensors"], "save_pretrained"),
        ] {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let error =
                Layout::choose(&names, "here").expect_err("it should fail: it has no config").to_string();
            assert!(error.contains(hint), "{error}");
        }
    }
}
