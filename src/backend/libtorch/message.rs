/// A message of libtorch without the C++ stack trace at its end; the message may be quoted in another.
pub(super) fn brief(message: &str) -> &str {
    let ends = ["\nException raised from", "\\nException raised from"];
    ends.into_iter().find_map(|end| message.split_once(end)).map_or(message, |(said, _)| said)
}
