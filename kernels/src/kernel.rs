use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use crate::format::{Bf16, F32, Format, Int8};
use crate::line::Line;
use crate::tiles;
use crate::weights::{PANEL, Rows};

/// An implementation of products that this CPU can run.
pub struct Kernel<F: Format> {
    name: &'static str,
    run: Run<F>,
    /// Writes a product without a copy, if the kernel can.
    place: Option<PlaceRun<F>>,
    saturates: bool,
    portable: bool,
}

/// A kernel's code. It may only be called if the CPU has the instructions and the job fits.
pub(crate) type Run<F> = unsafe fn(&Job<'_>, &mut dyn FnMut(Tile<'_, <F as Format>::Sum>));

/// A kernel's code that writes a product. It may only be called if the CPU has the instructions, and the job and the
/// place fit.
pub(crate) type PlaceRun<F> = unsafe fn(&Job<'_>, tiles::Place<<F as Format>::Sum>);

/// A product to compute. [`crate::Weights`] checks that all of it fits: `panels` are whole panels of `depth` lines,
/// one per 16 of `outputs`, and the rows have a line per 16 of `depth`.
pub(crate) struct Job<'a> {
    pub(crate) rows: Rows<'a>,
    pub(crate) panels: &'a [Line],
    pub(crate) depth: usize,
    /// The outputs of the panels, without those that pad the last one.
    pub(crate) outputs: Range<usize>,
}

impl Job<'_> {
    pub(crate) fn panel_count(&self) -> usize {
        self.panels.len() / self.depth
    }

    /// The outputs of `count` panels from `panel` on.
    pub(crate) fn columns(&self, panel: usize, count: usize) -> Range<usize> {
        let start = self.outputs.start + panel * PANEL;
        start..self.outputs.end.min(start + count * PANEL)
    }
}

/// A part of a product: some of its rows and columns.
#[derive(Debug)]
pub struct Tile<'a, S> {
    /// Its rows, among those of the product.
    pub rows: Range<usize>,
    /// Its columns, among the outputs of the weights.
    pub columns: Range<usize>,
    pub(crate) sums: &'a [S],
    /// The number of sums from a row to the next.
    pub(crate) stride: usize,
}

impl<'a, S> Tile<'a, S> {
    /// Its rows and, for each, the sums in its columns.
    pub fn each(&self) -> impl Iterator<Item = (usize, &'a [S])> + use<'a, S> {
        let count = self.columns.len();
        self.rows.clone().zip(self.sums.chunks(self.stride)).map(move |(row, sums)| (row, &sums[..count]))
    }

    /// The sums of all rows, and the distance between the beginnings of two rows. Each row has the sums of whole
    /// panels; those beyond the tile's columns or rows are unspecified.
    pub fn sums(&self) -> (&'a [S], usize) {
        (self.sums, self.stride)
    }
}

impl<F: Format> Kernel<F> {
    /// Its name, after its instructions.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Returns whether it is plain code, for comparisons, rather than a fast kernel.
    pub fn is_portable(self) -> bool {
        self.portable
    }

    /// Returns whether it can write a product where it belongs. Other kernels hand it out in tiles, to be copied.
    pub fn writes_in_place(self) -> bool {
        self.place.is_some()
    }

    pub(crate) fn run(self, job: &Job<'_>, each: &mut dyn FnMut(Tile<'_, F::Sum>)) {
        // SAFETY: a kernel is only made if the CPU has its instructions, and `Weights` checks that a job fits.
        unsafe { (self.run)(job, each) }
    }

