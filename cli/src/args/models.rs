//! The options of models: which ones, from where, and how they run.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use entopic::{Aggregation, BuiltIn, Engine, Ner, Precision, TopicClassifier};

#[cfg(feature = "libtorch")]
use entopic::Backend;

use crate::labels::LabelList;

/// The ways to name a model in this build.
#[cfg(feature = "hub")]
macro_rules! model_forms {
    () => {
        "a name of the registry, a folder as ./DIR, or a model of the hub as OWNER/NAME or OWNER/NAME@REVISION"
    };
    (value) => {
        "NAME|./DIR|OWNER/NAME"
    };
}

/// The ways to name a model in this build.
#[cfg(not(feature = "hub"))]
macro_rules! model_forms {
    () => {
        "a name of the registry, or a folder as ./DIR"
    };
    (value) => {
        "NAME|./DIR"
    };
}
pub(crate) use model_forms;

/// The two models and their options.
#[derive(Clone, Debug, Args)]
pub(crate) struct Models {
    #[command(flatten)]
    pub(crate) topics: Topics,
    #[command(flatten)]
    pub(crate) entities: Entities,
    #[arg(long, help = concat!("The model for topics: ", model_forms!()), value_name = model_forms!(value), default_value = TopicClassifier::BUNDLED)]
    pub(crate) topic_model: String,
    /// Score each topic independently, so that several may fit, or none
    #[arg(long)]
    pub(crate) multi_label: bool,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

/// Options of the search for entities.
#[derive(Clone, Debug, Args)]
pub(crate) struct Entities {
    #[arg(long, help = concat!("The model for entities: ", model_forms!()), value_name = model_forms!(value), default_value = Ner::BUNDLED)]
    pub(crate) model: String,
    /// The entity types to find, separated by commas, for a model that takes entity types as input (GLiNER)
    #[arg(long, value_name = "A,B,…")]
    pub(crate) entity_types: Option<LabelList>,
    /// The method that combines the labels of tokens into entities [default: word]
    #[arg(long, value_parser = named(Aggregation::NAMES), value_name = "NAME")]
    pub(crate) aggregation: Option<Aggregation>,
    /// End entities at the ends of table cells, list items and lines that are not wrapped prose [default: true with
    /// --aggregation word, and for models with --entity-types]
    #[arg(long, value_name = "BOOL")]
    pub(crate) boundaries: Option<bool>,
    /// Remove symbols, function words and titles from the ends of entities [default: true with --aggregation word, and
    /// for models with --entity-types]
    #[arg(long, value_name = "BOOL")]
    pub(crate) clean_spans: Option<bool>,
    /// Normalise emoji, ligatures, Markdown and invisible marks before tokenising [default: true for the bundled
    /// models]
    #[arg(long, value_name = "BOOL")]
    pub(crate) prepare_text: Option<bool>,
    #[command(flatten)]
    pub(crate) rules: RuleOptions,
}

/// Rules that find further entities.
#[derive(Clone, Debug, Args)]
pub(crate) struct RuleOptions {
    /// A file of rules that find further entities: TOML, or spaCy's patterns (.jsonl)
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// Built-in rules that find further entities, separated by commas; `all` for all of them
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', value_parser = built_in())]
    pub(crate) built_in: Vec<String>,
}

/// The names of built-in rules.
fn built_in() -> PossibleValuesParser {
    let names = BuiltIn::NAMES.iter().map(|(_, name)| *name);
    PossibleValuesParser::new(names.chain([ALL]))
}

/// All built-in rules.
pub(crate) const ALL: &str = "all";

/// The candidate topics.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Topics {
    /// The candidate topics, separated by commas [default: 17 news topics; for `eval`, the labels of the file]
    #[arg(long, value_name = "A,B,…")]
    pub(crate) topics: Option<LabelList>,
    /// A candidate topic, which may contain commas; repeat the option for each topic
    #[arg(long, value_name = "LABEL")]
    pub(crate) topic: Vec<String>,
    /// A file with one candidate topic per line; or, if its name ends in .toml, one [[label]] table per topic, with its
    /// name, and optionally a description and examples (a list of texts, for embedding models)
    #[arg(long, value_name = "FILE")]
    pub(crate) topics_file: Option<PathBuf>,
}

/// Options for loading and running models.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunOptions {
    /// The number of threads to run on [default: one per core]
    #[arg(long, visible_alias = "jobs", value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,
    #[cfg_attr(
        feature = "libtorch",
        doc = "The number format of matrix products [default: int8; f32 with libtorch]"
    )]
    #[cfg_attr(not(feature = "libtorch"), doc = "The number format of matrix products [default: int8]")]
    #[arg(long, value_parser = named(Precision::NAMES), value_name = "FORMAT")]
    pub(crate) precision: Option<Precision>,
    /// The backend that runs models
    #[cfg(feature = "libtorch")]
    #[arg(long, value_parser = named(Backend::NAMES), value_name = "NAME", default_value_t = Backend::Native)]
    pub(crate) backend: Backend,
    /// The device of libtorch: cpu, cuda, or cuda:N [default: cpu]
    #[cfg(feature = "libtorch")]
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<entopic::Device>,
    #[command(flatten)]
    pub(crate) places: Places,
}

impl RunOptions {
    /// The number of threads to run on.
    #[cfg(feature = "sql")]
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(cores).get()
    }

    /// The number format of products.
    pub(crate) fn precision(&self) -> Precision {
        #[cfg(feature = "libtorch")]
        let default = if self.backend == Backend::LibTorch { Precision::F32 } else { Precision::Int8 };
        #[cfg(not(feature = "libtorch"))]
        let default = Precision::Int8;
        self.precision.unwrap_or(default)
    }
}

/// The places of models.
#[derive(Clone, Debug, Args)]
pub(crate) struct Places {
    /// A registry file to use in addition to entopic's own, over which it takes precedence
    #[arg(long, value_name = "FILE")]
    pub(crate) registry: Option<PathBuf>,
    /// Open no connection; models of the hub must be in the cache
    #[cfg(feature = "hub")]
    #[arg(long)]
    pub(crate) offline: bool,
    /// The proxy through which models of the hub are fetched, such as http://proxy.example.org:8080 [default: none]
    #[cfg(feature = "hub")]
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// The cache for models of the hub [default: that of the hub's own clients]
    #[cfg(feature = "hub")]
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// The lock file: models of the hub must match it, and are added to it when first used [default: next to
    /// --registry]
    #[cfg(feature = "hub")]
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
}

fn threads(number: &str) -> Result<NonZeroUsize, String> {
    let number = number.parse::<NonZeroUsize>().ok();
    number
        .filter(|number| number.get() <= Engine::MAX_THREADS)
        .ok_or_else(|| format!("it must be a number from 1 to {}", Engine::MAX_THREADS))
}

/// Reads a plain enum of the library by its names.
pub(crate) fn named<T>(names: &'static [(T, &'static str)]) -> impl TypedValueParser<Value = T>
where
    T: std::str::FromStr<Err = entopic::Error> + Clone + Send + Sync,
{
    PossibleValuesParser::new(names.iter().map(|(_, name)| *name)).try_map(|name| name.parse())
}
