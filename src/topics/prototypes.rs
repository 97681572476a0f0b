//! Moves the embeddings of labels towards texts that belong under them.

use ndarray::{Array2, ArrayView2, Axis, Zip};

use crate::error::Error;

/// The factor by which labels move towards their examples, and the ridge penalty, which limits the effect of single
/// examples. Both were chosen on the development sets, by `training/labels.py`.
const STRENGTH: f32 = 0.8;
const RIDGE: f32 = 1.0;

/// The size of the residual, relative to the first, at which iteration stops, and the most steps: more than 10,000
/// examples need.
const PRECISION: f32 = 1e-4;
const STEPS: usize = 500;

/// Adds `STRENGTH (E^T E + RIDGE I)^-1 E^T Y` to `labels`, `[labels, hidden]`: the ridge regression of the label of an
/// example. `E` is `examples`, unit vectors, `[examples, hidden]`, and `Y` is 1 for the label of each example, by
/// `label_of`. Features that the examples of all labels share count little. `check` is called in each step, and its
/// error ends the work.
pub(super) fn lean(
    labels: &mut Array2<f32>,
    examples: ArrayView2<'_, f32>,
    label_of: &[usize],
    check: impl Fn() -> Result<(), Error>,
) -> Result<(), Error> {
    let mut sums = Array2::zeros(labels.dim());
    for (example, &label) in examples.rows().into_iter().zip(label_of) {
        sums.row_mut(label).scaled_add(1.0, &example);
    }
    labels.scaled_add(STRENGTH, &solve(examples, sums, check)?);
    Ok(())
}

/// `(E^T E + RIDGE I)^-1` times each row of `rows`, by conjugate gradients.
fn solve(
    examples: ArrayView2<'_, f32>,
    rows: Array2<f32>,
    check: impl Fn() -> Result<(), Error>,
) -> Result<Array2<f32>, Error> {
    // [hidden, hidden]: there may be more examples, and more labels, than features.
    let products = examples.t().dot(&examples);
    let squares = |rows: &Array2<f32>| rows.map_axis(Axis(1), |row| row.dot(&row));
    let mut solution = Array2::zeros(rows.dim());
    let (mut rest, mut direction) = (rows.clone(), rows);
    let mut size = squares(&rest);
    let enough = size.mapv(|size| size * PRECISION * PRECISION);
    for _ in 0..STEPS {
        check()?;
        if Zip::from(&size).and(&enough).all(|size, enough| size <= enough) {
            break;
        }
        let mut image = direction.dot(&products);
        image.scaled_add(RIDGE, &direction);
        let along = (&direction * &image).sum_axis(Axis(1));
        let step = Zip::from(&size)
            .and(&along)
            .map_collect(|size, along| if *along > 0.0 { size / along } else { 0.0 });
        let step = step.insert_axis(Axis(1));
        solution = solution + &direction * &step;
        rest = rest - &image * &step;
        let before = std::mem::replace(&mut size, squares(&rest));
        let turn = Zip::from(&size)
            .and(&before)
            .map_collect(|size, before| if *before > 0.0 { size / before } else { 0.0 });
        direction = &rest + &direction * &turn.insert_axis(Axis(1));
    }
    Ok(solution)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr2};

    use super::{PRECISION, RIDGE, STRENGTH, lean, solve};

    #[test]
    fn the_solution_solves() {
        let value = |at: [usize; 2]| ((at[0] * 37 + at[1] * 61) % 101) as f32 / 101.0 - 0.4;
        let examples = Array2::from_shape_fn((40, 24), |(row, column)| value([row, column]));
        let rows = Array2::from_shape_fn((5, 24), |(row, column)| value([row + 50, column]));
        let solution = solve(examples.view(), rows.clone(), || Ok(())).expect("nothing should end it");
        let back = solution.dot(&examples.t()).dot(&examples) + &solution * RIDGE;
        // Twice the residual at which it stops, for rounding.
        for (back, row) in back.rows().into_iter().zip(rows.rows()) {
            let rest = &back - &row;
            let (residual, size) = (rest.dot(&rest).sqrt(), row.dot(&row).sqrt());
            assert!(residual < 2.0 * PRECISION * size, "{residual} of {size}");
        }
        assert!(solution.iter().any(|&value| value != 0.0));
    }

    #[test]
    fn one_example_pulls_its_label_alone() {
        let mut labels = arr2(&[[1.0, 0.0], [0.0, 1.0]]);
        lean(&mut labels, arr2(&[[0.6, 0.8]]).view(), &[0], || Ok(())).expect("nothing should end it");
        // The example is an eigenvector of E^T E + I, with the eigenvalue 2.
        let pull = STRENGTH / (1.0 + RIDGE);
        let expected = arr2(&[[1.0 + 0.6 * pull, 0.8 * pull], [0.0, 1.0]]);
        assert!((&labels - &expected).iter().all(|difference| difference.abs() < 1e-5), "{labels}");
    }
}
