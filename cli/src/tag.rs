//! `entopic tag` prints the entities and topics of documents.

mod long;
mod words;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use entopic::{TaggedDocument, Tagger};

use self::long::{Begun, LongRun, Settings};
use crate::args::{Format, TagArgs};
use crate::documents::document::{Document, Unread};
use crate::documents::{Blank, Documents};
use crate::failure::Failure;
use crate::formats;
use crate::formats::writer::{Problem, Writer};
use crate::offsets::Offsets;
use crate::pace::Progress;
use crate::run::{self, Ended, Output};
use crate::sink::{Folder, Sink};
use crate::stop::Stop;
use crate::{failures, load, output};

pub(crate) fn run(args: &TagArgs) -> Result<ExitCode, Failure> {
    if args.words {
        return words::run(args);
    }
    let documents = Documents::find(&args.inputs, Blank::Skip)?;
    let tagger = load::tagger(&args.models)?;
    // The output is created last, so that a run that cannot begin leaves nothing behind.
    let Some(target) = Target::open(args, &documents)? else { return Ok(ExitCode::SUCCESS) };
    let stop = Stop::on_interrupt()?;
    let progress = Progress::new(&documents);
    let mut output = Results::new(args, &documents, target, progress.clone())?;
    let limits = args.inputs.limits().cancel(stop.flag()).progress(progress.in_text());
    let limited = tagger.within(&limits);
    let done = output.done();
    let ended = run::run(documents, done, |texts| limited.tag_iter(texts), &mut output);
    progress.end();
    output.end(ended, &tagger)
}

/// The destination of a run's results.
pub(crate) enum Target {
    /// Standard output, or a pipe or device.
    Stream(Sink),
    /// A file, and the run that writes it and can be resumed.
    File(Sink, LongRun),
    Folder(Folder),
}

impl Target {
    /// The target that the options name; `None` if it is already complete.
    fn open(args: &TagArgs, documents: &Documents) -> Result<Option<Self>, Failure> {
        if args.resume && args.format != Format::Jsonl {
            return Err(Failure::new("--resume is for --format jsonl, which has one line per document"));
        }
        let has_json = matches!(args.format, Format::Json | Format::Jsonl);
        if args.groups && !has_json {
            return Err(Failure::new("--groups is for --format json and --format jsonl"));
        }
        let has_offsets = has_json || matches!(args.format, Format::Csv | Format::Parquet);
        if args.offsets != Offsets::Chars && !has_offsets {
            return Err(Failure::new(
                "--offsets is for --format json, jsonl, csv and parquet; this format counts characters",
            ));
        }
        let Some(path) = &args.output else {
            if args.resume {
                return Err(Failure::new(
                    "--resume needs the file of the earlier run; name it with --output",
                ));
            }
            return Ok(Some(Self::Stream(Sink::standard_output())));
        };
        args.inputs.refuse_as_output(path)?;
        let is_folder = path.is_dir() || path.as_os_str().to_string_lossy().ends_with(['/', '\\']);
        match args.format {
            Format::Brat => return Ok(Some(Self::Folder(Folder::create(path)?))),
            Format::Html if is_folder || !documents.is_one => {
                return Ok(Some(Self::Folder(Folder::create(path)?)));
            }
            _ => {}
        }
        if std::fs::metadata(path).is_ok_and(|data| !data.is_file() && !data.is_dir()) {
            return match args.resume {
                true => Err(Failure::new(format!(
                    "{} is a pipe or a device, which cannot be resumed; leave out --resume",
                    path.display()
                ))),
                false => Ok(Some(Self::Stream(Sink::create(path)?))),
            };
        }
        let settings = Settings::of(args, documents.bytes);
        match LongRun::begin(path, args.resume, &settings)? {
            Begun::Run(sink, run) => Ok(Some(Self::File(sink, run))),
            Begun::Complete { failures: None } => {
                output::warn(&format!(
                    "note: {} is complete, so nothing was done; its options were not compared. Remove it to run again",
                    path.display()
                ));
                Ok(None)
            }
            Begun::Complete { failures: Some(failures) } => Err(Failure::new(format!(
                "{} is complete, but some documents failed; {} says why",
                path.display(),
                failures.display()
            ))),
        }
    }
}

/// Writes the documents of a run and counts them.
struct Results {
    writer: Box<dyn Writer>,
    run: Option<LongRun>,
    is_one: bool,
    progress: Progress,
    written: usize,
    failed: usize,
    /// The file of failures, if it is in the folder of the results.
    place: Option<PathBuf>,
    /// The failure of the first document, which is the failure of the run if there is only one document.
    first: Option<String>,
    /// The first language that the models do not know, and the number of documents in such languages.
    foreign: Option<String>,
    foreign_count: usize,
}

