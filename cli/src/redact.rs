//! `entopic redact` removes entities from documents.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use entopic::{Ner, Redacted, Redaction, Rules, TaggedDocument, redact};
use serde::{Deserialize, Serialize};

use crate::args::models::Entities;
use crate::args::{Cover, RedactArgs};
use crate::documents::document::{Document, Unread};
use crate::documents::{Blank, Documents, Kind};
use crate::failure::Failure;
use crate::formats::TAGGED;
use crate::formats::plain::{self, Form};
use crate::input::Input;
use crate::pace::Progress;
use crate::run::{self, Ended, Output};
use crate::sink::Sink;
use crate::stop::Stop;
use crate::stream::{Opening, Stream};
use crate::{failures, load, output};

/// The fields in which `entopic tag` writes entities.
const LEAKING: [&str; 2] = [TAGGED, "entities"];

/// The default mask.
const MASK: char = '█';

/// The replacements in a document: one line of the file that --undo reads.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    replacements: serde_json::Value,
}

pub(crate) fn run(args: &RedactArgs) -> Result<ExitCode, Failure> {
    let documents = Documents::find(&args.inputs, Blank::Keep)?;
    let form = match documents.kind()? {
        Kind::Texts => Form::Text,
        Kind::Objects => Form::Jsonl,
        Kind::Rows => Form::Csv,
    };
    if args.map.is_some() && form == Form::Text && documents.files > 1 {
        return Err(Failure::new(
            "--map cannot restore several texts that are written as one; redact each text in a separate run",
        ));
    }
    for path in args.output.iter().chain(&args.map) {
        args.inputs.refuse_as_output(path)?;
    }
    if args.map.is_some() && args.map == args.output {
        return Err(Failure::new("--map and --output name the same file; name two files"));
    }
    refuse_unused(args)?;
    // The outputs are created last, so that a run that cannot begin leaves nothing behind.
    let (ended, covered) = match &args.undo {
        Some(map) => {
            let opening = Opening { most: args.inputs.max_bytes, ..Opening::new() };
            let stream = Stream::open(map, &opening)?;
            let mut covered = Covered::begin(args, form, &documents, None)?;
            (undo(documents, stream, &mut covered).map(|()| Ended::Complete), covered)
        }
        None => {
            let ner = load::entities(&args.entities, &args.run)?;
            let rules = load::rules(&args.entities.rules)?;
            check_labels(args, &ner, rules.as_ref())?;
            let stop = Stop::on_interrupt()?;
            let mut covered = Covered::begin(args, form, &documents, rules)?;
            let limits = args.inputs.limits().cancel(stop.flag()).progress(covered.progress.in_text());
            let ner = ner.within(&limits);
            let tag = |texts| {
                ner.tag_iter(texts).map(|tagged| {
                    let tagged = tagged?;
                    let mut document = TaggedDocument::default();
                    document.entities = tagged.entities;
                    document.coverage = tagged.coverage;
                    Ok(document)
                })
            };
            (run::run(documents, 0, tag, &mut covered), covered)
        }
    };
    covered.progress.end();
    covered.end(ended)
}

/// Refuses options that would have no effect.
fn refuse_unused(args: &RedactArgs) -> Result<(), Failure> {
    if args.key.is_some() && args.cover != Cover::Hash {
        return Err(Failure::new("--key requires --with hash; add it"));
    }
    if args.mask.is_some() && args.cover != Cover::Mask {
        return Err(Failure::new("--mask requires --with mask; add it"));
    }
    let Entities { entity_types, aggregation, boundaries, clean_spans, prepare_text, rules, model } =
        &args.entities;
    let is_given = [
        entity_types.is_some(),
        aggregation.is_some(),
        boundaries.is_some() || clean_spans.is_some() || prepare_text.is_some(),
        rules.rules.is_some() || !rules.built_in.is_empty(),
        model != Ner::BUNDLED,
        args.cover != Cover::Label,
    ];
    match args.undo.is_some() && is_given.contains(&true) {
        true => {
            Err(Failure::new("--undo takes no options for finding or replacing entities; leave them out"))
        }
        false => Ok(()),
    }
}

