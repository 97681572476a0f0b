//! The service `entopic serve`, over real connections.

#![cfg(feature = "serve")]

mod service;

use std::io::{BufReader, Read, Write};
use std::net::Shutdown;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use entopic::{Label, Scoring, Tagger, TopicOptions};
use serde_json::{Value, json};

use service::{Reply, Service};

const TEXT: &str = "Ada Lovelace lived in London. Mail ada@example.org.";

/// The time in which work stops that nobody waits for any more, also on a busy machine.
const STOPPED: Duration = Duration::from_secs(10);

/// A text that takes longer in this build.
fn long() -> String {
    "Ada Lovelace lived in London and met Charles Babbage at the Royal Society. ".repeat(40_000)
}

fn tagger() -> &'static Tagger {
    static TAGGER: OnceLock<Tagger> = OnceLock::new();
    TAGGER.get_or_init(|| Tagger::bundled().expect("the bundled models should load"))
}

/// A value as JSON, its numbers as they are written.
fn as_json(value: &impl serde::Serialize) -> Value {
    let text = serde_json::to_string(value).expect("it should be JSON");
    serde_json::from_str(&text).expect("it should be JSON")
}

/// `count` labels.
fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("label {at}")).collect()
}

fn assert_refused(reply: &Reply, status: u16, kind: &str, part: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    let error = &reply.json()["error"];
    assert_eq!(error["kind"], kind, "{error}");
    assert!(error["message"].as_str().is_some_and(|message| message.contains(part)), "{error}");
}

#[test]
fn answers_are_those_of_the_library() {
    let service = Service::start(&[]);
    let expected = as_json(&tagger().tag(TEXT).expect("it should be tagged"));
    assert_eq!(service.post("/v1/tag", &json!({"text": TEXT})).json(), expected);
    let list = service.post("/v1/tag", &json!({"texts": [TEXT, "", TEXT]})).json();
    let empty = as_json(&tagger().tag("").expect("it should be tagged"));
    assert_eq!(list, json!([expected, empty, expected]));
    assert_eq!(service.post("/v1/tag", &json!({"texts": []})).json(), json!([]));

    let entities = as_json(&tagger().ner().tag(TEXT).expect("it should be tagged"));
    assert_eq!(service.post("/v1/entities", &json!({"text": TEXT})).json(), entities);

    let labels = json!(["history", {"name": "billing", "description": "invoices and refunds"}]);
    let labels_too = [Label::new("history"), Label::new("billing").description("invoices and refunds")];
    let options = TopicOptions::new().scoring(Scoring::MultiLabel);
    let classifier = tagger().topics().with(options).expect("it should take the options");
    let set = classifier.label_set(labels_too).expect("it should take the labels");
    let topics = as_json(&classifier.classify(TEXT, &set).expect("it should be classified"));
    let request = json!({"text": TEXT, "labels": labels, "multi_label": true});
    for _ in 0..2 {
        // The second time, the labels are already prepared.
        assert_eq!(service.post("/v1/topics", &request).json(), topics);
    }
}

#[test]
fn options_apply_to_their_request() {
    let service = Service::start(&[]);
    let request = json!({"text": "😀 Ada Lovelace, ada@example.org", "built_in": ["email"], "groups": true, "utf16": true});
    let found = service.post("/v1/entities", &request).json();
    let labels: Vec<&str> = found["entities"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entity| entity["label"].as_str())
        .collect();
    assert_eq!(labels, ["PER", "EMAIL"]);
    assert_eq!(found["entities"][0]["span"]["chars"]["start"], 2);
    assert_eq!(found["entities"][0]["span"]["utf16"]["start"], 3);
    assert_eq!(found["groups"].as_array().map(Vec::len), Some(2));
    let none = service.post("/v1/entities", &json!({"text": TEXT, "threshold": 0.99999})).json();
    assert_eq!(none["entities"], json!([]), "{none}");
    let plain = service.post("/v1/entities", &json!({"text": TEXT})).json();
    assert_eq!(plain["entities"].as_array().map(Vec::len), Some(2), "{plain}");
}

