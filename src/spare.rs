use std::sync::{Mutex, PoisonError};

/// Buffers that no thread is using now: at most as many as were ever in use at once. A thread that waits inside a
/// product may start other work of the same kind, so buffers cannot belong to threads.
pub(crate) struct Spare<T>(Mutex<Vec<T>>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Spare<T> {
    /// Runs `work` with a spare buffer, or with a new one if none is spare.
    pub(crate) fn lend<R>(&self, new: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        // A poisoned pool holds plain buffers, which are overwritten before they are read.
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = taken.unwrap_or_else(new);
        let result = work(&mut buffer);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        result
    }
}
