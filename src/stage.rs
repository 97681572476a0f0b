//! Spans around the stages of a call.

/// Enters a span named after a stage until the end of the block. Without the feature `tracing` it expands to nothing.
macro_rules! stage {
    ($name:literal) => {
        #[cfg(feature = "tracing")]
        let _stage = tracing::trace_span!(target: "entopic", $name).entered();
    };
}
pub(crate) use stage;
