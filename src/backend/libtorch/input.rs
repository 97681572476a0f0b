use tch::Tensor;

/// A run's sequences, padded: `[sequences, tokens]` each, 64-bit integers.
pub(super) struct Input {
    pub(super) ids: Tensor,
    pub(super) mask: Tensor,
    pub(super) token_types: Tensor,
}
