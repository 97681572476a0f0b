//! Metrics for Prometheus.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::queue::Queue;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    path: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Path {
    path: String,
}

/// Makes the histogram of a path: from a millisecond to half a minute.
#[derive(Clone)]
struct Times;

impl MetricConstructor<Histogram> for Times {
    fn new_metric(&self) -> Histogram {
        Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
    }
}

pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    times: Family<Path, Histogram, Times>,
    texts: Counter<u64, AtomicU64>,
    text_bytes: Counter<u64, AtomicU64>,
    batches: Histogram,
    waiting: Gauge,
    waiting_bytes: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("entopic");
        let own = Self {
            requests: Family::default(),
            times: Family::new_with_constructor(Times),
            texts: Counter::default(),
            text_bytes: Counter::default(),
            batches: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]),
            waiting: Gauge::default(),
            waiting_bytes: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Requests that were answered", own.requests.clone());
        registry.register_with_unit(
            "request",
            "Time from the head of a request to its answer",
            Unit::Seconds,
            own.times.clone(),
        );
        registry.register("texts", "Texts that were read", own.texts.clone());
        registry.register_with_unit("text", "Bytes of these texts", Unit::Bytes, own.text_bytes.clone());
        registry.register("batch_requests", "Requests that were answered together", own.batches.clone());
        registry.register("waiting_requests", "Requests that wait for the models", own.waiting.clone());
        registry.register_with_unit(
            "waiting",
            "Bytes of text that wait or are being read",
            Unit::Bytes,
            own.waiting_bytes.clone(),
        );
        Self { registry, ..own }
    }

    /// Counts an answer.
    pub(super) fn answered(&self, path: &str, status: u16, time: Duration) {
        self.requests.get_or_create(&Request { path: path.to_owned(), status }).inc();
        self.times.get_or_create(&Path { path: path.to_owned() }).observe(time.as_secs_f64());
    }

    /// Counts texts that were read.
    pub(super) fn read(&self, texts: &[String]) {
        self.texts.inc_by(texts.len() as u64);
        self.text_bytes.inc_by(texts.iter().map(|text| text.len() as u64).sum());
    }

    /// A function that counts a batch.
    pub(super) fn observer(&self) -> impl Fn(usize) + Send + Sync + use<> {
        let batches = self.batches.clone();
        move |requests| batches.observe(requests as f64)
    }

    /// The metrics in the format of OpenMetrics.
    pub(super) fn text(&self, queue: &Queue) -> Result<String, fmt::Error> {
        self.waiting.set(queue.requests() as i64);
        self.waiting_bytes.set(queue.bytes() as i64);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
