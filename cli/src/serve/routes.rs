//! The paths of the service.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use entopic::{HtmlOptions, TaggedDocument};
use tokio::sync::OwnedSemaphorePermit;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::form::{self, Fields};
use super::refusal::{Problem, Refusal};
use super::requests::{self, Answer, Asked, Body, EntitiesRequest, HtmlRequest, TagRequest, TopicsRequest};
use super::schema::{Entities, OneOrList, Tagged, Topics};
use super::service::Service;
use super::work::Found;
use crate::formats::JsonOptions;

type Shared = State<Arc<Service>>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The maximum number of bytes of the form at the root. The body contains the token, so anyone can send this much.
const FORM: usize = 1 << 20;

/// Bytes of text above which an answer is written in the background.
const LARGE: usize = 32 * 1024;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "entopic",
        description = "Entities and topics of documents. An error has a status, and a body that says what is wrong. \
                       Every answer has the header x-request-id, with the request's value if the request has one."
    ),
    paths(entities, topics, tag, html, page, submit, health, ready, metrics, openapi),
    modifiers(&Token)
)]
struct Description;

/// Describes the token.
struct Token;

impl Modify for Token {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let parts = description.components.get_or_insert_default();
        parts.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// All paths.
pub(super) fn router(service: Arc<Service>) -> Router {
    let guarded = Router::new()
        .route("/v1/entities", post(entities))
        .route("/v1/topics", post(topics))
        .route("/v1/tag", post(tag))
        .route("/v1/html", post(html))
        .route("/metrics", get(metrics))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&service), authorise));
    Router::new()
        .merge(guarded)
        .route("/", get(page).post(submit))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/openapi.json", get(openapi))
        .fallback(async || Refusal::no_such_path())
        .method_not_allowed_fallback(async || Refusal::no_such_method())
        .layer(middleware::from_fn_with_state(Arc::clone(&service), log))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .with_state(service)
}

/// Lets requests through that have the token, if one is required.
async fn authorise(State(service): Shared, request: Request, next: Next) -> Response {
    let bearer = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = bearer.and_then(|value| value.split_once(' '));
    let given =
        given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    if service.admits(given) {
        return next.run(request).await;
    }
    service.bodies.drain(&mut request.into_body().into_data_stream()).await;
    Refusal::unauthorized().into_response()
}

/// A request that is not answered yet. It is counted and logged when it is answered, or when its client leaves.
struct Unanswered {
    service: Arc<Service>,
    method: Method,
    path: String,
    id: String,
    started: Instant,
    /// The status of the answer; until then 499, which nginx uses for a client that left.
    status: u16,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Self { service, method, path, id, started, status } = self;
        let time = started.elapsed();
        service.metrics.answered(path, *status, time);
        let milliseconds = time.as_secs_f64() * 1e3;
        tracing::info!(target: "entopic::serve", %method, path, status, milliseconds, id);
    }
}

/// Counts and logs requests; nothing of their texts is logged.
async fn log(State(service): Shared, path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let method = request.method().clone();
    // All paths that do not exist count as one, so that clients cannot add metrics.
    let path = path.as_ref().map_or("other", MatchedPath::as_str).to_owned();
    let mut unanswered = Unanswered { service, method, path, id, started: Instant::now(), status: 499 };
    let response = next.run(request).await;
    unanswered.status = response.status().as_u16();
    response
}

/// The body of a request, which must be a JSON object.
async fn read<B: Body>(
    service: &Service,
    request: Request,
) -> Result<(B, Option<Arc<OwnedSemaphorePermit>>), Refusal> {
    let (head, body) = request.into_parts();
    if !is_json(&head.headers) {
        service.bodies.drain(&mut body.into_data_stream()).await;
        return Err(Refusal::media_type());
    }
    let read = service.bodies.read(&head.headers, body, service.bodies.most).await?;
    let body = requests::read(&read.bytes)?;
    Ok((body, read.memory))
}

/// Reports whether the request declares its body as JSON. A page of another origin can send that only after a preflight
/// request.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Answers a request with a body.
async fn answer<B: Body>(service: Arc<Service>, request: Request) -> Result<Response, Refusal> {
    let (body, memory) = read::<B>(&service, request).await?;
    answer_to(&service, body.asked()?, memory).await
}

async fn answer_to(
    service: &Arc<Service>,
    asked: Asked,
    memory: Option<Arc<OwnedSemaphorePermit>>,
) -> Result<Response, Refusal> {
    let deadline = service.deadline();
    let Asked { texts, is_one, wanted, answer } = asked;
    let found = service.ask(wanted, Arc::clone(&texts), memory, deadline).await?;
    let is_large = texts.iter().map(String::len).sum::<usize>() > LARGE;
    match answer {
        Answer::Json(options) if is_large || options.groups => {
            service.in_background(deadline, move || json_of(&texts, &found, is_one, options)).await?
        }
        Answer::Json(options) => json_of(&texts, &found, is_one, options),
        Answer::Html(title) => service.in_background(deadline, move || page_of(&texts, found, title)).await,
    }
}

