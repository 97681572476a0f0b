use std::marker::PhantomData;

/// Keeps the CPU's tiles of this thread configured while it is alive, so that each product need not set them up
/// again. It pays off for many small products. It must not outlive them by much, because the system saves configured
/// tiles with the thread. On CPUs without tiles, it does nothing.
///
/// Other code that uses AMX must not run on the thread meanwhile: it would change the configuration.
#[derive(Debug)]
pub struct TileSession {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    _session: crate::amx::Session,
    /// Tiles belong to a thread.
    _thread: PhantomData<*const ()>,
}

impl TileSession {
    /// Keeps the tiles of this thread configured until the value is dropped.
    #[expect(clippy::new_without_default, reason = "it is made for its effect")]
    pub fn new() -> Self {
        Self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            _session: crate::amx::Session::new(),
            _thread: PhantomData,
        }
    }
}
