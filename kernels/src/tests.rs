//! Checks every kernel of this CPU against the definition, over edges in all three dimensions.

use bytemuck::{Pod, Zeroable};
use half::bf16;
use proptest::prelude::{Strategy, proptest};
use proptest::test_runner::TestCaseError;

use super::{Bf16, F32, Format, Int8, Kernel, Line, PANEL, Rows, Weights};

/// Numbers that look random and are the same each time.
fn noise(count: usize, seed: u32) -> impl Iterator<Item = u32> {
    let mut state = seed.wrapping_mul(2_654_435_769).max(1);
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    })
}

/// Values, `[rows, inputs]`, as rows of whole lines.
fn lines<T: Pod>(values: &[T], inputs: usize) -> Vec<Line> {
    let each = Line::holding::<T>(inputs);
    let mut lines = vec![Line::default(); values.len() / inputs * each];
    for (to, row) in lines.chunks_exact_mut(each).zip(values.chunks_exact(inputs)) {
        Line::values_mut(to)[..inputs].copy_from_slice(row);
    }
    lines
}

/// The product of `kernel` for `columns`, `[rows, outputs]`, and the number of times that it returned each sum.
fn product<F: Format>(
    kernel: Kernel<F>,
    values: &[F::Value],
    source: &[F::Weight],
    [rows, inputs, outputs]: [usize; 3],
    columns: std::ops::Range<usize>,
) -> (Vec<F::Sum>, Vec<u32>) {
    let weights = Weights::pack(kernel, source, [outputs, inputs]);
    let lines = lines(values, inputs);
    let (mut out, mut times) = (vec![F::Sum::default(); rows * outputs], vec![0; rows * outputs]);
    weights.multiply(Rows::new(&lines, weights.row_lines()), columns.clone(), |tile| {
        for (row, sums) in tile.each() {
            for (column, &sum) in tile.columns.clone().zip(sums) {
                out[row * outputs + column] = sum;
                times[row * outputs + column] += 1;
            }
        }
    });
    if columns == (0..outputs) {
        // The product is the same if it is written in one go, and if the weights are packed from their transpose.
        let stride = outputs.next_multiple_of(2 * PANEL);
        let turned = weights_of_turned(kernel, source, [outputs, inputs]);
        for weights in [&weights, &turned] {
            let mut whole = vec![F::Sum::default(); rows * stride];
            weights.multiply_into(Rows::new(&lines, weights.row_lines()), &mut whole, stride);
            let rows = whole.chunks_exact(stride.max(1)).zip(out.chunks_exact(outputs.max(1)));
            rows.for_each(|(whole, row)| assert!(same(&whole[..outputs], row), "{kernel:?}"));
        }
    }
    (out, times)
}

/// Packs `weights`, `[outputs, inputs]`, from their transpose.
fn weights_of_turned<F: Format>(kernel: Kernel<F>, weights: &[F::Weight], shape: [usize; 2]) -> Weights<F> {
    let [outputs, inputs] = shape;
    let turned: Vec<F::Weight> =
        (0..weights.len()).map(|at| weights[at % outputs * inputs + at / outputs]).collect();
    // Former weights must not count.
    let mut packed =
        Weights::pack(kernel, &[turned.first().copied().unwrap_or(F::Weight::zeroed()); 40 * 130], [40, 130]);
    packed.repack_turned(&turned, shape);
    packed
}

fn same<T: Pod>(one: &[T], other: &[T]) -> bool {
    bytemuck::cast_slice::<_, u8>(one) == bytemuck::cast_slice::<_, u8>(other)
}

/// Checks all kernels of a format. `value` and `weight` make numbers from noise, and `close` compares a sum with the
/// definition in f64, given the sum of the absolute products.
fn check<F: Format>(
    shape: [usize; 3],
    value: impl Fn(u32) -> F::Value,
    weight: impl Fn(u32) -> F::Weight,
    wide: impl Fn(F::Value, F::Weight) -> f64,
    close: impl Fn(F::Sum, f64, f64) -> bool,
    kernels: impl IntoIterator<Item = Kernel<F>>,
) -> Result<(), TestCaseError> {
    let [rows, inputs, outputs] = shape;
    let values: Vec<F::Value> = noise(rows * inputs, 1).map(value).collect();
    let weights: Vec<F::Weight> = noise(outputs * inputs, 2).map(weight).collect();
    // A part of the outputs begins with a whole panel.
    let start = outputs / 2 / PANEL * PANEL;
    for kernel in kernels {
        for columns in [0..outputs, 0..start, start..outputs] {
            let (found, times) = product(kernel, &values, &weights, shape, columns.clone());
            for row in 0..rows {
                for column in 0..outputs {
                    let at = row * outputs + column;
                    let expected_times = u32::from(columns.contains(&column));
                    if times[at] != expected_times {
                        let message =
                            format!("{kernel:?} {shape:?} returned {} times ({row}, {column})", times[at]);
                        return Err(TestCaseError::fail(message));
                    }
                    let (mut exact, mut size) = (0.0, 0.0);
                    for input in 0..inputs {
                        let product = wide(values[row * inputs + input], weights[column * inputs + input]);
                        exact += product;
                        size += product.abs();
                    }
                    if expected_times == 1 && !close(found[at], exact, size) {
                        let message = format!("{kernel:?} {shape:?} at ({row}, {column}): not {exact}");
                        return Err(TestCaseError::fail(message));
                    }
                }
            }
        }
    }
    Ok(())
}

