//! Spans around the stages of a call.

/// Enters a span named after a stage until the end of the block: `stage!("attention")`, with fields
/// as `stage!("group", tokens = 128)`. Without the feature `tracing` it is nothing at all.
macro_rules! stage {
    ($name:literal $(, $field:ident = $value:expr)*) => {
        #[cfg(feature = "tracing")]
        let _stage = tracing::trace_span!(target: "entopic", $name $(, $field = $value)*).entered();
    };
}
pub(crate) use stage;
