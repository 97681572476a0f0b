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
    /// A group of a row, repeated for each output.
    type Group: Copy;

    /// The numbers of rows, at most 12, and of panels, at most 2, whose sums fit into the registers together.
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

    /// Adds the products of `group` and `weights` to `sums`.
    ///
    /// # Safety
    /// The CPU has the instructions.
    unsafe fn add(sums: Self::Sums, group: Self::Group, weights: Self::Weights) -> Self::Sums;

    /// # Safety
    /// The CPU has the instructions, and `PANEL` sums may be written.
    unsafe fn store(sums: Self::Sums, to: *mut Self::Sum);
}

/// The number of blocks of rows in a tile. With several, the callback is called less often; with more than these,
/// their rows of the product, which may lie any number of bytes apart, would drive each other out of the nearest
/// cache.
const BLOCKS: usize = 2;

/// The rows and panels of the largest tile.
const MOST: [usize; 2] = [BLOCKS * 12, 2];

/// # Safety
/// The CPU has the instructions of `V`, and `job` fits.
#[inline(always)]
pub(crate) unsafe fn multiply<V: Vectors>(job: &Job<'_>, each: &mut dyn FnMut(Tile<'_, V::Sum>)) {
    let count = job.rows.count();
    let (panels, tiles) = (job.panel_count(), count.div_ceil(BLOCKS * V::ROWS));
    let stride = V::PANELS * PANEL;
    let mut sums = [V::Sum::default(); MOST[0] * MOST[1] * PANEL];
    // All rows are multiplied with a panel before the next panel.
    for panel in (0..panels).step_by(V::PANELS) {
        let width = V::PANELS.min(panels - panel);
        // For a missing panel, the one before it is computed again, and the result is left out.
        let weights = [panel, panel + width - 1].map(|panel| job.panels[panel * job.depth..].as_ptr());
        for rows in parts(0..count, tiles) {
            let blocks = rows.len().div_ceil(V::ROWS);
            for block in parts(rows.clone(), blocks) {
                let values = job.rows.lines[block.start * job.rows.each..].as_ptr();
                let sums = &mut sums[(block.start - rows.start) * stride..];
                // SAFETY: the caller guarantees that the CPU has the instructions and that `job` fits: it has as many
                // rows and panels, and each row has a line per 16 lines of a panel.
                unsafe { tile_of::<V>(block.len(), values, job.rows.each, weights, job.depth, sums) };
            }
            each(Tile { rows, columns: job.columns(panel, width), sums: &sums, stride });
        }
    }
}

/// Divides `range` into `count` parts that are about equally long.
fn parts(range: Range<usize>, count: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).map(move |part| {
        let at = |part: usize| range.start + range.len() * part / count;
        at(part)..at(part + 1)
    })
}

/// Runs [`tile`] with `rows` as a constant.
///
/// # Safety
/// The same as for [`tile`].
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
                // SAFETY: the caller guarantees what `tile` requires.
                $(($rows, 1) if $rows <= V::ROWS => unsafe {
                    tile::<V, $rows, 1>(values, stride, [weights[0]], depth, sums);
                },
                // SAFETY: the caller guarantees what `tile` requires.
                ($rows, _) if $rows <= V::ROWS => unsafe {
                    tile::<V, $rows, 2>(values, stride, weights, depth, sums);
                },)*
                _ => unreachable!("blocks have 1 to {} rows, not {rows}", V::ROWS),
            }
        };
    }
    tiles!(1 2 3 4 5 6 7 8 9 10 11 12);
}

/// Computes the product of `ROWS` rows, `stride` lines apart, with `PANELS` panels of `depth` lines.
///
/// # Safety
/// The CPU has the instructions, and these rows and panels may be read.
#[expect(clippy::needless_range_loop, reason = "iterators keep the sums in memory, at half the speed")]
#[inline(always)]
unsafe fn tile<V: Vectors, const ROWS: usize, const PANELS: usize>(
    values: *const Line,
    stride: usize,
    weights: [*const Line; PANELS],
    depth: usize,
    sums: &mut [V::Sum],
) {
    // SAFETY: the caller guarantees that the CPU has the instructions and that the rows and panels may be read. The
    // pointers stay within these, and the slice of sums is checked.
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
