use tch::Tensor;

/// The padded sequences of a run: tensors of 64-bit integers, `[sequences, tokens]`.
pub(super) struct Input {
    pub(super) ids: Tensor,
    pub(super) mask: Tensor,
    pub(super) token_types: Tensor,
}
