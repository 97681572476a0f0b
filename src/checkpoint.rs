pub(crate) mod index;
mod pickle;
mod tensor;

use std::borrow::Cow;
use std::ops::Range;

use safetensors::{Dtype, SafeTensors};

use self::index::Index;
use self::pickle::StateDict;
use self::tensor::Tensor;
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind};

/// The tensors of one model, over the bytes of its weight files.
///
/// Tensors stored as F32, F16, BF16 or F64 are converted to f32 one at a time, on request. Matrices may also be
/// stored as int8, in the format of compressed-tensors: `X.weight` as `I8 [rows, columns]` and `X.weight_scale` as
/// numbers `[rows, 1]`, with `value = int8 * scale of its row`.
pub(crate) struct Checkpoint<'a> {
    files: Vec<(&'a str, Tensors<'a>)>,
    /// The file of each tensor, if there are several files.
    index: Option<&'a Index>,
    /// Pairs of prefixes: a tensor whose name starts with the first may be stored under the second. Checkpoints of a
    /// bare encoder have nothing in place of `bert.`.
    aliases: Vec<[&'static str; 2]>,
}

/// The format of weight files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Safetensors,
    /// A state dict as torch.save writes it.
    Pickle,
}

/// The bytes of a model's weights: one file, or the shards of an index.
pub(crate) struct WeightFiles {
    format: Format,
    /// Each file's name for messages, and its bytes.
    files: Vec<(String, Bytes)>,
    index: Option<Index>,
}

impl WeightFiles {
    pub(crate) fn new(format: Format, files: Vec<(String, Bytes)>, index: Option<Index>) -> Self {
        Self { format, files, index }
    }

