use bytemuck::Pod;

/// The side of the squares that are transposed in registers.
const SIDE: usize = 8;

/// A matrix in memory: its values, and the distance between the beginnings of two rows.
#[derive(Clone, Copy, Debug)]
pub struct Strided<V> {
    /// The values; the first row begins at the first one.
    pub values: V,
    /// The number of values from a row to the next, at least the length of a row.
    pub stride: usize,
}

/// Writes `from`, `[rows, columns]`, to `to` as `[columns, rows]`. Values have four bytes.
///
/// # Panics
/// If a row of either is out of range. Values of another size do not compile.
pub fn transpose<T: Pod>(from: Strided<&[T]>, to: Strided<&mut [T]>, [rows, columns]: [usize; 2]) {
    const { assert!(size_of::<T>() == 4) };
    if rows == 0 || columns == 0 {
        return;
    }
    let (from, from_stride) = (from.values, from.stride);
    let (to, to_stride) = (to.values, to.stride);
    let fits = |len: usize, stride: usize, rows: usize, columns: usize| {
        let before = (rows - 1).checked_mul(stride);
        stride >= columns
            && before.and_then(|before| before.checked_add(columns)).is_some_and(|end| end <= len)
    };
    assert!(fits(from.len(), from_stride, rows, columns), "{rows} rows of {columns} are out of range");
    assert!(fits(to.len(), to_stride, columns, rows), "{columns} rows of {rows} are out of range");
    let [whole_rows, whole_columns] =
        if has_squares() { [rows, columns].map(|count| count - count % SIDE) } else { [0, 0] };
    for row in (0..whole_rows).step_by(SIDE) {
        for column in (0..whole_columns).step_by(SIDE) {
            let (from, to) = (&from[row * from_stride + column..], &mut to[column * to_stride + row..]);
            square(from, from_stride, to, to_stride);
        }
    }
    let mut copy =
        |row: usize, column: usize| to[column * to_stride + row] = from[row * from_stride + column];
    for row in 0..rows {
        let first = if row < whole_rows { whole_columns } else { 0 };
        (first..columns).for_each(|column| copy(row, column));
    }
}

fn has_squares() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Transposes `SIDE` rows of `SIDE` values.
#[inline]
fn square<T: Pod>(from: &[T], from_stride: usize, to: &mut [T], to_stride: usize) {
    let last = SIDE - 1;
    assert!(from.len() >= last * from_stride + SIDE && to.len() >= last * to_stride + SIDE);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: `transpose` checked that the CPU has AVX, and the assertion above that all rows are within the slices.
    unsafe {
        crate::x86::transpose_square(from.as_ptr().cast(), from_stride, to.as_mut_ptr().cast(), to_stride);
    }
}

#[cfg(test)]
mod tests {
    use super::{Strided, transpose};

    #[test]
    fn every_value_goes_to_its_place_and_to_no_other() {
        for rows in [0, 1, 7, 8, 9, 16, 33] {
            for columns in [0, 1, 7, 8, 9, 32, 41] {
                let (from_stride, to_stride) = (columns + 3, rows + 5);
                let from: Vec<u32> = (0..(rows * from_stride) as u32).collect();
                let mut to = vec![u32::MAX; columns * to_stride];
                let target = Strided { values: &mut to[..], stride: to_stride };
                transpose(Strided { values: &from[..], stride: from_stride }, target, [rows, columns]);
                for column in 0..columns {
                    for row in 0..to_stride {
                        let expected = if row < rows { from[row * from_stride + column] } else { u32::MAX };
                        assert_eq!(to[column * to_stride + row], expected, "{rows} x {columns}");
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn rows_out_of_range_are_refused() {
        let from = Strided { values: &[0_u32; 15][..], stride: 8 };
        transpose(from, Strided { values: &mut [0; 64], stride: 8 }, [2, 8]);
    }
}
