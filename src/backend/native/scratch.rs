use super::activations::Activations;
use super::arithmetic::Arithmetic;
use super::kernels::attention::AttentionScratch;
use super::kernels::tile_attention::TileScratch;
use super::linear::Product;
use super::relation::Turns;
use crate::spare::Spare;

/// The buffers for one group in one stack of layers, allocated once and reused.
pub(crate) struct Scratch<A: Arithmetic> {
    /// The residual stream, `[tokens, hidden]`, and at the end the output of the stack.
    pub(crate) hidden: Vec<f32>,
    /// The residual stream as products read it.
    pub(crate) states: Activations<A>,
    /// The rows between two products of a block: `[tokens, hidden]` or `[tokens, intermediate]`.
    pub(crate) inner: Activations<A>,
    /// The output of attention, `[heads, tokens, head size]`.
    pub(crate) context: Vec<f32>,
    /// The buffers of the threads that share the group.
    pub(crate) attention: Spare<AttentionBuffers>,
    /// The buffers of the threads that share the group.
    pub(crate) products: Spare<Product>,
    pub(crate) turns: Turns,
}

impl<A: Arithmetic> Default for Scratch<A> {
    fn default() -> Self {
        Self {
            hidden: Vec::new(),
            states: Activations::default(),
            inner: Activations::default(),
            context: Vec::new(),
            attention: Spare::default(),
            products: Spare::default(),
            turns: Turns::default(),
        }
    }
}

/// The buffers of attention on one thread, for both ways of computing it.
#[derive(Default)]
pub(crate) struct AttentionBuffers {
    pub(crate) vectors: AttentionScratch,
    pub(crate) tiles: TileScratch,
}