fn check_int8(shape: [usize; 3]) -> Result<(), TestCaseError> {
    let exact = |sum: i32, exact: f64, _: f64| f64::from(sum) == exact;
    let wide = |value, weight| f64::from(value) * f64::from(weight);
    let all = Int8::kernels().iter().copied();
    let byte = |noise: u32| (noise >> 8) as u8;
    check::<Int8>(
        shape,
        byte,
        |noise| byte(noise) as i8,
        wide,
        exact,
        all.clone().filter(|it| it.largest_value() == 255),
    )?;
    check::<Int8>(shape, |noise| byte(noise) % 129, |noise| byte(noise) as i8, wide, exact, all)
}

/// A number from -1 to 1.
fn fraction(noise: u32) -> f32 {
    (noise >> 8) as f32 / (1 << 23) as f32 - 1.0
}

fn check_floats(shape: [usize; 3]) -> Result<(), TestCaseError> {
    // Each addition rounds once.
    let within = |sum: f32, exact: f64, size: f64| (f64::from(sum) - exact).abs() <= 1e-6 * size + 1e-30;
    check::<F32>(
        shape,
        fraction,
        fraction,
        |value, weight| f64::from(value) * f64::from(weight),
        within,
        F32::kernels().iter().copied(),
    )?;
    let short = |noise| bf16::from_f32(fraction(noise));
    check::<Bf16>(
        shape,
        short,
        short,
        |value, weight| value.to_f64() * weight.to_f64(),
        within,
        Bf16::kernels().iter().copied(),
    )
}

#[test]
fn whole_tiles_and_every_edge() {
    let (rows, inputs, outputs) =
        ([1, 2, 11, 12, 13, 16, 17, 31, 32, 33, 50], [1, 3, 64, 65, 130], [1, 15, 16, 17, 33, 64]);
    for rows in rows {
        for inputs in inputs {
            for outputs in outputs {
                check_int8([rows, inputs, outputs]).expect("int8");
                check_floats([rows, inputs, outputs]).expect("floats");
            }
        }
    }
}

/// Tall blocks, and rows that are just too short for them.
#[test]
fn long_rows() {
    for rows in [1, 15, 16, 31, 32, 33, 47, 48, 49, 64, 65] {
        for lines in [23, 24] {
            check_int8([rows, lines * 64, 33]).expect("int8");
            check_floats([rows, lines * 32, 33]).expect("floats");
        }
    }
}

#[test]
fn the_shapes_of_layers() {
    for shape in [[48, 384, 96], [17, 1536, 48], [51, 1536, 40], [128, 384, 64]] {
        check_int8(shape).expect("int8");
        check_floats(shape).expect("floats");
    }
}

#[test]
fn the_largest_numbers_do_not_saturate() {
    let (inputs, outputs) = (4096, 17);
    for weight in [-128, 127] {
        for &kernel in Int8::kernels() {
            let value = kernel.largest_value();
            let value = value.saturating_add(1);
            let (values, weights) = (vec![value; 3 * inputs], vec![weight; outputs * inputs]);
            let (found, _) = product(kernel, &values, &weights, [3, inputs, outputs], 0..outputs);
            let expected = i32::from(value) * i32::from(weight) * inputs as i32;
            assert!(found.iter().all(|&sum| sum == expected), "{kernel:?}: {expected}");
        }
    }
}