/// Checks that every label of --only can be found.
fn check_labels(args: &RedactArgs, ner: &Ner, rules: Option<&Rules>) -> Result<(), Failure> {
    let mut known = ner.entity_types().to_vec();
    known.extend(
        rules.iter().flat_map(|rules| rules.labels()).filter(|label| !ner.entity_types().contains(label)),
    );
    let mut wanted = args.only.iter().flat_map(|labels| &labels.0);
    match wanted.find(|label| !known.contains(label)) {
        Some(label) => Err(Failure::new(format!(
            "neither the model nor a rule finds the label {label:?} of --only; the labels are {}",
            known.join(", ")
        ))),
        None => Ok(()),
    }
}

fn redaction(args: &RedactArgs) -> Result<Redaction, Failure> {
    let mask = args.mask.unwrap_or(MASK);
    if mask.is_whitespace() || mask.is_control() {
        return Err(Failure::new("--mask must be a visible character"));
    }
    let redaction = match (args.cover, &args.key) {
        (Cover::Label, _) => Redaction::label(),
        (Cover::Mask, _) => Redaction::mask(mask),
        (Cover::Pseudonym, _) => Redaction::pseudonym(),
        (Cover::Hash, Some(path)) => {
            let key = Input::read(path)?;
            Redaction::hash(key.text.trim().as_bytes())?
        }
        (Cover::Hash, None) => return Err(Failure::new("--with hash needs a key: name its file with --key")),
    };
    Ok(match &args.only {
        Some(labels) => redaction.only(&labels.0),
        None => redaction,
    })
}

/// Writes documents without their entities.
struct Covered {
    out: Sink,
    writer: plain::Writer,
    redaction: Redaction,
    rules: Option<Rules>,
    map: Option<Sink>,
    is_one: bool,
    /// The failure of the first document that failed, and the number of those that failed.
    first: Option<String>,
    failed: usize,
    /// The path of the file of failures, if the output is a file, and that file once a document has failed.
    failures: Option<(PathBuf, Option<Sink>)>,
    count: usize,
    progress: Progress,
}

impl Covered {
    fn begin(
        args: &RedactArgs,
        form: Form,
        documents: &Documents,
        rules: Option<Rules>,
    ) -> Result<Self, Failure> {
        let redaction = redaction(args)?;
        let failures = args.output.as_ref().map(|path| failures::beside(path));
        if let Some(old) = &failures {
            failures::remove(old)?;
        }
        let out = match &args.output {
            Some(path) => Sink::create(path)?,
            None => Sink::standard_output(),
        };
        let map = match args.map.as_deref().map(Sink::create).transpose() {
            Ok(map) => map,
            Err(failure) => {
                out.abandon()?;
                return Err(failure);
            }
        };
        Ok(Self {
            out,
            writer: plain::Writer::new(form, documents.files > 1),
            redaction,
            rules,
            map,
            is_one: documents.is_one,
            first: None,
            failed: 0,
            failures: failures.map(|path| (path, None)),
            count: 0,
            progress: Progress::new(documents),
        })
    }

    /// Writes `document` with `text`; returns `false` if the reader of the output has gone away.
    fn put(&mut self, document: &Document, text: &str) -> Result<bool, Failure> {
        self.count += 1;
        self.progress.count(self.count);
        match self.writer.write(&mut self.out, document, text).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(self.out.failure(&error)),
            Ok(()) => Ok(true),
        }
    }

    /// Removes the incomplete outputs.
    fn abandon(self) -> Result<(), Failure> {
        self.map.map(Sink::abandon).transpose()?;
        self.failures.and_then(|(_, sink)| sink).map(Sink::abandon).transpose()?;
        self.out.abandon()
    }

    fn end(self, ended: Result<Ended, Failure>) -> Result<ExitCode, Failure> {
        let ended = match ended {
            Ok(ended) => ended,
            Err(failure) => {
                self.abandon()?;
                return Err(failure);
            }
        };
        match ended {
            Ended::Unread => return Ok(ExitCode::SUCCESS),
            Ended::Stopped => {
                let place = self.out.incomplete();
                output::warn(&format!(
                    "stopped after {} documents; the incomplete output is {place}",
                    self.count
                ));
                return Ok(ExitCode::from(130));
            }
            Ended::Complete => {}
        }
        if let (true, Some(failure)) = (self.is_one, &self.first) {
            let failure = Failure::new(failure.clone());
            self.abandon()?;
            return Err(failure);
        }
        self.out.finish()?;
        if let Some(map) = self.map {
            map.finish()?;
        }
        let place = match self.failures {
            Some((path, Some(sink))) => {
                sink.finish()?;
                format!("; {} says why", path.display())
            }
            _ => String::new(),
        };
        match self.failed {
            0 => Ok(ExitCode::SUCCESS),
            failed => {
                Err(Failure::new(format!("{failed} of {} documents failed{place}", self.count + failed)))
            }
        }
    }
}

