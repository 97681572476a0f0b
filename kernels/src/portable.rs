//! Plain code in place of the instructions. The kernels are compared with it, and it runs the same packing, blocks
//! and edges on any CPU.

use std::marker::PhantomData;

use crate::format::Format;
use crate::kernel::{Job, Tile};
use crate::line::Line;
use crate::tiles::{self, Block, Place, Tiles};
use crate::vectors::{self, Vectors};
use crate::weights::PANEL;

/// # Safety
/// `job` fits.
pub(crate) unsafe fn vectors<F: Format>(job: &Job<'_>, each: &mut dyn FnMut(Tile<'_, F::Sum>)) {
    // SAFETY: the caller guarantees that `job` fits; any CPU has the instructions.
    unsafe { vectors::multiply::<Plain<F>>(job, each) }
}

/// # Safety
/// `job` fits.
pub(crate) unsafe fn tiles<F: Format>(job: &Job<'_>, each: &mut dyn FnMut(Tile<'_, F::Sum>)) {
    // SAFETY: the caller guarantees that `job` fits; any CPU has the instructions.
    unsafe { tiles::multiply::<Plain<F>>(job, each) }
}

/// # Safety
/// `job` and `to` fit.
pub(crate) unsafe fn place_tiles<F: Format>(job: &Job<'_>, to: Place<F::Sum>) {
    // SAFETY: the caller guarantees that `job` and `to` fit; any CPU has the instructions.
    unsafe { tiles::place::<Plain<F>>(job, to) }
}

struct Plain<F>(PhantomData<F>);

/// Adds the products of the values of a group and the weights of a line to `sums`.
#[inline(always)]
fn add<F: Format>(sums: &mut [F::Sum], group: &[F::Value], weights: &[F::Weight]) {
    for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(group.len())) {
        *sum = group.iter().zip(weights).fold(*sum, |sum, (&value, &weight)| F::add(sum, value, weight));
    }
}

impl<F: Format> Vectors for Plain<F> {
    type Sum = F::Sum;
    type Sums = [F::Sum; PANEL];
    type Weights = Line;
    type Group = [u8; 4];

    const ROWS: usize = 4;
    const PANELS: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> Self::Sums {
        [F::Sum::default(); PANEL]
    }

    #[inline(always)]
    unsafe fn weights(line: *const Line) -> Line {
        // SAFETY: the caller guarantees that a line may be read.
        unsafe { line.read() }
    }

    #[inline(always)]
    unsafe fn group(values: *const u8) -> [u8; 4] {
        // SAFETY: the caller guarantees that four bytes may be read.
        unsafe { values.cast::<[u8; 4]>().read() }
    }

    #[inline(always)]
    unsafe fn add(mut sums: Self::Sums, group: [u8; 4], weights: Line) -> Self::Sums {
        let mut line = Line::default();
        Line::values_mut::<u8>(std::slice::from_mut(&mut line))[..4].copy_from_slice(&group);
        let group = &Line::values(std::slice::from_ref(&line))[..4 / size_of::<F::Value>()];
        add::<F>(&mut sums, group, Line::values(std::slice::from_ref(&weights)));
        sums
    }

    #[inline(always)]
    unsafe fn store(sums: Self::Sums, to: *mut F::Sum) {
        // SAFETY: the caller guarantees that `PANEL` sums may be written.
        unsafe { to.cast::<Self::Sums>().write(sums) }
    }
}

impl<F: Format> Tiles for Plain<F> {
    type Sum = F::Sum;

    unsafe fn block(block: &Block, to: Place<F::Sum>) {
        for row in 0..block.rows {
            // SAFETY: the caller guarantees that the block may be read, and its sums written.
            let (values, weights, sums) = unsafe {
                let values = block.values.add(row * block.stride);
                let values = std::slice::from_raw_parts(values, block.stride);
                let weights = block.weights.map(|panel| std::slice::from_raw_parts(panel, block.depth));
                (values, weights, std::slice::from_raw_parts_mut(to.sums.add(row * to.stride), 2 * PANEL))
            };
            for (sums, lines) in sums.chunks_exact_mut(PANEL).zip(weights) {
                sums.fill(F::Sum::default());
                let groups = Line::values::<F::Value>(values).chunks_exact(4 / size_of::<F::Value>());
                for (group, line) in groups.zip(lines) {
                    add::<F>(sums, group, Line::values(std::slice::from_ref(line)));
                }
            }
        }
    }
}
