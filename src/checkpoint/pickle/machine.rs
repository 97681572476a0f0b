//! Reads a pickle as data, with an allow-list of opcodes that run nothing.
//!
//! Values are indices into lists of their kind, so that sharing costs nothing, cycles do no harm and nothing
//! recurses. An opcode adds at most one value, and strings are borrowed from the file, so the number of opcodes
//! bounds the memory.

use std::collections::HashMap;

use safetensors::Dtype;

use super::message::{clip, damaged, refuse};
use crate::error::Error;

/// A value on the stack, in the memo or in a container.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float,
    Text(&'a str),
    Global(Global),
    Tuple(usize),
    List(usize),
    Dict(usize),
    Storage(usize),
    Tensor(usize),
}

/// A class or function that a pickle may name.
#[derive(Clone, Copy)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
}

/// A storage of numbers outside the pickle.
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) dtype: Dtype,
    /// The count of numbers.
    pub(super) len: usize,
}

impl Storage<'_> {
    /// Returns `bytes`, if they have the size of the storage.
    pub(super) fn numbers<'a>(&self, file: &str, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        if self.len.checked_mul(self.dtype.bitsize() / 8) == Some(bytes.len()) {
            return Ok(bytes);
        }
        let message = format!(
            "its storage {:?} has {} bytes, which is not the size of {} numbers of type {:?}",
            clip(self.key),
            bytes.len(),
            self.len,
            self.dtype
        );
        Err(damaged(file, &message))
    }
}

/// A tensor, which is a view of a storage.
pub(super) struct View {
    pub(super) storage: usize,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
    /// The product of the shape.
    pub(super) len: usize,
}

/// The contents of one pickle.
pub(super) struct Pickled<'a> {
    pub(super) root: Value<'a>,
    pub(super) lists: Vec<Vec<Value<'a>>>,
    pub(super) dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
    pub(super) storages: Vec<Storage<'a>>,
    pub(super) tensors: Vec<View>,
}

/// The most opcodes of a pickle. A state dict takes about 30 opcodes per tensor, and a large model has a thousand
/// tensors. The values that so many opcodes can create take some tens of megabytes.
const MOST_OPCODES: usize = 1 << 18;

/// The most dimensions of a tensor. No weight has more, and copies of a shape stay short, however often it is used.
const MOST_DIMENSIONS: usize = 8;

/// The longest module or name of a global.
const LONGEST_NAME: usize = 128;

/// Opcodes that run or reach for something, or belong to other protocols, with their names in messages.
const REFUSED: [(u8, &str); 18] = [
    (b'0', "POP"),
    (b'2', "DUP"),
    (b'i', "INST"),
    (b'o', "OBJ"),
    (b'P', "PERSID"),
    (b'I', "INT"),
    (b'L', "LONG"),
    (b'V', "UNICODE"),
    (b'g', "GET"),
    (b'p', "PUT"),
    (0x81, "NEWOBJ"),
    (0x82, "EXT1"),
    (0x83, "EXT2"),
    (0x84, "EXT4"),
    (0x8b, "LONG4"),
    (0x8f, "EMPTY_SET"),
    (0x92, "NEWOBJ_EX"),
    (0x93, "STACK_GLOBAL"),
];

struct Machine<'a> {
    file: &'a str,
    rest: &'a [u8],
    stack: Vec<Value<'a>>,
    /// The positions of the marks in the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    tuples: Vec<Vec<Value<'a>>>,
    /// The indices of storages, by their keys.
    keys: HashMap<&'a str, usize>,
    pickled: Pickled<'a>,
}

/// Reads the pickle at the start of `bytes`; also returns the bytes that follow it.
pub(super) fn read<'a>(file: &'a str, bytes: &'a [u8]) -> Result<(Pickled<'a>, &'a [u8]), Error> {
    let pickled = Pickled {
        root: Value::None,
        lists: Vec::new(),
        dicts: Vec::new(),
        storages: Vec::new(),
        tensors: Vec::new(),
    };
    let mut machine = Machine {
        file,
        rest: bytes,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        tuples: Vec::new(),
        keys: HashMap::new(),
        pickled,
    };
    for _ in 0..MOST_OPCODES {
        if machine.step()? {
            return Ok((machine.pickled, machine.rest));
        }
    }
    Err(machine.refuse(&format!("its pickle has more than {MOST_OPCODES} opcodes")))
}

