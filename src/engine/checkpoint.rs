use std::borrow::Cow;
use std::ops::Range;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, ErrorKind};

/// The tensors of one model, over the bytes of its safetensors files.
///
/// Matrices may be stored as f32, or as int8 by the convention of compressed-tensors:
/// `X.weight` as `I8 [rows, columns]` and `X.weight_scale` as `F32 [rows, 1]`,
/// with `value = int8 * scale of its row`.
pub(crate) struct Checkpoint<'a> {
    files: Vec<(&'a str, SafeTensors<'a>)>,
    /// What the names asked for begin with and those in the files do not, and what these have instead:
    /// `bert.` and nothing in checkpoints of the bare encoder.
    renamed: Option<[&'static str; 2]>,
}

/// A matrix as it is stored, `[rows, columns]`, row-major.
pub(crate) struct Matrix<'a> {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Values<'a>,
}

pub(crate) enum Values<'a> {
    F32(Cow<'a, [f32]>),
    /// `scales` holds one factor a row.
    Int8 {
        values: Cow<'a, [i8]>,
        scales: Cow<'a, [f32]>,
    },
}

impl<'a> Checkpoint<'a> {
    /// Reads the headers of `files`, each a name for messages and its bytes.
    pub(crate) fn open(files: &[(&'a str, &'a [u8])], prefix: [&'static str; 2]) -> Result<Self, Error> {
        let mut opened = Vec::with_capacity(files.len());
        for &(name, bytes) in files {
            let tensors = SafeTensors::deserialize(bytes).map_err(|error| {
                Error::new(
                    ErrorKind::Weights,
                    format!("{name} ({} bytes) is not a whole safetensors file; fetch it again", bytes.len()),
                )
                .with_source(error)
            })?;
            opened.push((name, tensors));
        }
        let prefixed =
            opened.iter().any(|(_, tensors)| tensors.names().iter().any(|name| name.starts_with(prefix[0])));
        Ok(Self { files: opened, renamed: (!prefixed).then_some(prefix) })
    }

    /// The tensor `name`, `[rows, columns]`.
    pub(crate) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix<'a>, Error> {
        let (file, view) = self.find(name)?;
        check_shape(file, name, &view, &[rows, columns])?;
        let values = match view.dtype() {
            Dtype::I8 => Values::Int8 {
                values: Cow::Borrowed(bytemuck::cast_slice(view.data())),
                scales: self.read_scales(&format!("{name}_scale"), rows)?,
            },
            _ => Values::F32(read_f32(file, name, &view)?),
        };
        Ok(Matrix { rows, columns, values })
    }

    /// The tensor `name`, `[len]`.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        let (file, view) = self.find(name)?;
        check_shape(file, name, &view, &[len])?;
        Ok(read_f32(file, name, &view)?.into_owned())
    }

    /// The tensor `name`, `[a, b, c]`.
    pub(crate) fn cube(&self, name: &str, shape: [usize; 3]) -> Result<Vec<f32>, Error> {
        let (file, view) = self.find(name)?;
        check_shape(file, name, &view, &shape)?;
        Ok(read_f32(file, name, &view)?.into_owned())
    }

    /// How many rows the tensor `name` has.
    pub(crate) fn rows(&self, name: &str) -> Result<usize, Error> {
        let (_, view) = self.find(name)?;
        Ok(view.shape().first().copied().unwrap_or_default())
    }

    /// The tensor `name`, a single number.
    pub(crate) fn scalar(&self, name: &str) -> Result<f32, Error> {
        let (file, view) = self.find(name)?;
        check_shape(file, name, &view, &[])?;
        Ok(read_f32(file, name, &view)?.first().copied().unwrap_or_default())
    }

    fn read_scales(&self, name: &str, rows: usize) -> Result<Cow<'a, [f32]>, Error> {
        let (file, view) = self.find(name)?;
        check_shape(file, name, &view, &[rows, 1])?;
        read_f32(file, name, &view)
    }

    fn find(&self, name: &str) -> Result<(&'a str, TensorView<'a>), Error> {
        let renamed =
            self.renamed.and_then(|[prefix, other]| Some(other.to_owned() + name.strip_prefix(prefix)?));
        let name = renamed.as_deref().unwrap_or(name);
        let found = |name: &str| {
            self.files.iter().find_map(|(file, tensors)| Some((*file, tensors.tensor(name).ok()?)))
        };
        // Checkpoints converted from TensorFlow keep its names for the norms.
        let legacy = || {
            let (norm, part) = name.rsplit_once('.').filter(|(norm, _)| norm.ends_with("LayerNorm"))?;
            found(&format!("{norm}.{}", if part == "weight" { "gamma" } else { "beta" }))
        };
        if let Some(tensor) = found(name).or_else(legacy) {
            return Ok(tensor);
        }
        let files: Vec<&str> = self.files.iter().map(|(file, _)| *file).collect();
        Err(Error::new(
            ErrorKind::Weights,
            format!("{} has no tensor {name:?}, which its config.json calls for", files.join(" and ")),
        ))
    }
}

fn check_shape(file: &str, name: &str, view: &TensorView<'_>, expected: &[usize]) -> Result<(), Error> {
    if view.shape() == expected {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Weights,
        format!(
            "tensor {name:?} in {file} has shape {:?}, but config.json calls for {expected:?}",
            view.shape()
        ),
    ))
}

