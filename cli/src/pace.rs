//! The progress of a run over documents: a bar on a terminal, one line per minute elsewhere.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::documents::Documents;
use crate::output;
use crate::progress::bar;

/// Inputs of fewer bytes need no bar.
const LONG: u64 = 1 << 20;

/// The time between two drawings of the bar, which shows that the command is alive while it reads a section.
const TICK: Duration = Duration::from_millis(200);

/// The time between two lines if there is no terminal.
const LOG: Duration = Duration::from_secs(60);

/// The progress of a run over documents.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// The number of bytes read from the inputs.
    read: Rc<Cell<u64>>,
    is_one: bool,
    begun: Instant,
    logged: Rc<Cell<Instant>>,
}

impl Progress {
    /// A bar on standard error; hidden if standard error is not a terminal, or the inputs are short.
    pub(crate) fn new(documents: &Documents) -> Self {
        let is_short = documents.bytes.is_some_and(|bytes| bytes < LONG);
        let target = if is_short { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let template = match (documents.is_one, documents.bytes) {
            (true, Some(_)) => "{bar:30} {bytes} of {total_bytes}, {eta} left",
            (false, Some(_)) => "{bar:30} {percent} %, {msg}, {eta} left",
            (_, None) => "{spinner} {msg}, {elapsed}",
        };
        let bar = bar(documents.bytes.unwrap_or(0), target, template);
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        let now = Instant::now();
        let (read, logged) = (Rc::clone(&documents.done), Rc::new(Cell::new(now)));
        Self { bar, read, is_one: documents.is_one, begun: now, logged }
    }

    /// A function that receives the number of bytes done, to show the progress within one long document.
    pub(crate) fn in_text(&self) -> impl Fn(usize) + Send + Sync + 'static {
        let (bar, is_one) = (self.bar.clone(), self.is_one);
        move |bytes| {
            if is_one {
                bar.set_position(bytes as u64);
            }
        }
    }

    /// Shows that `count` documents are done.
    pub(crate) fn count(&self, count: usize) {
        if self.is_one {
            return;
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let message = || format!("{count} documents, {:.0} per second", count as f64 / seconds.max(1e-3));
        if !self.bar.is_hidden() {
            self.bar.set_position(self.read.get());
            self.bar.set_message(message());
        } else if self.logged.get().elapsed() >= LOG {
            self.logged.set(Instant::now());
            output::warn(&format!("{} in {:.0} s", message(), seconds));
        }
    }

    /// Removes the bar.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
