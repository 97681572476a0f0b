use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdUnaryOp};
use rten_vecmath::{ApproxGelu, Sigmoid, Silu, Tanh};

use super::kernels::gelu::{Gelu, NearGelu};

/// An elementwise function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x * Phi(x)` (<https://arxiv.org/abs/1606.08415>).
    Gelu,
    /// GELU within 3e-4, for results that are rounded more than that.
    NearGelu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// GELU approximated by `x * sigmoid(1.702 x)`.
    GeluSigmoid,
    Relu,
    /// `x * sigmoid(x)`.
    Silu,
    Tanh,
    Sigmoid,
}

impl Activation {
    /// The names that `config.json` uses.
    pub(crate) const NAMES: [(&'static str, Self); 11] = [
        ("gelu", Self::Gelu),
        ("gelu_python", Self::Gelu),
        ("gelu_new", Self::GeluTanh),
        ("gelu_fast", Self::GeluTanh),
        ("gelu_pytorch_tanh", Self::GeluTanh),
        ("quick_gelu", Self::GeluSigmoid),
        ("relu", Self::Relu),
        ("silu", Self::Silu),
        ("swish", Self::Silu),
        ("tanh", Self::Tanh),
        ("sigmoid", Self::Sigmoid),
    ];

    pub(crate) fn apply(self, x: &mut [f32]) {
        match self {
            Self::Gelu => Gelu.map_mut(x),
            Self::NearGelu => NearGelu.map_mut(x),
            Self::GeluTanh => ApproxGelu {}.map_mut(x),
            Self::GeluSigmoid => GeluSigmoid.map_mut(x),
            Self::Relu => Relu.map_mut(x),
            Self::Silu => Silu {}.map_mut(x),
            Self::Tanh => Tanh {}.map_mut(x),
            Self::Sigmoid => Sigmoid {}.map_mut(x),
        }
    }
}

/// `x * sigmoid(1.702 x)`.
pub(super) struct GeluSigmoid;

impl SimdUnaryOp<f32> for GeluSigmoid {
    #[inline(always)]
    fn eval<I: Isa>(&self, isa: I, x: I::F32) -> I::F32 {
        let ops = isa.f32();
        ops.mul(x, Sigmoid::apply(isa, ops.mul(x, ops.splat(1.702))))
    }
}

/// `max(x, 0)`.
pub(super) struct Relu;

impl SimdUnaryOp<f32> for Relu {
    #[inline(always)]
    fn eval<I: Isa>(&self, isa: I, x: I::F32) -> I::F32 {
        let ops = isa.f32();
        ops.max(x, ops.zero())
    }
}

#[cfg(test)]
mod tests {
    use super::Activation;

    #[test]
    fn agree_with_their_definitions() {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let x: Vec<f32> = (-400..=400).map(|step| step as f32 * 0.05).collect();
        let check = |activation: Activation, plain: &dyn Fn(f64) -> f64| {
            let mut out = x.clone();
            activation.apply(&mut out);
            for (&x, &value) in x.iter().zip(&out) {
                let expected = plain(f64::from(x));
                let error = (f64::from(value) - expected).abs();
                assert!(
                    error < 2e-6 * expected.abs().max(1.0),
                    "{activation:?}({x}) = {value}, not {expected}"
                );
            }
        };
        check(Activation::Tanh, &f64::tanh);
        check(Activation::Relu, &|x| x.max(0.0));
        check(Activation::Silu, &|x| x * sigmoid(x));
        check(Activation::Sigmoid, &sigmoid);
        check(Activation::GeluSigmoid, &|x| x * sigmoid(1.702 * x));
        let tanh_gelu = |x: f64| {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
        };
        check(Activation::GeluTanh, &tanh_gelu);
    }
}
