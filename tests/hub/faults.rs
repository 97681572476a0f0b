//! A system and a network that fail: caches that cannot be written, processes that are killed or fetch the same model
//! at once, clocks that are wrong, and secrets that must not be printed.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use entopic::{ErrorKind, Hub};

use crate::place::{ID, NEEDED, Place, fetch, for_weights, load, names};
use crate::server::Reply;
use crate::support::assert_says;

/// A variable that is set if another test runs this program as a child process.
const CHILD: &str = "ENTOPIC_TEST_IS_FETCHING";

/// Run by other tests in another process, which may be killed.
#[test]
fn child_that_fetches() {
    if std::env::var_os(CHILD).is_some() {
        load(Hub::new(), ID).expect("the model should be fetched");
    }
}

/// The command that fetches the model of `place` in a process of its own, run by `wrapper` if there is one.
fn child(place: &Place, wrapper: &[&str]) -> Command {
    let program = std::env::current_exe().expect("it should be known");
    let mut command = match wrapper {
        [] => Command::new(program),
        [name, arguments @ ..] => {
            let mut command = Command::new(name);
            command.args(arguments).arg(program);
            command
        }
    };
    command.args(["--exact", "faults::child_that_fetches"]);
    command.env(CHILD, "1").env("HF_HUB_CACHE", place.cache()).env("HF_ENDPOINT", &place.server.endpoint);
    command.env_remove("HF_HUB_OFFLINE").env("HF_TOKEN", "").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn end(child: Child) -> Output {
    child.wait_with_output().expect("the process should end")
}

#[test]
fn a_download_that_is_killed_is_resumed() {
    let place = Place::new();
    // The connection stays open after half of the file, until the process is killed.
    place.server.hook(for_weights(|request, weights| {
        let half = || Reply { stalls: true, ..Reply::body(weights).cut(weights.len() / 2) };
        request.range.is_none().then(half)
    }));
    let mut killed = child(&place, &[]).spawn().expect("the process should start");
    let partial = place.partial("model.safetensors");
    while fs::metadata(&partial).map_or(0, |file| file.len()) == 0 {
        assert!(killed.try_wait().expect("it should be known").is_none(), "{:?}", end(killed));
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().expect("the process should run");
    end(killed);
    place.server.unhook();
    place.server.take_requests();
    load(place.hub(), ID).expect("the rest should be fetched");
    let ranges: Vec<_> = place.server.take_reads().into_iter().filter(|read| read.large).collect();
    assert!(!ranges.is_empty() && ranges.iter().all(|read| read.range.is_some()), "{ranges:?}");
    assert!(!partial.exists());
}

#[test]
fn processes_at_once_fetch_each_file_once() {
    let place = Place::new();
    let children = [(); 3].map(|()| child(&place, &[]).spawn().expect("the process should start"));
    for output in children.map(end) {
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(names(&place.server.take_reads()), NEEDED);
}

/// Runs a program as a user who cannot write where the permissions forbid it, as root can.
#[cfg(target_os = "linux")]
const WITHOUT_PRIVILEGES: [&str; 3] = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"];

#[cfg(target_os = "linux")]
#[test]
fn a_cache_that_is_read_only_serves_what_it_has() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn allow(folder: &std::path::Path, mode: u32) {
        for entry in fs::read_dir(folder).expect("the folder should be readable").flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                allow(&entry.path(), mode);
            }
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).expect("the folder should be ours");
    }
    let place = Place::new();
    place.fetch().expect("the model should be fetched");
    allow(&place.cache(), 0o555);
    let is_root = fs::metadata(place.folder.path()).is_ok_and(|folder| folder.uid() == 0);
    let wrapper = if is_root { &WITHOUT_PRIVILEGES[..] } else { &[] };
    if let [name, arguments @ ..] = wrapper
        && !Command::new(name).args(arguments).arg("true").status().is_ok_and(|status| status.success())
    {
        println!("not run: root cannot give up its privileges here");
        return;
    }
    let run = || end(child(&place, wrapper).spawn().expect("the process should start"));
    let output = run();
    assert!(output.status.success(), "{output:?}");
    // Without a file, the model cannot be completed.
    allow(&place.cache(), 0o755);
    fs::remove_file(place.blob("config.json")).expect("the file should be there");
    allow(&place.cache(), 0o555);
    let output = run();
    allow(&place.cache(), 0o755);
    let message =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{message}");
    assert!(message.contains("cannot be written") && message.contains("HF_HUB_CACHE"), "{message}");
}

#[test]
fn a_clock_that_was_wrong_costs_only_a_check() {
    let place = Place::new();
    place.fetch().expect("the model should be fetched");
    let day = Duration::from_secs(24 * 60 * 60);
    let now = SystemTime::now();
    for time in [SystemTime::UNIX_EPOCH - day, SystemTime::UNIX_EPOCH, now + 400 * day] {
        for name in NEEDED {
            let file =
                fs::File::options().write(true).open(place.blob(name)).expect("the file should be there");
            file.set_modified(time).expect("the time should be set");
        }
        load(place.hub().offline(true), ID).expect("the files are whole");
    }
}

/// The URL of a host that has no address: its name is too long for any network to be asked.
fn no_host() -> String {
    format!("http://{}.invalid", "x".repeat(64))
}

#[test]
fn a_host_that_has_no_address_is_named() {
    let place = Place::new();
    let error =
        fetch(&place.hub().endpoint(no_host()), ID).expect_err("it should fail: there is no such host");
    assert_says(&error, ErrorKind::Download, &["cannot be reached", "Hub::offline"]);
}

#[test]
fn an_endless_timeout_is_one() {
    let place = Place::new();
    load(place.hub().timeout(Duration::MAX), ID).expect("the model should be fetched");
}

#[test]
fn no_secret_is_printed() {
    let place = Place::new();
    let refused = |hub: Hub| {
        let shown = format!("{hub:?}");
        let error = fetch(&hub, ID).expect_err("it should be refused");
        let shown = format!("{shown} {error} {error:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        error
    };
    let error = refused(place.hub().endpoint("http://ada:s3cret@hub.invalid"));
    assert_says(&error, ErrorKind::Options, &["Hub::token"]);
    for invalid in ["http://ada:s3cret@[::", "ada:s3cret@hub.invalid", "http://hub.invalid?token=s3cret"] {
        refused(place.hub().endpoint(invalid));
    }
    refused(place.hub().proxy("http://ada:s3cret@[::"));
    refused(place.hub().proxy(no_host().replace("//", "//ada:s3cret@")).endpoint("http://127.0.0.1:9"));
    refused(place.hub().token("s3cret\nx"));
    place.server.hook(|_| Some(Reply::status(403)));
    refused(place.hub().token("s3cret"));
    // A signed address, to which the hub redirects, gives access to its file.
    place.server.hook(|request| {
        let is_file = request.large && request.method == "GET";
        is_file.then(|| Reply::status(302).header("Location", no_host() + "/a?signature=s3cret"))
    });
    refused(place.hub());
}