/// The answer in JSON: an object, or a list of objects.
fn json_of(
    texts: &[String],
    found: &[Found],
    is_one: bool,
    options: JsonOptions,
) -> Result<Response, Refusal> {
    let mut body = Vec::new();
    for (at, (found, text)) in found.iter().zip(texts).enumerate() {
        if !is_one {
            body.push(if at == 0 { b'[' } else { b',' });
        }
        let written = options.write_found(&mut body, text, found, found.entities());
        written.map_err(|error| Refusal::failed(error.to_string()))?;
    }
    if !is_one {
        body.extend_from_slice(if found.is_empty() { b"[]" } else { b"]" });
    }
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

/// The page of the only text in `texts`.
fn page_of(texts: &[String], found: Vec<Found>, title: Option<String>) -> Response {
    let tagged = match found.into_iter().next() {
        Some(Found::Both(tagged)) => tagged,
        _ => TaggedDocument::default(),
    };
    let mut options = HtmlOptions::new();
    if let Some(title) = title {
        options = options.title(title);
    }
    let text = texts.first().map_or("", String::as_str);
    Html(tagged.to_html_with(text, &options)).into_response()
}

/// Finds the entities of one document or of several.
#[utoipa::path(post, path = "/v1/entities", request_body = EntitiesRequest, security((), ("token" = [])), responses(
    (status = 200, description = "An object for `text`, a list for `texts`", body = OneOrList<Entities>),
    (status = "default", description = "An error", body = Problem)))]
async fn entities(State(service): Shared, request: Request) -> Result<Response, Refusal> {
    answer::<EntitiesRequest>(service, request).await
}

/// Finds the topics of one document or of several.
#[utoipa::path(post, path = "/v1/topics", request_body = TopicsRequest, security((), ("token" = [])), responses(
    (status = 200, description = "An object for `text`, a list for `texts`", body = OneOrList<Topics>),
    (status = "default", description = "An error", body = Problem)))]
async fn topics(State(service): Shared, request: Request) -> Result<Response, Refusal> {
    answer::<TopicsRequest>(service, request).await
}

/// Finds the entities and topics of one document or of several.
#[utoipa::path(post, path = "/v1/tag", request_body = TagRequest, security((), ("token" = [])), responses(
    (status = 200, description = "An object for `text`, a list for `texts`", body = OneOrList<Tagged>),
    (status = "default", description = "An error", body = Problem)))]
async fn tag(State(service): Shared, request: Request) -> Result<Response, Refusal> {
    answer::<TagRequest>(service, request).await
}

/// Makes a page for a browser: a document with its entities marked, and its topics.
#[utoipa::path(post, path = "/v1/html", request_body = HtmlRequest, security((), ("token" = [])), responses(
    (status = 200, description = "The page", content_type = "text/html", body = String),
    (status = "default", description = "An error", body = Problem)))]
async fn html(State(service): Shared, request: Request) -> Result<Response, Refusal> {
    answer::<HtmlRequest>(service, request).await
}

/// Shows a form for people.
#[utoipa::path(get, path = "/", responses((status = 200, description = "The form", content_type = "text/html", body = String)))]
async fn page(State(service): Shared) -> Response {
    form::page(service.has_token(), &Fields::default(), None).into_response()
}

/// Answers the form with a page, or with the form again and a message about what is wrong.
#[utoipa::path(post, path = "/", request_body(content_type = "application/x-www-form-urlencoded", content = String), responses(
    (status = 200, description = "The page", content_type = "text/html", body = String),
    (status = "default", description = "The form, and what is wrong", content_type = "text/html", body = String)))]
async fn submit(State(service): Shared, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut fields = Fields::default();
    let answered = async {
        let read = service.bodies.read(&head.headers, body, FORM.min(service.bodies.most)).await?;
        fields = Fields::read(&read.bytes)?;
        if !service.admits(fields.token()) {
            return Err(Refusal::wrong_token());
        }
        answer_to(&service, fields.asked()?, read.memory).await
    };
    match answered.await {
        Ok(response) => response,
        Err(refusal) => refusal.with_body(form::page(service.has_token(), &fields, Some(refusal.message()))),
    }
}

/// Reports whether the service works.
#[utoipa::path(get, path = "/health", responses(
    (status = 200, description = "The service works", body = String),
    (status = 500, description = "The service has failed and must be restarted", body = Problem)))]
async fn health(State(service): Shared) -> Result<&'static str, Refusal> {
    match service.queue.is_alive() {
        true => Ok("ok\n"),
        false => Err(Refusal::failed("a thread of the service has ended; restart the service")),
    }
}

/// Reports whether the service accepts requests.
#[utoipa::path(get, path = "/ready", responses(
    (status = 200, description = "The service accepts requests", body = String),
    (status = 503, description = "The service is full or ending", body = Problem)))]
async fn ready(State(service): Shared) -> Result<&'static str, Refusal> {
    service.check_ready().map(|()| "ready\n")
}

/// Returns metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", security((), ("token" = [])), responses(
    (status = 200, description = "The metrics, as OpenMetrics", content_type = "application/openmetrics-text", body = String),
    (status = "default", description = "An error", body = Problem)))]
async fn metrics(State(service): Shared) -> Result<Response, Refusal> {
    const OPEN_METRICS: HeaderValue =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = service.metrics.text(&service.queue).map_err(|error| Refusal::failed(error.to_string()))?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

/// Returns this description.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "The description, as OpenAPI 3.1", body = Object)))]
async fn openapi() -> axum::Json<utoipa::openapi::OpenApi> {
    axum::Json(Description::openapi())
}