#[test]
fn no_rows_no_inputs_and_no_outputs_give_nothing_or_zeros() {
    for &kernel in F32::kernels() {
        let none = Weights::pack(kernel, &[], [0, 5]);
        none.multiply(Rows::new(&[Line::default()], 1), 0..0, |_| panic!("there should be no tile"));
        let some = Weights::pack(kernel, &[1.0; 10], [2, 5]);
        some.multiply(Rows::new(&[], 1), 0..2, |_| panic!("there should be no tile"));
        let empty = Weights::pack(kernel, &[], [2, 0]);
        empty.multiply(Rows::new(&[], empty.row_lines()), 0..2, |_| panic!("there should be no tile"));
        let mut found = Vec::new();
        empty.multiply(Rows::new(&[Line::default(); 3], empty.row_lines()), 0..2, |tile| {
            tile.each().for_each(|(_, sums)| found.extend_from_slice(sums));
        });
        assert_eq!(found, [0.0; 6], "{kernel:?}");
    }
}

#[test]
fn weights_may_be_packed_anew() {
    for &kernel in F32::kernels() {
        let mut weights = Weights::pack(kernel, &[7.0; 40 * 33], [33, 40]);
        // Two of three columns, and fewer rows: nothing of the first weights may be left.
        weights.repack(&[1.0, 2.0, 9.0, 3.0, 4.0, 9.0], 3, [2, 2]);
        let lines = lines(&[1.0_f32, 10.0], 2);
        let mut found = Vec::new();
        weights.multiply(Rows::new(&lines, weights.row_lines()), 0..2, |tile| {
            tile.each().for_each(|(_, sums)| found.extend_from_slice(sums));
        });
        assert_eq!(found, [21.0, 43.0], "{kernel:?}");
    }
}

/// A product within the callback of another, of another height, must not spoil it, nor its setup on the thread.
#[test]
fn products_may_be_within_one_another() {
    for &kernel in Int8::kernels() {
        let (values, weights) = (vec![2; 40 * 64], vec![3; 40 * 64]);
        let inner = Weights::pack(kernel, &weights[..64], [1, 64]);
        let outer = Weights::pack(kernel, &weights, [40, 64]);
        let lines = lines::<u8>(&values, 64);
        let mut count = 0;
        outer.multiply(Rows::new(&lines, 1), 0..40, |tile| {
            inner.multiply(Rows::new(&lines[..5], 1), 0..1, |tile| {
                assert!(tile.each().all(|(_, sums)| sums == [384]), "{kernel:?}");
            });
            tile.each().for_each(|(_, sums)| count += sums.iter().filter(|&&sum| sum == 384).count());
        });
        assert_eq!(count, 40 * 40, "{kernel:?}");
    }
}

#[test]
fn a_panic_leaves_the_kernel_usable() {
    for &kernel in Int8::kernels() {
        let weights = Weights::pack(kernel, &[3; 64], [1, 64]);
        let lines = lines::<u8>(&[2; 64], 64);
        let rows = Rows::new(&lines, 1);
        let panics = std::panic::AssertUnwindSafe(|| weights.multiply(rows, 0..1, |_| panic!("asked to")));
        assert!(std::panic::catch_unwind(panics).is_err());
        weights.multiply(rows, 0..1, |tile| assert!(tile.each().all(|(_, sums)| sums == [384])));
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let kernel = Int8::kernels()[0];
    let weights = Weights::pack(kernel, &[1; 32 * 64], [32, 64]);
    let lines = [Line::default(); 2];
    let refused = |run: &dyn Fn()| {
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    };
    refused(&|| weights.multiply(Rows::new(&lines, 2), 0..32, |_| ()));
    refused(&|| weights.multiply(Rows::new(&lines, 1), 0..33, |_| ()));
    refused(&|| weights.multiply(Rows::new(&lines, 1), 8..32, |_| ()));
    refused(&|| drop(Weights::<Int8>::pack(kernel, &[1; 5], [2, 3])));
    refused(&|| _ = Rows::new(&lines, 3));
    refused(&|| _ = Rows::new(&lines, 0));
}

/// Prints the kernels of the tests, which `--nocapture` shows, and checks their order.
#[test]
fn the_portable_kernels_come_last() {
    println!("int8: {:?}, bf16: {:?}, f32: {:?}", Int8::kernels(), Bf16::kernels(), F32::kernels());
    for fastest in [
        Int8::fastest().map(Kernel::name),
        Bf16::fastest().map(Kernel::name),
        F32::fastest().map(Kernel::name),
    ] {
        assert!(!fastest.is_some_and(|name| name.starts_with("portable")));
    }
    assert!(Int8::kernels().iter().rev().take(2).all(|kernel| kernel.is_portable()));
}

fn shapes() -> impl Strategy<Value = [usize; 3]> {
    [1..70_usize, 1..200, 1..70]
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(20))]

    #[test]
    fn any_shape(shape in shapes()) {
        check_int8(shape)?;
        check_floats(shape)?;
    }
}
