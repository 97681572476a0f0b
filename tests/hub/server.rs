//! A hub on this machine: one port for the API and files in git, and another for large files, which the Hugging Face
//! hub has on another host.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A server whose threads end with the process.
pub struct Server {
    pub endpoint: String,
    state: Arc<State>,
}

/// A request that a server has received.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET` or `HEAD`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// True if the request came to the port for large files.
    pub large: bool,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The length to announce, if it is not the body's; `Some(None)` announces none, so that the end of the connection
    /// ends the body.
    pub length: Option<Option<u64>>,
    /// True if the body is sent again and again.
    pub endless: bool,
    /// True if the connection stays open after the body, until the client closes it.
    pub stalls: bool,
}

#[derive(Clone)]
pub struct File {
    pub content: Vec<u8>,
    /// True if the file is in the large file storage.
    pub large: bool,
}

/// A model's repository.
#[derive(Clone, Default)]
pub struct Model {
    /// The commits of branches and tags.
    pub refs: HashMap<String, String>,
    pub commits: HashMap<String, HashMap<String, File>>,
}

type Hook = Box<dyn FnMut(&Request) -> Option<Reply> + Send>;

#[derive(Default)]
struct State {
    models: Mutex<HashMap<String, Model>>,
    requests: Mutex<Vec<Request>>,
    hook: Mutex<Option<Hook>>,
    large: Mutex<String>,
}

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

impl Server {
    /// A server without models.
    pub fn start() -> Self {
        let state = Arc::new(State::default());
        let endpoint = listen(&state, false);
        let large = listen(&state, true);
        *state.large.lock().unwrap() = large;
        Self { endpoint, state }
    }

    /// A server with the files of the fixture `name` as the model `id`, the weights in the large file storage, and
    /// files that no one should request.
    pub fn with_fixture(id: &str, name: &str) -> Self {
        let server = Self::start();
        server.put(id, "main", COMMIT, fixture(name));
        server
    }

    /// Adds a commit to the model `id` and points `branch` at it.
    pub fn put(&self, id: &str, branch: &str, commit: &str, files: HashMap<String, File>) {
        let mut models = self.state.models.lock().unwrap();
        let model = models.entry(id.to_owned()).or_default();
        model.refs.insert(branch.to_owned(), commit.to_owned());
        model.commits.insert(commit.to_owned(), files);
    }

    /// Lets `hook` answer in place of the hub if it returns an answer.
    pub fn hook(&self, hook: impl FnMut(&Request) -> Option<Reply> + Send + 'static) {
        *self.state.hook.lock().unwrap() = Some(Box::new(hook));
    }

    pub fn unhook(&self) {
        *self.state.hook.lock().unwrap() = None;
    }

    /// The requests since the last call.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.state.requests.lock().unwrap())
    }

    /// The `GET` requests for files since the last call, with those that were redirected to the other port.
    pub fn take_reads(&self) -> Vec<Request> {
        let mut reads = self.take_requests();
        reads.retain(|request| {
            request.method == "GET" && (request.large || request.path.contains("/resolve/"))
        });
        reads
    }
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends `kept` bytes of the body and closes the connection.
    pub fn cut(mut self, kept: usize) -> Self {
        self.length = Some(Some(self.body.len() as u64));
        self.body.truncate(kept);
        self
    }
}

/// The files of the fixture `name`, and more.
pub fn fixture(name: &str) -> HashMap<String, File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name);
    let mut files = HashMap::new();
    let config = if folder.join("config.json").exists() { "config.json" } else { "gliner_config.json" };
    for name in [config, "tokenizer.json", "tokenizer_config.json", "model.safetensors"] {
        let content = std::fs::read(folder.join(name)).expect("the fixture is committed");
        files.insert(name.to_owned(), File { content, large: name == "model.safetensors" });
    }
    for name in ["README.md", "pytorch_model.bin", "onnx/model.onnx", "vocab.txt", "training/config.json"] {
        files.insert(name.to_owned(), File { content: b"not asked for".to_vec(), large: false });
    }
    files
}

pub fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// git's hash of the content as a blob.
pub fn git_blob(content: &[u8]) -> String {
    let mut sha1 = Sha1::new_with_prefix(format!("blob {}\0", content.len()));
    sha1.update(content);
    hex(&sha1.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl File {
    /// The checksum that the hub reports for the content.
    pub fn checksum(&self) -> String {
        if self.large { sha256(&self.content) } else { git_blob(&self.content) }
    }
}

fn listen(state: &Arc<State>, large: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port should be free");
    let address = format!("http://{}", listener.local_addr().expect("it should have an address"));
    let state = Arc::clone(state);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = Arc::clone(&state);
            thread::spawn(move || serve(&state, large, stream));
        }
    });
    address
}