    /// Writes the product to `out`, `[rows, stride]`. Rows must have room for pairs of panels, and `job` must begin
    /// with the first panel.
    pub(crate) fn place(self, job: &Job<'_>, out: &mut [F::Sum], stride: usize) {
        let room = job.rows.count().checked_mul(stride);
        assert!(
            stride >= job.panel_count().next_multiple_of(2) * PANEL
                && room.is_some_and(|room| out.len() >= room),
            "the product does not fit"
        );
        match self.place {
            // SAFETY: a kernel is only made if the CPU has its instructions, `Weights` checks that a job fits, and
            // the assertion above that there is room for all rows.
            Some(place) => unsafe { place(job, tiles::Place { sums: out.as_mut_ptr(), stride }) },
            None => self.run(job, &mut |tile| {
                for (row, sums) in tile.each() {
                    out[row * stride..][tile.columns.clone()].copy_from_slice(sums);
                }
            }),
        }
    }
}

impl<F: Format> Clone for Kernel<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Format> Copy for Kernel<F> {}

impl<F: Format> fmt::Debug for Kernel<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Kernel<Int8> {
    /// The largest value that is multiplied exactly with any weights from -127 on, with one to spare for rounding:
    /// 127 if the kernel adds pairs of products in 16 bits, otherwise 255.
    pub fn largest_value(self) -> u8 {
        if self.saturates { 127 } else { 255 }
    }
}

/// Defines the function that lists the kernels of a format. Each has a name, a condition and its code; then,
/// optionally, `saturates` or `portable`. After a second `=>` comes the code that writes a product without a copy.
macro_rules! kernels {
    ($function:ident, $format:ty, [$(
        $(#[$attribute:meta])* $name:literal if $has:expr => $run:expr $(=> $place:expr)? $(, $property:ident)?;
    )*]) => {
        pub(crate) fn $function() -> &'static [Kernel<$format>] {
            static KERNELS: OnceLock<Vec<Kernel<$format>>> = OnceLock::new();
            KERNELS.get_or_init(|| {
                let mut kernels = Vec::new();
                $($(#[$attribute])* if $has {
                    kernels.push(Kernel {
                        $(place: Some($place),)?
                        $($property: true,)?
                        ..Kernel {
                            name: $name, run: $run, place: None, saturates: false, portable: false,
                        }
                    });
                })*
                kernels
            })
        }
    };
}

kernels!(int8, Int8, [
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    "amx-int8" if crate::amx::has_int8() => crate::amx::int8 => crate::amx::place_int8;
    #[cfg(target_arch = "x86_64")]
    "avx512-vnni" if crate::x86::has_avx512_vnni() => crate::x86::int8_avx512_vnni;
    #[cfg(target_arch = "x86_64")]
    "avx-vnni" if crate::x86::has_avx_vnni() => crate::x86::int8_avx_vnni;
    #[cfg(target_arch = "x86_64")]
    "avx512" if crate::x86::has_avx512() => crate::x86::int8_avx512, saturates;
    #[cfg(target_arch = "x86_64")]
    "avx2" if crate::x86::has_avx2() => crate::x86::int8_avx2, saturates;
    "portable" if true => crate::portable::vectors::<Int8>, portable;
    "portable tiles" if true => crate::portable::tiles::<Int8> => crate::portable::place_tiles::<Int8>, portable;
]);

kernels!(bf16, Bf16, [
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    "amx-bf16" if crate::amx::has_bf16() => crate::amx::bf16 => crate::amx::place_bf16;
    #[cfg(target_arch = "x86_64")]
    "avx512-bf16" if crate::x86::has_fast_avx512_bf16() => crate::x86::bf16_avx512;
    "portable" if true => crate::portable::vectors::<Bf16>, portable;
    "portable tiles" if true => crate::portable::tiles::<Bf16> => crate::portable::place_tiles::<Bf16>, portable;
]);

kernels!(f32, F32, [
    #[cfg(target_arch = "x86_64")]
    "avx512" if crate::x86::has_avx512() => crate::x86::f32_avx512;
    #[cfg(target_arch = "x86_64")]
    "avx2" if crate::x86::has_avx2() => crate::x86::f32_avx2;
    "portable" if true => crate::portable::vectors::<F32>, portable;
    "portable tiles" if true => crate::portable::tiles::<F32> => crate::portable::place_tiles::<F32>, portable;
]);
