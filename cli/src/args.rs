//! The command line.

pub(crate) mod inputs;
pub(crate) mod models;
#[cfg(feature = "sql")]
pub(crate) mod query;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use entopic::{Ner, TopicClassifier};

use self::inputs::Inputs;
use self::models::{Entities, Models, Places, RuleOptions, RunOptions, Topics, model_forms, named};
#[cfg(feature = "sql")]
use self::query::SqlArgs;
#[cfg(feature = "cluster")]
use self::query::{ExecutorArgs, SchedulerArgs};
use crate::labels::{LabelList, LabelMap};
use crate::offsets::Offsets;
use crate::style::When;

/// Entities and topics of documents, offline.
#[derive(Debug, Parser)]
#[command(name = "entopic", version, after_help = "Example:\n  entopic tag article.txt")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Tag(TagArgs),
    Redact(RedactArgs),
    #[cfg(feature = "serve")]
    Serve(ServeArgs),
    #[cfg(feature = "sql")]
    Sql(SqlArgs),
    #[cfg(feature = "cluster")]
    Scheduler(SchedulerArgs),
    #[cfg(feature = "cluster")]
    Executor(ExecutorArgs),
    #[command(subcommand)]
    Eval(Eval),
    Bench(BenchArgs),
    #[command(subcommand)]
    Models(ModelsCommand),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// List, show and check the models of the registry.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  entopic models list --task ner")]
pub(crate) enum ModelsCommand {
    List(ListArgs),
    Show(ShowArgs),
    #[cfg(feature = "hub")]
    Pull(PullArgs),
    Check(CheckArgs),
}

/// Measure how well a model does on annotated data.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  entopic eval ner dev.tsv")]
pub(crate) enum Eval {
    Ner(EvalNerArgs),
    Entities(EvalEntitiesArgs),
    Topics(EvalTopicsArgs),
}

/// Print the entities and topics of documents.
#[derive(Clone, Debug, Args)]
#[command(after_help = TAG_EXAMPLES)]
pub(crate) struct TagArgs {
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    /// Read one token and its tag per line, as `entopic eval ner` does, and find the entities of these words. Requires
    /// --format conll
    #[arg(long, conflicts_with_all = ["input_format", "lines", "text_field", "encoding", "max_bytes", "resume", "groups", "rules",
        "built_in", "topics", "topic", "topics_file", "multi_label"])]
    pub(crate) words: bool,
    #[command(flatten)]
    pub(crate) models: Models,
    /// The format of the results
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Write the results to this file or folder; it is named PATH.partial until it is complete [default: standard
    /// output]
    #[arg(long, short, value_name = "FILE|DIR/")]
    pub(crate) output: Option<PathBuf>,
    /// Continue an interrupted run from FILE.partial; give the same options. Requires --format jsonl
    #[arg(long)]
    pub(crate) resume: bool,
    /// In JSON, also group the entities by the person or thing that they name
    #[arg(long)]
    pub(crate) groups: bool,
    /// The unit of the offsets in CSV and Parquet. JSON always has bytes and code points; `utf16` adds UTF-16 units
    #[arg(long, value_enum, value_name = "UNIT", default_value_t = Offsets::Chars)]
    pub(crate) offsets: Offsets,
    /// When to print colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub(crate) color: When,
}

/// Remove entities from documents: those that the model finds, and those that rules find.
#[derive(Clone, Debug, Args)]
#[command(after_help = REDACT_HELP)]
pub(crate) struct RedactArgs {
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    /// The replacement for each entity
    #[arg(long = "with", value_enum, default_value_t = Cover::Label)]
    pub(crate) cover: Cover,
    /// The character that replaces each character, with --with mask [default: █]
    #[arg(long, value_name = "CHAR")]
    pub(crate) mask: Option<char>,
    /// The file with the key of --with hash, at least 16 bytes, for example from `openssl rand -hex 32`
    #[arg(long, value_name = "FILE", required_if_eq("cover", "hash"))]
    pub(crate) key: Option<PathBuf>,
    /// Remove only entities with these labels, separated by commas [default: all]
    #[arg(long, value_name = "A,B,…")]
    pub(crate) only: Option<LabelList>,
    /// Save the replaced text to this file, for --undo. Anyone who has it can restore the names: store it separately
    #[arg(long, value_name = "FILE", conflicts_with = "undo")]
    pub(crate) map: Option<PathBuf>,
    /// Restore the original texts from a file that --map wrote; the inputs are the redacted documents
    #[arg(long, value_name = "FILE", conflicts_with_all = ["map", "only", "key", "mask"])]
    pub(crate) undo: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) entities: Entities,
    /// Write the result to this file; it is named FILE.partial until it is complete [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

const REDACT_HELP: &str = "Texts stay texts, JSON lines stay JSON lines, and tables become CSV.

Only the text is redacted: other fields and columns are copied unchanged. Only entities that are found are removed. A
model misses some names: measure its recall on your own texts with `entopic eval entities`, and read the result before
you rely on it. To undo, use the same --lines, --input-format and --text-field.

