//! Products in tiles: 32 rows by two panels at a time.

use crate::kernel::{Job, Tile};
use crate::line::Line;
use crate::weights::PANEL;

/// Rows of a tile.
pub(crate) const HEIGHT: usize = 16;

/// Rows of a block: two tiles.
pub(crate) const ROWS: usize = 2 * HEIGHT;

/// Sums of a block: two tiles high and two wide.
pub(crate) const BLOCK: usize = ROWS * 2 * PANEL;

/// Rows and panels that are multiplied together. [`multiply`] makes them, and sees to it that all lines are there.
pub(crate) struct Block {
    /// 1 to [`ROWS`].
    pub(crate) rows: usize,
    /// The first line of the first row; rows follow one another.
    pub(crate) values: *const Line,
    /// Lines of a row, at least 1.
    pub(crate) stride: usize,
    /// Two panels, or one twice.
    pub(crate) weights: [*const Line; 2],
    /// Lines of a panel: 16 for each line of a row.
    pub(crate) depth: usize,
}

/// The instructions that such a product needs.
pub(crate) trait Tiles {
    /// One number of a product.
    type Sum: Copy + Default;

    /// Sets `sums`, `[rows, 32]`, to the product of a block; what lies beyond its rows is left as it is.
    ///
    /// # Safety
    /// The CPU has the instructions, what they need is set up on this thread, and `block` is as its fields say.
    unsafe fn block(block: &Block, sums: &mut [Self::Sum; BLOCK]);
}

/// Aligned as the rows of tiles are.
#[repr(C, align(64))]
struct Sums<S>([S; BLOCK]);

/// # Safety
/// The CPU has the instructions of `T`, and `job` fits.
#[inline(always)]
pub(crate) unsafe fn multiply<T: Tiles>(job: &Job<'_>, each: &mut dyn FnMut(Tile<'_, T::Sum>)) {
    let (count, panels) = (job.rows.count(), job.panel_count());
    let mut sums = Sums([T::Sum::default(); BLOCK]);
    // All rows meet a panel before the next.
    for panel in (0..panels).step_by(2) {
        let width = 2.min(panels - panel);
        let weights = [panel, panel + width - 1].map(|panel| job.panels[panel * job.depth..].as_ptr());
        for first in (0..count).step_by(ROWS) {
            let rows = first..count.min(first + ROWS);
            let block = Block {
                rows: rows.len(),
                values: job.rows.lines[first * job.rows.each..].as_ptr(),
                stride: job.rows.each,
                weights,
                depth: job.depth,
            };
            // SAFETY: the job fits: there are as many rows and panels, and each row has a line for each 16 of a
            // panel's.
            unsafe { T::block(&block, &mut sums.0) };
            each(Tile { rows, columns: job.columns(panel, width), sums: &sums.0, stride: 2 * PANEL });
        }
    }
}