    /// Opens the files; `aliases` are the alternative prefixes of tensor names.
    pub(crate) fn open(&self, aliases: &[[&'static str; 2]]) -> Result<Checkpoint<'_>, Error> {
        let files: Vec<(&str, &[u8])> =
            self.files.iter().map(|(name, bytes)| (name.as_str(), &**bytes)).collect();
        Checkpoint::open_as(self.format, &files, self.index.as_ref(), aliases)
    }

    /// Adds one more file, called `name` in messages, which an index need not name.
    #[cfg(feature = "libtorch")]
    pub(crate) fn with(mut self, name: String, bytes: Bytes) -> Self {
        self.files.push((name, bytes));
        self
    }

    /// The total size of the files in bytes.
    #[cfg(feature = "libtorch")]
    pub(crate) fn bytes(&self) -> usize {
        self.files.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}

/// The tensors of one file.
enum Tensors<'a> {
    Safetensors(SafeTensors<'a>),
    Pickle(StateDict<'a>),
}

/// A matrix in its stored type, `[rows, columns]`, row-major.
pub(crate) struct Matrix<'a> {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Values<'a>,
}

pub(crate) enum Values<'a> {
    F32(Cow<'a, [f32]>),
    /// `scales` holds one factor per row.
    Int8 {
        values: Cow<'a, [i8]>,
        scales: Cow<'a, [f32]>,
    },
}

impl<'a> Checkpoint<'a> {
    /// Reads the headers of safetensors `files`: pairs of a name for messages and the bytes.
    pub(crate) fn open(files: &[(&'a str, &'a [u8])], aliases: &[[&'static str; 2]]) -> Result<Self, Error> {
        Self::open_as(Format::Safetensors, files, None, aliases)
    }

    /// Reads the headers of `files`, pairs of a name for messages and the bytes. With an `index`, the files are its
    /// shards, in its order.
    pub(crate) fn open_as(
        format: Format,
        files: &[(&'a str, &'a [u8])],
        index: Option<&'a Index>,
        aliases: &[[&'static str; 2]],
    ) -> Result<Self, Error> {
        let opened = files.iter().map(|&(name, bytes)| Ok((name, Tensors::open(format, name, bytes)?)));
        let files = opened.collect::<Result<Vec<_>, Error>>()?;
        if let Some(index) = index {
            check_index(index, &files)?;
        }
        Ok(Self { files, index, aliases: aliases.to_vec() })
    }

    /// The tensor `name`, `[rows, columns]`.
    pub(crate) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix<'a>, Error> {
        let (file, tensor) = self.find(name)?;
        check_shape(file, name, &tensor, &[rows, columns])?;
        let values = match tensor.dtype {
            Dtype::I8 => Values::Int8 {
                values: tensor.into_i8(),
                scales: self.read_f32(&format!("{name}_scale"), &[rows, 1])?,
            },
            _ => Values::F32(finite_f32(file, name, tensor)?),
        };
        Ok(Matrix { rows, columns, values })
    }

    /// The tensor `name`, `[len]`.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        self.read_f32(name, &[len]).map(Cow::into_owned)
    }

    /// The tensor `name`, of `shape`, row-major: a convolution's kernel.
    pub(crate) fn cube(&self, name: &str, shape: [usize; 3]) -> Result<Vec<f32>, Error> {
        self.read_f32(name, &shape).map(Cow::into_owned)
    }

    /// The tensor `name`, of `shape`, row-major.
    #[cfg(feature = "libtorch")]
    pub(crate) fn values(&self, name: &str, shape: &[usize]) -> Result<Cow<'a, [f32]>, Error> {
        match shape {
            &[rows, columns] => {
                let matrix = self.matrix(name, rows, columns)?;
                match matrix.values {
                    Values::F32(values) => Ok(values),
                    Values::Int8 { .. } => Ok(matrix.to_f32().into_owned().into()),
                }
            }
            shape => self.read_f32(name, shape),
        }
    }

    /// The tensor `name`, a single number.
    pub(crate) fn scalar(&self, name: &str) -> Result<f32, Error> {
        Ok(self.read_f32(name, &[])?.first().copied().unwrap_or_default())
    }

    /// The number of rows of the tensor `name`.
    pub(crate) fn rows(&self, name: &str) -> Result<usize, Error> {
        let (_, tensor) = self.find(name)?;
        Ok(tensor.shape.first().copied().unwrap_or_default())
    }

    fn read_f32(&self, name: &str, shape: &[usize]) -> Result<Cow<'a, [f32]>, Error> {
        let (file, tensor) = self.find(name)?;
        check_shape(file, name, &tensor, shape)?;
        finite_f32(file, name, tensor)
    }

    fn find(&self, name: &str) -> Result<(&'a str, Tensor<'a>), Error> {
        let found = |name: &str| {
            // Files after the shards of an index are not in it.
            let (shard, others) = match self.index {
                Some(index) => {
                    (index.places.get(name).map(|at| &self.files[*at]), &self.files[index.shards.len()..])
                }
                None => (None, &self.files[..]),
            };
            shard.into_iter().chain(others).find_map(|(file, tensors)| Some((*file, tensors.tensor(name)?)))
        };
        let aliases = self.aliases.iter();
        let aliases =
            aliases.filter_map(|[begin, other]| Some(format!("{other}{}", name.strip_prefix(begin)?)));
        for name in std::iter::once(name.to_owned()).chain(aliases) {
            // Checkpoints converted from TensorFlow keep its names for the norms.
            let legacy = || {
                let (norm, part) = name.rsplit_once('.').filter(|(norm, _)| norm.ends_with("LayerNorm"))?;
                found(&format!("{norm}.{}", if part == "weight" { "gamma" } else { "beta" }))
            };
            if let Some(tensor) = found(&name).or_else(legacy) {
                return Ok(tensor);
            }
        }
        let files: Vec<&str> = match self.index {
            Some(index) => vec![&index.file],
            None => self.files.iter().map(|(file, _)| *file).collect(),
        };
        Err(Error::new(
            ErrorKind::Weights,
            format!("{} has no tensor {name:?}, which its config.json requires", files.join(" and ")),
        ))
    }
}

impl<'a> Tensors<'a> {
    fn open(format: Format, name: &'a str, bytes: &'a [u8]) -> Result<Self, Error> {
        match format {
            Format::Safetensors => SafeTensors::deserialize(bytes).map(Self::Safetensors).map_err(|error| {
                let message =
                    format!("{name} ({} bytes) is not a whole safetensors file; fetch it again", bytes.len());
                Error::new(ErrorKind::Weights, message).with_source(error)
            }),
            Format::Pickle => StateDict::open(name, bytes).map(Self::Pickle),
        }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Safetensors(tensors) => tensors.tensor(name).is_ok(),
            Self::Pickle(tensors) => tensors.has(name),
        }
    }

    fn tensor(&self, name: &str) -> Option<Tensor<'a>> {
        match self {
            Self::Safetensors(tensors) => {
                let view = tensors.tensor(name).ok()?;
                let (dtype, shape) = (view.dtype(), view.shape().to_vec());
                Some(Tensor { dtype, shape, bytes: Cow::Borrowed(view.data()) })
            }
            Self::Pickle(tensors) => tensors.tensor(name),
        }
    }
}

/// Checks that every tensor is in the shard that the index names.
fn check_index(index: &Index, files: &[(&str, Tensors<'_>)]) -> Result<(), Error> {
    let missing = index.places.iter().filter(|(name, shard)| !files[**shard].1.has(name));
    // The first by name, so that the message is the same each time.
    let Some((name, shard)) = missing.min() else { return Ok(()) };
    let message = format!(
        "{} places the tensor {name:?} in {}, which does not contain it; the files are damaged or of different models",
        index.file, files[*shard].0
    );
    Err(Error::new(ErrorKind::Weights, message))
}

fn check_shape(file: &str, name: &str, tensor: &Tensor<'_>, expected: &[usize]) -> Result<(), Error> {
    if tensor.shape == expected {
        return Ok(());
    }
    let message = format!(
        "tensor {name:?} in {file} has shape {:?}, but config.json requires {expected:?}",
        tensor.shape
    );
    Err(Error::new(ErrorKind::Weights, message))
}

fn finite_f32<'a>(file: &str, name: &str, tensor: Tensor<'a>) -> Result<Cow<'a, [f32]>, Error> {
    let dtype = tensor.dtype;
    let Some(values) = tensor.into_f32() else {
        let message = format!(
            "tensor {name:?} in {file} has type {dtype:?}; supported are F32, F16, BF16 and F64, and matrices of \
             I8 with scales"
        );
        return Err(Error::new(ErrorKind::Weights, message));
    };
    if values.iter().all(|value| value.is_finite()) {
        return Ok(values);
    }
    let message = format!("tensor {name:?} in {file} has values that are not finite; fetch the file again");
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

    /// The matrix as int8 with one scale per row; it is quantised if it is stored as f32.
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

    pub(crate) fn into_owned(self) -> Matrix<'static> {
        let values = match self.values {
            Values::F32(values) => Values::F32(Cow::Owned(values.into_owned())),
            Values::Int8 { values, scales } => Values::Int8 {
                values: Cow::Owned(values.into_owned()),
                scales: Cow::Owned(scales.into_owned()),
            },
        };
        Matrix { rows: self.rows, columns: self.columns, values }
    }

    /// Adds the row `row` to `out`, `[columns]`.
    pub(crate) fn add_row(&self, row: usize, out: &mut [f32]) {
        let range = row * self.columns..(row + 1) * self.columns;
        match &self.values {
            Values::F32(values) => {
                for (out, value) in out.iter_mut().zip(&values[range]) {
                    *out += value;
                }
            }
            Values::Int8 { values, scales } => {
                let scale = scales[row];
                for (out, &value) in out.iter_mut().zip(&values[range]) {
                    *out += f32::from(value) * scale;
                }
            }
        }
    }

    /// A copy of some of the columns.
    pub(crate) fn columns(&self, columns: Range<usize>) -> Matrix<'static> {
        let values = self.to_f32();
        let rows = values.chunks_exact(self.columns).flat_map(|row| &row[columns.clone()]);
        let values = Values::F32(Cow::Owned(rows.copied().collect()));
        Matrix { rows: self.rows, columns: columns.len(), values }
    }

