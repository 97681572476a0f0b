use bytemuck::{AnyBitPattern, NoUninit, Pod, Zeroable};

/// 64 bytes at an address that is a multiple of 64: a line of the cache, and a row of an AMX tile.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Line([u8; 64]);

// SAFETY: an array of bytes without padding: its size is its alignment. Zeros are a valid value.
unsafe impl Zeroable for Line {}
// SAFETY: as above; any bytes are a valid value.
unsafe impl Pod for Line {}

impl Default for Line {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Line {
    /// The number of bytes in a line.
    pub const BYTES: usize = 64;

    /// The number of lines that `count` values of the type `T` take: at least one.
    pub const fn holding<T>(count: usize) -> usize {
        let lines = (count * size_of::<T>()).div_ceil(Self::BYTES);
        if lines == 0 { 1 } else { lines }
    }

    /// The values in `lines`.
    pub fn values<T: AnyBitPattern>(lines: &[Self]) -> &[T] {
        bytemuck::cast_slice(lines)
    }

    /// The values in `lines`, for writing.
    pub fn values_mut<T: AnyBitPattern + NoUninit>(lines: &mut [Self]) -> &mut [T] {
        bytemuck::cast_slice_mut(lines)
    }
}