#[test]
fn errors_of_bad_requests_say_what_is_wrong() {
    let service = Service::start(&[]);
    let all = ["/v1/entities", "/v1/topics", "/v1/tag"];
    for path in all {
        for (request, part) in [
            (json!({}), "no text"),
            (json!({"text": "a", "texts": ["b"]}), "both"),
            (json!({"text": 1}), "string"),
            (json!({"text": "a", "txet": "b"}), "unknown field `txet`"),
            (json!(["a"]), "body"),
            (json!({"texts": vec![""; 10_001]}), "10000 texts"),
        ] {
            assert_refused(&service.post(path, &request), 422, "input", part);
        }
        assert_refused(
            &service.send("POST", path, "application/json", b"{\"text\": \"a"),
            422,
            "input",
            "EOF",
        );
        assert_refused(
            &service.send("POST", path, "application/json", b"{\"text\": \"\xff\"}"),
            422,
            "input",
            "",
        );
        let deep = "[".repeat(100_000);
        assert_refused(&service.send("POST", path, "application/json", deep.as_bytes()), 422, "input", "");
        assert_refused(
            &service.send("POST", path, "text/plain", b"{\"text\": \"a\"}"),
            415,
            "media_type",
            "JSON",
        );
        assert_refused(&service.get(path), 405, "method", "openapi");
    }
    for (path, request, part) in [
        ("/v1/entities", json!({"text": "a", "labels": ["b"]}), "unknown field `labels`"),
        ("/v1/topics", json!({"text": "a", "groups": true}), "unknown field `groups`"),
        ("/v1/topics", json!({"text": "a", "labels": []}), "label"),
        ("/v1/topics", json!({"text": "a", "labels": ["b", "b"]}), "\"b\""),
        ("/v1/topics", json!({"text": "a", "labels": [{"nmae": "b"}]}), "unknown field `nmae`"),
        ("/v1/topics", json!({"text": "a", "labels": [["b"]]}), "the name of a label"),
        ("/v1/topics", json!({"text": "a", "labels": "b"}), "a list of labels"),
        ("/v1/topics", json!({"texts": vec!["a"; 2000], "labels": numbered(200)}), "too many"),
        ("/v1/topics", json!({"text": "a", "labels": vec!["b"; 501]}), "500 labels"),
        ("/v1/topics", json!({"text": "a", "labels": ["b".repeat(300_000)]}), "bytes"),
        ("/v1/entities", json!({"text": "a", "threshold": 2.0}), "threshold"),
        ("/v1/entities", json!({"text": "a", "threshold": 1e30}), "threshold"),
        ("/v1/entities", json!({"text": "a", "thresholds": {"PER": -1.0}}), "threshold"),
        ("/v1/entities", json!({"text": "a", "thresholds": {"PRE": 0.5}}), "PRE"),
        ("/v1/entities", json!({"text": "a", "entity_types": ["city"]}), "entity types"),
        ("/v1/entities", json!({"text": "a", "built_in": vec!["email"; 101]}), "100 names"),
        ("/v1/entities", json!({"text": "a", "built_in": ["mail"]}), "email"),
        ("/v1/html", json!({"texts": ["a"]}), "unknown field `texts`"),
        ("/v1/html", json!({}), "no text"),
    ] {
        assert_refused(&service.post(path, &request), 422, "input", part);
    }
    assert_refused(&service.get("/v2/tag"), 404, "path", "openapi");
}

#[test]
fn what_breaks_the_protocol_costs_only_its_connection() {
    let service = Service::start(&[]);
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET\r\n\r\n",
        b"POST /v1/tag HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"",
    ] {
        let mut stream = service.connect();
        stream.write_all(bytes).expect("it should be sent");
        stream.shutdown(Shutdown::Write).expect("the end should be sent");
        let mut answer = Vec::new();
        // The answer may be cut off.
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    let mut cut_off = service.connect();
    let head = b"POST /v1/tag HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"text\"";
    cut_off.write_all(head).expect("it should be sent");
    drop(cut_off);
    assert_eq!(service.get("/health").text(), "ok\n");
}

#[test]
fn requests_have_ids() {
    let service = Service::start(&[]);
    let own = service.get("/health");
    assert!(own.header("x-request-id").is_some_and(|id| id.len() > 8));
    let given = service.send_with("GET", "/health", &[("X-Request-Id", "order-66")], b"");
    assert_eq!(given.header("x-request-id"), Some("order-66"));
}

#[test]
fn pages_are_escaped() {
    let service = Service::start(&[]);
    let hostile = "<script>alert(1)</script> Ada Lovelace & \"London\"";
    let page = service.post("/v1/html", &json!({"text": hostile, "title": "<b>", "labels": ["history"]}));
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("Ada Lovelace") && !page.text().contains("<script"), "{}", page.text());
}

