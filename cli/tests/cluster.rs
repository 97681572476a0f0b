//! A scheduler and executors on this machine, and queries on them.

mod support;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use support::{Folder, entopic, failure, shown, text};

/// A part of a cluster, which is killed in the end.
struct Part {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Part {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_entopic"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command should start");
        let errors = BufReader::new(child.stderr.take().expect("standard error should be there"));
        let log = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&log);
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut log = written.lock().expect("no reader should panic");
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, log }
    }

    fn log(&self) -> String {
        self.log.lock().expect("no writer should panic").clone()
    }

    /// Waits until its log has `words`.
    fn wait_for(&mut self, words: &str) {
        while !self.log().contains(words) {
            let ended = self.child.try_wait().expect("it should be a child");
            assert!(ended.is_none(), "it ended: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Cluster {
    address: String,
    scheduler: Part,
}

/// Ports that are free now. Those of an executor follow one another.
fn free_port() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").expect("a port should be free");
        let port = first.local_addr().expect("it has an address").port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

impl Cluster {
    fn start() -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut scheduler = Part::start(&["scheduler", "--listen", &address]);
        scheduler.wait_for("listening on");
        Self { address, scheduler }
    }

    /// An executor of one thread that the scheduler knows.
    fn executor(&mut self) -> Part {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut executor =
            Part::start(&["executor", "--scheduler", &self.address, "--listen", &listen, "--threads", "1"]);
        executor.wait_for("Executor registration succeed");
        executor
    }
}

/// Rows of JSON lines, of which each has one person and a number.
fn rows(count: usize) -> String {
    (0..count).fold(String::new(), |mut lines, row| {
        let _ = writeln!(
            lines,
            "{{\"id\": {row}, \"text\": \"Angela Merkel signed contract {row} in Berlin.\"}}"
        );
        lines
    })
}

/// A folder of Parquet files with `rows` rows in `files` files.
fn table(folder: &Folder, files: usize, rows_each: usize) -> String {
    let lines = rows(files * rows_each);
    let lines: Vec<&str> = lines.lines().collect();
    std::fs::create_dir(folder.path("table")).expect("there should be a folder");
    for (number, part) in lines.chunks(rows_each).enumerate() {
        let json = folder.file("part.jsonl", part.join("\n"));
        let parquet = shown(&folder.path(&format!("table/{number}.parquet")));
        let query = "SELECT * FROM documents";
        let written = entopic(&["sql", &json, query, "--format", "parquet", "-o", &parquet], b"");
        assert!(written.status.success(), "{}", text(&written.stderr));
    }
    shown(&folder.path("table"))
}

fn answer(output: &std::process::Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    lines.lines().map(|line| serde_json::from_str(line).expect("each line should be JSON")).collect()
}

const QUERY: &str = "SELECT id, redact(text) AS redacted, topic(text, ['business', 'sport']) AS topic FROM documents \
                     ORDER BY id";

#[test]
fn a_cluster_answers_as_one_process_does_also_when_an_executor_is_killed() {
    let folder = Folder::new();
    let table = table(&folder, 8, 100);
    let expected = answer(&entopic(&["sql", &table, QUERY, "--format", "jsonl"], b""));
    assert_eq!(expected.len(), 800);
    let mut cluster = Cluster::start();
    let (mut first, _second) = (cluster.executor(), cluster.executor());
    let remote = ["sql", &table, QUERY, "--format", "jsonl", "--scheduler", &cluster.address];
    assert_eq!(answer(&entopic(&remote, b"")), expected);

    // Once more, and one of the two is killed when it has done some of its parts.
    let before = first.log().len();
    let query = Command::new(env!("CARGO_BIN_EXE_entopic"))
        .args(remote)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command should start");
    while !first.log()[before..].contains("Execute task") {
        assert!(first.child.try_wait().expect("it should be a child").is_none(), "{}", first.log());
        thread::sleep(Duration::from_millis(5));
    }
    first.child.kill().expect("it should be killed");
    let output = query.wait_with_output().expect("the query should end");
    assert_eq!(answer(&output), expected);
    assert!(cluster.scheduler.child.try_wait().expect("it should be a child").is_none());
}

#[test]
fn failures_name_their_cause() {
    let folder = Folder::new();
    let table = table(&folder, 1, 1);
    let message = failure(&["sql", &table, "SELECT 1", "--scheduler", "nowhere"], b"", 1);
    assert!(message.contains("--scheduler \"nowhere\" is no HOST:PORT"), "{message}");
    let closed = format!("127.0.0.1:{}", free_port());
    let message =
        failure(&["sql", &table, "SELECT redact(text) FROM documents", "--scheduler", &closed], b"", 1);
    assert!(message.contains("the query failed"), "{message}");
}
