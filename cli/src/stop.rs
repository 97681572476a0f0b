//! The end of a run by an interrupt (Ctrl-C).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

/// A flag that an interrupt raises.
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on the first interrupt raises the flag, and the second ends the process.
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
