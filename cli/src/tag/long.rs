//! Runs that may be cut off and go on.
//!
//! While a run writes `results.jsonl`, there are `results.jsonl.partial` with the documents that are done, a line for each;
//! `results.jsonl.failed.partial` with those that failed, if any did; and `results.jsonl.run` with the run's settings. When
//! it is complete, the failures lose their ending, then the results, and then the settings are removed. A run that goes on
//! removes a last line that was cut off, and begins behind as many documents as there are whole lines in both files. A
//! failure is written only once all documents before it are, so these are always the first documents of the inputs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use crate::args::{Format, TagArgs};
use crate::documents::document::Unread;
use crate::failure::Failure;
use crate::sink::{self, Sink};
use crate::style::When;
use crate::{failures, output};

/// The settings that a resumed run must share with the run before it.
pub(super) struct Settings {
    text: String,
    can_go_on: bool,
}

impl Settings {
    /// Those of `args`: the options that change results, the files that these name, and the size of the inputs.
    pub(super) fn of(args: &TagArgs, bytes: Option<u64>) -> Self {
        let mut args = args.clone();
        args.resume = false;
        args.models.run.threads = None;
        args.color = When::Auto;
        let size = bytes.map(|bytes| format!("{bytes} bytes")).unwrap_or_default();
        let named = [
            &args.models.entities.rules.rules,
            &args.models.topics.topics_file,
            &args.models.run.places.registry,
        ];
        let contents: Vec<String> =
            named.into_iter().flatten().filter_map(|path| fs::read_to_string(path).ok()).collect();
        let contents = contents.join("\n");
        let text = format!("entopic {} {size}\n{args:#?}\n{contents}\n", env!("CARGO_PKG_VERSION"));
        Self { text, can_go_on: args.format == Format::Jsonl }
    }
}

/// A run that writes a file.
pub(crate) struct LongRun {
    path: PathBuf,
    settings: PathBuf,
    failures: PathBuf,
    failed: Option<File>,
    /// Whether another run can go on with it.
    can_go_on: bool,
    /// Documents that an earlier run did, and of these those that failed.
    done: usize,
    failed_before: usize,
}

/// A run that was asked for.
pub(super) enum Begun {
    Run(Sink, LongRun),
    /// It is complete; some documents failed if there is a file with them.
    Complete {
        failures: Option<PathBuf>,
    },
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

impl LongRun {
    /// Begins a run that writes `path`, or resumes it.
    pub(super) fn begin(path: &Path, resume: bool, settings: &Settings) -> Result<Begun, Failure> {
        let failed =
            |error: &io::Error| Failure::because(format!("{} cannot be written", path.display()), error);
        let mut run = Self {
            path: path.to_owned(),
            settings: beside(path, ".run"),
            failures: failures::beside(path),
            failed: None,
            can_go_on: settings.can_go_on,
            done: 0,
            failed_before: 0,
        };
        let partial = sink::partial(path);
        let partial_failures = sink::partial(&run.failures);
        if !resume || !partial.exists() {
            if resume && path.exists() {
                // The last step of a run that was cut off in it.
                failures::remove(&run.settings)?;
                return Ok(Begun::Complete { failures: run.failures.exists().then_some(run.failures) });
            }
            if !partial.exists() {
                // Before there are results to go on with. What an older run left is of no more use.
                for old in [&partial_failures, &run.failures] {
                    failures::remove(old)?;
                }
                if settings.can_go_on {
                    write_whole(&run.settings, &settings.text).map_err(|error| failed(&error))?;
                }
            }
            return Ok(Begun::Run(Sink::create(path)?, run));
        }
        let before = fs::read_to_string(&run.settings).map_err(|error| {
            let message = format!("{} cannot be read, so the run cannot be resumed", run.settings.display());
            Failure::because(message, &error)
        })?;
        if before != settings.text {
            return Err(Failure::new(format!(
                "{} was begun with other options or inputs ({} differs); give the same, or remove {0} and {}",
                partial.display(),
                difference(&before, &settings.text),
                run.settings.display()
            )));
        }
        if run.failures.exists() {
            // It was cut off between its last two steps.
            fs::rename(&run.failures, &partial_failures).map_err(|error| failed(&error))?;
        }
        run.done = whole_lines(&partial).map_err(|error| failed(&error))?;
        if partial_failures.exists() {
            run.failed_before = whole_lines(&partial_failures).map_err(|error| failed(&error))?;
            run.done += run.failed_before;
            let open = OpenOptions::new().append(true).open(&partial_failures);
            run.failed = Some(open.map_err(|error| failed(&error))?);
        }
        output::warn(&format!("note: resuming after {} documents", run.done));
        Ok(Begun::Run(Sink::go_on(path)?, run))
    }