impl Output for Covered {
    fn write(&mut self, document: &Document, tagged: &TaggedDocument) -> Result<bool, Failure> {
        let leaking = document.fields.iter().find(|(name, _)| LEAKING.contains(&name.as_str()));
        let refused = match leaking {
            Some((name, _)) => Err(Failure::new(format!(
                "its field {name:?} has the names that would be removed from the text; remove or rename the field first"
            ))),
            None => self.writer.check(document),
        };
        if let Err(failure) = refused {
            self.failed(&Unread { place: document.place.clone(), failure })?;
            return Ok(true);
        }
        // Where entities of the model and of rules overlap, both are removed whole.
        let mut entities = tagged.entities.clone();
        entities.extend(self.rules.iter().flat_map(|rules| rules.find_all(&document.text)));
        let redacted = redact(&document.text, &entities, &self.redaction);
        if let Some(map) = &mut self.map {
            let line = Line {
                file: Some(document.place.file.to_string()),
                line: document.place.line,
                replacements: serde_json::to_value(&redacted.replacements)
                    .map_err(|error| Failure::because("the map cannot be written as JSON", &error))?,
            };
            // The line of the map is written before the redacted text, so that every text written can be restored.
            let written = writeln!(map, "{}", output::json(&line)?).and_then(|()| map.flush());
            written.map_err(|error| map.failure(&error))?;
        }
        self.put(document, &redacted.text)
    }

    fn failed(&mut self, unread: &Unread) -> Result<(), Failure> {
        let message = unread.message();
        self.failed += 1;
        match &mut self.failures {
            _ if self.is_one => {}
            None => output::warn(&format!("warning: {message}")),
            Some((path, sink)) => {
                let sink = match sink {
                    Some(sink) => sink,
                    None => sink.insert(Sink::create(path)?),
                };
                let written = sink.write_all(failures::line(unread)?.as_bytes());
                written.map_err(|error| sink.failure(&error))?;
            }
        }
        self.first.get_or_insert(message);
        Ok(())
    }
}

/// Writes documents with their entities restored from the lines of a map, which are in the same order.
fn undo(documents: Documents, map: Stream, output: &mut Covered) -> Result<(), Failure> {
    let name = map.name.clone();
    let (map, count) = map.into_reader();
    let mut lines = map.lines().inspect(|_| count.set(0));
    for document in documents {
        let document = match document {
            Ok(document) => document,
            Err(unread) => return Err(Failure::new(unread.message())),
        };
        let Some(line) = lines.next() else {
            return Err(Failure::new(format!("{name} has no line for {}", document.place)));
        };
        let failed = |error: &dyn std::error::Error| {
            Failure::because(format!("{name} was not written by --map"), error)
        };
        let line: Line =
            serde_json::from_str(&line.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
        let redacted = serde_json::json!({"text": document.text, "replacements": line.replacements});
        let redacted: Redacted = serde_json::from_value(redacted).map_err(|error| failed(&error))?;
        let Some(text) = redacted.restore() else {
            return Err(Failure::new(format!(
                "{} was changed after it was redacted, or {name} belongs to another document",
                document.place
            )));
        };
        output.writer.check(&document)?;
        if !output.put(&document, &text)? {
            return Ok(());
        }
    }
    if lines.next().is_some() {
        return Err(Failure::new(format!("{name} has lines for more documents than the inputs have")));
    }
    Ok(())
}
