//! Refusals and faults of a hub.

use std::net::TcpListener;
use std::time::Duration;

use entopic::ErrorKind;

use crate::place::{FIXTURE, ID, OTHER_COMMIT, Place, fetch, load};
use crate::server::{COMMIT, File, Reply, describe, fixture};
use crate::support::assert_says;

#[test]
fn refusals_say_what_to_do() {
    let place = Place::new();
    let gated = format!("{}/{ID}", place.server.endpoint);
    for (reply, kind, words) in [
        (Reply::status(401), ErrorKind::Access, vec![ID, "token", "HF_TOKEN", &gated]),
        (
            Reply::status(401).header("X-Error-Code", "RepoNotFound"),
            ErrorKind::UnknownModel,
            vec![ID, "check the name", "token"],
        ),
        (Reply::status(403), ErrorKind::Access, vec![ID, "token", "licence", &gated]),
        (
            Reply::status(403).header("X-Error-Code", "GatedRepo"),
            ErrorKind::Access,
            vec!["gated", "accept its licence", &gated],
        ),
        (Reply::status(404), ErrorKind::UnknownModel, vec![ID, "check the name", "owner/name@revision"]),
        (
            Reply::status(400).header("X-Error-Message", "so it is"),
            ErrorKind::Download,
            vec!["status 400", "so it is"],
        ),
    ] {
        place.server.hook(move |_| Some(reply.clone()));
        assert_says(&place.error(), kind, &words);
        assert_eq!(place.server.take_requests().len(), 1, "what stays is not tried again");
    }
    place.server.unhook();
    let error = fetch(&place.hub(), "owner/none").expect_err("it should fail: it is unknown");
    assert_says(&error, ErrorKind::UnknownModel, &["owner/none", "check the name", "folder"]);
    let error = fetch(&place.hub(), "owner/model@v9").expect_err("it should fail: it is unknown");
    assert_says(&error, ErrorKind::UnknownModel, &[ID, "\"v9\"", &gated]);

    // The hub lists the files of a gated model, but does not send them.
    place.server.hook(|request| {
        let refusal = Reply::status(401).header("X-Error-Code", "GatedRepo");
        request.path.contains("/resolve/").then_some(refusal)
    });
    assert_says(&place.error(), ErrorKind::Access, &["gated", "accept its licence", &gated]);
}

#[test]
fn a_file_that_is_listed_but_not_there_is_named() {
    let place = Place::new();
    place.server.hook(|request| request.path.ends_with("/tokenizer.json").then(|| Reply::status(404)));
    assert_says(&place.error(), ErrorKind::Download, &["tokenizer.json", ID, "does not have it"]);
}

#[test]
fn a_repository_without_a_model_is_an_error() {
    let place = Place::new();
    let mut files = fixture(FIXTURE);
    files.retain(|name, _| name.ends_with("config.json"));
    place.server.put(ID, "main", COMMIT, files);
    assert_says(&place.error(), ErrorKind::Weights, &[ID, COMMIT, "model.safetensors"]);
}

#[test]
fn a_hub_that_is_not_there_is_an_error() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port should be free");
    let endpoint = format!("http://{}", listener.local_addr().expect("it should have an address"));
    drop(listener);
    let error = fetch(&place.hub().endpoint(&endpoint), ID).expect_err("it should fail: nobody listens");
    assert_says(&error, ErrorKind::Download, &[ID, &endpoint, "network", "Hub::offline"]);
}

#[test]
fn a_hub_that_is_silent_is_an_error() {
    let place = Place::new();
    // The system accepts connections, but no one reads from them.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port should be free");
    let endpoint = format!("http://{}", listener.local_addr().expect("it should have an address"));
    let hub = place.hub().endpoint(&endpoint).timeout(Duration::from_millis(20));
    let error = fetch(&hub, ID).expect_err("it should fail: nobody answers");
    assert_says(&error, ErrorKind::Download, &[ID, &endpoint, "did not respond", "0.02 seconds"]);
}

#[test]
fn names_that_are_none_of_the_hub_are_errors() {
    let place = Place::new();
    for name in ["model", "a/b/c", "../model", "owner/model@../x"] {
        let error = load(place.hub(), name).expect_err("it should fail: it is no name");
        assert_says(&error, ErrorKind::UnknownModel, &[name, "owner/name"]);
    }
    let error = fetch(&place.hub(), "ner-en-small").expect_err("it should fail: it is in the build");
    assert_says(&error, ErrorKind::Options, &["not on the hub"]);
    assert_eq!(place.server.take_requests().len(), 0);
}

#[test]
fn descriptions_that_no_hub_gives_are_errors() {
    let place = Place::new();
    let with_path = |path: &str| {
        let mut files = fixture(FIXTURE);
        files.insert(path.to_owned(), File { content: Vec::new(), large: false });
        describe(ID, COMMIT, &files).to_string()
    };
    let changed = |change: fn(&mut serde_json::Value)| {
        let mut description = describe(ID, COMMIT, &fixture(FIXTURE));
        change(&mut description);
        description.to_string()
    };
    for (description, word) in [
        ("{".to_owned(), "description"),
        ("[1, 2]".to_owned(), "description"),
        ("<html>".to_owned(), "description"),
        (with_path("../config.json"), "../config.json"),
        (with_path("/etc/passwd"), "/etc/passwd"),
        (with_path("model-\\..\\x.safetensors"), "outside the model's folder"),
        (changed(|all| all["sha"] = "../../x".into()), "no commit"),
        (changed(|all| all["sha"] = serde_json::Value::Null), "no commit"),
        (changed(|all| all["siblings"][0]["size"] = (-1).into()), "description"),
        (
            changed(|all| {
                for file in all["siblings"].as_array_mut().expect("it should be a list") {
                    file["size"] = u64::MAX.into();
                    file["lfs"] = serde_json::Value::Null;
                }
            }),
            "at most",
        ),
        (
            changed(|all| {
                for file in all["siblings"].as_array_mut().expect("it should be a list") {
                    file["blobId"] = "../../../../x/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".into();
                }
            }),
            "no checksum",
        ),
    ] {
        place.server.hook(move |_| Some(Reply::body(description.clone())));
        assert_says(&place.error(), ErrorKind::Download, &[ID, word]);
    }
    let other = describe(ID, OTHER_COMMIT, &fixture(FIXTURE)).to_string();
    place.server.hook(move |_| Some(Reply::body(other.clone())));
    let error =
        fetch(&place.hub(), &format!("{ID}@{COMMIT}")).expect_err("it should fail: it is another commit");
    assert_says(&error, ErrorKind::Download, &[COMMIT, OTHER_COMMIT]);

    place
        .server
        .hook(|_| Some(Reply { length: Some(None), endless: true, ..Reply::body(vec![b' '; 65536]) }));
    assert_says(&place.error(), ErrorKind::Download, &["a description of more than"]);
    assert!(!place.cache().exists(), "nothing was written");
}
