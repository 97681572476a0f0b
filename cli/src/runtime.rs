//! The threads of asynchronous code.

use std::io;
use std::sync::mpsc::channel;
use std::thread;

use tokio::runtime::{Builder, Runtime};

/// A runtime with `threads` threads of `stack` bytes of stack. tokio panics if the system refuses the first of them.
pub(crate) fn start(threads: usize, stack: usize) -> io::Result<Runtime> {
    check(threads, stack)?;
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).thread_stack_size(stack).enable_all().build()
}

/// Starts as many threads, and ends them again.
fn check(threads: usize, stack: usize) -> io::Result<()> {
    thread::scope(|scope| {
        // The threads end when these are dropped.
        let mut started = Vec::new();
        for _ in 0..threads {
            let (sender, end) = channel::<()>();
            thread::Builder::new().stack_size(stack).spawn_scoped(scope, move || end.recv())?;
            started.push(sender);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::start;

    #[test]
    fn a_runtime_that_cannot_start_is_an_error() {
        start(2, 1 << 20).expect("two threads should start");
        start(1, 1 << 50).expect_err("no system should grant so much");
    }
}
