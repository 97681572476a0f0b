use rten_simd::SimdUnaryOp;
use rten_vecmath::ApproxGelu;

use super::kernels::Gelu;

/// The function between the two products of a feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x * Phi(x)` (<https://arxiv.org/abs/1606.08415>).
    Gelu,
    /// The same by its tanh approximation.
    GeluTanh,
    Relu,
}

impl Activation {
    /// The names that `config.json` uses.
    pub(crate) const NAMES: [(&'static str, Self); 6] = [
        ("gelu", Self::Gelu),
        ("gelu_python", Self::Gelu),
        ("gelu_new", Self::GeluTanh),
        ("gelu_fast", Self::GeluTanh),
        ("gelu_pytorch_tanh", Self::GeluTanh),
        ("relu", Self::Relu),
    ];

    pub(crate) fn apply(self, x: &mut [f32]) {
        match self {
            Self::Gelu => Gelu.map_mut(x),
            Self::GeluTanh => ApproxGelu {}.map_mut(x),
            Self::Relu => x.iter_mut().for_each(|x| *x = x.max(0.0)),
        }
    }
}