impl Value<'_> {
    /// The kind of the value in messages.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) | Self::Int(_) | Self::Float => "a number",
            Self::Text(_) => "a string",
            Self::Global(_) => "a class or function",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dict",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

impl<'a> Machine<'a> {
    /// Reads one opcode; returns whether it was the last. This is one function because it is the table of all
    /// opcodes.
    fn step(&mut self) -> Result<bool, Error> {
        let [opcode] = self.take()?;
        let value = match opcode {
            b'.' => {
                self.pickled.root = self.pop()?;
                return Ok(true);
            }
            // PROTO
            0x80 => match self.take()? {
                [2] => return Ok(false),
                [other] => {
                    return Err(self.refuse(&format!("its pickle has protocol {other}; torch.save writes 2")));
                }
            },
            // MARK
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(false);
            }
            // BINPUT, LONG_BINPUT
            b'q' | b'r' => {
                let number = self.number(opcode == b'q')?;
                let value = self.pop()?;
                self.memo.insert(number, value);
                value
            }
            // BINGET, LONG_BINGET
            b'h' | b'j' => {
                let number = self.number(opcode == b'h')?;
                let value = self.memo.get(&number).copied();
                value.ok_or_else(|| self.damaged(&format!("uses the memo {number}, which it never set")))?
            }
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            // BININT, BININT1, BININT2
            b'J' => Value::Int(i32::from_le_bytes(self.take()?).into()),
            b'K' => Value::Int(u8::from_le_bytes(self.take()?).into()),
            b'M' => Value::Int(u16::from_le_bytes(self.take()?).into()),
            // LONG1
            0x8a => Value::Int(self.long()?),
            // BINFLOAT
            b'G' => {
                self.take::<8>()?;
                Value::Float
            }
            // BINUNICODE, BINSTRING
            b'X' | b'T' => {
                let len = u32::from_le_bytes(self.take()?);
                self.text(len as usize)?
            }
            // SHORT_BINSTRING
            b'U' => {
                let [len] = self.take()?;
                self.text(len.into())?
            }
            b'c' => Value::Global(self.global()?),
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.tuple(Vec::new()),
            0x85..=0x87 => {
                let mut items = (0x85..=opcode).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                items.reverse();
                self.tuple(items)
            }
            b't' => {
                let items = self.pop_mark()?;
                self.tuple(items)
            }
            // EMPTY_LIST, EMPTY_DICT
            b']' => {
                self.pickled.lists.push(Vec::new());
                Value::List(self.pickled.lists.len() - 1)
            }
            b'}' => self.dict(),
            // APPEND, APPENDS
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(items)?
            }
            // SETITEM, SETITEMS
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set(&items)?
            }
            b'R' => self.reduce()?,
            b'b' => {
                let (state, object) = (self.pop()?, self.pop()?);
                match (object, state) {
                    // The attributes of an OrderedDict, where torch keeps the versions of modules.
                    (Value::Dict(_), Value::Dict(_)) => object,
                    _ => {
                        let message = format!("opcode BUILD gives {} a state", object.kind());
                        return Err(self.refuse(&message));
                    }
                }
            }
            // BINPERSID
            b'Q' => self.storage()?,
            other => {
                let name = REFUSED.iter().find(|(opcode, _)| *opcode == other).map_or("", |(_, name)| name);
                let message = format!(
                    "its pickle has the opcode {other:#04x} {name}, which is not used in state dicts"
                );
                return Err(self.refuse(&message));
            }
        };
        self.stack.push(value);
        Ok(false)
    }

    fn refuse(&self, what: &str) -> Error {
        refuse(self.file, what)
    }

    fn damaged(&self, what: &str) -> Error {
        damaged(self.file, &format!("its pickle {what}"))
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.damaged("breaks off"));
        };
        self.rest = rest;
        Ok(bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let Some((&bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(self.damaged("breaks off"));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads the number of a memo entry.
    fn number(&mut self, short: bool) -> Result<u32, Error> {
        Ok(if short { u8::from_le_bytes(self.take()?).into() } else { u32::from_le_bytes(self.take()?) })
    }

    fn long(&mut self) -> Result<i64, Error> {
        let [len] = self.take()?;
        let bytes = self.bytes(len.into())?;
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut extended = [if negative { 0xff } else { 0 }; 8];
        let Some(low) = extended.get_mut(..bytes.len()) else {
            return Err(self.refuse(&format!("opcode LONG1 makes a number of {len} bytes")));
        };
        low.copy_from_slice(bytes);
        Ok(i64::from_le_bytes(extended))
    }

    fn text(&mut self, len: usize) -> Result<Value<'a>, Error> {
        let bytes = self.bytes(len)?;
        str::from_utf8(bytes).map(Value::Text).map_err(|_| self.damaged("has a string that is not UTF-8"))
    }

    fn line(&mut self) -> Result<&'a [u8], Error> {
        let line = self.rest.iter().take(LONGEST_NAME).position(|&byte| byte == b'\n');
        let Some(len) = line else {
            return Err(self.damaged("names a global that does not end"));
        };
        let line = self.bytes(len)?;
        self.bytes(1)?;
        Ok(line)
    }

    /// Looks up a name in the allow-list; no name in it stands for something that could be run.
    fn global(&mut self) -> Result<Global, Error> {
        let (module, name) = (self.line()?, self.line()?);
        let dtype = match (module, name) {
            (b"collections", b"OrderedDict") => return Ok(Global::OrderedDict),
            (b"torch._utils", b"_rebuild_tensor_v2") => return Ok(Global::RebuildTensor),
            (b"torch._utils", b"_rebuild_parameter") => return Ok(Global::RebuildParameter),
            (b"torch", b"DoubleStorage") => Dtype::F64,
            (b"torch", b"FloatStorage") => Dtype::F32,
            (b"torch", b"HalfStorage") => Dtype::F16,
            (b"torch", b"BFloat16Storage") => Dtype::BF16,
            (b"torch", b"LongStorage") => Dtype::I64,
            (b"torch", b"IntStorage") => Dtype::I32,
            (b"torch", b"ShortStorage") => Dtype::I16,
            (b"torch", b"CharStorage") => Dtype::I8,
            (b"torch", b"ByteStorage") => Dtype::U8,
            (b"torch", b"BoolStorage") => Dtype::BOOL,
            _ => {
                let [module, name] = [module, name].map(|part| part.escape_ascii());
                return Err(self.refuse(&format!("its pickle names {module}.{name}, which is not run")));
            }
        };
        Ok(Global::Storage(dtype))
    }

    fn pop(&mut self) -> Result<Value<'a>, Error> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let value = if self.stack.len() > floor { self.stack.pop() } else { None };
        value.ok_or_else(|| self.damaged("takes a value from an empty stack"))
    }

    fn pop_mark(&mut self) -> Result<Vec<Value<'a>>, Error> {
        let mark = self.marks.pop().ok_or_else(|| self.damaged("has no mark where it needs one"))?;
        // Marks never lie above the stack, because values below the last mark cannot be popped.
        Ok(self.stack.drain(mark..).collect())
    }

    fn tuple(&mut self, items: Vec<Value<'a>>) -> Value<'a> {
        self.tuples.push(items);
        Value::Tuple(self.tuples.len() - 1)
    }

    fn dict(&mut self) -> Value<'a> {
        self.pickled.dicts.push(Vec::new());
        Value::Dict(self.pickled.dicts.len() - 1)
    }

    /// Adds `items` to the list below them, which stays on the stack.
    fn append(&mut self, items: Vec<Value<'a>>) -> Result<Value<'a>, Error> {
        let list = self.pop()?;
        let Value::List(number) = list else {
            return Err(self.damaged(&format!("appends to {}", list.kind())));
        };
        self.pickled.lists[number].extend(items);
        Ok(list)
    }

    /// Adds `items`, keys and values, to the dict below them, which stays on the stack.
    fn set(&mut self, items: &[Value<'a>]) -> Result<Value<'a>, Error> {
        let dict = self.pop()?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(self.damaged("sets a key without a value"));
        };
        let Value::Dict(number) = dict else {
            return Err(self.damaged(&format!("sets a key of {}", dict.kind())));
        };
        self.pickled.dicts[number].extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(dict)
    }

    fn reduce(&mut self) -> Result<Value<'a>, Error> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let Value::Tuple(number) = arguments else {
            return Err(self.damaged("calls with arguments that are not a tuple"));
        };
        match (callable, self.tuples[number].as_slice()) {
            (Value::Global(Global::OrderedDict), []) => Ok(self.dict()),
            (Value::Global(Global::OrderedDict), _) => {
                Err(self.refuse("opcode REDUCE makes an OrderedDict of a list"))
            }
            (
                Value::Global(Global::RebuildTensor),
                &[
                    Value::Storage(storage),
                    Value::Int(offset),
                    Value::Tuple(shape),
                    Value::Tuple(strides),
                    ..,
                ],
            ) => {
                // Tensors that are stored conjugated or negated say so in a seventh argument.
                match self.tuples[number][4..] {
                    [_, _] | [_, _, Value::None] => self.view(storage, offset, shape, strides),
                    [_, _, Value::Dict(extra)] if self.pickled.dicts[extra].is_empty() => {
                        self.view(storage, offset, shape, strides)
                    }
                    _ => Err(self.refuse("it has a tensor with more than a shape and strides")),
                }
            }
            (Value::Global(Global::RebuildParameter), &[Value::Tensor(tensor), _, _]) => {
                Ok(Value::Tensor(tensor))
            }
            (Value::Global(Global::RebuildTensor | Global::RebuildParameter), _) => {
                Err(self.refuse("it has a tensor of an unknown form"))
            }
            _ => Err(self.refuse(&format!("opcode REDUCE calls {}", callable.kind()))),
        }
    }

    /// Adds a tensor, all of which must lie within its storage.
    fn view(
        &mut self,
        storage: usize,
        offset: i64,
        shape: usize,
        strides: usize,
    ) -> Result<Value<'a>, Error> {
        let available = self.pickled.storages[storage].len;
        let numbers = |tuple: usize| -> Option<Vec<usize>> {
            let items = &self.tuples[tuple];
            let number = |item: &Value<'_>| match *item {
                Value::Int(number) => usize::try_from(number).ok(),
                _ => None,
            };
            if items.len() > MOST_DIMENSIONS { None } else { items.iter().map(number).collect() }
        };
        let view = || -> Option<View> {
            let (shape, strides) = (numbers(shape)?, numbers(strides)?);
            let offset = usize::try_from(offset).ok()?;
            let len = shape.iter().try_fold(1_usize, |len, &size| len.checked_mul(size))?;
            let mut end = offset;
            if len > 0 {
                for (&size, &stride) in shape.iter().zip(&strides) {
                    end = end.checked_add((size - 1).checked_mul(stride)?)?;
                }
                end = end.checked_add(1)?;
            }
            // A tensor with more numbers than its storage would repeat them by a stride of 0, which weights do not
            // do.
            let fits = shape.len() == strides.len() && end <= available && len <= available;
            fits.then_some(View { storage, offset, shape, strides, len })
        };
        let view = view().ok_or_else(|| {
            let storage = self.pickled.storages[storage].key.escape_debug();
            let message = format!("it has a tensor that does not lie within its storage {storage:.40}");
            self.refuse(&message)
        })?;
        self.pickled.tensors.push(view);
        Ok(Value::Tensor(self.pickled.tensors.len() - 1))
    }

    /// Reads `("storage", type, key, device, length)`, or the older format with a sixth item, which must be None.
    fn storage(&mut self) -> Result<Value<'a>, Error> {
        let id = self.pop()?;
        let items = if let Value::Tuple(number) = id { self.tuples[number].as_slice() } else { &[] };
        let (&[
            Value::Text("storage"),
            Value::Global(Global::Storage(dtype)),
            Value::Text(key),
            Value::Text(_),
            Value::Int(len),
        ]
        | &[
            Value::Text("storage"),
            Value::Global(Global::Storage(dtype)),
            Value::Text(key),
            Value::Text(_),
            Value::Int(len),
            Value::None,
        ]) = items
        else {
            return Err(self.refuse("opcode BINPERSID asks for something other than a storage of numbers"));
        };
        let len = usize::try_from(len).map_err(|_| self.damaged("has a storage of an impossible length"))?;
        if let Some(&known) = self.keys.get(key) {
            let storage = &self.pickled.storages[known];
            if (storage.dtype, storage.len) == (dtype, len) {
                return Ok(Value::Storage(known));
            }
            let message = format!("has two types or lengths of the storage {:.40}", key.escape_debug());
            return Err(self.damaged(&message));
        }
        let number = self.pickled.storages.len();
        self.keys.insert(key, number);
        self.pickled.storages.push(Storage { key, dtype, len });
        Ok(Value::Storage(number))
    }
}
