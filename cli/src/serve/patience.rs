//! Connections whose clients must read their answers.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

/// Accepts connections, and ends one if its client takes nothing of an answer for this long. Otherwise clients that do
/// not read could keep any number of answers in memory.
#[derive(Clone, Copy)]
pub(super) struct Patience(pub(super) Duration);

impl<S> Accept<TcpStream, S> for Patience {
    type Stream = Pin<Box<TimeoutStream<TcpStream>>>;
    type Service = S;
    type Future = Ready<io::Result<(Self::Stream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // Answers are written whole; waiting to fill packets would only delay their ends.
        ready(stream.set_nodelay(true).map(|()| {
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(self.0));
            (Box::pin(stream), service)
        }))
    }
}