fn read_f32<'a>(file: &str, name: &str, view: &TensorView<'a>) -> Result<Cow<'a, [f32]>, Error> {
    if view.dtype() != Dtype::F32 {
        return Err(Error::new(
            ErrorKind::Weights,
            format!("tensor {name:?} in {file} has type {:?}; F32 is read, and I8 with scales", view.dtype()),
        ));
    }
    let data: &'a [u8] = view.data();
    let values: Cow<'a, [f32]> = match bytemuck::try_cast_slice(data) {
        Ok(values) if cfg!(target_endian = "little") => Cow::Borrowed(values),
        // Unaligned: safetensors aligns tensors within a file, but the file's own bytes may lie anywhere.
        _ => data.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
    };
    if values.iter().all(|value| value.is_finite()) {
        return Ok(values);
    }
    let message =
        format!("tensor {name:?} in {file} holds values that are no finite numbers; fetch it again");
    Err(Error::new(ErrorKind::Weights, message))
}

impl<'a> Matrix<'a> {
    /// The matrix as f32, `[rows, columns]`.
    pub(crate) fn to_f32(&self) -> Cow<'_, [f32]> {
        match &self.values {
            Values::F32(values) => Cow::Borrowed(values),
            Values::Int8 { values, scales } => values
                .chunks_exact(self.columns)
                .zip(scales.iter())
                .flat_map(|(row, &scale)| row.iter().map(move |&value| f32::from(value) * scale))
                .collect(),
        }
    }

    /// The matrix as int8 with one scale a row, quantising it if it is stored as f32.
    pub(crate) fn to_int8(&self) -> (Cow<'_, [i8]>, Cow<'_, [f32]>) {
        match &self.values {
            Values::Int8 { values, scales } => (Cow::Borrowed(values), Cow::Borrowed(scales)),
            Values::F32(values) => {
                let mut quantised = Vec::with_capacity(values.len());
                let mut scales = Vec::with_capacity(self.rows);
                for row in values.chunks_exact(self.columns) {
                    let largest = row.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                    let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
                    quantised.extend(row.iter().map(|value| (value / scale).round_ties_even() as i8));
                    scales.push(scale);
                }
                (Cow::Owned(quantised), Cow::Owned(scales))
            }
        }
    }

    /// Some of its columns.
    pub(crate) fn columns(&self, columns: Range<usize>) -> Matrix<'static> {
        let values = self.to_f32();
        let rows = values.chunks_exact(self.columns).flat_map(|row| &row[columns.clone()]);
        let values = Values::F32(Cow::Owned(rows.copied().collect()));
        Matrix { rows: self.rows, columns: columns.len(), values }
    }

    /// `parts` one below another: products that share their input become one product.
    pub(crate) fn stack(parts: &[Matrix<'a>]) -> Matrix<'a> {
        let rows = parts.iter().map(|part| part.rows).sum();
        let columns = parts.first().map_or(0, |part| part.columns);
        let all_int8 = parts.iter().all(|part| matches!(part.values, Values::Int8 { .. }));
        let values = if all_int8 {
            let (mut values, mut scales) = (Vec::with_capacity(rows * columns), Vec::with_capacity(rows));
            for part in parts {
                let (part_values, part_scales) = part.to_int8();
                values.extend_from_slice(&part_values);
                scales.extend_from_slice(&part_scales);
            }
            Values::Int8 { values: Cow::Owned(values), scales: Cow::Owned(scales) }
        } else {
            let mut values = Vec::with_capacity(rows * columns);
            for part in parts {
                values.extend_from_slice(&part.to_f32());
            }
            Values::F32(Cow::Owned(values))
        };
        Matrix { rows, columns, values }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Checkpoint, Matrix, Values};

    #[test]
    fn quantising_is_off_by_at_most_half_a_step() {
        let weights: Vec<f32> = (0..96).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.013).collect();
        let matrix = Matrix { rows: 4, columns: 24, values: Values::F32(Cow::Borrowed(&weights)) };
        let (values, scales) = matrix.to_int8();
        let back = Matrix {
            rows: 4,
            columns: 24,
            values: Values::Int8 { values: Cow::Borrowed(&values), scales: Cow::Borrowed(&scales) },
        };
        for (i, (was, is)) in weights.iter().zip(back.to_f32().iter()).enumerate() {
            assert!((was - is).abs() <= scales[i / 24] * 0.5001, "{was} became {is}");
        }
    }

    #[test]
    fn a_row_of_zeros_stays_zero() {
        let matrix = Matrix { rows: 1, columns: 3, values: Values::F32(Cow::Borrowed(&[0.0; 3])) };
        let (values, scales) = matrix.to_int8();
        assert_eq!(&*values, [0, 0, 0]);
        assert!(scales[0].is_finite());
    }

    #[test]
    fn bytes_that_are_no_safetensors_are_refused() {
        let error =
            Checkpoint::open(&[("model.safetensors", b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F{}")], ["bert.", ""])
                .err()
                .expect("must not open");
        assert!(error.to_string().contains("model.safetensors (10 bytes)"), "{error}");
    }
}
