use std::f32::consts::LN_2;

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps, ToFloat};
use rten_simd::{Isa, Simd};

/// `2^f` for `f` between -0.5 and 0.5, lowest power first: the polynomial through its values at the six Chebyshev
/// nodes. In f32 its relative error is at most 2.2e-7.
const POLYNOMIAL: [f32; 6] = [1.0000001, LN_2, 0.240_221_07, 0.055_503_57, 0.009_676_032, 0.001_339_086_3];

/// `2^x` for `x` of at most 0, which is what softmax needs. Unlike `e^x`, it cannot overflow and needs no reduction
/// of the range in two steps, because scores are scaled to powers of two. Below -126 the result is `2^-126`.
#[inline(always)]
pub(super) fn exp2_of_negative<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    let (floats, ints) = (isa.f32(), isa.i32());
    let x = floats.max(x, floats.splat(-126.0));
    let whole = floats.to_int_round(x);
    let rest = floats.sub(x, ints.to_float(whole));
    let [lower @ .., highest] = POLYNOMIAL;
    let mut value = floats.splat(highest);
    for factor in lower.into_iter().rev() {
        value = floats.mul_add(value, rest, floats.splat(factor));
    }
    // Adding to the exponent's bits multiplies by a power of two.
    let bits: I::I32 = value.reinterpret_cast();
    ints.add(bits, ints.shift_left::<23>(whole)).reinterpret_cast()
}

#[cfg(test)]
mod tests {
    use rten_simd::ops::BitOps;
    use rten_simd::{Isa, Simd, SimdOp};

    use super::exp2_of_negative;

    struct Exp2OfNegative(f32);

    impl SimdOp for Exp2OfNegative {
        type Output = f32;

        #[inline(always)]
        fn eval<I: Isa>(self, isa: I) -> f32 {
            exp2_of_negative(isa, isa.f32().splat(self.0)).to_array()[0]
        }
    }

    #[test]
    fn agrees_with_the_standard_library() {
        for step in 0..126_000 {
            let x = -0.001 * step as f32;
            let (value, expected) = (f64::from(Exp2OfNegative(x).dispatch()), f64::from(x).exp2());
            assert!((value / expected - 1.0).abs() < 3e-7, "2^{x}: {value} {expected}");
        }
        for x in [-127.0, -1e30, f32::NEG_INFINITY] {
            assert!(Exp2OfNegative(x).dispatch() < 1.2e-38, "2^{x}");
        }
    }
}