    /// Documents that an earlier run did.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// Of these those that failed.
    pub(super) fn failed_before(&self) -> usize {
        self.failed_before
    }

    /// Notes a document that failed.
    pub(super) fn failed(&mut self, unread: &Unread) -> Result<(), Failure> {
        let path = sink::partial(&self.failures);
        let unwritable =
            |error: &io::Error| Failure::because(format!("{} cannot be written", path.display()), error);
        let file = match &mut self.failed {
            Some(file) => file,
            None => {
                let open = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
                self.failed.insert(open.map_err(|error| unwritable(&error))?)
            }
        };
        let line = failures::line(unread)?;
        file.write_all(line.as_bytes()).map_err(|error| unwritable(&error))
    }

    /// The way out for a run that was cut off.
    pub(super) fn advice(&self) -> String {
        let can_go_on = if self.can_go_on { "; add --resume to continue" } else { ", which is not complete" };
        format!("they are in {}{can_go_on}", sink::partial(&self.path).display())
    }

    /// Takes back a run that wrote nothing.
    pub(super) fn abandon(self) -> Result<(), Failure> {
        for path in [sink::partial(&self.path), sink::partial(&self.failures), self.settings] {
            failures::remove(&path)?;
        }
        Ok(())
    }

    /// Gives the file with the documents that failed its name, if any did. The results are given theirs after it, so that
    /// a run whose results have their name is complete.
    pub(super) fn finish_failures(&self) -> Result<Option<PathBuf>, Failure> {
        if self.failed.is_none() {
            return Ok(None);
        }
        fs::rename(sink::partial(&self.failures), &self.failures).map_err(|error| {
            Failure::because(format!("{} cannot be written", self.failures.display()), &error)
        })?;
        Ok(Some(self.failures.clone()))
    }

    /// Ends the run, whose results have their name.
    pub(super) fn finish(self) -> Result<(), Failure> {
        failures::remove(&self.settings)
    }
}

/// Writes a file as a whole.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let partial = sink::partial(path);
    fs::write(&partial, text)?;
    fs::rename(partial, path)
}

/// The number of whole lines of a file. A last line that was cut off is removed.
fn whole_lines(path: &Path) -> io::Result<usize> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut reader = BufReader::new(&file);
    let (mut lines, mut whole) = (0, 0);
    loop {
        // A line may be longer than what is read at once.
        let (mut length, mut ends) = (0, false);
        while !ends {
            let buffer = reader.fill_buf()?;
            if buffer.is_empty() {
                file.set_len(whole)?;
                return Ok(lines);
            }
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let count = end.map_or(buffer.len(), |end| end + 1);
            ends = end.is_some();
            length += count as u64;
            reader.consume(count);
        }
        lines += 1;
        whole += length;
    }
}

/// The first option that differs.
fn difference(before: &str, now: &str) -> String {
    // Options are printed one below another, each with its name.
    let mut field = "the version, the inputs or their size";
    for (before, now) in before.lines().zip(now.lines()) {
        if let Some((name, _)) = now.trim_start().split_once(':')
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            field = name;
        }
        if before != now {
            return field.replace('_', "-");
        }
    }
    "a file that they name".to_owned()
}
