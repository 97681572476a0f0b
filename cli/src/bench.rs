//! `entopic bench` measures how fast a model reads.

mod stages;

use std::fs;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Instant;

use entopic::{Ner, Precision, Tagger, TopicClassifier};
use serde::Serialize;

use crate::args::models::RunOptions;
use crate::args::{BenchArgs, Task};
use crate::failure::Failure;
use crate::input::Input;
use crate::{load, output};
use stages::Stage;

#[derive(Serialize)]
struct Report<'a> {
    task: &'static str,
    model: &'a str,
    threads: usize,
    precision: Precision,
    documents: usize,
    /// The number of tokens in the texts, without special tokens.
    tokens: usize,
    seconds: f64,
    tokens_per_second: f64,
    documents_per_second: f64,
    peak_rss_bytes: Option<u64>,
    /// The stages of one pass, the longest first. The times are exact with one thread; with more, the work of threads
    /// that help a group which runs alone is in no span.
    #[serde(skip_serializing_if = "Option::is_none")]
    stages: Option<Vec<Stage>>,
}

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let topics = load::topics_of(&args.topics)?;
    if args.task == Task::Ner && topics.is_some() {
        return Err(Failure::new("--topics, --topic and --topics-file are for --task topics and --task tag"));
    }
    if args.task == Task::Topics && args.entity_types.is_some() {
        return Err(Failure::new("--entity-types is for --task ner and --task tag"));
    }
    if args.task == Task::Topics && (args.rules.rules.is_some() || !args.rules.built_in.is_empty()) {
        return Err(Failure::new("--rules and --built-in are for --task ner and --task tag"));
    }
    let input = Input::read(&args.file)?;
    let texts: Vec<&str> =
        input.lines().map(|(_, text)| text).filter(|text| !text.trim().is_empty()).collect();
    if texts.is_empty() {
        return Err(Failure::new(format!("{} has no text; write one text per line", input.name)));
    }
    let default = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = args.run.threads.unwrap_or(default);
    let run = RunOptions { threads: Some(threads), ..args.run.clone() };

    let (task, model, measured) = match args.task {
        Task::Ner => {
            let model = args.model.as_deref().unwrap_or(Ner::BUNDLED);
            let ner = load::ner(model, args.entity_types.as_ref(), &run)?;
            if ner.entity_types().is_empty() {
                return Err(load::needs_types(&ner));
            }
            let ner = load::with_rules(&ner, &args.rules)?;
            let pass =
                || total(ner.tag_batch(&texts).into_iter().map(|r| r.map(|tagged| tagged.coverage.tokens)));
            ("ner", model, measure(args, pass)?)
        }
        Task::Topics => {
            let model = args.model.as_deref().unwrap_or(TopicClassifier::BUNDLED);
            let classifier = load::classifier(model, &run)?;
            let labels = classifier.label_set(topics.unwrap_or_else(entopic::news_topics))?;
            let pass = || {
                let classified = classifier.classify_batch(&texts, &labels).into_iter();
                total(classified.map(|r| r.map(|classified| classified.coverage.tokens)))
            };
            ("topics", model, measure(args, pass)?)
        }
        Task::Tag => {
            let model = args.model.as_deref().unwrap_or(Ner::BUNDLED);
            let tagger = load::both(model, args.entity_types.as_ref(), topics, &run)?;
            if tagger.ner().entity_types().is_empty() {
                return Err(load::needs_types(tagger.ner()));
            }
            let ner = load::with_rules(tagger.ner(), &args.rules)?;
            let tagger = Tagger::new(ner, tagger.topics().clone(), tagger.labels().clone())?;
            let pass = || {
                let tagged = tagger.tag_batch(&texts).into_iter();
                total(tagged.map(|r| r.map(|document| document.coverage.tokens)))
            };
            ("tag", model, measure(args, pass)?)
        }
    };
    let Measured { tokens, seconds, stages } = measured;
    output::print_json(&Report {
        task,
        model,
        threads: threads.get(),
        precision: args.run.precision(),
        documents: texts.len(),
        tokens,
        seconds,
        tokens_per_second: tokens as f64 / seconds,
        documents_per_second: texts.len() as f64 / seconds,
        peak_rss_bytes: peak_rss_bytes(),
        stages,
    })
}

struct Measured {
    tokens: usize,
    /// The median over the passes.
    seconds: f64,
    stages: Option<Vec<Stage>>,
}

/// Runs `pass` once to warm up caches and scratch memory, then times it as often as the options ask.
/// `pass` returns the number of tokens that it read.
fn measure(args: &BenchArgs, pass: impl Fn() -> Result<usize, entopic::Error>) -> Result<Measured, Failure> {
    let tokens = pass()?;
    let mut seconds = Vec::with_capacity(args.repeat.get());
    for _ in 0..args.repeat.get() {
        let start = Instant::now();
        pass()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let stages = if args.stages {
        let (done, stages) = stages::record(pass)?;
        done?;
        Some(stages)
    } else {
        None
    };
    Ok(Measured { tokens, seconds: median(seconds), stages })
}

fn total(tokens: impl Iterator<Item = Result<usize, entopic::Error>>) -> Result<usize, entopic::Error> {
    tokens.sum()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// The peak memory of this process, where the system reports it (Linux).
fn peak_rss_bytes() -> Option<u64> {
    peak_of(&fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{median, peak_of};

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 9.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 9.0, 2.0]), 3.0);
    }

    #[test]
    fn the_peak_is_in_bytes() {
        let status = "Name:\tentopic\nVmPeak:\t  999999 kB\nVmHWM:\t   45678 kB\nThreads:\t3\n";
        assert_eq!(peak_of(status), Some(45_678 * 1024));
        assert_eq!(peak_of("VmHWM: much\n"), None);
        assert_eq!(peak_of(""), None);
    }
}
