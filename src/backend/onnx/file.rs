//! Checks an ONNX file before rten reads it. The file is a protocol buffer
//! (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3>), and rten trusts its lengths, follows its nesting to
//! any depth, and allocates the memory that its shapes ask for.

use std::collections::BTreeSet;

use crate::limits::LARGEST_DIMENSION;

/// The most nodes in a graph. rten visits them recursively, so the stack bounds their number; the largest published
/// encoders have about half as many.
const MOST_NODES: usize = 1 << 15;

/// The most nodes in a graph within a graph, which is visited on a thread with an ordinary stack.
const MOST_INNER_NODES: usize = 256;

/// The deepest nesting of messages. A graph within a graph adds three; a plain file has seven.
const DEEPEST: usize = 24;

/// The most numbers of a tensor that may be a shape.
const MOST_AXES: usize = 8;

/// Numbers that mean "to the end" where a tensor is sliced.
const ENDS: [i64; 6] =
    [i64::MAX, i64::MIN, i64::MIN + 1, i32::MAX as i64, i32::MIN as i64, i32::MIN as i64 + 1];

/// `TensorProto.DataType`.
const INT32: u64 = 6;
const INT64: u64 = 7;
const UINT8: u64 = 2;
const INT8: u64 = 3;

/// Operators that multiply bytes; their fourth input holds the zero points of the weights. rten 0.27 uses those of
/// the first columns for all columns (rten-gemm's `packing/int8.rs`), so the results are wrong where they differ.
const PRODUCTS: [&[u8]; 2] = [b"MatMulInteger", b"ConvInteger"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    SequenceType,
    Shape,
    Entry,
    /// A message without nested messages.
    Plain,
}

impl Message {
    /// The type of the message in the field `number`; `None` if the field holds no message, or rten does not read it.
    fn within(self, number: u64) -> Option<Self> {
        Some(match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6) => Self::Graph,
            (Self::Graph, 1) => Self::Node,
            (Self::Node, 5) => Self::Attribute,
            (Self::Graph | Self::Attribute, 5) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::Value,
            (Self::Value, 2) | (Self::SequenceType, 1) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::Type, 4) => Self::SequenceType,
            (Self::TensorType, 2) => Self::Shape,
            (Self::Tensor, 13) => Self::Entry,
            (Self::Model, 8 | 14) | (Self::Shape, 1) => Self::Plain,
            _ => return None,
        })
    }
}

/// A message that is being scanned.
struct Open<'a> {
    message: Message,
    end: usize,
    /// For a graph: the number of its nodes so far.
    nodes: usize,
    /// For an entry: whether its key is `location`, and its value.
    location: bool,
    value: Option<String>,
    /// For a tensor: its type, and its numbers as bytes.
    data_type: u64,
    raw: &'a [u8],
    /// For a tensor: its numbers as a list, if they are not bytes, and its name.
    listed: &'a [u8],
    name: &'a [u8],
    /// For a node: its operator, inputs and first output.
    operator: &'a [u8],
    inputs: Vec<&'a [u8]>,
    output: &'a [u8],
    /// For an attribute or a node: whether it has a tensor whose values differ.
    has_varied: bool,
}

impl<'a> Open<'a> {
    fn new(message: Message, end: usize) -> Self {
        Self {
            message,
            end,
            nodes: 0,
            location: false,
            value: None,
            data_type: 0,
            raw: &[],
            listed: &[],
            name: &[],
            operator: &[],
            inputs: Vec::new(),
            output: &[],
            has_varied: false,
        }
    }

    /// Returns whether the message is a tensor of bytes whose values differ.
    fn is_varied(&self) -> bool {
        let mut at = 0;
        let mut listed = std::iter::from_fn(|| varint(self.listed, &mut at));
        let first = listed.next();
        let lists_others = listed.any(|value| Some(value) != first);
        matches!(self.data_type, UINT8 | INT8)
            && (lists_others || self.raw.windows(2).any(|pair| pair[0] != pair[1]))
    }

    /// Returns false if a tensor's bytes look like a shape with sizes that no model has.
    fn is_plausible(&self) -> bool {
        match self.data_type {
            INT32 => {
                let (numbers, _) = self.raw.as_chunks::<4>();
                numbers.len() > MOST_AXES
                    || numbers.iter().all(|&bytes| is_size(i32::from_le_bytes(bytes).into()))
            }
            INT64 => {
                let (numbers, _) = self.raw.as_chunks::<8>();
                numbers.len() > MOST_AXES || numbers.iter().all(|&bytes| is_size(i64::from_le_bytes(bytes)))
            }
            _ => true,
        }
    }
}

/// The content of a field.
enum Content {
    Number(u64),
    /// The number of bytes that follow.
    Length(usize),
    Fixed,
}

fn is_size(number: i64) -> bool {
    number.unsigned_abs() <= LARGEST_DIMENSION as u64 || ENDS.contains(&number)
}

