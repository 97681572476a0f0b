//! How far a long text is, on a terminal.

use std::time::Duration;

use entopic::Limits;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Texts of fewer bytes are done in a moment.
const LONG: usize = 1 << 20;

/// How often the bar is drawn, so that it shows that the command is alive between two sections.
const TICK: Duration = Duration::from_millis(200);

/// A bar on standard error, for a text of `bytes` bytes; hidden if that is no terminal, or the text is short.
pub(crate) fn bar(bytes: usize) -> ProgressBar {
    let target = if bytes < LONG { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(bytes as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    if !bar.is_hidden() {
        bar.enable_steady_tick(TICK);
    }
    bar
}

/// Limits of a call that move `bar`.
pub(crate) fn limits(bar: &ProgressBar) -> Limits {
    let bar = bar.clone();
    Limits::new().progress(move |bytes| bar.set_position(bytes as u64))
}
