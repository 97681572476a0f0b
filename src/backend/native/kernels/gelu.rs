use std::f32::consts::LOG2_E;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdUnaryOp};

use super::exp::exp2_of_negative;

/// `x * Phi(x)` (<https://arxiv.org/abs/1606.08415>), as `max(x, 0) - |x| Phi(-|x|)`: the tail of the normal
/// distribution is `e^(-x^2 / 2)` times a smooth function, which a polynomial approximates without a division. The
/// result is within 5e-7 of the exact value.
pub(crate) struct Gelu;

/// The point from which the tail is too small to count: `5.5 * Phi(-5.5)` is 1e-7.
const END: f32 = 5.5;

/// `Phi(-x) e^(x^2 / 2)` from 0 to `END`, lowest power first. A least-squares fit, with errors weighted by their
/// effect on the result, `x e^(-x^2 / 2)`.
const TAIL: [f32; 10] = [
    0.499_982_8,
    -0.398_655_56,
    0.248_350_53,
    -0.128_280_79,
    0.054_725_762,
    -0.018_409_112,
    0.004_549_699_4,
    -0.000_755_623,
    7.389_646e-5,
    -3.173_195_6e-6,
];

impl SimdUnaryOp<f32> for Gelu {
    #[inline(always)]
    fn eval<I: Isa>(&self, isa: I, x: I::F32) -> I::F32 {
        let ops = isa.f32();
        let size = ops.max(x, ops.sub(ops.zero(), x));
        let near = ops.min(size, ops.splat(END));
        let [lower @ .., highest] = TAIL;
        let mut tail = ops.splat(highest);
        for factor in lower.into_iter().rev() {
            tail = ops.mul_add(tail, near, ops.splat(factor));
        }
        let power = ops.mul(ops.mul(near, near), ops.splat(-0.5 * LOG2_E));
        let tail = ops.mul(tail, exp2_of_negative(isa, power));
        ops.sub(ops.max(x, ops.zero()), ops.mul(near, tail))
    }
}

/// GELU within 3e-4, with less than half the operations: `x (1/2 + x p(x^2))`. It is for rows that are quantised
/// next, in steps of some hundredths.
pub(crate) struct NearGelu;

/// The point from which `Phi` is taken to be 0 or 1.
const NEAR_END: f32 = 3.8;

/// `(Phi(x) - 1/2) / x` in powers of `x^2`, lowest first. A least-squares fit with growing weights on the largest
/// errors of the result, and with the value `1/2 / x` at the end.
const NEAR: [f32; 7] = [
    0.399_526_86,
    -0.066_663_66,
    0.009_683_769,
    -0.000_999_242_1,
    6.712_635e-5,
    -2.578_467_3e-6,
    4.240_519e-8,
];

impl SimdUnaryOp<f32> for NearGelu {
    #[inline(always)]
    fn eval<I: Isa>(&self, isa: I, x: I::F32) -> I::F32 {
        let ops = isa.f32();
        let near = ops.max(ops.min(x, ops.splat(NEAR_END)), ops.splat(-NEAR_END));
        let square = ops.mul(near, near);
        let mut value = ops.splat(NEAR[6]);
        for factor in NEAR[..6].iter().rev() {
            value = ops.mul_add(value, square, ops.splat(*factor));
        }
        ops.mul(x, ops.mul_add(near, value, ops.splat(0.5)))
    }
}

#[cfg(test)]
mod tests {
    use rten_simd::SimdUnaryOp;

    use super::{Gelu, NearGelu};

    /// `erf`, computed from its series or, where that would lose digits, from the continued fraction of `erfc`.
    fn erf(x: f64) -> f64 {
        let scale = 2.0 / std::f64::consts::PI.sqrt();
        if x.abs() < 3.0 {
            let terms = (0..100).scan(x, |term, n| {
                let value = *term / f64::from(2 * n + 1);
                *term *= -x * x / f64::from(n + 1);
                Some(value)
            });
            return scale * terms.sum::<f64>();
        }
        let fraction = (1..60).rev().fold(x.abs(), |rest, n| x.abs() + f64::from(n) / 2.0 / rest);
        x.signum() * (1.0 - scale / 2.0 * (-x * x).exp() / fraction)
    }

    #[test]
    fn agrees_with_the_definition() {
        let mut x: Vec<f32> = (-120_000..=120_000).map(|step| step as f32 * 1e-4).collect();
        x.extend([-1e30, -1000.0, 1000.0, 1e30]);
        let mut out = x.clone();
        Gelu.map_mut(&mut out);
        for (&x, &value) in x.iter().zip(&out) {
            let exact = f64::from(x) * 0.5 * (1.0 + erf(f64::from(x) / std::f64::consts::SQRT_2));
            let error = (f64::from(value) - exact).abs();
            assert!(error < 5e-7 * exact.abs().max(1.0), "gelu({x}) = {value}, not {exact}");
        }
    }

    #[test]
    fn the_near_one_is_near() {
        let x: Vec<f32> = (-80_000..=80_000).map(|step| step as f32 * 1e-4).collect();
        let mut out = x.clone();
        NearGelu.map_mut(&mut out);
        for (&x, &value) in x.iter().zip(&out) {
            let exact = f64::from(x) * 0.5 * (1.0 + erf(f64::from(x) / std::f64::consts::SQRT_2));
            assert!((f64::from(value) - exact).abs() < 3e-4, "gelu({x}) = {value}, not {exact}");
        }
        for x in [-1e30_f32, -50.0, 50.0, 1e30] {
            let mut far = [x];
            NearGelu.map_mut(&mut far);
            assert!((far[0] - x.max(0.0)).abs() <= 1e-6 * x.abs(), "gelu({x}) = {}", far[0]);
        }
    }
}
