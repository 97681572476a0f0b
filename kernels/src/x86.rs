//! Kernels for x86-64: AVX2, AVX-VNNI and AVX-512.

use std::arch::x86_64::{
    __cpuid, __m256, __m256i, __m512, __m512bh, __m512i, _mm256_add_epi32, _mm256_dpbusd_avx_epi32,
    _mm256_fmadd_ps, _mm256_load_ps, _mm256_load_si256, _mm256_loadu_ps, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_permute2f128_ps, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_storeu_si256,
    _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm512_add_epi32, _mm512_dpbf16_ps, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_load_ps, _mm512_load_si512, _mm512_madd_epi16, _mm512_maddubs_epi16,
    _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_storeu_ps, _mm512_storeu_si512,
};
use std::mem::transmute;

use crate::kernel::{Job, Tile};
use crate::line::Line;
use crate::vectors::{Vectors, multiply};

pub(crate) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

pub(crate) fn has_avx512_vnni() -> bool {
    has_avx512() && is_x86_feature_detected!("avx512vnni")
}

/// Returns whether the CPU has the instruction for bf16, and it pays. On AMD's Zen 4 models run 1.8 times as fast with
/// it as in f32; on an Intel Xeon (family 6, model 207) it adds up half as many products per second as f32's
/// instruction. docs/performance.md has the measurements.
pub(crate) fn has_fast_avx512_bf16() -> bool {
    // Older compilers declare it unsafe.
    #[allow(unused_unsafe, reason = "Rust 1.95 declares it safe")]
    // SAFETY: every x86-64 CPU has CPUID.
    let vendor = unsafe { __cpuid(0) };
    let is_amd = [vendor.ebx, vendor.edx, vendor.ecx] == AMD;
    is_amd && has_avx512() && is_x86_feature_detected!("avx512bf16")
}

/// "AuthenticAMD", in the registers that CPUID answers with.
const AMD: [u32; 3] =
    [u32::from_le_bytes(*b"Auth"), u32::from_le_bytes(*b"enti"), u32::from_le_bytes(*b"cAMD")];

pub(crate) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

pub(crate) fn has_avx_vnni() -> bool {
    has_avx2() && is_x86_feature_detected!("avxvnni")
}

/// Functions that multiply with the instructions of some vectors.
macro_rules! kernels {
    ($($name:ident of $sum:ty, by $vectors:ty, where $has:literal: $features:literal;)*) => {
        $(
            /// # Safety
            #[doc = concat!("[`", $has, "`] is true, and `job` fits.")]
            #[target_feature(enable = $features)]
            pub(crate) unsafe fn $name(job: &Job<'_>, each: &mut dyn FnMut(Tile<'_, $sum>)) {
                // SAFETY: the caller guarantees that the CPU has the instructions, and that `job` fits.
                unsafe { multiply::<$vectors>(job, each) }
            }
        )*
    };
}

kernels! {
    int8_avx512_vnni of i32, by Int8Avx512Vnni, where "has_avx512_vnni": "avx512f,avx512bw,avx512vnni";
    int8_avx_vnni of i32, by Int8AvxVnni, where "has_avx_vnni": "avx2,fma,avxvnni";
    int8_avx512 of i32, by Int8Avx512, where "has_avx512": "avx512f,avx512bw";
    int8_avx2 of i32, by Int8Avx2, where "has_avx2": "avx2,fma";
    bf16_avx512 of f32, by Bf16Avx512, where "has_fast_avx512_bf16": "avx512f,avx512bw,avx512bf16";
    f32_avx512 of f32, by F32Avx512, where "has_avx512": "avx512f,avx512bw";
    f32_avx2 of f32, by F32Avx2, where "has_avx2": "avx2,fma";
}

/// Makes functions of a trait from expressions, which are all safe for the same reason.
macro_rules! instructions {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty $body:block)*) => {
        $(#[inline(always)]
        unsafe fn $name($($argument: $type),*) -> $result {
            // SAFETY: the caller guarantees that the CPU has the instructions and the pointers may be used. Lines are
            // aligned to 64 bytes.
            unsafe { $body }
        })*
    };
}

/// Vectors of 512 bits, one per row and panel: 24 of sums, two of weights, one of values.
macro_rules! of_512_bits {
    ($name:ident, $add:ident, int8) => {
        of_512_bits!($name, i32, __m512i, $add, _mm512_setzero_si512, _mm512_load_si512, _mm512_set1_epi32, _mm512_storeu_si512);
    };
    ($name:ident, $add:ident, f32) => {
        of_512_bits!($name, f32, __m512, $add, _mm512_setzero_ps, _mm512_load_ps, _mm512_set1_ps, _mm512_storeu_ps);
    };
    ($name:ident, $sum:ty, $vector:ty, $add:ident, $zero:ident, $load:ident, $splat:ident, $store:ident) => {
        struct $name;

        impl Vectors for $name {
            type Sum = $sum;
            type Sums = $vector;
            type Weights = $vector;
            type Group = $vector;

            const ROWS: usize = 12;
            const PANELS: usize = 2;

            instructions! {
                fn zero() -> $vector { $zero() }
                fn weights(line: *const Line) -> $vector { $load(line.cast()) }
                fn group(values: *const u8) -> $vector { $splat(values.cast::<$sum>().read_unaligned()) }
                fn add(sums: $vector, group: $vector, weights: $vector) -> $vector { $add(sums, group, weights) }
                fn store(sums: $vector, to: *mut $sum) -> () { $store(to.cast(), sums) }
            }
        }
    };
}

