//! Transfers of files: redirects, ranges, failures, progress.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use entopic::{DownloadProgress, ErrorKind};

use crate::place::{FIXTURE, ID, NEEDED, Place, fetch, for_weights, load};
use crate::server::{COMMIT, Reply, content, fixture};
use crate::support::assert_says;

#[test]
fn a_transfer_that_was_cut_off_is_resumed_by_the_next_call() {
    let place = Place::new();
    let whole = fixture(FIXTURE)["model.safetensors"].content.len();
    // The first read ends early, and later ones send nothing.
    let mut reads = 0;
    place.server.hook(for_weights(move |request, weights| {
        reads += 1;
        Some(content(weights, request).cut(if reads == 1 { 1000 } else { 0 }))
    }));
    let error = place.error();
    assert_says(&error, ErrorKind::Download, &["model.safetensors", "1000 of", "kept", "next call resumes"]);
    assert_eq!(fs::metadata(place.partial("model.safetensors")).expect("it should be kept").len(), 1000);
    assert!(!place.blob("model.safetensors").exists());

    place.server.unhook();
    place.server.take_requests();
    load(place.hub(), ID).expect("it should be resumed");
    let reads: Vec<_> = place.server.take_reads().into_iter().filter(|read| read.large).collect();
    assert_eq!(reads.len(), 1);
    assert_eq!(reads[0].range, Some(format!("bytes=1000-{}", whole - 1)));
    assert!(!place.partial("model.safetensors").exists());
}

#[test]
fn a_transfer_that_is_cut_off_once_is_resumed_at_once() {
    let place = Place::new();
    let mut reads = 0;
    place.server.hook(for_weights(move |request, weights| {
        reads += 1;
        (reads < 3).then(|| content(weights, request).cut(50_000))
    }));
    place.fetch().expect("it should be resumed");
    let reads = place.server.take_reads().into_iter().filter(|read| read.large);
    let starts: Vec<_> = reads.map(|read| read.range.map(|range| range[..12].to_owned())).collect();
    assert_eq!(starts, [None, Some("bytes=50000-".into()), Some("bytes=100000".into())]);
}