Examples:
  entopic redact letter.txt --built-in email,phone,iban
  entopic redact mails.jsonl --with pseudonym --map mails.map.jsonl -o mails.redacted.jsonl
  entopic redact mails.redacted.jsonl --undo mails.map.jsonl";

/// The replacement for an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cover {
    /// [PER]
    Label,
    /// One mask character per character
    Mask,
    /// [PER-3f2a91c04b7e], the same for equal mentions in all documents
    Hash,
    /// [PER-1], the same for all mentions of one person or thing in a document
    Pseudonym,
}

/// Answer requests over HTTP with the entities and topics of their documents.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
#[command(after_help = SERVE_HELP)]
pub(crate) struct ServeArgs {
    /// The address and port to listen on; port 0 chooses a free one. Other machines can reach the service only if this
    /// is not a loopback address; for example, 0.0.0.0:8080
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: std::net::SocketAddr,
    /// A file with the token that requests must send, as Authorization: Bearer TOKEN [default: no token]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The maximum size of a request's body
    #[arg(long, value_name = "BYTES", default_value = "4194304", value_parser = clap::value_parser!(u32).range(1..=1 << 28))]
    pub(crate) max_body: u32,
    /// The time limit for a body to arrive, and then for its answer to be ready
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) timeout: u32,
    /// The maximum length of each of the two queues, for short and for long requests; more are refused with status 503
    #[arg(long, value_name = "N", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_waiting: u32,
    #[command(flatten)]
    pub(crate) models: Models,
}

#[cfg(feature = "serve")]
const SERVE_HELP: &str = "Paths: POST /v1/entities, /v1/topics, /v1/tag and /v1/html; GET /health, /ready, /metrics and
/openapi.json, which describes them all; and a web form at /.

Examples:
  entopic serve
  curl -s localhost:8080/v1/tag --json '{\"text\": \"Ada Lovelace lived in London.\", \"labels\": [\"science\", \"sport\"]}'
  entopic serve --listen 0.0.0.0:8080 --token-file token.txt --threads 8";

/// Print a script that completes commands and options in a shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entopic completions bash > ~/.local/share/bash-completion/completions/entopic"
)]
pub(crate) struct CompletionsArgs {
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual page, or write those of all commands to a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  entopic man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The folder to write one page per command to [default: print the main page]
    pub(crate) folder: Option<PathBuf>,
}

const TAG_EXAMPLES: &str = "Examples:
  entopic tag article.txt                                   a plain-text report
  entopic tag article.txt --format html -o article.html     a page for a browser
  entopic tag mails.csv --text-column body --format jsonl   one line of JSON per row
  entopic tag news/ --format jsonl -o news.jsonl --resume   all files of a folder; resumes an interrupted run
  zcat posts.jsonl.gz | entopic tag - --input-format jsonl --topics sport,music --format csv";

/// Score entities: precision, recall and F1 of exact spans and types, as in seqeval, and partial matches, as in
/// nervaluate.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  entopic eval ner wnut.tsv --map person=PER,location=LOC,product=")]
pub(crate) struct EvalNerArgs {
    /// One token and its tag per line, and an empty line between sentences: two or more columns separated by tabs or
    /// spaces, or CoNLL-U; tags in IOB1, IOB2, BIOES or BILOU
    pub(crate) file: PathBuf,
    #[arg(long, help = concat!("The model: ", model_forms!()), value_name = model_forms!(value), default_value = Ner::BUNDLED)]
    pub(crate) model: String,
    /// The entity types to find, separated by commas, for a model that takes entity types as input (GLiNER) [default:
    /// those of the file, renamed by --map]
    #[arg(long, value_name = "A,B,…")]
    pub(crate) entity_types: Option<LabelList>,
    /// Rename entity types, both of the file and of the model; `type=` drops one
    #[arg(long, value_name = "FROM=TO,…")]
    pub(crate) map: Option<LabelMap>,
    /// Write each token with its gold and its predicted tag to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) predictions: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

/// Score entities in documents with their original layout: exact spans and types, kinds, and partial matches.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  entopic eval entities documents.jsonl.gz --map DATE=,MONEY=")]
pub(crate) struct EvalEntitiesArgs {
    /// One JSON object per line, plain or gzip: {"text": …, "entities": [{"start": 0, "end": 3, "label": "PER"}]}, in
    /// characters, end exclusive; the kind may follow the label after a colon, or be in "kind"
    pub(crate) file: PathBuf,
    #[arg(long, help = concat!("The model: ", model_forms!()), value_name = model_forms!(value), default_value = Ner::BUNDLED)]
    pub(crate) model: String,
    /// The entity types to find, separated by commas, for a model that takes entity types as input (GLiNER) [default:
    /// those of the file, renamed by --map]
    #[arg(long, value_name = "A,B,…")]
    pub(crate) entity_types: Option<LabelList>,
    /// Rename entity types, both of the file and of the model; `type=` drops one
    #[arg(long, value_name = "FROM=TO,…")]
    pub(crate) map: Option<LabelMap>,
    /// Write each document with its gold and its predicted entities to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) predictions: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

/// Score topics: accuracy and macro F1 of the likeliest label; for texts with several labels, micro and macro F1,
/// average precision and calibration error.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entopic eval topics dev.jsonl.gz --map sci_tech='science and technology',misc="
)]
pub(crate) struct EvalTopicsArgs {
    /// One JSON object per line, plain or gzip: {"text": …, "label": …}, or {"text": …, "labels": […]} with an optional
    /// "not": […], the labels that do not apply; labels in neither list are then ignored
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) topics: Topics,
    #[arg(long, help = concat!("The model: ", model_forms!()), value_name = model_forms!(value), default_value = TopicClassifier::BUNDLED)]
    pub(crate) model: String,
    /// Rename labels, both of the file and of --topics, for example into words; `label=` drops its documents
    #[arg(long, value_name = "FROM=TO,…")]
    pub(crate) map: Option<LabelMap>,
    /// Write each document's label and predicted label to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) predictions: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

