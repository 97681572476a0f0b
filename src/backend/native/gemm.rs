//! The kernels of matrix products, and products of matrices that are not packed ahead.

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::NdTensorView;

/// rten-gemm's kernels, chosen for this CPU when they are made.
pub(super) struct Gemm {
    pub(super) f32: GemmExecutor<f32>,
    pub(super) int8: GemmExecutor<u8, i8, i32>,
}

thread_local! {
    /// They cannot be shared between threads, and choosing them may trap into a hypervisor, which takes
    /// longer than a small product.
    pub(super) static GEMM: Gemm = Gemm { f32: GemmExecutor::default(), int8: GemmExecutor::default() };
}

/// The largest quantised activation. 127 where the int8 kernel adds pairs of products in 16 bits (AVX2
/// without VNNI), which 255 * 127 * 2 would overflow; else 255.
pub(super) fn largest_activation() -> u8 {
    if GEMM.with(|gemm| gemm.int8.may_saturate()) { 127 } else { 255 }
}

/// `out = a b`, `[m, n]` of `[m, k]` and `[k, n]`, with neither packed ahead. Shapes that do not fit leave
/// `out` as it is.
pub(super) fn multiply(a: NdTensorView<'_, f32, 2>, b: NdTensorView<'_, f32, 2>, out: &mut [f32]) {
    let (a, b) = (GemmInputA::Unpacked(a), GemmInputB::Unpacked(b));
    let done = GEMM.with(|gemm| gemm.f32.gemm(out, a, b, GemmOptions::default()));
    debug_assert!(done.is_ok(), "{done:?}");
}

#[cfg(test)]
mod tests {
    use super::GEMM;

    /// The emulated CPUs of `just emulated` must lead to the kernels that they are meant to test.
    #[test]
    fn the_kernels_are_those_expected() {
        let [int8, f32] =
            GEMM.with(|gemm| [gemm.int8.kernel_name(), gemm.f32.kernel_name()].map(str::to_owned));
        println!("kernels: {int8}, {f32}");
        if let Ok(expected) = std::env::var("ENTOPIC_EXPECT_KERNELS") {
            assert_eq!(format!("{int8},{f32}"), expected);
        }
    }
}
