use bytemuck::Pod;
use half::bf16;

use crate::kernel::Kernel;

/// The number format of a product: the types of the numbers in its rows and weights, and of their sums.
///
/// A group is four bytes of a row: four values in int8, two in bf16, one in f32. All kernels work on groups. The
/// trait is sealed: the only formats are those of this crate.
pub trait Format: sealed::Sealed + Sized + 'static {
    /// One number of a row.
    type Value: Pod + Send + Sync;
    /// One number of the weights, of the same size as a value.
    type Weight: Pod + Send + Sync;
    /// One number of a product.
    type Sum: Pod + Default + Send + Sync;

    /// The kernels that this CPU can run, the fastest first; the portable ones come last.
    fn kernels() -> &'static [Kernel<Self>];

    /// The fastest kernel for this CPU, or `None` if there is only portable code.
    fn fastest() -> Option<Kernel<Self>> {
        Self::kernels().first().copied().filter(|kernel| !kernel.is_portable())
    }

    /// Adds the product of a value and a weight to `sum`.
    fn add(sum: Self::Sum, value: Self::Value, weight: Self::Weight) -> Self::Sum;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Int8 {}
    impl Sealed for super::Bf16 {}
    impl Sealed for super::F32 {}
}

/// Unsigned 8-bit values times signed 8-bit weights, added up in 32 bits. Exact.
#[derive(Clone, Copy, Debug)]
pub enum Int8 {}

/// bfloat16 values and weights (<https://en.wikipedia.org/wiki/Bfloat16_floating-point_format>), added up in f32. The
/// order of additions differs between kernels, and AMX treats subnormal numbers as 0.
#[derive(Clone, Copy, Debug)]
pub enum Bf16 {}

/// 32-bit floats. The order of additions differs between kernels.
#[derive(Clone, Copy, Debug)]
pub enum F32 {}

impl Format for Int8 {
    type Value = u8;
    type Weight = i8;
    type Sum = i32;

    fn kernels() -> &'static [Kernel<Self>] {
        crate::kernel::int8()
    }

    #[inline(always)]
    fn add(sum: i32, value: u8, weight: i8) -> i32 {
        sum.wrapping_add(i32::from(value) * i32::from(weight))
    }
}

impl Format for Bf16 {
    type Value = bf16;
    type Weight = bf16;
    type Sum = f32;

    fn kernels() -> &'static [Kernel<Self>] {
        crate::kernel::bf16()
    }

    #[inline(always)]
    fn add(sum: f32, value: bf16, weight: bf16) -> f32 {
        sum + value.to_f32() * weight.to_f32()
    }
}

impl Format for F32 {
    type Value = f32;
    type Weight = f32;
    type Sum = f32;

    fn kernels() -> &'static [Kernel<Self>] {
        crate::kernel::f32()
    }

    #[inline(always)]
    fn add(sum: f32, value: f32, weight: f32) -> f32 {
        sum + value * weight
    }
}