/// Measure how fast a model reads texts, tokenising and decoding included.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  entopic bench articles.txt --task ner --threads 1")]
pub(crate) struct BenchArgs {
    /// One text per line; empty lines are skipped
    pub(crate) file: PathBuf,
    /// The work to measure
    #[arg(long, value_enum)]
    pub(crate) task: Task,
    #[arg(long, help = concat!("The model: ", model_forms!(), " [default: ner-en-small or topics-en-small]"), value_name = model_forms!(value))]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) topics: Topics,
    /// The entity types to find, separated by commas, for a model that takes entity types as input (GLiNER)
    #[arg(long, value_name = "A,B,…")]
    pub(crate) entity_types: Option<LabelList>,
    #[command(flatten)]
    pub(crate) rules: RuleOptions,
    /// The number of timed passes over the file, after one that is not timed; the median is printed
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) repeat: NonZeroUsize,
    /// Also report the time of each stage, from one more pass; exact with --threads 1
    #[arg(long)]
    pub(crate) stages: bool,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

/// List the models of the registry.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  entopic models list --task ner")]
pub(crate) struct ListArgs {
    /// List only models for this task
    #[arg(long, value_parser = named(entopic::Task::NAMES), value_name = "TASK")]
    pub(crate) task: Option<entopic::Task>,
    /// The output format
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub(crate) format: ListFormat,
    /// A registry file to use in addition to entopic's own, over which it takes precedence
    #[arg(long, value_name = "FILE")]
    pub(crate) registry: Option<PathBuf>,
}

/// Print everything that the registry says about a model.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  entopic models show ner-en-small")]
pub(crate) struct ShowArgs {
    /// The model's name, or its id on the hub
    pub(crate) name: String,
    /// The output format
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub(crate) format: ListFormat,
    /// A registry file to use in addition to entopic's own, over which it takes precedence
    #[arg(long, value_name = "FILE")]
    pub(crate) registry: Option<PathBuf>,
}

/// Download models from the hub, verify them and print their folders.
#[cfg(feature = "hub")]
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  entopic models pull bert-base-ner dslim/bert-base-NER@main")]
pub(crate) struct PullArgs {
    /// The models: names of the registry, or ids of the hub
    #[arg(value_name = "NAME|OWNER/NAME[@REVISION]", required = true)]
    pub(crate) names: Vec<String>,
    /// The output format; JSON is one line per model
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub(crate) format: ListFormat,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// Check the registry's entries against the models' own files, and print one line per difference.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entopic models check --all-bundled\n\nThe exit status is 1 if anything differs."
)]
pub(crate) struct CheckArgs {
    /// The models: names of the registry, or folders that the registry names; models of the hub are downloaded
    #[arg(value_name = "NAME|./DIR", required_unless_present = "all_bundled")]
    pub(crate) names: Vec<String>,
    /// Check all models that are compiled in
    #[arg(long)]
    pub(crate) all_bundled: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// The format of a list of models.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ListFormat {
    Text,
    Json,
}

/// The format of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A plain-text report
    Text,
    /// JSON: an object for one document, a list for several
    Json,
    /// One line of JSON per document: its fields, and "tagged"
    Jsonl,
    /// One row per document: its columns, its topic, and its entities as JSON
    Csv,
    /// One row per document, with lists of entities and topics
    Parquet,
    /// One word and its tag (IOB2) per line
    Conll,
    /// The input of spaCy's displaCy
    #[value(alias = "spacy")]
    Displacy,
    /// brat's standoff: two files per document, in a folder
    Brat,
    /// W3C Web Annotations in JSON-LD, one page of annotations per line
    #[value(name = "web-annotation")]
    Annotation,
    /// A page for a browser; a folder of pages for several documents
    Html,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    Ner,
    Topics,
    /// Both, as `entopic tag` does
    Tag,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