/// Returns false if `bytes`, a list of varints, looks like a shape with sizes that no model has.
fn are_sizes(bytes: &[u8]) -> bool {
    let mut at = 0;
    let numbers = std::iter::from_fn(|| varint(bytes, &mut at));
    let numbers: Vec<u64> = numbers.take(MOST_AXES + 1).collect();
    numbers.len() > MOST_AXES || numbers.into_iter().all(|number| is_size(number.cast_signed()))
}

/// Scans a whole file and returns the names of the external files that hold the data of its tensors. An error says
/// what is wrong: the file is cut off, nested too deeply, or has too many nodes or a shape that no model has. The
/// results that a graph computes can still be of any size.
pub(super) fn external_files(bytes: &[u8]) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    let (mut zero_points, mut varied): (BTreeSet<&[u8]>, BTreeSet<&[u8]>) = Default::default();
    let mut at = 0;
    let mut open = vec![Open::new(Message::Model, bytes.len())];
    while let Some(current) = open.last_mut() {
        if at == current.end {
            if current.location {
                found.extend(current.value.take());
            }
            if !current.is_plausible() {
                return Err(large(at));
            }
            let Some(closed) = open.pop() else { break };
            match (closed.message, open.last_mut()) {
                (Message::Tensor, Some(parent)) if closed.is_varied() => {
                    parent.has_varied = true;
                    varied.insert(closed.name);
                }
                (Message::Attribute, Some(parent)) => parent.has_varied |= closed.has_varied,
                (Message::Node, _) if closed.operator == b"Constant" && closed.has_varied => {
                    varied.insert(closed.output);
                }
                (Message::Node, _) if PRODUCTS.contains(&closed.operator) => {
                    zero_points.extend(closed.inputs.get(3));
                }
                _ => {}
            }
            continue;
        }
        let (number, content) = field(&bytes[..current.end], &mut at)
            .ok_or_else(|| format!("is damaged at byte {at}: it is not a valid protocol buffer"))?;
        let length = match content {
            Content::Length(length) => length,
            Content::Number(value) => {
                match (current.message, number) {
                    (Message::Tensor, 2) => current.data_type = value,
                    (Message::Tensor, 5 | 7) | (Message::Attribute, 3 | 8)
                        if !is_size(value.cast_signed()) =>
                    {
                        return Err(large(at));
                    }
                    _ => {}
                }
                continue;
            }
            Content::Fixed => continue,
        };
        let content = &bytes[at..at + length];
        match (current.message, number) {
            (Message::Entry, 1) => current.location = content == b"location",
            (Message::Entry, 2) => current.value = Some(String::from_utf8_lossy(content).into_owned()),
            (Message::Graph, 1) => current.nodes += 1,
            (Message::Node, 1) => current.inputs.push(content),
            (Message::Node, 2) if current.output.is_empty() => current.output = content,
            (Message::Node, 4) => current.operator = content,
            (Message::Tensor, 8) => current.name = content,
            (Message::Tensor, 9) => current.raw = content,
            (Message::Tensor, 5 | 7) | (Message::Attribute, 8) if !are_sizes(content) => {
                return Err(large(at));
            }
            (Message::Tensor, 5) => current.listed = content,
            _ => {}
        }
        let inner = current.message.within(number);
        let nodes = current.nodes;
        let most = if open.len() == 2 { MOST_NODES } else { MOST_INNER_NODES };
        if nodes > most {
            return Err(format!("has a graph of more than {most} nodes"));
        }
        match inner {
            Some(_) if open.len() == DEEPEST => {
                return Err(format!("is nested deeper than {DEEPEST} messages"));
            }
            Some(inner) => open.push(Open::new(inner, at + length)),
            None => at += length,
        }
    }
    if let Some(name) = zero_points.intersection(&varied).next() {
        let name = String::from_utf8_lossy(name);
        return Err(format!(
            "has weights with several zero points ({name}), which rten multiplies wrongly; quantise them symmetrically \
             (QInt8), or use another file of the model"
        ));
    }
    Ok(found)
}

fn large(at: usize) -> String {
    format!("is damaged near byte {at}: a size there is larger than {LARGEST_DIMENSION}")
}