impl Results {
    fn new(
        args: &TagArgs,
        documents: &Documents,
        target: Target,
        progress: Progress,
    ) -> Result<Self, Failure> {
        let (sink, run) = match target {
            Target::File(sink, run) => (formats::Target::Stream(sink), Some(run)),
            Target::Stream(sink) => (formats::Target::Stream(sink), None),
            Target::Folder(folder) => (formats::Target::Folder(folder), None),
        };
        let writer = formats::writer(args, documents.is_one, sink)?;
        Ok(Self {
            writer,
            run,
            is_one: documents.is_one,
            progress,
            written: 0,
            failed: 0,
            place: None,
            first: None,
            foreign: None,
            foreign_count: 0,
        })
    }

    /// The number of documents done by an earlier run.
    fn done(&self) -> usize {
        self.run.as_ref().map_or(0, LongRun::done)
    }

    /// Warns that the first document failed, once it is not the only one.
    fn warn_of_first(&mut self) {
        if let (Some(message), None, None) = (self.first.take(), &self.run, &self.place) {
            warn_of(&message);
        }
    }

    fn end(mut self, ended: Result<Ended, Failure>, tagger: &Tagger) -> Result<ExitCode, Failure> {
        match ended? {
            Ended::Unread => return Ok(ExitCode::SUCCESS),
            Ended::Stopped => {
                self.writer.flush().map_err(|error| self.writer.failure(&error))?;
                let done = self.done() + self.written + self.failed;
                let advice = match (&self.run, self.writer.incomplete()) {
                    (Some(run), _) => run.advice(),
                    (None, Some(place)) => format!("the incomplete output is {place}"),
                    (None, None) => "the output is not complete".to_owned(),
                };
                output::warn(&format!("stopped after {done} documents; {advice}"));
                // The code that shells report for a program ended by an interrupt.
                return Ok(ExitCode::from(130));
            }
            Ended::Complete => {}
        }
        if let (Some(message), 1) = (self.first.take(), self.done() + self.written + self.failed) {
            self.run.map(LongRun::abandon).transpose()?;
            self.writer.abandon()?;
            return Err(Failure::new(message));
        }
        let failed = self.failed + self.run.as_ref().map_or(0, LongRun::failed_before);
        let all = self.done() + self.written + self.failed;
        let place = self.run.as_ref().map(LongRun::finish_failures).transpose()?.flatten().or(self.place);
        self.writer.finish()?;
        self.run.map(LongRun::finish).transpose()?;
        if let Some(language) = &self.foreign {
            let (subject, models) = match self.is_one {
                true => ("the text looks like the language".to_owned(), "its results"),
                false => (
                    format!("{} documents look like another language, the first like", self.foreign_count),
                    "their results",
                ),
            };
            output::warn(&format!(
                "warning: {subject} {language}, which {} and {} do not both know; {models} may mean little. \
                 Choose other models with --model and --topic-model",
                tagger.ner().name(),
                tagger.topics().name()
            ));
        }
        if failed == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        let place = place.map(|path| format!("; {} says why", path.display())).unwrap_or_default();
        Err(Failure::new(format!("{failed} of {all} documents failed{place}")))
    }
}

impl Output for Results {
    fn write(&mut self, document: &Document, tagged: &TaggedDocument) -> Result<bool, Failure> {
        self.warn_of_first();
        if let Some(language) = &tagged.coverage.foreign_language {
            self.foreign.get_or_insert_with(|| language.clone());
            self.foreign_count += 1;
        }
        let written = self.writer.write(document, tagged).and_then(|()| match self.run {
            // The reader of a stream may be waiting for it.
            None => Ok(self.writer.flush()?),
            Some(_) => Ok(()),
        });
        match written {
            Ok(()) => self.written += 1,
            Err(Problem::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
            Err(Problem::Output(error)) => {
                return Err(self.writer.failure(&error));
            }
            Err(Problem::Document(failure)) => {
                self.failed(&Unread { place: document.place.clone(), failure })?;
            }
        }
        self.progress.count(self.written + self.failed);
        Ok(true)
    }

    // Failures go to their file, or to standard error.
    fn failed(&mut self, unread: &Unread) -> Result<(), Failure> {
        self.warn_of_first();
        self.failed += 1;
        self.progress.count(self.written + self.failed);
        match &mut self.run {
            Some(run) => {
                // The results before a failure are in their file before the failure is in its file.
                self.writer.flush().map_err(|error| self.writer.failure(&error))?;
                run.failed(unread)?;
            }
            None => {
                let noted = self.writer.failed(&failures::line(unread)?);
                self.place = noted.map_err(|error| self.writer.failure(&error))?;
                if self.place.is_none() && self.written + self.failed > 1 {
                    warn_of(&unread.message());
                }
            }
        }
        if self.written + self.failed == 1 {
            self.first = Some(unread.message());
        }
        Ok(())
    }
}

fn warn_of(message: &str) {
    output::warn(&format!("warning: {message}"));
}
