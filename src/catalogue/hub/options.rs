use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::progress::Callback;

/// The options of a [`Hub`](super::Hub).
#[derive(Clone, Default)]
pub(super) struct Options {
    pub(super) cache: Option<PathBuf>,
    pub(super) endpoint: Option<String>,
    pub(super) token: Option<String>,
    pub(super) proxy: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) offline: Option<bool>,
    pub(super) lock: Option<PathBuf>,
    pub(super) progress: Option<Callback>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cache, endpoint, token, proxy, timeout, offline, lock, progress } = self;
        let mut debug = f.debug_struct("Options");
        // Logs must not contain secrets; a URL may contain a password.
        let endpoint = endpoint.as_deref().map(|url| if url.contains(['@', '?']) { "set" } else { url });
        debug.field("cache", cache).field("endpoint", &endpoint);
        debug.field("token", &token.as_ref().map(|_| "set")).field("proxy", &proxy.as_ref().map(|_| "set"));
        debug.field("timeout", timeout).field("offline", offline).field("lock", lock);
        debug.field("progress", progress).finish()
    }
}
