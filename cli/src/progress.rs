//! Progress bars on standard error.

use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar that is shown on standard error.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// The hub with a bar for its downloads.
#[cfg(feature = "hub")]
pub(crate) fn of_downloads(hub: entopic::Hub) -> entopic::Hub {
    let template = "{msg} {bar:20} {bytes} of {total_bytes}";
    let bar = bar(0, ProgressDrawTarget::stderr(), template);
    if bar.is_hidden() {
        return hub;
    }
    hub.progress(move |progress| {
        let entopic::DownloadProgress { path, file, files, done, total, .. } = progress;
        if bar.is_finished() {
            // The next model begins.
            bar.reset();
        }
        bar.set_message(message(path, [*file, *files]));
        bar.set_length(*total);
        bar.set_position(*done);
        if file == files && done == total {
            bar.finish_and_clear();
        }
    })
}

/// Calls `print` while the bar is hidden.
pub(crate) fn aside(print: impl FnOnce()) {
    match &*SHOWN.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) if !bar.is_finished() => bar.suspend(print),
        _ => print(),
    }
}

/// A bar of `length` on `target`.
pub(crate) fn bar(length: u64, target: ProgressDrawTarget, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("##-"));
    }
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    bar
}

/// The maximum number of characters shown of a file's name.
#[cfg(feature = "hub")]
const NAME: usize = 24;

/// The name of a file, and its number among those that are downloaded.
#[cfg(feature = "hub")]
fn message(path: &str, [file, files]: [usize; 2]) -> String {
    let name: String = crate::text::printable(path).chars().take(NAME).collect();
    format!("{name} ({file} of {files})")
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "hub")]
    #[test]
    fn names_of_files_are_short_and_steer_no_terminal() {
        use super::message;
        assert_eq!(message("config.json", [1, 4]), "config.json (1 of 4)");
        let long = message(&"x\u{1B}".repeat(99), [10, 12]);
        assert!(long.chars().count() < 40 && !long.contains('\u{1B}'), "{long}");
    }
}