fn serve(state: &State, large: bool, stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("the socket should be cloned"));
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(length) if length > 0 && !line.trim_end().is_empty() => lines.push(line.trim_end().to_owned()),
            _ => break,
        }
    }
    let Some(first) = lines.first() else { return };
    let mut words = first.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, path) = (word(), word());
    let header = |name: &str| {
        let mut headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let (range, authorization) = (header("range"), header("authorization"));
    let request = Request { method, path, large, range, authorization };
    state.requests.lock().unwrap().push(request.clone());
    let hooked = state.hook.lock().unwrap().as_mut().and_then(|hook| hook(&request));
    let reply = hooked.unwrap_or_else(|| answer(state, &request));
    // A client may go away at any time.
    send(stream, &request, &reply).ok();
}

/// The hub's answer.
fn answer(state: &State, request: &Request) -> Reply {
    let path = request.path.split('?').next().unwrap_or_default();
    let models = state.models.lock().unwrap();
    if request.large {
        let contents = models.values().flat_map(|model| model.commits.values().flat_map(HashMap::values));
        let name = path.trim_start_matches('/');
        let file = contents.into_iter().find(|file| file.large && file.checksum() == name);
        return file.map_or_else(|| Reply::status(404), |file| content(&file.content, request));
    }
    if let Some(rest) = path.strip_prefix("/api/models/") {
        let Some((id, revision)) = rest.split_once("/revision/") else { return Reply::status(404) };
        let Some(model) = models.get(id) else { return unknown("RepoNotFound") };
        let revision = revision.replace("%2F", "/");
        let commit = model.refs.get(&revision).unwrap_or(&revision);
        let Some(files) = model.commits.get(commit) else { return unknown("RevisionNotFound") };
        return Reply::body(describe(id, commit, files).to_string());
    }
    let Some((id, rest)) = path.trim_start_matches('/').split_once("/resolve/") else {
        return Reply::status(404);
    };
    let Some((commit, name)) = rest.split_once('/') else { return Reply::status(404) };
    let file = models.get(id).and_then(|model| model.commits.get(commit)).and_then(|files| files.get(name));
    let Some(file) = file else { return unknown("EntryNotFound") };
    if file.large {
        let large = state.large.lock().unwrap();
        return Reply::status(302)
            .header("X-Repo-Commit", commit)
            .header("X-Linked-Etag", format!("\"{}\"", file.checksum()))
            .header("X-Linked-Size", file.content.len().to_string())
            .header("Location", format!("{large}/{}", file.checksum()));
    }
    content(&file.content, request)
        .header("X-Repo-Commit", commit)
        .header("ETag", format!("\"{}\"", file.checksum()))
}

/// The description of a commit, as the API gives it.
pub fn describe(id: &str, commit: &str, files: &HashMap<String, File>) -> serde_json::Value {
    let siblings = files.iter().map(|(path, file)| {
        let size = file.content.len();
        if file.large {
            let lfs = json!({ "sha256": file.checksum(), "size": size, "pointerSize": 134 });
            json!({ "rfilename": path, "size": size, "blobId": git_blob(b"a pointer"), "lfs": lfs })
        } else {
            json!({ "rfilename": path, "size": size, "blobId": file.checksum() })
        }
    });
    json!({ "_id": "1", "id": id, "sha": commit, "siblings": siblings.collect::<Vec<_>>() })
}

fn unknown(code: &str) -> Reply {
    Reply::status(404).header("X-Error-Code", code).header("X-Error-Message", "nothing is here")
}

/// The content, or the requested range of it.
pub fn content(content: &[u8], request: &Request) -> Reply {
    let range = request.range.as_ref().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let Some((start, end)) = range else { return Reply::body(content) };
    let start: usize = start.parse().expect("a range should have a start");
    let end = end.parse().unwrap_or(usize::MAX).min(content.len() - 1);
    let mut reply = Reply::body(&content[start..=end]);
    reply.status = 206;
    reply.header("Content-Range", format!("bytes {start}-{end}/{}", content.len()))
}

fn send(mut stream: TcpStream, request: &Request, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", reply.status);
    if let Some(length) = reply.length.unwrap_or(Some(reply.body.len() as u64)) {
        head += &format!("Content-Length: {length}\r\n");
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    loop {
        stream.write_all(&reply.body)?;
        if reply.stalls {
            return std::io::copy(&mut stream, &mut std::io::sink()).map(drop);
        }
        if !reply.endless {
            return stream.flush();
        }
    }
}
