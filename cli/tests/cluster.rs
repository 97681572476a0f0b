//! A scheduler and executors on this machine, and queries on them.

mod support;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::{Folder, entopic, failure, shown, text};

/// The time that a step may take in a slow build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

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

    /// Waits until `is_so` of what it has logged after its first `skipped` bytes.
    fn wait_until(&mut self, skipped: usize, what: &str, is_so: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !is_so(&self.log()[skipped..]) {
            let ended = self.child.try_wait().expect("it should be a child");
            assert!(ended.is_none(), "it ended: {}", self.log());
            assert!(begun.elapsed() < PATIENCE, "it has not logged {what}: {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until its log has `words`.
    fn wait_for(&mut self, words: &str) {
        self.wait_until(0, words, |log| log.contains(words));
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Cluster<'f> {
    address: String,
    scheduler: Part,
    folder: &'f Folder,
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

impl<'f> Cluster<'f> {
    fn start(folder: &'f Folder) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut scheduler = Part::start(&["scheduler", "--listen", &address]);
        scheduler.wait_for("listening on");
        Self { address, scheduler, folder }
    }

    /// An executor of one thread that the scheduler knows.
    fn executor(&mut self) -> Part {
        let listen = format!("127.0.0.1:{}", free_port());
        // A killed executor leaves its folder.
        let work = shown(&self.folder.path(&listen.replace(':', "-")));
        let options =
            ["--scheduler", &self.address, "--listen", &listen, "--threads", "1", "--work-dir", &work];
        let mut executor = Part::start(&[&["executor"], &options[..]].concat());
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

fn remote<'a>(table: &'a str, query: &'a str, address: &'a str) -> [&'a str; 7] {
    ["sql", table, query, "--format", "jsonl", "--scheduler", address]
}

#[test]
fn a_cluster_answers_as_one_process_does() {
    let folder = Folder::new();
    let table = table(&folder, 4, 25);
    let mut cluster = Cluster::start(&folder);
    let _executors = [cluster.executor(), cluster.executor()];
    for query in [
        "SELECT id, redact(text) AS redacted, topics(text, ['business', 'sport']) AS topics FROM documents ORDER BY id",
        "SELECT topic(text) AS topic, count(*) AS documents FROM documents GROUP BY topic ORDER BY topic",
        // Functions of lists, and labels that are put together.
        "SELECT id, cardinality(entities(text)) AS n, entities(text)[1]['label'] AS first FROM documents ORDER BY id",
        "SELECT id, topic(text, ['sport', text]) AS topic FROM documents ORDER BY id",
    ] {
        let expected = answer(&entopic(&["sql", &table, query, "--format", "jsonl"], b""));
        assert!(!expected.is_empty());
        assert_eq!(answer(&entopic(&remote(&table, query, &cluster.address), b"")), expected, "{query}");
    }
}

#[test]
fn a_killed_executor_costs_no_row_and_repeats_none() {
    let folder = Folder::new();
    let table = table(&folder, 16, 60);
    for query in [
        "SELECT id, redact(text) AS redacted FROM documents ORDER BY id",
        "SELECT id, redact(text) AS redacted FROM documents",
    ] {
        let sorted = |mut rows: Vec<Value>| {
            rows.sort_by_key(|row| row["id"].as_u64());
            rows
        };
        let expected = sorted(answer(&entopic(&["sql", &table, query, "--format", "jsonl"], b"")));
        assert_eq!(expected.len(), 960);
        let mut cluster = Cluster::start(&folder);
        let mut first = cluster.executor();
        let mut running = Command::new(env!("CARGO_BIN_EXE_entopic"))
            .args(remote(&table, query, &cluster.address))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command should start");
        // It has done some of its parts, and begun another.
        first.wait_until(0, "two parts", |log| {
            let count = |words| log.matches(words).count();
            count("Finished task") >= 2 && count("Execute task") > count("Finished task")
        });
        let _second = cluster.executor();
        first.child.kill().expect("it should be killed");
        assert!(running.try_wait().expect("it should be a child").is_none(), "the query was over");
        let output = running.wait_with_output().expect("the query should end");
        assert_eq!(sorted(answer(&output)), expected, "{query}");
        assert!(cluster.scheduler.child.try_wait().expect("it should be a child").is_none());
    }
}

#[test]
fn failures_name_their_cause() {
    let folder = Folder::new();
    let table = table(&folder, 1, 1);
    let fails = |arguments: &[&str], part: &str| {
        let message = failure(arguments, b"", 1);
        assert!(message.contains(part), "{message}");
    };
    let closed = format!("127.0.0.1:{}", free_port());
    fails(&remote(&table, "SELECT 1", "nowhere"), "--scheduler \"nowhere\" is not HOST:PORT");
    fails(&remote(&table, "SELECT 1", &closed), &format!("the scheduler {closed} cannot be reached: "));
    fails(&["scheduler", "--listen", "0.0.0.0:50050"], "needs --external-host");
    fails(&["executor", "--listen", "127.0.0.1:0"], "has no port");
    fails(&["executor", "--listen", "127.0.0.1:65535"], "name one with --control-port");
    let both = [&remote(&table, "SELECT 1", &closed)[..], &["--topics", "a,b"]].concat();
    let message = failure(&both, b"", 2);
    assert!(message.contains("--topics") && message.contains("cannot be used with"), "{message}");

    let mut cluster = Cluster::start(&folder);
    let _executor = cluster.executor();
    fails(&["scheduler", "--listen", &cluster.address], "cannot listen on ");
    fails(&remote(&table, "SELECT 1 / (id - id) FROM documents", &cluster.address), "DivideByZero");
}
