//! The service as a child process, and a client that compares every answer with the service's description.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The time that an answer may take in a slow build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Service {
    child: Child,
    pub address: String,
    log: Arc<Mutex<String>>,
    description: Value,
}

impl Service {
    /// Starts a service on a free port.
    pub fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_entopic"))
            .args(["serve", "--listen", "127.0.0.1:0", "--threads", "2"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the service should start");
        let mut errors = BufReader::new(child.stderr.take().expect("standard error should be there"));
        let mut first = String::new();
        errors.read_line(&mut first).expect("the service should say where it is");
        let address = first.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{first}"));
        let address = address.to_owned();
        let log = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&log);
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut log = written.lock().expect("no reader should panic");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut service = Self { child, address, log, description: Value::Null };
        service.description = service.get("/openapi.json").json();
        service
    }

    pub fn connect(&self) -> TcpStream {
        self.try_connect().expect("it should listen")
    }

    pub fn try_connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send_with("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        let reply = self.send("POST", path, "application/json", body.to_string().as_bytes());
        let described = &self.description["paths"][path]["post"];
        let content = &described["requestBody"]["content"]["application/json"]["schema"];
        if reply.status == 200 {
            assert!(self.fits(content, body).is_ok(), "{path} takes what is not described: {body}");
        } else if let Err(wrong) = self.fits(content, body) {
            // A request that the description forbids is refused as invalid, unless something else refuses it before.
            assert!([401, 413, 422, 503].contains(&reply.status), "{path}: {} for {wrong}", reply.status);
        }
        reply
    }

    pub fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Reply {
        self.send_with(method, path, &[("Content-Type", kind)], body)
    }

    pub fn send_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = self.connect();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        // It may be refused before all of it is sent; the answer says so.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let reply = Reply::read(stream);
        self.check(method, path, &reply);
        reply
    }

    /// Fails if the answer does not match the description.
    fn check(&self, method: &str, path: &str, reply: &Reply) {
        let responses = &self.description["paths"][path][method.to_lowercase()]["responses"];
        let Some(responses) = responses.as_object() else { return };
        let described = responses.get(&reply.status.to_string()).or_else(|| responses.get("default"));
        let described =
            described.unwrap_or_else(|| panic!("{path} does not describe the status {}", reply.status));
        let kind = reply.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default();
        let content =
            described["content"].as_object().unwrap_or_else(|| panic!("{path} describes no content"));
        match content.get("application/json") {
            Some(described) => {
                assert_eq!(kind, "application/json", "{path}");
                let fits = self.fits(&described["schema"], &reply.json());
                assert!(fits.is_ok(), "{path} answers what it does not describe: {}", fits.unwrap_err());
            }
            None => assert!(content.contains_key(kind), "{path} does not describe {kind}: {content:?}"),
        }
    }

    /// Checks that `value` matches `schema`.
    fn fits(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let mut whole = schema.as_object().cloned().unwrap_or_else(|| panic!("there is no schema"));
        whole.insert("components".into(), self.description["components"].clone());
        whole.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        let validator = jsonschema::validator_for(&Value::Object(whole)).expect("the schema should be valid");
        validator.validate(value).map_err(|error| format!("{error} at {}", error.instance_path()))
    }

    /// The number of bytes of text that wait or are being read.
    fn waiting(&self) -> u64 {
        let metrics = self.get("/metrics").text();
        let line = metrics.lines().find_map(|line| line.strip_prefix("entopic_waiting_bytes "));
        line.and_then(|bytes| bytes.parse().ok()).expect("there should be a figure")
    }

    fn waits_until(&self, time: Duration, what: &str, is_so: impl Fn(u64) -> bool) {
        let started = Instant::now();
        while !is_so(self.waiting()) {
            assert!(started.elapsed() < time, "the service is not {what} after {time:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until texts wait or are being read.
    pub fn becomes_busy(&self) {
        self.waits_until(PATIENCE, "busy", |bytes| bytes > 0);
    }

    /// Waits until nothing waits, at most for `time`.
    pub fn becomes_idle(&self, time: Duration) {
        self.waits_until(time, "idle", |bytes| bytes == 0);
    }

    /// The log, once it has the last request.
    pub fn log(&self) -> String {
        self.get("/health");
        let started = Instant::now();
        loop {
            let log = self.log.lock().expect("the reader should not panic").clone();
            if log.contains("/health") {
                return log;
            }
            assert!(started.elapsed() < PATIENCE, "nothing is logged: {log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks the service to end.
    #[cfg(unix)]
    pub fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(killed.expect("kill should run").success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("it should end")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer to a request.
pub struct Reply {
    pub status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Reply {
    /// Reads the answer on a connection.
    pub fn read(stream: TcpStream) -> Self {
        Self::next(&mut BufReader::new(stream))
    }

    /// Reads the next answer on a connection.
    pub fn next(reader: &mut BufReader<TcpStream>) -> Self {
        let mut line = String::new();
        reader.read_line(&mut line).expect("there should be an answer");
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{line:?} is no status line"));
        let mut headers = Vec::new();
        loop {
            line.clear();
            reader.read_line(&mut line).expect("there should be headers");
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let mut reply = Self { status, headers, body: Vec::new() };
        let length = reply.header("content-length").and_then(|length| length.parse().ok());
        let length: u64 = length.expect("the answer should say its length");
        reader.take(length).read_to_end(&mut reply.body).expect("the answer should come whole");
        reply
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("it should be UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// The message of a service that does not start.
pub fn fails(args: &[&str]) -> String {
    let ended = Command::new(env!("CARGO_BIN_EXE_entopic")).arg("serve").args(args).output();
    let ended = ended.expect("the command should run");
    assert!(!ended.status.success());
    String::from_utf8(ended.stderr).expect("it should be UTF-8")
}
