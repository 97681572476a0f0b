//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::labels::{LabelList, LabelMap};

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
    #[command(subcommand)]
    Eval(Eval),
    Bench(BenchArgs),
}

/// Measure how well a model does on annotated data.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  entopic eval ner dev.tsv")]
pub(crate) enum Eval {
    Ner(EvalNerArgs),
    Topics(EvalTopicsArgs),
}

/// Print the entities and topics of a document.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  entopic tag article.txt --topics economy,politics,sport --format json")]
pub(crate) struct TagArgs {
    /// The document, UTF-8 text, plain or gzip; `-` reads standard input
    pub(crate) file: PathBuf,
    /// The candidate topics, separated by commas [default: the topics of news agencies]
    #[arg(long, value_name = "A,B,…")]
    pub(crate) topics: Option<LabelList>,
    /// The model for entities: a name of the registry, or a folder
    #[arg(long, value_name = "NAME|DIR", default_value = NER_MODEL)]
    pub(crate) model: String,
    /// The model for topics: a name of the registry, or a folder
    #[arg(long, value_name = "NAME|DIR", default_value = TOPIC_MODEL)]
    pub(crate) topic_model: String,
    /// How the labels of tokens become entities
    #[arg(long, value_enum, default_value_t = Aggregation::Word)]
    pub(crate) aggregation: Aggregation,
    /// Score each topic by itself: several may fit, or none
    #[arg(long)]
    pub(crate) multi_label: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

/// Score entities as seqeval does: precision, recall and F1 over exact spans and types.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  entopic eval ner wnut.tsv --map person=PER,location=LOC,product=")]
pub(crate) struct EvalNerArgs {
    /// A line for each token: token, tab, IOB2 tag; an empty line between sentences
    pub(crate) file: PathBuf,
    /// The model: a name of the registry, or a folder
    #[arg(long, value_name = "NAME|DIR", default_value = NER_MODEL)]
    pub(crate) model: String,
    /// Rename the entity types of the file to those of the model; `type=` drops one
    #[arg(long, value_name = "FROM=TO,…")]
    pub(crate) map: Option<LabelMap>,
    /// Write each token with its gold and its predicted tag to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) predictions: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

/// Score topics: accuracy and macro F1 of the likeliest label.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  entopic eval topics dev.jsonl.gz --map sci_tech='science and technology',misc="
)]
pub(crate) struct EvalTopicsArgs {
    /// A JSON object for each document, one a line: {"text": …, "label": …}; plain or gzip
    pub(crate) file: PathBuf,
    /// The candidate labels [default: the labels of the file, in order of appearance]
    #[arg(long, value_name = "A,B,…")]
    pub(crate) labels: Option<LabelList>,
    /// The model: a name of the registry, or a folder
    #[arg(long, value_name = "NAME|DIR", default_value = TOPIC_MODEL)]
    pub(crate) model: String,
    /// Put labels into words, those of the file and of --labels; `label=` drops its documents
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
    /// A text a line; empty lines are skipped
    pub(crate) file: PathBuf,
    /// What to do with the texts
    #[arg(long, value_enum)]
    pub(crate) task: Task,
    /// The model: a name of the registry, or a folder [default: ner-en-small or topics-en-small]
    #[arg(long, value_name = "NAME|DIR")]
    pub(crate) model: Option<String>,
    /// The candidate topics, separated by commas [default: the topics of news agencies]
    #[arg(long, value_name = "A,B,…")]
    pub(crate) topics: Option<LabelList>,
    /// Timed passes over the file, after one that is not timed; the median is printed
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) repeat: NonZeroUsize,
    /// Add where the time goes in one more pass, stage by stage; exact with --threads 1
    #[arg(long)]
    pub(crate) stages: bool,
    #[command(flatten)]
    pub(crate) run: RunOptions,
}

/// How models are found and run.
#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// Threads to run on [default: one for each core]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// How products are computed
    #[arg(long, value_enum, default_value_t = Precision::Int8)]
    pub(crate) precision: Precision,
    /// A file of models known by name, looked into before entopic's own
    #[arg(long, value_name = "FILE")]
    pub(crate) registry: Option<PathBuf>,
}

/// More threads than any machine runs well, and fewer than where starting them ends the process.
const MOST_THREADS: usize = 1024;

fn threads(number: &str) -> Result<NonZeroUsize, String> {
    let number = number.parse::<NonZeroUsize>().ok();
    number
        .filter(|number| number.get() <= MOST_THREADS)
        .ok_or_else(|| format!("it must be a number from 1 to {MOST_THREADS}"))
}

pub(crate) const NER_MODEL: &str = "ner-en-small";
pub(crate) const TOPIC_MODEL: &str = "topics-en-small";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Aggregation {
    None,
    Simple,
    First,
    Average,
    Max,
    Word,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Precision {
    F32,
    Int8,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    Ner,
    Topics,
}

impl From<Aggregation> for entopic::Aggregation {
    fn from(aggregation: Aggregation) -> Self {
        match aggregation {
            Aggregation::None => Self::None,
            Aggregation::Simple => Self::Simple,
            Aggregation::First => Self::First,
            Aggregation::Average => Self::Average,
            Aggregation::Max => Self::Max,
            Aggregation::Word => Self::Word,
        }
    }
}

impl From<Precision> for entopic::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Int8 => Self::Int8,
        }
    }
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
