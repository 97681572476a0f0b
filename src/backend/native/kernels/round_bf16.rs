use half::bf16;
use rten_simd::ops::{BitOps, IntOps, NarrowSaturate, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

/// Rounds `values` to the nearest bfloat16, ties to even. Values must not be NaN: some would become other values.
pub(crate) struct RoundBf16<'a> {
    pub(crate) values: &'a [f32],
    /// Has the length of `values`.
    pub(crate) rounded: &'a mut [bf16],
}

impl SimdOp for RoundBf16<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { values, rounded } = self;
        let (floats, halves) = (isa.f32(), isa.i16());
        let width = floats.len();
        let (vectors, rest) = values.split_at(values.len() - values.len() % (2 * width));
        let (to, to_rest) = rounded.split_at_mut(vectors.len());
        let to: &mut [i16] = bytemuck::cast_slice_mut(to);
        for (values, to) in vectors.chunks_exact(2 * width).zip(to.chunks_exact_mut(2 * width)) {
            halves.store(round_bf16(isa, floats.load_many::<2>(values)), to);
        }
        for (value, to) in rest.iter().zip(to_rest) {
            *to = bf16::from_f32(*value);
        }
    }
}

/// Two vectors rounded to bfloat16, as the bits of one vector.
#[inline(always)]
pub(super) fn round_bf16<I: Isa>(isa: I, [low, high]: [I::F32; 2]) -> I::I16 {
    isa.i32().narrow_saturate(upper_half(isa, low), upper_half(isa, high))
}

/// The upper 16 bits of `values`, rounded.
#[inline(always)]
fn upper_half<I: Isa>(isa: I, values: I::F32) -> I::I32 {
    let ints = isa.i32();
    let bits: I::I32 = values.reinterpret_cast();
    let odd = ints.and(ints.shift_right::<16>(bits), ints.splat(1));
    ints.shift_right::<16>(ints.add(bits, ints.add(ints.splat(0x7FFF), odd)))
}

#[cfg(test)]
mod tests {
    use half::bf16;
    use rten_simd::SimdOp;

    use super::RoundBf16;

    #[test]
    fn agrees_with_the_crate_half() {
        // Ties in both directions, and values between them.
        let mut values: Vec<f32> =
            (0..200_u32).map(|step| f32::from_bits(0x3F80_0000 + step * 0x4000)).collect();
        values.extend(
            (0..2_000).map(|step| (step as f32 - 1_000.0) * 1.01e-3 * (step as f32).exp2().min(1e30)),
        );
        values.extend([0.0, -0.0, f32::MAX, f32::MIN, 1e-40, f32::INFINITY]);
        let mut rounded = vec![bf16::ZERO; values.len()];
        RoundBf16 { values: &values, rounded: &mut rounded }.dispatch();
        for (value, rounded) in values.iter().zip(rounded) {
            assert_eq!(rounded, bf16::from_f32(*value), "{value}");
        }
    }
}
