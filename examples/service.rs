//! A small HTTP service on axum: entities and topics of a text, with labels and a time limit per request. The work for
//! a client that leaves is cancelled.
//!
//! ```text
//! cargo run --release --example service -- 127.0.0.1:8080
//! curl -d '{"text": "Kenya voted.", "labels": ["politics", "sport"]}' http://127.0.0.1:8080/tag
//! ```
//!
//! Without an address, it sends itself one request and ends.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, io};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use entopic::{ErrorKind, Limits, Tagger};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The maximum time for one request.
const PATIENCE: Duration = Duration::from_secs(5);

/// The maximum length of a text.
const MAX_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct Question {
    text: String,
    /// The candidate topics; the tagger's own by default.
    #[serde(default)]
    labels: Vec<String>,
}

/// A guard that raises a flag when it is dropped.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn tag(State(tagger): State<Tagger>, Json(question): Json<Question>) -> Response {
    // If the client leaves, axum drops this future and the guard with it, which stops the work.
    let guard = CancelOnDrop(Arc::default());
    let limits =
        Limits::new().deadline(Instant::now() + PATIENCE).max_bytes(MAX_BYTES).cancel(guard.0.clone());
    // Models compute on the engine's threads, and the call blocks until they are done.
    let work = tokio::task::spawn_blocking(move || {
        let tagger = tagger.within(&limits);
        if question.labels.is_empty() {
            return tagger.tag(&question.text);
        }
        // Labels that were used before come from a cache.
        let labels = tagger.topics().label_set(question.labels)?;
        tagger.tag_with(&question.text, &labels)
    });
    match work.await {
        Ok(Ok(document)) => Json(document).into_response(),
        Ok(Err(error)) => {
            let status = match error.kind() {
                ErrorKind::Labels => StatusCode::UNPROCESSABLE_ENTITY,
                ErrorKind::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
                ErrorKind::Deadline => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, error.to_string()).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    let local = listener.local_addr()?;
    let router = Router::new().route("/tag", post(tag)).with_state(Tagger::bundled()?);
    println!("listening on {local}");
    let server = axum::serve(listener, router);
    if address.is_some() {
        server.await?;
        return Ok(());
    }
    tokio::select! {
        ended = server.into_future() => ended?,
        answer = ask(local) => println!("{}", answer?),
    }
    Ok(())
}

/// Sends the service one request.
async fn ask(address: std::net::SocketAddr) -> io::Result<String> {
    let body = r#"{"text": "Kenya's parliament in Nairobi voted.", "labels": ["politics", "sport"]}"#;
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "POST /tag HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
