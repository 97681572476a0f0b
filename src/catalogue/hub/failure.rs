use std::time::Duration;

use hf_hub::HFError;

use crate::error::{Error, ErrorKind};

/// The subject of a request, for messages.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) id: &'a str,
    pub(super) revision: &'a str,
    pub(super) endpoint: &'a str,
    /// The longest time that the hub may be silent.
    pub(super) timeout: Duration,
}

/// The answer of a hub that refuses a request.
pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    /// The header `X-Error-Code`.
    pub(super) code: &'a str,
    /// The header `X-Error-Message`.
    pub(super) message: &'a str,
}

impl Place<'_> {
    /// The error of a file that hf-hub could not read.
    pub(super) fn unread(&self, error: HFError, file: &str) -> Error {
        if let Some(refusal) = Refusal::of(&error) {
            return self.refused(&refusal, Some(file));
        }
        let reason = match &error {
            HFError::Request { source, .. } => self.reason(source),
            _ => format!("the connection to {} failed; try again", self.endpoint),
        };
        caused_by(Error::new(ErrorKind::Download, self.not_fetched(Some(file), &reason)), error)
    }

    /// The error of a request that got no answer.
    pub(super) fn failed(&self, error: reqwest::Error) -> Error {
        let message = self.not_fetched(None, &self.reason(&error));
        Error::new(ErrorKind::Download, message).with_source(error.without_url())
    }

    /// The error of a request that was refused, about one file of the model if `file` names one.
    pub(super) fn refused(&self, refusal: &Refusal<'_>, file: Option<&str>) -> Error {
        let (kind, reason) = self.refusal(refusal, file);
        Error::new(kind, self.not_fetched(file, &reason))
    }

    fn not_fetched(&self, file: Option<&str>, reason: &str) -> String {
        match file {
            Some(file) => format!("{file} of {} was not fetched: {reason}", self.id),
            None => format!("{} was not fetched: {reason}", self.id),
        }
    }

    /// The error of an answer that no hub should give.
    pub(super) fn malformed(&self, what: &str) -> Error {
        let Self { id, endpoint, .. } = self;
        let message = format!(
            "{id} was not fetched: {endpoint} returned {what}; check that it is a hub and can be trusted"
        );
        Error::new(ErrorKind::Download, message)
    }

    /// The error of an answer that did not arrive.
    pub(super) fn silent(&self, limit: Duration) -> Error {
        let Self { id, endpoint, .. } = self;
        let seconds = limit.as_secs_f32();
        let message = format!(
            "{id} was not fetched: {endpoint} did not respond for {seconds} seconds; try again later, or use only \
             the cache with Hub::offline"
        );
        Error::new(ErrorKind::Download, message)
    }

    fn refusal(&self, refusal: &Refusal<'_>, file: Option<&str>) -> (ErrorKind, String) {
        let Self { id, revision, endpoint, .. } = self;
        let said = match refusal.message {
            "" => String::new(),
            // A server's message may be of any length.
            said => format!(" (it says: {})", said.chars().take(200).collect::<String>()),
        };
        let token = "set a token with Hub::token or HF_TOKEN";
        let name =
            "check the name, which is owner/name or owner/name@revision, or the path if a folder is meant";
        match (refusal.status, refusal.code) {
            (_, "GatedRepo") => {
                let message = format!(
                    "it is gated; accept its licence at {endpoint}/{id} and set a token of that account with \
                     Hub::token or HF_TOKEN{said}"
                );
                (ErrorKind::Access, message)
            }
            (401 | 404, "RepoNotFound") => {
                let message = format!(
                    "{endpoint} does not have it, or does not show it without a token; {name}, or {token} if it is \
                     private{said}"
                );
                (ErrorKind::UnknownModel, message)
            }
            // Without a token, the hub does not reveal whether a model is private or does not exist.
            (401, _) => {
                let message = format!(
                    "{endpoint} does not serve it without a valid token; {name}, {token} if it is private, \
                     and accept its licence at {endpoint}/{id} if it is gated{said}"
                );
                (ErrorKind::Access, message)
            }
            (403, _) => {
                let message = format!(
                    "{endpoint} does not allow it; {token} that may read it, and accept its licence at \
                     {endpoint}/{id} if it is gated{said}"
                );
                (ErrorKind::Access, message)
            }
            (404, "RevisionNotFound") => {
                let message =
                    format!("{endpoint} has it, but not at the revision {revision:?}; see {endpoint}/{id}");
                (ErrorKind::UnknownModel, message)
            }
            (404, _) if file.is_some() => {
                let message = format!(
                    "{endpoint} lists the file but does not have it; try again, or name another revision than \
                     {revision:?}{said}"
                );
                (ErrorKind::Download, message)
            }
            (404, _) => {
                let message = format!(
                    "{endpoint} does not have it, or not at the revision {revision:?}; {name}, or {token} if it is \
                     private{said}"
                );
                (ErrorKind::UnknownModel, message)
            }
            (429, _) => {
                let message =
                    format!("{endpoint} accepts no more requests for now; try again later, or {token}{said}");
                (ErrorKind::Download, message)
            }
            (status, _) => {
                let message = format!("{endpoint} answered with status {status}; try again later{said}");
                (ErrorKind::Download, message)
            }
        }
    }

    fn reason(&self, error: &reqwest::Error) -> String {
        let Self { endpoint, timeout, .. } = self;
        if error.is_timeout() {
            let seconds = timeout.as_secs_f32();
            format!(
                "{endpoint} did not respond for {seconds} seconds; try again later, or use only the cache with \
                 Hub::offline"
            )
        } else if error.is_connect() {
            format!(
                "{endpoint} cannot be reached; check the network, name a proxy with Hub::proxy, or use only the \
                 cache with Hub::offline"
            )
        } else if error.is_redirect() {
            format!("{endpoint} redirects too often, or to an unencrypted connection; check the endpoint")
        } else {
            format!("the connection to {endpoint} failed; try again")
        }
    }
}

/// `error` with its cause, but without a URL: that of a redirect may be signed, and so give access.
pub(super) fn caused_by(error: Error, cause: HFError) -> Error {
    match cause {
        HFError::Request { source, .. } => error.with_source(source.without_url()),
        cause => error.with_source(cause),
    }
}

/// The status of the answer that caused the error, if there was an answer.
pub(super) fn status(error: &HFError) -> Option<u16> {
    Refusal::of(error).map(|refusal| refusal.status)
}

impl<'a> Refusal<'a> {
    fn of(error: &'a HFError) -> Option<Self> {
        let context = match error {
            HFError::Http { context }
            | HFError::AuthRequired { context }
            | HFError::Forbidden { context }
            | HFError::Conflict { context }
            | HFError::RateLimited { context, .. } => context,
            HFError::RepoNotFound { context, .. }
            | HFError::RevisionNotFound { context, .. }
            | HFError::EntryNotFound { context, .. } => context.as_ref()?,
            _ => return None,
        };
        Some(Self {
            status: context.status.as_u16(),
            code: context.error_code.as_deref().unwrap_or_default(),
            message: context.server_message.as_deref().unwrap_or_default(),
        })
    }
}
