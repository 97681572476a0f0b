//! Runs that can be interrupted and resumed.
//!
//! While a run writes `results.jsonl`, these files exist: `results.jsonl.partial` has the documents that are done, one
//! per line; `results.jsonl.failed.partial` has those that failed, if any did; and `results.jsonl.run` has the run's
//! settings. When the run is complete, the failures lose the ending `.partial`, then the results do, and then the
//! settings are removed. A resumed run removes a last line that was cut off, and skips as many documents as there are
//! whole lines in both files. A failure is written only after all documents before it, so these are always the first
//! documents of the inputs.

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
    /// The settings of `args`: the options that change results, the files that they name, and the size of the inputs.
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
    /// True if another run can resume this one.
    can_go_on: bool,
    /// The number of documents done by earlier runs, and the number of these that failed.
    done: usize,
    failed_before: usize,
}

/// The beginning of a run.
pub(super) enum Begun {
    Run(Sink, LongRun),
    /// The run is already complete; some documents failed if there is a file of failures.
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
                // The last step of a run, in which it may have been interrupted.
                failures::remove(&run.settings)?;
                return Ok(Begun::Complete { failures: run.failures.exists().then_some(run.failures) });
            }
            if !partial.exists() {
                // The settings are written before there are results to resume. The files of an older run are obsolete.
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
                "{} was begun with other options or inputs ({} differs); use the same, or remove {0} and {}",
                partial.display(),
                difference(&before, &settings.text),
                run.settings.display()
            )));
        }
        if run.failures.exists() {
            // The run was interrupted between the renaming of the failures and that of the results.
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

    /// The number of documents done by earlier runs.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// The number of these that failed.
    pub(super) fn failed_before(&self) -> usize {
        self.failed_before
    }

    /// Records a document that failed.
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

    /// The advice after an interrupt.
    pub(super) fn advice(&self) -> String {
        let can_go_on = if self.can_go_on { "; add --resume to continue" } else { ", which is not complete" };
        format!("they are in {}{can_go_on}", sink::partial(&self.path).display())
    }

    /// Removes the files of a run that wrote no result.
    pub(super) fn abandon(self) -> Result<(), Failure> {
        for path in [sink::partial(&self.path), sink::partial(&self.failures), self.settings] {
            failures::remove(&path)?;
        }
        Ok(())
    }

    /// Gives the file of failures its final name, if there is one. The results get theirs afterwards, so that a run
    /// whose results have their final name is complete.
    pub(super) fn finish_failures(&self) -> Result<Option<PathBuf>, Failure> {
        if self.failed.is_none() {
            return Ok(None);
        }
        fs::rename(sink::partial(&self.failures), &self.failures).map_err(|error| {
            Failure::because(format!("{} cannot be written", self.failures.display()), &error)
        })?;
        Ok(Some(self.failures.clone()))
    }

    /// Ends the run, whose results have their final name.
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
    // The settings have one option per line, with its name.
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
    "a file that an option names".to_owned()
}
