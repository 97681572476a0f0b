//! Interrupts (Ctrl-C), which end a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

/// A flag that an interrupt raises.
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Makes the first interrupt raise the flag, and the second end the process.
    pub(crate) fn on_interrupt() -> Result<Self, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        let raised = Arc::clone(&flag);
        let handler = move || {
            if raised.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        };
        ctrlc::set_handler(handler)
            .map_err(|error| Failure::because("interrupts cannot be received", &error))?;
        Ok(Self(flag))
    }

    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// Waits for an interrupt or, on Unix, a request to terminate.
#[cfg(any(feature = "serve", feature = "cluster"))]
pub(crate) async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without the signal to terminate, only an interrupt ends it.
    let _ = tokio::signal::ctrl_c().await;
}
