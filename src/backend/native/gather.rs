use crate::error::{Error, ErrorKind};

/// The states at `marks`, one below another; zeros where there is none.
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
            return Err(Error::new(ErrorKind::Config, format!("a mark is at token {at}, behind the last")));
        };
        rows.extend_from_slice(row);
    }
    Ok(rows)
}
