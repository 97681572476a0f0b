use crate::error::{Error, ErrorKind};

/// Returns the states at `marks`, one per row, and zeros for marks that are `None`.
pub(crate) fn gather(
    states: &[f32],
    width: usize,
    marks: impl Iterator<Item = Option<usize>>,
) -> Result<Vec<f32>, Error> {
    let mut rows = Vec::new();
    for mark in marks {
        let Some(at) = mark else {
            rows.resize(rows.len() + width, 0.0);
            continue;
        };
        let Some(row) = states.get(at * width..(at + 1) * width) else {
            return Err(Error::new(
                ErrorKind::Config,
                format!("a mark is at token {at}, beyond the last token"),
            ));
        };
        rows.extend_from_slice(row);
    }
    Ok(rows)
}
