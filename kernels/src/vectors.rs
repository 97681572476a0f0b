//! Products in registers: some rows by some panels at a time.

use std::ops::Range;

use crate::kernel::{Job, Tile};
use crate::line::Line;
use crate::weights::PANEL;

/// The instructions that a product needs: vectors that hold a sum for each output of a panel.
pub(crate) trait Vectors {
    /// One number of a product.
    type Sum: Copy + Default;
    /// A sum for each output of a panel.
    type Sums: Copy;
    /// A line of weights.
    type Weights: Copy;
    /// The group of a row, once for each output.
    type Group: Copy;

    /// Rows, at most 12, and panels, at most 2, whose sums fit into the registers together.
    const ROWS: usize;
    const PANELS: usize;

    /// # Safety
    /// The CPU has the instructions.
    unsafe fn zero() -> Self::Sums;

    /// # Safety
    /// The CPU has the instructions, and a line may be read.
    unsafe fn weights(line: *const Line) -> Self::Weights;

    /// # Safety
    /// The CPU has the instructions, and four bytes may be read.
    unsafe fn group(values: *const u8) -> Self::Group;

    /// `sums` and the products of `group` and `weights`.
    ///
    /// # Safety
    /// The CPU has the instructions.
    unsafe fn add(sums: Self::Sums, group: Self::Group, weights: Self::Weights) -> Self::Sums;

    /// # Safety
    /// The CPU has the instructions, and `PANEL` sums may be written.
    unsafe fn store(sums: Self::Sums, to: *mut Self::Sum);
}

/// Blocks of rows that are handed out together: what is done with them is called for less often. With more, their lines of
/// the product, which may lie any number of bytes apart, would drive one another out of the nearest cache.
const BLOCKS: usize = 2;

/// Rows and panels of the largest tile.
const MOST: [usize; 2] = [BLOCKS * 12, 2];

/// # Safety
/// The CPU has the instructions of `V`, and `job` fits.
#[inline(always)]
pub(crate) unsafe fn multiply<V: Vectors>(job: &Job<'_>, each: &mut dyn FnMut(Tile<'_, V::Sum>)) {
    let count = job.rows.count();
    let (panels, tiles) = (job.panel_count(), count.div_ceil(BLOCKS * V::ROWS));
    let stride = V::PANELS * PANEL;
    let mut sums = [V::Sum::default(); MOST[0] * MOST[1] * PANEL];
    // All rows meet a panel before the next.
    for panel in (0..panels).step_by(V::PANELS) {
        let width = V::PANELS.min(panels - panel);
        // A panel that is not there is computed as the one before it, and left out.
        let weights = [panel, panel + width - 1].map(|panel| job.panels[panel * job.depth..].as_ptr());
        for rows in parts(0..count, tiles) {
            let blocks = rows.len().div_ceil(V::ROWS);
            for block in parts(rows.clone(), blocks) {
                let values = job.rows.lines[block.start * job.rows.each..].as_ptr();
                let sums = &mut sums[(block.start - rows.start) * stride..];
                // SAFETY: the job fits: there are as many rows and panels, and each row has a line for each 16 of a
                // panel's.
                unsafe { tile_of::<V>(block.len(), values, job.rows.each, weights, job.depth, sums) };
            }
            each(Tile { rows, columns: job.columns(panel, width), sums: &sums, stride });
        }
    }
}

/// `range` in `count` parts that are about equally long.
fn parts(range: Range<usize>, count: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).map(move |part| {
        let at = |part: usize| range.start + range.len() * part / count;
        at(part)..at(part + 1)
    })
}

/// [`tile`] of as many rows.
///
/// # Safety
/// As of [`tile`].
#[inline(always)]
unsafe fn tile_of<V: Vectors>(
    rows: usize,
    values: *const Line,
    stride: usize,
    weights: [*const Line; 2],
    depth: usize,
    sums: &mut [V::Sum],
) {
    macro_rules! tiles {
        ($($rows:literal)*) => {
            match (rows, V::PANELS) {
                // SAFETY: as the caller says.
                $(($rows, 1) if $rows <= V::ROWS => unsafe {
                    tile::<V, $rows, 1>(values, stride, [weights[0]], depth, sums);
                },
                // SAFETY: as the caller says.
                ($rows, _) if $rows <= V::ROWS => unsafe {
                    tile::<V, $rows, 2>(values, stride, weights, depth, sums);
                },)*
                _ => unreachable!("blocks have 1 to {} rows, not {rows}", V::ROWS),
            }
        };
    }
    tiles!(1 2 3 4 5 6 7 8 9 10 11 12);
}

/// The product of `ROWS` rows, `stride` lines apart, with `PANELS` panels of `depth` lines.
///
/// # Safety
/// The CPU has the instructions, and so many rows and lines may be read.
#[expect(clippy::needless_range_loop, reason = "iterators keep the sums in memory, at half the speed")]
#[inline(always)]
unsafe fn tile<V: Vectors, const ROWS: usize, const PANELS: usize>(
    values: *const Line,
    stride: usize,
    weights: [*const Line; PANELS],
    depth: usize,
    sums: &mut [V::Sum],
) {
    // SAFETY: the pointers stay within what the caller says may be read, and the slice is checked.
    unsafe {
        let mut found = [[V::zero(); PANELS]; ROWS];
        let values = values.cast::<u8>();
        for group in 0..depth {
            let mut lines = [V::weights(weights[0].add(group)); PANELS];
            for panel in 1..PANELS {
                lines[panel] = V::weights(weights[panel].add(group));
            }
            for row in 0..ROWS {
                let values = V::group(values.add(row * stride * Line::BYTES + group * 4));
                for panel in 0..PANELS {
                    found[row][panel] = V::add(found[row][panel], values, lines[panel]);
                }
            }
        }
        let sums = &mut sums[..ROWS * PANELS * PANEL];
        for row in 0..ROWS {
            for panel in 0..PANELS {
                V::store(found[row][panel], sums[(row * PANELS + panel) * PANEL..].as_mut_ptr());
            }
        }
    }
}