#[test]
fn the_form_answers_with_a_page() {
    let service = Service::start(&[]);
    let form = service.get("/");
    assert!(
        form.text().contains("<textarea") && !form.text().contains("type=\"password\""),
        "{}",
        form.text()
    );
    assert!(
        form.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'"))
    );
    let kind = "application/x-www-form-urlencoded";
    let page =
        service.send("POST", "/", kind, b"text=Ada+Lovelace+%3Cb%3E&labels=history%2C+sport&multi_label=1");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("history") && page.text().contains("&lt;b&gt;"), "{}", page.text());
    let wrong = service.send("POST", "/", kind, b"text=Ada&labels=a,a");
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("role=\"alert\""), "{}", wrong.text());
    // What was typed is not lost.
    assert!(
        wrong.text().contains("Ada</textarea>") && wrong.text().contains("value=\"a,a\""),
        "{}",
        wrong.text()
    );
}

#[test]
fn a_token_is_asked_for() {
    let folder = tempfile::tempdir().expect("a temporary folder should be made");
    let (file, short) = (folder.path().join("token"), folder.path().join("short"));
    std::fs::write(&file, "0123456789abcdef\n").expect("the file should be written");
    std::fs::write(&short, "0123456\n").expect("the file should be written");
    let service = Service::start(&["--token-file", file.to_str().expect("the path should be text")]);
    let body = json!({"text": TEXT}).to_string();
    let ask = |token: &str| {
        let headers = [("Content-Type", "application/json"), ("Authorization", token)];
        service.send_with("POST", "/v1/tag", &headers, body.as_bytes())
    };
    assert_refused(&service.post("/v1/tag", &json!({"text": TEXT})), 401, "token", "Bearer");
    for wrong in ["Bearer 0123456789abcdeF", "Bearer", "Bearer 0123456789abcdef0", "Basic 0123456789abcdef"] {
        let reply = ask(wrong);
        assert_refused(&reply, 401, "token", "Bearer");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(ask("bearer 0123456789abcdef").status, 200);
    assert_eq!(service.get("/metrics").status, 401);
    assert_eq!(service.get("/ready").text(), "ready\n");
    let kind = "application/x-www-form-urlencoded";
    assert!(service.get("/").text().contains("type=\"password\""));
    assert_eq!(service.send("POST", "/", kind, b"text=Ada&token=no").status, 401);
    assert_eq!(service.send("POST", "/", kind, b"text=Ada&token=0123456789abcdef").status, 200);

    let refused = service::fails(&["--token-file", short.to_str().expect("the path should be text")]);
    assert!(refused.contains("at least 16"), "{refused}");
    let taken = service::fails(&["--listen", &service.address]);
    assert!(taken.contains("cannot listen on"), "{taken}");
}

#[test]
fn large_and_slow_bodies_are_refused() {
    let service = Service::start(&["--max-body", "1000", "--timeout", "1"]);
    let reply = service.post("/v1/tag", &json!({"text": "a".repeat(1000)}));
    assert_refused(&reply, 413, "too_large", "1000 bytes");
    // The body is read to its end, so that its client can read the answer.
    let reply = service.post("/v1/tag", &json!({"text": "a".repeat(7000)}));
    assert_refused(&reply, 413, "too_large", "1000 bytes");
    assert_eq!(service.post("/v1/tag", &json!({"text": "a".repeat(900)})).status, 200);

    let mut chunked = service.connect();
    let head = b"POST /v1/tag HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    chunked.write_all(head).expect("it should be sent");
    for _ in 0..4 {
        // The body may be refused before all of it is sent.
        let _ = chunked.write_all(format!("200\r\n{}\r\n", "a".repeat(0x200)).as_bytes());
    }
    assert_refused(&Reply::read(chunked), 413, "too_large", "1000 bytes");

    let mut slow = service.connect();
    let head =
        b"POST /v1/tag HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    slow.write_all(head).expect("it should be sent");
    assert_refused(&Reply::read(slow), 408, "slow", "1 s");

    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for bytes in [&b"POST /v1/tag HTTP/1.1\r\nHost"[..], b"", b"P", preface] {
        let mut silent = service.connect();
        silent.write_all(bytes).expect("it should be sent");
        let started = Instant::now();
        // The connection is closed, with or without an answer.
        let _ = silent.read_to_end(&mut Vec::new());
        assert!(started.elapsed() < Duration::from_secs(8), "{bytes:?}");
    }
}

#[test]
fn a_client_that_does_not_read_loses_its_connection() {
    let service = Service::start(&["--timeout", "5"]);
    // The answer has some thirty megabytes, more than the buffers of a connection take.
    let body = json!({"texts": vec!["Ada."; 400], "labels": numbered(500)}).to_string();
    let mut stream = service.connect();
    let kind = "Content-Type: application/json";
    let head =
        format!("POST /v1/topics HTTP/1.1\r\nHost: a\r\n{kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body.as_bytes()))
        .expect("it should be taken");
    let mut begin = [0; 1024];
    stream.read_exact(&mut begin).expect("the answer should begin");
    let begin = String::from_utf8_lossy(&begin).to_lowercase();
    let length = begin.split_once("content-length: ").and_then(|(_, rest)| rest.split("\r\n").next());
    let length: usize =
        length.and_then(|length| length.parse().ok()).expect("the answer should say its length");
    thread::sleep(Duration::from_secs(8));
    let mut rest = Vec::new();
    // What was under way arrives, and then the end, or a reset.
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() + 1024 < length, "all {length} bytes came");
    assert_eq!(service.get("/health").status, 200);
}

#[test]
fn a_connection_takes_several_requests() {
    let service = Service::start(&[]);
    let body = json!({"text": TEXT}).to_string();
    let request = format!(
        "POST /v1/entities HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = service.connect();
    // The second and third are sent before the first is answered.
    stream.write_all(request.repeat(3).as_bytes()).expect("it should be sent");
    let mut reader = BufReader::new(stream);
    let replies: Vec<Value> = (0..3).map(|_| Reply::next(&mut reader).json()).collect();
    assert_eq!(replies[0]["entities"].as_array().map(Vec::len), Some(2));
    assert!(replies.iter().all(|reply| *reply == replies[0]));
}

#[test]
fn deadlines_stop_the_work() {
    let service = Service::start(&["--timeout", "1"]);
    let started = Instant::now();
    let reply = service.post("/v1/tag", &json!({"text": long()}));
    assert_refused(&reply, 504, "deadline", "");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    service.becomes_idle(STOPPED);
}

#[test]
fn the_work_for_a_client_that_left_is_stopped() {
    let service = Service::start(&["--timeout", "60"]);
    let body = json!({"text": long()}).to_string();
    let mut leaving = service.connect();
    let head = format!(
        "POST /v1/tag HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    leaving
        .write_all(head.as_bytes())
        .and_then(|()| leaving.write_all(body.as_bytes()))
        .expect("it should be sent");
    service.becomes_busy();
    // Short requests do not wait for the long one.
    let started = Instant::now();
    assert_eq!(service.post("/v1/tag", &json!({"text": TEXT})).status, 200);
    let took = started.elapsed();
    drop(leaving);
    service.becomes_idle(STOPPED);
    assert!(took < STOPPED, "{took:?}");
    assert!(service.log().contains("status=499"), "{}", service.log());
}

#[test]
fn a_full_queue_refuses_and_recovers() {
    let service = Service::start(&["--max-waiting", "1", "--timeout", "3"]);
    let long = long();
    thread::scope(|scope| {
        let asked: Vec<_> =
            (0..4).map(|_| scope.spawn(|| service.post("/v1/entities", &json!({"text": long})))).collect();
        let replies: Vec<Reply> =
            asked.into_iter().map(|one| one.join().expect("no client should panic")).collect();
        let full: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 503).collect();
        assert!(full.len() >= 2, "{:?}", replies.iter().map(|reply| reply.status).collect::<Vec<_>>());
        for reply in full {
            assert_refused(reply, 503, "full", "try again");
            assert_eq!(reply.header("retry-after"), Some("1"));
        }
    });
    // Work of the clients above may go on for a moment.
    service.becomes_idle(STOPPED);
    let is_full = thread::scope(|scope| {
        let asked = scope.spawn(|| service.post("/v1/entities", &json!({"text": long})));
        let ready = loop {
            let ready = service.get("/ready");
            if ready.status != 200 || asked.is_finished() {
                break ready;
            }
        };
        asked.join().expect("the client should not panic");
        ready
    });
    assert_refused(&is_full, 503, "full", "too many");
    service.becomes_idle(STOPPED);
    assert_eq!(service.get("/ready").status, 200);
    assert_eq!(service.post("/v1/entities", &json!({"text": TEXT})).status, 200);
}

#[test]
fn the_memory_for_bodies_is_bounded() {
    let service = Service::start(&["--max-body", "1000000", "--timeout", "5"]);
    let text = "Ada Lovelace. ".repeat(70_000);
    thread::scope(|scope| {
        let ask = || service.post("/v1/entities", &json!({"text": text}));
        let asked: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        let statuses: Vec<u16> =
            asked.into_iter().map(|one| one.join().expect("no client should panic").status).collect();
        assert!(statuses.contains(&503), "{statuses:?}");
    });
    service.becomes_idle(STOPPED);
    assert_eq!(service.post("/v1/entities", &json!({"text": text[..2000]})).status, 200);
}

#[test]
fn long_requests_take_turns() {
    let service = Service::start(&["--timeout", "60"]);
    let texts = vec!["Ada Lovelace lived in London."; 2000];
    thread::scope(|scope| {
        let long = scope.spawn(|| service.post("/v1/entities", &json!({"texts": texts})));
        service.becomes_busy();
        let shorter = service.post("/v1/entities", &json!({"texts": texts[..200]}));
        assert_eq!(shorter.json().as_array().map(Vec::len), Some(200));
        assert!(!long.is_finished(), "the shorter request waited for the longer one");
        let long = long.join().expect("the client should not panic").json();
        assert_eq!(long.as_array().map(Vec::len), Some(2000));
        assert!(long.as_array().into_iter().flatten().all(|one| *one == shorter.json()[0]));
    });
}

#[test]
fn many_connections_at_once_each_get_their_own_answer() {
    let service = Service::start(&[]);
    thread::scope(|scope| {
        for at in 0..32 {
            let service = &service;
            scope.spawn(move || {
                for round in 0..4 {
                    let text = format!("Ada Lovelace wrote {at} letters to London in {round} years.");
                    let (path, expected) = match (at + round) % 2 {
                        0 => ("/v1/tag", as_json(&tagger().tag(&text).expect("it should be tagged"))),
                        _ => (
                            "/v1/entities",
                            as_json(&tagger().ner().tag(&text).expect("it should be tagged")),
                        ),
                    };
                    let reply = service.post(path, &json!({"text": text})).json();
                    assert_eq!(reply, expected);
                }
            });
        }
    });
    let metrics = service.get("/metrics");
    assert_eq!(
        metrics.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let metrics = metrics.text();
    let batches = metrics.lines().find_map(|line| line.strip_prefix("entopic_batch_requests_count "));
    let batches: usize = batches.and_then(|count| count.parse().ok()).expect("batches should be counted");
    assert!(batches < 128, "no two of 128 requests were answered together");
    for line in [
        "entopic_requests_total{path=\"/v1/tag\",status=\"200\"} 64",
        "entopic_requests_total{path=\"/v1/entities\",status=\"200\"} 64",
        "entopic_texts_total 128",
        "entopic_waiting_bytes 0",
        "# EOF",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
}

#[cfg(unix)]
#[test]
fn it_ends_when_its_requests_are_answered() {
    let mut service = Service::start(&[]);
    let text = long();
    let reply = thread::scope(|scope| {
        let asked = scope.spawn(|| service.post("/v1/entities", &json!({"text": text[..text.len() / 8]})));
        service.becomes_busy();
        service.terminate();
        asked.join().expect("the client should not panic")
    });
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(service.wait().success());
    assert!(service.try_connect().is_err());
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_it_at_once() {
    let mut service = Service::start(&["--timeout", "3600"]);
    let body = json!({"text": long()}).to_string();
    let mut waiting = service.connect();
    let head = format!(
        "POST /v1/tag HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    waiting.write_all(head.as_bytes()).expect("it should be sent");
    service.becomes_busy();
    service.terminate();
    let started = Instant::now();
    while service.try_connect().is_ok() && started.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(10));
    }
    service.terminate();
    service.wait();
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[test]
fn texts_are_never_logged() {
    let service = Service::start(&[]);
    service
        .post("/v1/tag", &json!({"text": "Grace Hopper wrote compilers.", "labels": ["secret label", "b"]}));
    let log = service.log();
    assert!(log.contains("/v1/tag") && log.contains("status=200"), "{log}");
    assert!(!log.contains("Hopper") && !log.contains("secret label"), "{log}");
}

/// Every path is described. [`Service`] compares each request and each answer of these tests with the description.
#[test]
fn the_description_is_whole() {
    let service = Service::start(&[]);
    let description: Value = service.get("/openapi.json").json();
    let paths: Vec<&str> = description["paths"]
        .as_object()
        .into_iter()
        .flat_map(|paths| paths.keys())
        .map(String::as_str)
        .collect();
    let expected = [
        "/",
        "/health",
        "/metrics",
        "/openapi.json",
        "/ready",
        "/v1/entities",
        "/v1/html",
        "/v1/tag",
        "/v1/topics",
    ];
    assert_eq!(paths, expected);
    assert_eq!(description["openapi"], "3.1.0");
    assert_eq!(description["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}
