//! Products in tiles: blocks of 16 rows by two panels or, where rows are long, of 32 rows. Blocks of 32 rows need fewer
//! loads, but the CPU can overlap less of the work on one block with the next. In a loop over products of 128 rows, on
//! a Xeon (family 6, model 207), they took 15 to 25 % less time where rows have 24 or 48 lines, and 4 % more where rows
//! have 12.

use std::ops::Range;

use crate::kernel::{Job, Tile};
use crate::line::Line;
use crate::weights::PANEL;

/// The most rows of a tile.
pub(crate) const ROWS: usize = 16;

/// The rows of a tall block: those of two tiles.
const TALL: usize = 2 * ROWS;

/// The number of lines from which a row is long enough for tall blocks. Nothing between 12 and 24 was measured.
const LONG: usize = 24;

/// The most sums in a block: four tiles.
const BLOCK: usize = TALL * 2 * PANEL;

/// Rows and panels that are multiplied together. [`each_block`] makes them, and ensures that all lines exist.
pub(crate) struct Block {
    /// The number of rows: 1 to [`ROWS`], or exactly [`TALL`].
    pub(crate) rows: usize,
    /// The first line of the first row; rows are contiguous.
    pub(crate) values: *const Line,
    /// The number of lines in a row, at least 1.
    pub(crate) stride: usize,
    /// Two panels, or one twice.
    pub(crate) weights: [*const Line; 2],
    /// The number of lines in a panel: 16 per line of a row.
    pub(crate) depth: usize,
}

/// The destination of sums.
#[derive(Clone, Copy)]
pub(crate) struct Place<S> {
    pub(crate) sums: *mut S,
    /// The number of sums from a row to the next.
    pub(crate) stride: usize,
}

/// The instructions that a product in tiles needs.
pub(crate) trait Tiles {
    /// One number of a product.
    type Sum: Copy + Default;

    /// Writes the product of a block, `[rows, 32]`.
    ///
    /// # Safety
    /// The CPU has the instructions, their state is set up on this thread, `block` is as its fields say, and all its
    /// sums may be written.
    unsafe fn block(block: &Block, to: Place<Self::Sum>);
}

/// The sums of a block, aligned like the rows of tiles.
#[repr(C, align(64))]
struct Sums<S>([S; BLOCK]);

/// # Safety
/// The CPU has the instructions of `T`, their state is set up on this thread, and `job` fits.
#[inline(always)]
pub(crate) unsafe fn multiply<T: Tiles>(job: &Job<'_>, each: &mut dyn FnMut(Tile<'_, T::Sum>)) {
    let mut sums = Sums([T::Sum::default(); BLOCK]);
    each_block(job, |block, known, rows, panel| {
        let to = Place { sums: sums.0.as_mut_ptr(), stride: 2 * PANEL };
        // SAFETY: the caller guarantees the instructions and their state, and that `job` fits; there is room for a
        // whole block.
        unsafe { T::block(&block, to) };
        let sums = &sums.0[known * 2 * PANEL..];
        each(Tile { rows, columns: job.columns(panel, 2), sums, stride: 2 * PANEL });
    });
}

/// Writes the whole product, `[rows, stride]`. Rows have room for pairs of panels.
///
/// # Safety
/// The CPU has the instructions of `T`, their state is set up on this thread, `job` fits, and the sums of all rows
/// may be written.
#[inline(always)]
pub(crate) unsafe fn place<T: Tiles>(job: &Job<'_>, to: Place<T::Sum>) {
    each_block(job, |block, known, rows, panel| {
        // SAFETY: the caller guarantees the instructions and their state, that `job` fits, and that all sums may be
        // written.
        unsafe {
            let sums = to.sums.add((rows.start - known) * to.stride + panel * PANEL);
            T::block(&block, Place { sums, ..to });
        }
    });
}

/// Runs `work` with each block of a job that fits, the number of its first rows that an earlier block computed, its
/// other rows, and its first panel. All rows are multiplied with a panel before the next panel.
#[inline(always)]
fn each_block(job: &Job<'_>, mut work: impl FnMut(Block, usize, Range<usize>, usize)) {
    let (count, panels) = (job.rows.count(), job.panel_count());
    for panel in (0..panels).step_by(2) {
        let last = panels.min(panel + 2) - 1;
        let weights = [panel, last].map(|panel| job.panels[panel * job.depth..].as_ptr());
        let mut done = 0;
        while done < count {
            let most = if job.rows.each >= LONG && count - done >= TALL { TALL } else { ROWS };
            let rows = done..count.min(done + most);
            done = rows.end;
            // The last rows are multiplied with some before them, because tiles of another height would have to be
            // set up.
            let first = rows.start.min(rows.end.saturating_sub(ROWS));
            let block = Block {
                rows: rows.end - first,
                values: job.rows.lines[first * job.rows.each..].as_ptr(),
                stride: job.rows.each,
                weights,
                depth: job.depth,
            };
            work(block, rows.start - first, rows, panel);
        }
    }
}
