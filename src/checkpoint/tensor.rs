use std::borrow::Cow;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::Dtype;

/// A tensor of a weight file: row-major and little-endian.
pub(super) struct Tensor<'a> {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Cow<'a, [u8]>,
}

/// The number of values that are widened at a time, in a buffer that fits the nearest cache.
const BLOCK: usize = 1024;

impl<'a> Tensor<'a> {
    /// The values as f32, if they are floating-point numbers.
    pub(super) fn into_f32(self) -> Option<Cow<'a, [f32]>> {
        let values = match self.dtype {
            Dtype::F32 => return Some(f32_of(self.bytes)),
            Dtype::F16 => widen_f16(&self.bytes),
            Dtype::BF16 => {
                let values = self.bytes.as_chunks::<2>().0.iter();
                values.map(|&bytes| bf16::from_le_bytes(bytes).to_f32()).collect()
            }
            Dtype::F64 => {
                let values = self.bytes.as_chunks::<8>().0.iter();
                values.map(|&bytes| f64::from_le_bytes(bytes) as f32).collect()
            }
            _ => return None,
        };
        Some(Cow::Owned(values))
    }

    /// The values as int8; they must be of this type.
    pub(super) fn into_i8(self) -> Cow<'a, [i8]> {
        match self.bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytemuck::cast_slice(bytes)),
            Cow::Owned(bytes) => Cow::Owned(bytes.into_iter().map(u8::cast_signed).collect()),
        }
    }
}

fn f32_of(bytes: Cow<'_, [u8]>) -> Cow<'_, [f32]> {
    if let Cow::Borrowed(bytes) = bytes
        && cfg!(target_endian = "little")
        && let Ok(values) = bytemuck::try_cast_slice(bytes)
    {
        return Cow::Borrowed(values);
    }
    // Unaligned bytes: tensors may be aligned within a file, but the file's own bytes may lie anywhere.
    bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// Widens `bytes` in blocks: if the CPU has instructions for this, they widen a whole block.
fn widen_f16(bytes: &[u8]) -> Vec<f32> {
    let bytes = bytes.as_chunks::<2>().0;
    let mut values = vec![0.0; bytes.len()];
    let mut halves = [f16::ZERO; BLOCK];
    for (bytes, values) in bytes.chunks(BLOCK).zip(values.chunks_mut(BLOCK)) {
        let halves = &mut halves[..bytes.len()];
        halves.iter_mut().zip(bytes).for_each(|(half, &bytes)| *half = f16::from_le_bytes(bytes));
        halves.convert_to_f32_slice(values);
    }
    values
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use half::{bf16, f16};
    use safetensors::Dtype;

    use super::Tensor;

    fn widened(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
        let tensor = Tensor { dtype, shape: Vec::new(), bytes: Cow::Borrowed(bytes) };
        tensor.into_f32().expect("they should be numbers").into_owned()
    }

    /// Checks all 65,536 values, NaNs included, against the definitions of the two types.
    #[test]
    fn every_half_is_widened_exactly() {
        let every: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for (bits, value) in (0..=u16::MAX).zip(widened(Dtype::F16, &every)) {
            let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let magnitude = match exponent {
                31 if fraction > 0.0 => f64::NAN,
                31 => f64::INFINITY,
                0 => fraction * 2.0_f64.powi(-24),
                _ => (1024.0 + fraction) * 2.0_f64.powi(exponent - 25),
            };
            let expected = if sign == 1 { -magnitude } else { magnitude };
            assert!(f64::from(value) == expected || value.is_nan() && expected.is_nan(), "{bits:#06x}");
            assert_eq!(value.is_nan(), f16::from_bits(bits).is_nan());
        }
        for (bits, value) in (0..=u16::MAX).zip(widened(Dtype::BF16, &every)) {
            let expected = f32::from_bits(u32::from(bits) << 16);
            assert!(value == expected || value.is_nan() && expected.is_nan(), "{bits:#06x}");
            assert_eq!(value.is_nan(), bf16::from_bits(bits).is_nan());
        }
    }

    #[test]
    fn f64_is_rounded_and_integers_are_no_weights() {
        let bytes: Vec<u8> = [0.1_f64, -1e300, 0.5].into_iter().flat_map(f64::to_le_bytes).collect();
        assert_eq!(widened(Dtype::F64, &bytes), [0.1, f32::NEG_INFINITY, 0.5]);
        let tensor = Tensor { dtype: Dtype::I64, shape: vec![1], bytes: Cow::Borrowed(&bytes[..8]) };
        assert!(tensor.into_f32().is_none());
    }

    #[test]
    fn bytes_that_lie_unaligned_are_read() {
        let values = [1.0_f32, -2.5, 3.25];
        let bytes: Vec<u8> =
            std::iter::once(0).chain(values.into_iter().flat_map(f32::to_le_bytes)).collect();
        for start in 0..2 {
            let shifted = [&vec![0; start], &bytes[1..]].concat();
            assert_eq!(widened(Dtype::F32, &shifted[start..]), values);
        }
    }
}
