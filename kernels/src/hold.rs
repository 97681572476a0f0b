use std::marker::PhantomData;

/// While there is one, products on this thread leave the CPU's tiles as they are set, and the next ones need not set them
/// again: worth it for many small products. It must not outlive them by much, as the system saves tiles that are set with
/// the thread. Where the CPU has no tiles, it does nothing.
///
/// Other code that uses AMX must not run on the thread meanwhile: it would change their configuration.
#[derive(Debug)]
pub struct Hold {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    _held: crate::amx::Held,
    /// Tiles are those of a thread.
    _thread: PhantomData<*const ()>,
}

impl Hold {
    /// Holds the tiles of this thread.
    #[expect(clippy::new_without_default, reason = "it is made for what it does")]
    pub fn new() -> Self {
        Self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            _held: crate::amx::Held::new(),
            _thread: PhantomData,
        }
    }
}
