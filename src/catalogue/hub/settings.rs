use std::ffi::OsString;
use std::path::PathBuf;

use super::options::Options;
use crate::error::{Error, ErrorKind};

const HUGGING_FACE: &str = "https://huggingface.co";

/// The endpoint, the cache and the access to them: the options of a [`Hub`](super::Hub), and for options that are not
/// set, the environment variables of the standard clients.
pub(super) struct Settings {
    pub(super) cache: PathBuf,
    /// The hub's URL, without a slash at its end.
    pub(super) endpoint: String,
    pub(super) token: Option<String>,
    pub(super) offline: bool,
}

impl Settings {
    pub(super) fn new(hub: &Options) -> Result<Self, Error> {
        Self::with(hub, &|name| std::env::var_os(name), std::env::home_dir())
    }

    fn with(
        hub: &Options,
        variable: &dyn Fn(&str) -> Option<OsString>,
        user: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let path = |name: &str| {
            let path = PathBuf::from(set(name)?);
            match (path.strip_prefix("~"), &user) {
                (Ok(rest), Some(user)) => Some(user.join(rest)),
                _ => Some(path),
            }
        };
        let text = |name: &str| {
            let value = set(name)?.into_string().ok()?;
            Some(value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let home = path("HF_HOME").or_else(|| {
            let caches = path("XDG_CACHE_HOME").or_else(|| Some(user.as_ref()?.join(".cache")));
            Some(caches?.join("huggingface"))
        });
        let cache = hub.cache.clone().or_else(|| path("HF_HUB_CACHE"));
        let cache = cache.or_else(|| Some(home.as_ref()?.join("hub"))).ok_or_else(|| {
            let message =
                "no home folder was found for the hub's cache; name a folder with Hub::cache or HF_HUB_CACHE";
            Error::new(ErrorKind::Options, message)
        })?;
        let endpoint = hub.endpoint.clone().or_else(|| text("HF_ENDPOINT"));
        let token = match &hub.token {
            Some(token) => Some(token.trim().to_owned()),
            None => text("HF_TOKEN").or_else(|| {
                let file = path("HF_TOKEN_PATH").or_else(|| Some(home.as_ref()?.join("token")))?;
                Some(std::fs::read_to_string(file).ok()?.trim().to_owned())
            }),
        };
        let offline = hub.offline.unwrap_or_else(|| {
            let value = text("HF_HUB_OFFLINE").unwrap_or_default().to_uppercase();
            ["1", "ON", "YES", "TRUE"].contains(&value.as_str())
        });
        Ok(Self {
            cache,
            endpoint: endpoint.as_deref().unwrap_or(HUGGING_FACE).trim_end_matches('/').to_owned(),
            token: token.filter(|token| !token.is_empty()),
            offline,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::Settings;
    use crate::Hub;

    fn settings(hub: &Hub, variables: &[(&str, &str)]) -> Settings {
        let find = |name: &str| variables.iter().find(|(other, _)| *other == name);
        let variable = |name: &str| find(name).map(|(_, value)| (*value).into());
        Settings::with(&hub.0, &variable, Some(PathBuf::from("/home/me"))).expect("there should be a home")
    }

    #[test]
    fn the_cache_is_that_of_the_standard_clients() {
        for (variables, cache) in [
            (&[][..], "/home/me/.cache/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/caches")], "/caches/huggingface/hub"),
            (&[("HF_HOME", "/hf"), ("XDG_CACHE_HOME", "/caches")], "/hf/hub"),
            (&[("HF_HOME", "~/hf")], "/home/me/hf/hub"),
            (&[("HF_HUB_CACHE", "/hub"), ("HF_HOME", "/hf")], "/hub"),
            (&[("HF_HUB_CACHE", ""), ("HF_HOME", "/hf")], "/hf/hub"),
        ] {
            assert_eq!(settings(&Hub::new(), variables).cache, Path::new(cache), "{variables:?}");
        }
        let own = settings(&Hub::new().cache("/own"), &[("HF_HUB_CACHE", "/hub")]);
        assert_eq!(own.cache, Path::new("/own"));
    }

    #[test]
    fn options_go_before_variables() {
        let variables =
            [("HF_ENDPOINT", "https://mirror/"), ("HF_TOKEN", " secret\n"), ("HF_HUB_OFFLINE", "yes")];
        let found = settings(&Hub::new(), &variables);
        assert_eq!(found.endpoint, "https://mirror");
        assert_eq!(found.token.as_deref(), Some("secret"));
        assert!(found.offline);

        let hub = Hub::new().endpoint("http://own").token("").offline(false);
        let found = settings(&hub, &variables);
        assert_eq!(found.endpoint, "http://own");
        assert_eq!(found.token, None);
        assert!(!found.offline);
    }

    #[test]
    fn a_token_is_read_from_its_file() {
        let folder = tempfile::TempDir::new().expect("a temporary folder should be made");
        let home = folder.path().to_str().expect("it should be UTF-8");
        let path = format!("{home}/other");
        std::fs::write(folder.path().join("token"), "of home\n").expect("the file should be written");
        std::fs::write(&path, "of path\n").expect("the file should be written");
        let found = settings(&Hub::new(), &[("HF_HOME", home)]);
        assert_eq!(found.token.as_deref(), Some("of home"));
        let found = settings(&Hub::new(), &[("HF_HOME", home), ("HF_TOKEN_PATH", &path)]);
        assert_eq!(found.token.as_deref(), Some("of path"));
        assert_eq!(settings(&Hub::new(), &[]).token, None);
    }
}
