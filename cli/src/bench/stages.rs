//! The time of a pass by stage: the library's spans, added up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tracing::span::Id;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::failure::Failure;

/// One stage of the work, without the stages inside it.
#[derive(Debug, Serialize)]
pub(crate) struct Stage {
    stage: &'static str,
    calls: u64,
    seconds: f64,
    /// The share of all stages' time, 0 to 1.
    share: f64,
}

type Totals = Arc<Mutex<BTreeMap<&'static str, (u64, Duration)>>>;

/// Runs `pass` and records the library's spans. A process can do this only once.
pub(crate) fn record<T>(pass: impl FnOnce() -> T) -> Result<(T, Vec<Stage>), Failure> {
    let totals = Totals::default();
    let subscriber = Registry::default().with(Recorder { totals: Arc::clone(&totals) });
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|error| Failure::new(format!("stages cannot be recorded: {error}")))?;
    let value = pass();
    let totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
    let all: f64 = totals.values().map(|(_, time)| time.as_secs_f64()).sum();
    let mut stages: Vec<Stage> = totals
        .iter()
        .map(|(&stage, (calls, time))| Stage {
            stage,
            calls: *calls,
            seconds: time.as_secs_f64(),
            share: if all > 0.0 { time.as_secs_f64() / all } else { 0.0 },
        })
        .collect();
    stages.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    Ok((value, stages))
}

struct Recorder {
    totals: Totals,
}

/// A span that a thread is in: its beginning, and the time spent in the spans inside it.
struct Open {
    start: Instant,
    inside: Duration,
}

thread_local! {
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "entopic"
    }

    fn on_enter(&self, _: &Id, _: Context<'_, S>) {
        OPEN.with_borrow_mut(|open| open.push(Open { start: Instant::now(), inside: Duration::ZERO }));
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let own = OPEN.with_borrow_mut(|open| {
            let Open { start, inside } = open.pop()?;
            let whole = start.elapsed();
            if let Some(outer) = open.last_mut() {
                outer.inside += whole;
            }
            Some(whole.saturating_sub(inside))
        });
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let (calls, time) = totals.entry(span.name()).or_default();
        *calls += 1;
        *time += own.unwrap_or_default();
    }
}
