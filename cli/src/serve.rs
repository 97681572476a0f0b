//! `entopic serve` runs the models as a service over HTTP.
//!
//! A request passes through [`routes`], which reads and checks it, [`service`], which finds the models with its
//! options, and [`queue`], where a thread answers it together with others.

mod body;
mod form;
mod labels;
mod metrics;
mod patience;
mod queue;
mod refusal;
mod requests;
mod routes;
mod schema;
mod service;
mod work;

use std::fs;
use std::io::{self, IsTerminal};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum_server::Handle;
use tokio::sync::Semaphore;
use tracing::level_filters::LevelFilter;

use self::metrics::Metrics;
use self::patience::Patience;
use self::queue::Queue;
use self::service::Service;
use self::work::Works;
use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::{load, output, runtime, stop};

/// The minimum time for answering waiting requests when the service ends.
const GRACE: Duration = Duration::from_secs(30);

/// The maximum time for the head of a request to arrive, and for a connection to be idle.
const HEAD: Duration = Duration::from_secs(75);

/// The number of requests whose labels are prepared, or whose large answers are written, at once.
const BACKGROUND: usize = 2;

/// The memory for bodies, as a number of bodies of the maximum size.
const BODIES: usize = 8;

/// The threads that read requests and write answers, and the bytes of their stacks: tokio's default.
const THREADS: usize = 2;
const STACK: usize = 2 << 20;

/// The minimum number of characters of a token.
const SHORTEST_TOKEN: usize = 16;

/// Reads the body of a request to `path`; returns the number of its texts, or the message of the answer.
#[cfg(feature = "internals")]
pub(crate) fn read(path: &str, body: &[u8]) -> Result<usize, String> {
    use requests::{Asked, Body, EntitiesRequest, HtmlRequest, TagRequest, TopicsRequest};

    fn asked<B: Body>(body: &[u8]) -> Result<Asked, refusal::Refusal> {
        requests::read::<B>(body)?.asked()
    }
    let asked = match path {
        "/v1/entities" => asked::<EntitiesRequest>(body),
        "/v1/topics" => asked::<TopicsRequest>(body),
        "/v1/tag" => asked::<TagRequest>(body),
        "/v1/html" => asked::<HtmlRequest>(body),
        "/" => form::Fields::read(body).and_then(|fields| fields.asked()),
        _ => return Err(format!("there is no path {path}")),
    };
    asked.map(|asked| asked.texts.len()).map_err(|refusal| refusal.message().to_owned())
}

pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let token = args.token_file.as_deref().map(token).transpose()?;
    let rules = load::rules(&args.models.entities.rules)?;
    let tagger = load::tagger_with(&args.models, rules.as_ref())?;
    let listener = TcpListener::bind(args.listen)
        .map_err(|error| Failure::because(format!("the service cannot listen on {}", args.listen), &error))?;
    let failed = |error: &io::Error| Failure::because("the service cannot be started", error);
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .with_writer(io::stderr)
        // Such an error means that standard error has gone away, where it would be reported.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let timeout = Duration::from_secs(args.timeout.into());
    let metrics = Metrics::new();
    let queue = Queue::start(args.max_waiting as usize, Arc::new(metrics.observer()));
    let service = Arc::new(Service {
        works: Works::new(tagger, rules),
        queue: queue.map_err(|error| failed(&error))?,
        metrics,
        bodies: body::Limits {
            most: args.max_body as usize,
            time: timeout,
            memory: Arc::new(Semaphore::new(BODIES * args.max_body as usize)),
        },
        timeout,
        token,
        background: Arc::new(Semaphore::new(BACKGROUND)),
        is_ending: AtomicBool::new(false),
    });
    if !service.has_token() && !address.ip().is_loopback() {
        output::warn(
            "warning: anyone who can reach this address can use the service; to require a token, add --token-file",
        );
    }
    let runtime = runtime::start(THREADS, STACK).map_err(|error| failed(&error))?;
    let served = runtime.block_on(async {
        let handle = Handle::new();
        tokio::spawn(end_on_signal(handle.clone(), Arc::clone(&service)));
        let head = timeout.min(HEAD);
        let mut server = axum_server::from_tcp(listener)?.http1_only().first_request_timeout(head);
        server.http_builder().http1().header_read_timeout(head);
        output::warn(&format!("listening on http://{address}"));
        let server = server.acceptor(Patience(timeout)).handle(handle);
        server.serve(routes::router(service).into_make_service()).await
    });
    // Background work that no request waits for is abandoned.
    runtime.shutdown_background();
    served.map_err(|error| Failure::because("the service failed", &error))
}

/// Ends the service when the process is asked to end: no new connections are accepted, and waiting requests get some
/// time.
async fn end_on_signal(handle: Handle<SocketAddr>, service: Arc<Service>) {
    stop::asked_to_end().await;
    service.is_ending.store(true, Ordering::Relaxed);
    output::warn("shutting down; press Ctrl-C again to stop at once");
    handle.graceful_shutdown(Some(GRACE.max(service.timeout)));
    stop::asked_to_end().await;
    handle.shutdown();
}

/// The token in the file `path`.
fn token(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::because(format!("{} cannot be read", path.display()), &error))?;
    let token = text.trim();
    if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::new(format!(
            "{} must contain a token of at least {SHORTEST_TOKEN} visible ASCII characters; make one with \
             `openssl rand -hex 32`",
            path.display()
        )));
    }
    Ok(token.to_owned())
}