/// Vectors of 256 bits, two per row: twelve of sums, two of weights, one of values.
macro_rules! of_256_bits {
    ($name:ident, $add:ident, int8) => {
        of_256_bits!(
            $name,
            i32,
            __m256i,
            $add,
            _mm256_setzero_si256,
            _mm256_load_si256,
            _mm256_set1_epi32,
            _mm256_storeu_si256
        );
    };
    ($name:ident, $add:ident, f32) => {
        of_256_bits!(
            $name,
            f32,
            __m256,
            $add,
            _mm256_setzero_ps,
            _mm256_load_ps,
            _mm256_set1_ps,
            _mm256_storeu_ps
        );
    };
    ($name:ident, $sum:ty, $vector:ty, $add:ident, $zero:ident, $load:ident, $splat:ident, $store:ident) => {
        struct $name;

        impl Vectors for $name {
            type Sum = $sum;
            type Sums = [$vector; 2];
            type Weights = [$vector; 2];
            type Group = $vector;

            const ROWS: usize = 6;
            const PANELS: usize = 1;

            instructions! {
                fn zero() -> [$vector; 2] { [$zero(); 2] }
                fn weights(line: *const Line) -> [$vector; 2] {
                    let line = line.cast::<$vector>();
                    [$load(line.cast()), $load(line.add(1).cast())]
                }
                fn group(values: *const u8) -> $vector { $splat(values.cast::<$sum>().read_unaligned()) }
                fn add(sums: [$vector; 2], group: $vector, weights: [$vector; 2]) -> [$vector; 2] {
                    [$add(sums[0], group, weights[0]), $add(sums[1], group, weights[1])]
                }
                fn store(sums: [$vector; 2], to: *mut $sum) -> () {
                    let to = to.cast::<$vector>();
                    $store(to.cast(), sums[0]);
                    $store(to.add(1).cast(), sums[1]);
                }
            }
        }
    };
}

of_512_bits!(Int8Avx512Vnni, _mm512_dpbusd_epi32, int8);
of_512_bits!(Int8Avx512, add_pairs_512, int8);
of_512_bits!(Bf16Avx512, add_pairs_bf16, f32);
of_512_bits!(F32Avx512, multiply_add_512, f32);
of_256_bits!(Int8AvxVnni, _mm256_dpbusd_avx_epi32, int8);
of_256_bits!(Int8Avx2, add_pairs_256, int8);
of_256_bits!(F32Avx2, multiply_add_256, f32);

/// Transposes 8 rows of 8 numbers.
///
/// # Safety
/// The CPU has AVX; 8 numbers may be read at each of 8 rows of `from`, and written at each of `to`.
#[target_feature(enable = "avx")]
pub(crate) unsafe fn transpose_square(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    // SAFETY: the caller guarantees that the CPU has AVX, and that these rows may be read.
    let rows: [__m256; 8] =
        std::array::from_fn(|row| unsafe { _mm256_loadu_ps(from.add(row * from_stride)) });
    // Pairs of rows are combined, then fours, then halves.
    let pair =
        |a: usize| [_mm256_unpacklo_ps(rows[a], rows[a + 1]), _mm256_unpackhi_ps(rows[a], rows[a + 1])];
    let four = |a: usize| {
        let ([low, high], [next_low, next_high]) = (pair(a), pair(a + 2));
        [
            _mm256_shuffle_ps::<0x44>(low, next_low),
            _mm256_shuffle_ps::<0xEE>(low, next_low),
            _mm256_shuffle_ps::<0x44>(high, next_high),
            _mm256_shuffle_ps::<0xEE>(high, next_high),
        ]
    };
    let (upper, lower) = (four(0), four(4));
    for column in 0..4 {
        let left = _mm256_permute2f128_ps::<0x20>(upper[column], lower[column]);
        let right = _mm256_permute2f128_ps::<0x31>(upper[column], lower[column]);
        // SAFETY: the caller guarantees that these rows may be written.
        unsafe {
            _mm256_storeu_ps(to.add(column * to_stride), left);
            _mm256_storeu_ps(to.add((column + 4) * to_stride), right);
        }
    }
}

/// Does the work of `vpdpbusd` on CPUs that lack it: pairs of products are added up in 16 bits first.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add_pairs_512(sums: __m512i, values: __m512i, weights: __m512i) -> __m512i {
    let pairs = _mm512_maddubs_epi16(values, weights);
    _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
}

/// Does the work of [`add_pairs_512`] on 256 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn add_pairs_256(sums: __m256i, values: __m256i, weights: __m256i) -> __m256i {
    let pairs = _mm256_maddubs_epi16(values, weights);
    _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

/// Adds up pairs of products of bf16, which lie in `values` and `weights` as if each pair were one f32.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn add_pairs_bf16(sums: __m512, values: __m512, weights: __m512) -> __m512 {
    // SAFETY: both types are 64 bytes of any value.
    let [values, weights] = [values, weights].map(|pairs| unsafe { transmute::<__m512, __m512bh>(pairs) });
    _mm512_dpbf16_ps(sums, values, weights)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn multiply_add_512(sums: __m512, values: __m512, weights: __m512) -> __m512 {
    _mm512_fmadd_ps(values, weights, sums)
}

#[inline]
#[target_feature(enable = "fma")]
fn multiply_add_256(sums: __m256, values: __m256, weights: __m256) -> __m256 {
    _mm256_fmadd_ps(values, weights, sums)
}