/// The number and the content of the field at `at`, which moves behind the field, or to the bytes of a `Length`.
/// `None` if the field does not end within `bytes`.
fn field(bytes: &[u8], at: &mut usize) -> Option<(u64, Content)> {
    let tag = varint(bytes, at)?;
    let content = match tag & 7 {
        0 => Content::Number(varint(bytes, at)?),
        2 => {
            let length = usize::try_from(varint(bytes, at)?).ok()?;
            (length <= bytes.len() - *at).then_some(Content::Length(length))?
        }
        kind @ (1 | 5) => {
            *at += if kind == 1 { 8 } else { 4 };
            (*at <= bytes.len()).then_some(Content::Fixed)?
        }
        // Groups, which ONNX files do not have, and invalid types.
        _ => return None,
    };
    Some((tag >> 3, content))
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        let part = u64::from(byte & 0x7f);
        // Only one bit of the tenth byte counts.
        if part << shift >> shift != part {
            return None;
        }
        value |= part << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, MOST_INNER_NODES, MOST_NODES, external_files};

    /// A field with the given content.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = content.len();
        while length > 0x7f {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(content);
        bytes
    }

    #[test]
    fn files_of_tensors_are_found_wherever_a_tensor_is() {
        let entry = |key: &str, value: &str| {
            field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat())
        };
        let tensor = |place: &str| [entry("offset", "0"), entry("location", place)].concat();
        let constant = field(1, &field(5, &field(5, &tensor("b.data"))));
        let graph = field(7, &[field(5, &tensor("a.data")), constant].concat());
        let found = external_files(&graph).expect("it should be well formed");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a.data", "b.data"]);
        for end in 1..graph.len() {
            assert!(external_files(&graph[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn lengths_beyond_what_they_are_in_are_refused() {
        for bytes in [
            &[0x3a, 0x05, 0x0a, 0x00][..],
            &[0x3a, 0x02, 0x0a, 0x01, 0x00],
            &[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x12, 0xf5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            &[0x0b, 0x0c],
            &[0x0d, 0x00],
        ] {
            assert!(external_files(bytes).is_err(), "{bytes:x?}");
        }
        assert!(external_files(&[]).is_ok_and(|files| files.is_empty()));
    }

    #[test]
    fn shapes_of_damaged_sizes_are_refused() {
        let tensor = |data_type: u8, content: Vec<u8>| {
            field(7, &field(5, &[vec![2 << 3, data_type], content].concat()))
        };
        let raw64 = |values: &[i64]| {
            field(9, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
        };
        let raw32 = |values: &[i32]| {
            field(9, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
        };
        let packed = |number| field(number, &[0x01, 0x80, 0x80, 0x80, 0x80, 0x08]);
        for (bytes, fine) in [
            (tensor(7, raw64(&[1, -1, 1 << 24])), true),
            (tensor(7, raw64(&[0, i64::MAX, i64::MIN])), true),
            (tensor(7, raw64(&[1, 1 << 30])), false),
            (tensor(7, raw64(&[1 | 1 << 62])), false),
            (tensor(6, raw32(&[-1 << 30])), false),
            (tensor(6, raw32(&[i32::MAX, 7])), true),
            // Quantised biases, and floats.
            (tensor(6, raw32(&[1 << 30; 9])), true),
            (tensor(1, raw32(&[1 << 30])), true),
            (tensor(7, packed(7)), false),
            (tensor(6, packed(5)), false),
            (field(7, &field(1, &field(5, &packed(8)))), false),
            (field(7, &field(1, &field(5, &[3 << 3, 0x80, 0x80, 0x80, 0x80, 0x08]))), false),
            (field(7, &field(1, &field(5, &[3 << 3, 0x80, 0x08]))), true),
        ] {
            assert_eq!(external_files(&bytes).is_ok(), fine, "{bytes:x?}");
        }
    }

    #[test]
    fn weights_with_several_zero_points_are_refused() {
        let tensor = |values: &[u8]| [field(8, b"zero"), vec![2 << 3, 2], field(9, values)].concat();
        let product = |operator: &[u8]| {
            let inputs: Vec<u8> =
                [b"x", b"w", b"y", b"zero".as_slice()].iter().flat_map(|name| field(1, name)).collect();
            field(1, &[inputs, field(2, b"out"), field(4, operator)].concat())
        };
        let graph = |parts: &[Vec<u8>]| field(7, &parts.concat());
        let constant = |values: &[u8]| {
            field(
                1,
                &[field(2, b"zero"), field(4, b"Constant"), field(5, &field(5, &tensor(values)))].concat(),
            )
        };
        for (parts, fine) in [
            ([product(b"MatMulInteger"), field(5, &tensor(&[7, 9]))], false),
            ([product(b"ConvInteger"), field(5, &tensor(&[7, 9]))], false),
            ([product(b"MatMulInteger"), constant(&[7, 9])], false),
            ([product(b"MatMulInteger"), field(5, &tensor(&[7, 7]))], true),
            ([product(b"MatMulInteger"), constant(&[7])], true),
            ([product(b"QLinearMatMul"), field(5, &tensor(&[7, 9]))], true),
        ] {
            assert_eq!(external_files(&graph(&parts)).is_ok(), fine);
        }
    }

    #[test]
    fn nesting_and_nodes_are_bounded() {
        let node = field(1, &[]);
        let nested = |depth: usize| {
            let mut graph = node.clone();
            for _ in 0..depth {
                graph = field(1, &field(5, &field(6, &graph)));
            }
            field(7, &graph)
        };
        assert!(external_files(&nested(2)).is_ok());
        let error = external_files(&nested(10_000)).expect_err("it should fail: it is deep");
        assert!(error.contains(&DEEPEST.to_string()), "{error}");

        assert!(external_files(&field(7, &node.repeat(MOST_NODES))).is_ok());
        assert!(external_files(&field(7, &node.repeat(MOST_NODES + 1))).is_err());
        let inner = |count| field(7, &field(1, &field(5, &field(6, &node.repeat(count)))));
        assert!(external_files(&inner(MOST_INNER_NODES)).is_ok());
        assert!(external_files(&inner(MOST_INNER_NODES + 1)).is_err());
    }
}
