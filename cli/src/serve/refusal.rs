//! Error answers, for requests that are refused.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use entopic::{Error, ErrorKind};
use serde::Serialize;
use utoipa::ToSchema;

use crate::failure::Failure;

/// The refusal of a request: its status, and a body that says why.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Problem,
}

/// The body of every answer that is an error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    error: Detail,
}

/// An error and its cause.
#[derive(Debug, Serialize, ToSchema)]
struct Detail {
    /// The kind of the error, for programs.
    #[schema(value_type = String)]
    kind: &'static str,
    /// A message for people: what is wrong, and what would be right.
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, body: Problem { error: Detail { kind, message: message.into() } } }
    }

    /// Refuses an invalid request.
    pub(super) fn input(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "input", message)
    }

    pub(super) fn media_type() -> Self {
        let message = "the body must be JSON; send it with Content-Type: application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", message)
    }

    pub(super) fn unauthorized() -> Self {
        let message = "the service requires a token; send it as Authorization: Bearer TOKEN";
        Self::new(StatusCode::UNAUTHORIZED, "token", message)
    }

    pub(super) fn wrong_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "token", "the token is wrong")
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "path",
            "there is nothing at this path; /openapi.json lists all paths",
        )
    }

    pub(super) fn no_such_method() -> Self {
        let message = "this path does not accept this method; /openapi.json lists the methods of each path";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", message)
    }

    pub(super) fn too_large(most: usize) -> Self {
        let message = format!(
            "the body may have at most {most} bytes; send less, or start the service with a larger --max-body"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    pub(super) fn slow(seconds: u64) -> Self {
        let message = format!("the body did not arrive within {seconds} s");
        Self::new(StatusCode::REQUEST_TIMEOUT, "slow", message)
    }

    pub(super) fn cut_off() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "cut_off", "the body is incomplete")
    }

    pub(super) fn deadline(seconds: u64) -> Self {
        let message = format!(
            "the answer was not ready within {seconds} s; send less text, or ask the operator for a longer --timeout"
        );
        Self::new(StatusCode::GATEWAY_TIMEOUT, "deadline", message)
    }

    pub(super) fn full() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "full", "too many requests are waiting; try again")
    }

    pub(super) fn ending() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ending", "the service is shutting down; try again")
    }

    /// Reports a failure of the service itself.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", message)
    }

    /// Names the text that is at fault, if the request has several.
    pub(super) fn at(mut self, text: Option<usize>) -> Self {
        if let Some(at) = text {
            self.body.error.message = format!("texts[{at}]: {}", self.body.error.message);
        }
        self
    }

    /// The message for people.
    pub(super) fn message(&self) -> &str {
        &self.body.error.message
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        let message = Failure::of_request(&error).to_string();
        match kind {
            ErrorKind::Labels | ErrorKind::Rules | ErrorKind::Options | ErrorKind::TooLong => {
                Self::input(message)
            }
            _ => Self::failed(message),
        }
    }
}

impl Refusal {
    /// The answer with another body.
    pub(super) fn with_body(&self, body: impl IntoResponse) -> Response {
        let mut response = (self.status, body).into_response();
        let header = match self.status {
            StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, "1")),
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
            _ => None,
        };
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.with_body(Json(&self.body))
    }
}
