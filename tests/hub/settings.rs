//! The sources of settings: options and the environment.

use std::path::Path;

use entopic::{ErrorKind, Hub};

use crate::place::{ID, Place, fetch};
use crate::support::assert_says;

#[test]
fn options_that_are_no_url_are_errors() {
    let place = Place::new();
    for hub in [place.hub().endpoint("nonsense"), place.hub().endpoint("file:///etc")] {
        assert_says(
            &fetch(&hub, ID).expect_err("it should fail: it is no URL"),
            ErrorKind::Options,
            &["URL of a hub"],
        );
    }
    let error = fetch(&place.hub().proxy("::"), ID).expect_err("it should fail: it is no URL");
    assert_says(&error, ErrorKind::Options, &["proxy"]);
    let error = fetch(&place.hub().token("a\nb"), ID).expect_err("it should fail: it is no token");
    assert_says(&error, ErrorKind::Options, &["token"]);
    assert!(!format!("{error:?}").contains("a\nb"));
}

#[test]
fn a_proxy_is_used_where_one_is_set() {
    let place = Place::new();
    let hub = place.hub().proxy(&place.server.endpoint).endpoint("http://hub.invalid");
    fetch(&hub, ID).expect_err("it should fail: the server is no proxy");
    let requests = place.server.take_requests();
    assert!(requests[0].path.starts_with("http://hub.invalid/api/models/"), "{requests:?}");
}

/// A variable that is set if another test runs this program as a child process.
const CHILD: &str = "ENTOPIC_TEST_IS_CHILD";

/// Run by the next test in another process, since environment variables belong to a process.
#[test]
fn child_of_the_environment() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let fetched = fetch(&Hub::new(), ID).expect("the model should be fetched");
    let home = std::env::var("HF_HOME").expect("it should be set");
    assert!(fetched.folder.starts_with(Path::new(&home).join("hub")), "{fetched:?}");
}

#[test]
fn the_environment_is_that_of_the_hubs_clients() {
    let place = Place::new();
    let child = |offline: &str| {
        std::process::Command::new(std::env::current_exe().expect("it should be known"))
            .args(["--exact", "settings::child_of_the_environment"])
            .env(CHILD, "1")
            .env_remove("HF_HUB_CACHE")
            .env("HF_HOME", place.folder.path())
            .env("HF_ENDPOINT", &place.server.endpoint)
            .env("HF_TOKEN", "hf_secret")
            .env("HF_HUB_OFFLINE", offline)
            // The hub's clients read no variables for proxies.
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .output()
            .expect("it should start")
    };
    assert!(!child("1").status.success());
    assert_eq!(place.server.take_requests().len(), 0);
    let output = child("0");
    assert!(output.status.success(), "{output:?}");
    let requests = place.server.take_requests();
    assert_eq!(requests[0].authorization.as_deref(), Some("Bearer hf_secret"));
    assert!(child("1").status.success());
}