    /// Stacks the rows of `parts`: products that share their input become one product.
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

    use half::{bf16, f16};
    use safetensors::Dtype;
    use safetensors::tensor::TensorView;

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

    /// A safetensors file of these tensors: name, type, shape, bytes.
    fn file(tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Vec<u8> {
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            (name, TensorView::new(*dtype, shape.to_vec(), bytes).expect("the bytes should have this shape"))
        });
        safetensors::serialize(views, None).expect("the file should be written")
    }

    #[test]
    fn cubes_are_read_and_checked() {
        let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let bytes = file(&[("conv", Dtype::F32, &[2, 3, 4], bytes)]);
        let checkpoint = Checkpoint::open(&[("file", &bytes)], &[["bert.", ""]]).expect("it should be whole");
        assert_eq!(checkpoint.cube("bert.conv", [2, 3, 4]).expect("it should exist"), values);
        let error = checkpoint
            .cube("bert.conv", [3, 2, 4])
            .expect_err("it should fail: it has another shape")
            .to_string();
        assert!(error.contains("[2, 3, 4]") && error.contains("[3, 2, 4]"), "{error}");
    }

    #[test]
    fn int8_takes_its_scales_in_any_type() {
        for (dtype, scales) in [
            (Dtype::F32, [0.5_f32, 2.0].into_iter().flat_map(f32::to_le_bytes).collect()),
            (Dtype::F16, [0.5_f32, 2.0].into_iter().flat_map(|x| f16::from_f32(x).to_le_bytes()).collect()),
            (Dtype::BF16, [0.5_f32, 2.0].into_iter().flat_map(|x| bf16::from_f32(x).to_le_bytes()).collect()),
        ] {
            let codes = vec![1, 2, 3, 0xff, 0xfe, 0x81];
            let bytes = file(&[("w", Dtype::I8, &[2, 3], codes), ("w_scale", dtype, &[2, 1], scales)]);
            let checkpoint =
                Checkpoint::open(&[("file", &bytes)], &[["bert.", ""]]).expect("it should be whole");
            let matrix = checkpoint.matrix("w", 2, 3).expect("it should exist");
            assert_eq!(*matrix.to_f32(), [0.5, 1.0, 1.5, -2.0, -4.0, -254.0], "{dtype:?}");
        }
        let bytes = file(&[("w", Dtype::I8, &[2, 3], vec![0; 6])]);
        let checkpoint = Checkpoint::open(&[("file", &bytes)], &[["bert.", ""]]).expect("it should be whole");
        let error = checkpoint.matrix("w", 2, 3).err().expect("lacks its scales").to_string();
        assert!(error.contains("w_scale"), "{error}");
    }

    #[test]
    fn damaged_safetensors_are_read_or_refused() {
        let ones = |count: usize| vec![0; 4 * count];
        let whole =
            file(&[("a.weight", Dtype::F32, &[3, 2], ones(6)), ("a.bias", Dtype::F32, &[3], ones(3))]);
        // Knuth's MMIX generator: the same mutations each time.
        let mut state = 1_u64;
        let mut below = |end: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % end
        };
        let mut read = 0;
        for _ in 0..6000 {
            let mut bytes = whole.clone();
            for _ in 0..1 + below(3) {
                let at = below(bytes.len());
                match below(4) {
                    0 => bytes[at] = below(256) as u8,
                    1 => bytes[at] = b"0129[]{}\",:F"[below(12)],
                    2 => bytes[at] ^= 1 << below(8),
                    _ => bytes.truncate(at + 1),
                }
            }
            let Ok(checkpoint) = Checkpoint::open(&[("file", &bytes)], &[["bert.", ""]]) else { continue };
            let matrix = checkpoint.matrix("a.weight", 3, 2);
            matrix.as_ref().into_iter().for_each(|matrix| assert_eq!(matrix.to_f32().len(), 6));
            read += usize::from(matrix.is_ok() && checkpoint.vector("a.bias", 3).is_ok());
        }
        assert!((100..5900).contains(&read), "{read} files were read: the mutations test nothing");
    }

    #[test]
    fn bytes_that_are_no_safetensors_are_refused() {
        let error = Checkpoint::open(
            &[("model.safetensors", b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F{}")],
            &[["bert.", ""]],
        )
        .err()
        .expect("must not open");
        assert!(error.to_string().contains("model.safetensors (10 bytes)"), "{error}");
    }
}
