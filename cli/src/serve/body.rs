//! Bodies of requests, read within limits of size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::refusal::Refusal;

/// The bytes of a body that do not count towards the memory limit, so that many clients can send small bodies at once.
const SMALL: usize = 64 * 1024;

/// The time, and the number of bytes (in bodies of the maximum size), for which the rest of a refused body is read, so
/// that its client can read the answer.
const DRAINED: (Duration, usize) = (Duration::from_secs(2), 8);

/// The limits of bodies.
pub(super) struct Limits {
    /// The maximum number of bytes of a body.
    pub(super) most: usize,
    /// The maximum time for a body to arrive.
    pub(super) time: Duration,
    /// One permit per byte of all bodies together, beyond the first [`SMALL`] bytes of each.
    pub(super) memory: Arc<Semaphore>,
}

/// A body, and its share of the memory.
pub(super) struct Read {
    pub(super) bytes: Vec<u8>,
    pub(super) memory: Option<Arc<OwnedSemaphorePermit>>,
}

impl Limits {
    /// Reads a body of at most `most` bytes.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body, most: usize) -> Result<Read, Refusal> {
        let mut stream = body.into_data_stream();
        let said = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let read = match said {
            Some(length) if length > most => Err(Refusal::too_large(most)),
            _ => self.read_stream(&mut stream, most).await,
        };
        if read.is_err() {
            self.drain(&mut stream).await;
        }
        read
    }

    async fn read_stream(&self, stream: &mut BodyDataStream, most: usize) -> Result<Read, Refusal> {
        let end = Instant::now() + self.time;
        let mut bytes: Vec<u8> = Vec::new();
        let mut memory: Option<OwnedSemaphorePermit> = None;
        loop {
            let next = timeout_at(end, stream.next()).await;
            let chunk = match next.map_err(|_| Refusal::slow(self.time.as_secs()))? {
                None => break,
                Some(chunk) => chunk.map_err(|_| Refusal::cut_off())?,
            };
            let before = bytes.len().max(SMALL);
            if bytes.len() + chunk.len() > most {
                return Err(Refusal::too_large(most));
            }
            bytes.extend_from_slice(&chunk);
            let more = bytes.len().saturating_sub(before);
            if more > 0 {
                let count = u32::try_from(more).map_err(|_| Refusal::too_large(most))?;
                let permit = Arc::clone(&self.memory).try_acquire_many_owned(count);
                let permit = permit.map_err(|_| Refusal::full())?;
                match &mut memory {
                    Some(memory) => memory.merge(permit),
                    None => memory = Some(permit),
                }
            }
        }
        Ok(Read { bytes, memory: memory.map(Arc::new) })
    }

    /// Reads and discards the rest of a body. A connection that is closed while its client is sending may be reset, and
    /// the answer lost with it.
    pub(super) async fn drain(&self, stream: &mut BodyDataStream) {
        let (time, bodies) = DRAINED;
        let (end, mut left) = (Instant::now() + time, self.most.saturating_mul(bodies));
        while let Ok(Some(Ok(chunk))) = timeout_at(end, stream.next()).await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    }
}