#[test]
fn a_hub_without_ranges_sends_the_file_anew() {
    let place = Place::new();
    let weights = fixture(FIXTURE)["model.safetensors"].content.clone();
    fs::create_dir_all(place.repository().join("blobs")).expect("it should be new");
    fs::write(place.partial("model.safetensors"), &weights[..2000]).expect("the file should be written");
    place.server.hook(for_weights(|_, weights| Some(Reply::body(weights))));
    load(place.hub(), ID).expect("the model should be fetched");
    let reads = place.server.take_reads().into_iter().filter(|read| read.large);
    assert_eq!(reads.map(|read| read.range.is_some()).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_part_of_another_content_is_thrown_away() {
    let weights = &fixture(FIXTURE)["model.safetensors"].content;
    for part in [vec![0; 3000], vec![0; weights.len()], vec![0; weights.len() + 1]] {
        let place = Place::new();
        fs::create_dir_all(place.repository().join("blobs")).expect("it should be new");
        fs::write(place.partial("model.safetensors"), part).expect("the file should be written");
        place.fetch().expect("the model should be fetched");
        assert_eq!(fs::read(place.blob("model.safetensors")).expect("it should exist"), *weights);
    }
}

#[test]
fn what_does_not_verify_is_deleted() {
    for name in ["model.safetensors", "config.json"] {
        let place = Place::new();
        let original = fixture(FIXTURE)[name].content.clone();
        let mut other = original.clone();
        other[20] ^= 1;
        place.server.hook(move |request| {
            let here = request.large == (name == "model.safetensors");
            let asked = request.large || request.path.ends_with(name) && !request.path.contains("_config");
            (here && asked && request.method == "GET").then(|| content(&other, request))
        });
        let error = place.error();
        let found = fixture(FIXTURE)[name].checksum();
        assert_says(
            &error,
            ErrorKind::Checksum,
            &[name, ID, "does not match its checksum", &found, "deleted"],
        );
        assert!(!place.partial(name).exists() && !place.blob(name).exists());
        place.server.unhook();
        load(place.hub(), ID).expect("it should be fetched anew");
    }
}

#[test]
fn redirects_are_followed_and_the_token_stays() {
    let place = Place::new();
    let weights = fixture(FIXTURE)["model.safetensors"].content.clone();
    fs::create_dir_all(place.repository().join("blobs")).expect("it should be new");
    fs::write(place.partial("model.safetensors"), &weights[..500]).expect("the file should be written");
    // A renamed repository is found at another path of the same host.
    place.server.hook(|request| {
        let moved = !request.large && request.path.starts_with("/owner/model/resolve/");
        let to = request.path.replace("/owner/model/", "/new/name/");
        moved.then(|| Reply::status(307).header("Location", to))
    });
    place.server.put("new/name", "main", COMMIT, fixture(FIXTURE));
    fetch(&place.hub().token("hf_secret"), ID).expect("the model should be fetched");
    let requests = place.server.take_requests();
    let (large, own): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.large);
    assert!(
        own.iter().all(|request| request.authorization.as_deref() == Some("Bearer hf_secret")),
        "{own:?}"
    );
    assert!(own.iter().any(|request| request.path.starts_with("/new/name/resolve/")));
    assert!(large.iter().all(|request| request.authorization.is_none()), "{large:?}");
    let range =
        large.iter().find(|request| request.method == "GET").expect("it should be read").range.clone();
    assert_eq!(range, Some(format!("bytes=500-{}", weights.len() - 1)));
}

#[test]
fn no_token_is_sent_where_none_is_set() {
    let place = Place::new();
    place.fetch().expect("the model should be fetched");
    assert!(place.server.take_requests().iter().all(|request| request.authorization.is_none()));
}

#[test]
fn a_loop_of_redirects_is_an_error() {
    let place = Place::new();
    place.server.hook(|request| Some(Reply::status(302).header("Location", request.path.clone())));
    assert_says(&place.error(), ErrorKind::Download, &[ID, "redirect"]);
    assert!(place.server.take_requests().len() < 30);
    place
        .server
        .hook(|request| request.large.then(|| Reply::status(302).header("Location", request.path.clone())));
    assert_says(&place.error(), ErrorKind::Download, &["model.safetensors", "redirect"]);
}

#[test]
fn no_more_than_was_announced_is_written() {
    let place = Place::new();
    let size = fixture(FIXTURE)["model.safetensors"].content.len() as u64;
    let partial = place.partial("model.safetensors");
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let hub = place.hub().progress(move |progress| {
        let length = fs::metadata(&partial).map_or(0, |partial| partial.len());
        assert!(progress.done <= progress.total && length <= size);
        seen.fetch_max(length as usize, Ordering::Relaxed);
    });
    for length in [None, Some(1 << 60)] {
        place.server.hook(for_weights(move |_, weights| {
            Some(Reply { length: Some(length), endless: true, ..Reply::body(weights) })
        }));
        let error = fetch(&hub, ID).expect_err("it should fail: it has no end");
        assert_says(&error, ErrorKind::Download, &["model.safetensors", "more than the", "announced"]);
        assert!(!place.partial("model.safetensors").exists());
    }
    assert_eq!(most.load(Ordering::Relaxed) as u64, size);
}

#[test]
fn less_than_was_announced_is_an_error() {
    let place = Place::new();
    // As if the file were another since the list was made: whole by itself, and shorter.
    place.server.hook(for_weights(|request, weights| match request.range {
        None => Some(Reply::body(&weights[..700])),
        Some(_) => Some(Reply::body("")),
    }));
    assert_says(&place.error(), ErrorKind::Download, &["model.safetensors", "700 of", "resumes"]);
}

#[test]
fn a_hub_that_offers_xet_and_has_none_is_an_error() {
    let place = Place::new();
    place.server.hook(|request| {
        let offer = || Reply::body("").header("X-Xet-Hash", "a".repeat(64)).header("X-Linked-Size", "148988");
        (request.large && request.method == "HEAD").then(offer)
    });
    assert_says(&place.error(), ErrorKind::Download, &["model.safetensors", ID]);
    assert!(place.server.take_requests().iter().any(|request| request.path.contains("xet-read-token")));
}

#[test]
fn progress_is_reported_for_each_file() {
    let place = Place::new();
    let weights = fixture(FIXTURE)["model.safetensors"].content.clone();
    fs::create_dir_all(place.repository().join("blobs")).expect("it should be new");
    fs::write(place.partial("model.safetensors"), &weights[..4000]).expect("the file should be written");
    let reported: Arc<Mutex<Vec<DownloadProgress>>> = Arc::default();
    let reports = Arc::clone(&reported);
    let hub = place
        .hub()
        .progress(move |progress| reports.lock().expect("it should be whole").push(progress.clone()));
    let take = || std::mem::take(&mut *reported.lock().expect("it should be whole"));
    fetch(&hub, ID).expect("the model should be fetched");
    let all = take();
    assert!(all.iter().all(|progress| progress.id == ID && progress.files == NEEDED.len()));
    assert!(all.is_sorted_by_key(|progress| (progress.file, progress.done)));
    for name in NEEDED {
        let size = fixture(FIXTURE)[name].content.len() as u64;
        let own: Vec<_> = all.iter().filter(|progress| progress.path == name).collect();
        assert!(own.iter().all(|progress| progress.total == size));
        assert_eq!(own[0].done, if name == "model.safetensors" { 4000 } else { 0 });
        assert_eq!(own[own.len() - 1].done, size);
    }
    fetch(&hub, ID).expect("it should exist");
    assert_eq!(take(), [], "files in the cache are not reported");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let place = Place::new();
    fs::create_dir_all(place.repository().join("blobs")).expect("it should be new");
    let partial = place.partial("model.safetensors");
    std::os::unix::fs::symlink("/dev/full", &partial).expect("it should be linked");
    let error = place.error();
    assert_says(
        &error,
        ErrorKind::System,
        &["no space is left", &partial.display().to_string(), "HF_HUB_CACHE"],
    );
}

#[test]
fn a_callback_that_panics_costs_only_its_call() {
    let place = Place::new();
    let error = fetch(&place.hub().progress(|_| panic!("as it must")), ID)
        .expect_err("it should fail: it was not finished");
    assert_says(&error, ErrorKind::System, &[ID, "panicked"]);
    place.fetch().expect("the model should be fetched");
}

#[test]
fn failures_that_pass_are_tried_again() {
    let place = Place::new();
    let asked: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    place.server.hook(move |request| {
        let mut asked = asked.lock().expect("it should not be poisoned");
        let times = asked.entry(format!("{} {}", request.method, request.path)).or_default();
        *times += 1;
        (*times == 1).then(|| Reply::status(if request.large { 503 } else { 500 }))
    });
    load(place.hub(), ID).expect("the model should be fetched");

    place.server.hook(|_| Some(Reply::status(500)));
    place.server.take_requests();
    assert_says(&place.error(), ErrorKind::Download, &[ID, "status 500", "later"]);
    assert_eq!(place.server.take_requests().len(), 4);
}
