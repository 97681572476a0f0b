use std::time::Duration;

use hf_hub::{HFClient, HFRepository, RepoTypeModel, split_id};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Proxy, Response, Url};

use super::failure::{Place, Refusal};
use crate::error::{Error, ErrorKind};

/// A model's repository on a hub.
pub(super) struct Remote<'a> {
    client: Client,
    /// The repository in hf-hub, which reads files through the same client.
    repository: HFRepository<RepoTypeModel>,
    endpoint: Url,
    authorization: HeaderMap,
    place: Place<'a>,
}

/// The number of times that a request is repeated after a transient failure.
pub(super) const RETRIES: u32 = 3;

/// The wait before the first repetition; each later wait is twice the one before.
pub(super) const BACKOFF: Duration = Duration::from_millis(200);

/// The most redirects of a request; the hub itself redirects once or twice.
const REDIRECTS: usize = 10;

/// The time limit for a description, which takes a second at most.
const DESCRIPTION_TIME: Duration = Duration::from_secs(60);

/// The size limit of a description in bytes. The hub advises against repositories of more than 100,000 files, and
/// describes each in some 250 bytes.
const LONGEST_DESCRIPTION: usize = 32 << 20;

const USER_AGENT: &str = concat!("entopic/", env!("CARGO_PKG_VERSION"));

impl<'a> Remote<'a> {
    pub(super) fn new(place: Place<'a>, token: Option<&str>, proxy: Option<&str>) -> Result<Self, Error> {
        let refuse = |what: String| Error::new(ErrorKind::Options, what);
        let client = client(place.timeout, proxy)?;
        let endpoint = Url::parse(place.endpoint).ok();
        let endpoint =
            endpoint.filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
        let endpoint = endpoint.ok_or_else(|| {
            // A URL that is not valid may have a password, too.
            let shown = if place.endpoint.contains(['@', '?']) { "the endpoint" } else { place.endpoint };
            refuse(format!("{shown} is not the URL of a hub, such as https://huggingface.co"))
        })?;
        // It stands in messages, and requests to it have a token of their own.
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            let message = "the URL of the hub has a user name or a password; leave them out, and give a token by \
                           Hub::token or HF_TOKEN";
            return Err(refuse(message.into()));
        }
        let mut authorization = HeaderMap::new();
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value =
                value.map_err(|_| refuse("the token has characters that tokens cannot have".into()))?;
            value.set_sensitive(true);
            authorization.insert(AUTHORIZATION, value);
        }
        // Without a token, hf-hub would look for one in the environment, which the settings already did. A token that
        // is not valid in a header is not sent.
        let unsendable = "\n";
        let hub = HFClient::builder()
            .client(client.clone())
            .endpoint(place.endpoint)
            .token(token.unwrap_or(unsendable))
            .user_agent(USER_AGENT)
            .cache_enabled(false)
            .cache_dir("")
            .retry_max_attempts(RETRIES as usize)
            .retry_base_delay(BACKOFF / 2)
            .build()
            .map_err(|error| refuse("the client of the hub cannot be created".into()).with_source(error))?;
        let (owner, name) = split_id(place.id);
        Ok(Self { client, repository: hub.model(owner, name), endpoint, authorization, place })
    }

    pub(super) fn place(&self) -> Place<'a> {
        self.place
    }

    pub(super) fn repository(&self) -> &HFRepository<RepoTypeModel> {
        &self.repository
    }

    /// Requests the API's description of `revision`, as JSON.
    pub(super) async fn describe(&self, revision: &str) -> Result<Vec<u8>, Error> {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "models"]).extend(self.place.id.split('/'));
            path.extend(["revision", revision]);
        }
        url.set_query(Some("blobs=true"));
        let mut attempt = 0;
        loop {
            let answer = tokio::time::timeout(DESCRIPTION_TIME, self.read(url.clone())).await;
            match answer.unwrap_or_else(|_| Err((self.place.silent(DESCRIPTION_TIME), false))) {
                Ok(body) => return Ok(body),
                Err((_, true)) if attempt < RETRIES => {
                    tokio::time::sleep(BACKOFF * 2_u32.pow(attempt)).await;
                    attempt += 1;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Returns the body of the answer, or an error and whether it is transient.
    async fn read(&self, url: Url) -> Result<Vec<u8>, (Error, bool)> {
        let failed = |error: reqwest::Error| {
            let passes = !(error.is_redirect() || error.is_builder());
            (self.place.failed(error), passes)
        };
        let request = self.client.get(url).headers(self.authorization.clone());
        let mut answer = request.send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(self.refused(&answer));
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            if body.len() + piece.len() > LONGEST_DESCRIPTION {
                let what = format!("a description of more than {LONGEST_DESCRIPTION} bytes");
                return Err((self.place.malformed(&what), false));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn refused(&self, answer: &Response) -> (Error, bool) {
        let status = answer.status().as_u16();
        let header =
            |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (code, message) = (header("x-error-code"), header("x-error-message"));
        let passes = matches!(status, 408 | 429 | 500 | 502..=504);
        (self.place.refused(&Refusal { status, code, message }, None), passes)
    }
}

fn client(timeout: Duration, proxy: Option<&str>) -> Result<Client, Error> {
    // Nothing is read from the environment, so the only proxy is a requested one. The hub must not compress its
    // answers, because a range of compressed data is not a range of the file.
    let mut client = Client::builder()
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .referer(false)
        .user_agent(USER_AGENT)
        .connect_timeout(timeout)
        .read_timeout(timeout)
        // reqwest removes the token from a request that is redirected to another host.
        .redirect(Policy::custom(|attempt| {
            let encrypted = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
            if attempt.previous().len() > REDIRECTS {
                attempt.error("too many redirects")
            } else if encrypted && attempt.url().scheme() != "https" {
                attempt.error("a redirect to a connection that is not encrypted")
            } else {
                attempt.follow()
            }
        }));
    if let Some(proxy) = proxy {
        // The URL may have a password, and would stand in the cause, too.
        let proxy = Proxy::all(proxy).map_err(|_| {
            let message = "the URL of the proxy is not valid; it must be as in http://proxy.example.org:3128";
            Error::new(ErrorKind::Options, message)
        })?;
        client = client.proxy(proxy);
    }
    client.build().map_err(|error| {
        let message =
            "encrypted connections cannot be set up; check that the system's root certificates are installed";
        Error::new(ErrorKind::System, message).with_source(error)
    })
}
