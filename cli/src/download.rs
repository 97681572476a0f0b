//! How far a download is, on a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use entopic::{DownloadProgress, Hub};

use crate::text::printable;

/// Whether a line without its end stands on standard error.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Back to the line's start, and nothing on it.
const CLEAR: &str = "\r\x1B[K";

/// With the rest of the line, these fit the 80 columns of a terminal, where a line is written over.
const BAR: usize = 20;
const NAME: usize = 24;

/// `hub`, whose downloads are shown if standard error is a terminal.
pub(crate) fn shown(hub: Hub) -> Hub {
    if !io::stderr().is_terminal() {
        return hub;
    }
    hub.progress(|progress| {
        // With nobody to tell, a download goes on.
        let _ = write!(io::stderr(), "{CLEAR}{}", line(progress));
        OPEN.store(true, Ordering::Relaxed);
        if progress.file == progress.files && progress.done == progress.total {
            clear();
        }
    })
}

/// Takes the line away, if there is one.
pub(crate) fn clear() {
    if OPEN.swap(false, Ordering::Relaxed) {
        let _ = write!(io::stderr(), "{CLEAR}");
    }
}

fn line(progress: &DownloadProgress) -> String {
    let DownloadProgress { path, file, files, done, total, .. } = progress;
    bar(path, [*file, *files], [*done, *total])
}

fn bar(path: &str, [file, files]: [usize; 2], [done, total]: [u64; 2]) -> String {
    let share = if total == 0 { 1.0 } else { (done as f64 / total as f64).min(1.0) };
    let filled = (share * BAR as f64) as usize;
    let name: String = printable(path).chars().take(NAME).collect();
    format!(
        "{name} ({file} of {files}) [{}{}] {:3.0} % of {:.1} MB",
        "#".repeat(filled),
        " ".repeat(BAR - filled),
        share * 100.0,
        total as f64 / 1e6
    )
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn a_line_tells_file_and_share_and_fits_a_terminal() {
        let line = bar("config.json", [1, 4], [0, 829]);
        assert_eq!(line, "config.json (1 of 4) [                    ]   0 % of 0.0 MB");
        let line = bar("model.safetensors", [2, 4], [216_650_000, 433_300_000]);
        assert_eq!(line, "model.safetensors (2 of 4) [##########          ]  50 % of 433.3 MB");
        let long = bar(&"x\u{1B}".repeat(99), [10, 12], [u64::MAX, 9_999_999_999]);
        assert!(long.chars().count() < 80 && !long.contains('\u{1B}'), "{long}");
        assert!(bar("empty", [1, 1], [0, 0]).contains("100 %"));
    }
}
