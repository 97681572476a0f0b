use std::io::Write;
use std::ops::Range;
use std::path::Path;

use rawzip::{CompressionMethod, ZipArchive, ZipArchiveWriter};
use safetensors::Dtype;

use super::{MOST_SHARING, StateDict, legacy};

/// Files that torch wrote: the same state dict in both formats.
const WRITTEN: [&str; 2] = ["views-zip.bin", "views-legacy.bin"];

const FILE: &str = "folder/pytorch_model.bin";

fn written(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/weight-formats").join(name);
    std::fs::read(path).expect("the fixture")
}

/// A zip archive of stored entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ZipArchiveWriter::new(&mut bytes);
    for &(name, data) in entries {
        let entry = writer.new_file(name).compression_method(CompressionMethod::STORE);
        let (mut entry, config) = entry.start().expect("it should have an entry");
        let mut data_writer = config.wrap(&mut entry);
        data_writer.write_all(data).expect("the file should be written");
        let (_, descriptor) = data_writer.finish().expect("the file should be written");
        entry.finish(descriptor).expect("the file should be written");
    }
    writer.finish().expect("the file should be written");
    bytes
}

/// A file in the newer format with this pickle, and the storage 0 of 24 bytes.
fn zipped(pickle: &[u8]) -> Vec<u8> {
    archive(&[("m/data.pkl", pickle), ("m/byteorder", b"little"), ("m/data/0", &[0; 24])])
}

/// A file in the older format with this pickle, and the storage 0 of 24 bytes.
fn older(pickle: &[u8]) -> Vec<u8> {
    let keys: &[u8] = b"\x80\x02](X\x01\0\0\x000e.\x06\0\0\0\0\0\0\0";
    [legacy::START, b"\x80\x02}X\x0d\0\0\0little_endian\x88s.", pickle, keys, &[0; 24]].concat()
}

fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A storage of `len` numbers, in the form of zip archives.
fn storage(kind: &str, key: &str, len: &[u8]) -> Vec<u8> {
    [b"(", &text("storage")[..], &global("torch", kind), &text(key), &text("cpu"), len, b"tQ"].concat()
}

/// A pickled tensor.
fn tensor(storage: &[u8], offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let rebuild = global("torch._utils", "_rebuild_tensor_v2");
    [&rebuild, &b"("[..], storage, offset, shape, strides, b"\x89}tR"].concat()
}

const SHAPE: &[u8] = b"K\x02K\x03\x86";
const STRIDES: &[u8] = b"K\x03K\x01\x86";

fn good_tensor() -> Vec<u8> {
    tensor(&storage("FloatStorage", "0", b"K\x06"), b"K\0", SHAPE, STRIDES)
}

/// The state dict `{"w": value}`.
fn dict(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02}", &text("w")[..], value, b"s."].concat()
}

/// The error of a file that must not be read.
fn refusal(bytes: &[u8]) -> String {
    match StateDict::open(FILE, bytes) {
        Ok(_) => panic!("was read: {}", bytes.escape_ascii()),
        Err(error) => {
            let error = format!("{error:?}");
            assert!(error.starts_with(FILE) && error.len() < 1000, "{error}");
            error
        }
    }
}

#[test]
fn views_are_read_as_torch_shows_them() {
    let steps = |range: Range<usize>, step| range.step_by(step).map(|i| i as f32).collect::<Vec<_>>();
    let columns = (0..6).flat_map(|i| [i, i + 6, i + 12, i + 18]).map(|i| i as f32).collect();
    let depths = (0..4).flat_map(|i| (0..6).map(move |j| (i + 4 * j) as f32)).collect();
    let expected: [(&str, &[usize], Vec<f32>); 14] = [
        ("plain", &[2, 3], steps(0..6, 1)),
        ("transposed", &[6, 4], columns),
        ("permuted", &[4, 2, 3], depths),
        ("offset", &[2, 3], steps(5..11, 1)),
        ("every-other", &[12], steps(1..24, 2)),
        ("column", &[4, 1], steps(2..24, 6)),
        ("tied.one", &[1, 2], vec![1.5, -2.5]),
        ("tied.two", &[1, 2], vec![1.5, -2.5]),
        ("parameter", &[2], vec![0.25, 0.5]),
        ("scalar", &[], vec![7.0]),
        ("empty", &[0, 3], vec![]),
        ("torch.float64", &[3], vec![1.0, 0.0, 3.0]),
        ("torch.float16", &[3], vec![1.0, 0.0, 3.0]),
        ("torch.bfloat16", &[3], vec![1.0, 0.0, 3.0]),
    ];
    let integers: [(&str, Dtype, &[u8]); 6] = [
        (
            "torch.int64",
            Dtype::I64,
            &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0],
        ),
        ("torch.int32", Dtype::I32, &[1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]),
        ("torch.int16", Dtype::I16, &[1, 0, 0, 0, 3, 0]),
        ("torch.int8", Dtype::I8, &[1, 0, 3]),
        ("torch.uint8", Dtype::U8, &[1, 0, 3]),
        ("torch.bool", Dtype::BOOL, &[1, 0, 1]),
    ];
    for file in WRITTEN {
        let bytes = written(file);
        let state = StateDict::open(file, &bytes).expect("it should be a state dict");
        assert_eq!(state.names().count(), expected.len() + integers.len());
        for (name, shape, values) in &expected {
            let tensor = state.tensor(name).expect("it should exist");
            assert_eq!(tensor.shape, *shape, "{name}");
            assert_eq!(*tensor.into_f32().expect("they should be numbers"), **values, "{name} in {file}");
        }
        for (name, dtype, bytes) in integers {
            let tensor = state.tensor(name).expect("it should exist");
            assert_eq!((tensor.dtype, &*tensor.bytes), (dtype, bytes), "{name} in {file}");
        }
    }
}

#[test]
fn what_the_cases_below_spoil_is_read() {
    for bytes in [zipped(&dict(&good_tensor())), older(&dict(&good_tensor()))] {
        let state = StateDict::open(FILE, &bytes).expect("it should be a state dict");
        assert_eq!(state.tensor("w").expect("it should exist").shape, [2, 3]);
    }
}

#[test]
fn a_pickle_runs_nothing() {
    let call = |module: &str, name: &str| {
        let arguments = [&text("touch /tmp/was-run")[..], b"\x85"].concat();
        dict(&[&global(module, name)[..], &arguments, b"R"].concat())
    };
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("__builtin__", "exec"),
        ("torch.storage", "_load_from_bytes"),
        ("torch._utils", "_rebuild_tensor_v3"),
        ("torch._utils", "_rebuild_qtensor"),
        ("torch", "UntypedStorage"),
        ("transformers.models.bert.modeling_bert", "BertModel"),
        ("numpy.core.multiarray", "_reconstruct"),
    ] {
        for bytes in [zipped(&call(module, name)), older(&call(module, name))] {
            let error = refusal(&bytes);
            assert!(error.contains(&format!("{module}.{name}")), "{error}");
            assert!(error.contains("save_pretrained(folder, safe_serialization=True)"), "{error}");
        }
    }
    for (what, value, says) in [
        ("a storage that is called", [&global("torch", "FloatStorage")[..], b")R"].concat(), "REDUCE"),
        ("a string that is called", [&text("os.system")[..], b")R"].concat(), "REDUCE"),
        ("a tensor that is called", [&good_tensor()[..], b")R"].concat(), "REDUCE"),
        (
            "an OrderedDict of a list",
            [&global("collections", "OrderedDict")[..], b"]\x85R"].concat(),
            "REDUCE",
        ),
        ("a state for a tensor", [&good_tensor()[..], b"}b"].concat(), "BUILD"),
        ("a state for a class", [&global("collections", "OrderedDict")[..], b"}b"].concat(), "BUILD"),
        ("a state that is no dict", b"}]b".to_vec(), "BUILD"),
        ("INST", b"(ios\nsystem\n".to_vec(), "INST"),
        ("OBJ", b"(cos\nsystem\no".to_vec(), "os.system"),
        ("NEWOBJ", [&global("collections", "OrderedDict")[..], b")\x81"].concat(), "NEWOBJ"),
        ("STACK_GLOBAL", [&text("os")[..], &text("system"), b"\x93"].concat(), "STACK_GLOBAL"),
        ("EXT1", b"\x82\x01".to_vec(), "EXT1"),
        ("a persistent id as text", b"P0\n".to_vec(), "PERSID"),
        ("an unknown opcode", b"\xfe".to_vec(), "0xfe"),
        ("an escape sequence", global("os\x1b[2J", "system"), "os\\x1b[2J.system"),
    ] {
        for bytes in [zipped(&dict(&value)), older(&dict(&value))] {
            let error = refusal(&bytes);
            assert!(error.contains(says), "{what}: {error}");
        }
    }
}

#[test]
fn what_is_no_plain_state_dict_is_refused() {
    let wrapped = [b"}", &text("w")[..], &good_tensor(), b"s"].concat();
    let parallel = [b"\x80\x02}", &text("module.w")[..], &good_tensor(), b"s."].concat();
    for (pickle, says) in [
        (dict(&wrapped), "\"w\" in its dict is a dict"),
        (dict(b"K\x05"), "\"w\" in its dict is a number"),
        (dict(&[&b"]"[..], &good_tensor(), b"a"].concat()), "is a list"),
        ([b"\x80\x02", &good_tensor()[..], b"."].concat(), "contains a tensor"),
        (b"\x80\x02N.".to_vec(), "contains None"),
        ([b"\x80\x02}K\x01", &good_tensor()[..], b"s."].concat(), "a key of its dict is a number"),
        (
            [b"\x80\x02}", &text("w")[..], &good_tensor(), b"s", &text("w"), &good_tensor(), b"s."].concat(),
            "two",
        ),
        (parallel, "DataParallel"),
        (b"\x80\x04}.".to_vec(), "protocol 4"),
    ] {
        let error = refusal(&zipped(&pickle));
        assert!(error.contains(says), "{error}");
        refusal(&older(&pickle));
    }
}

#[test]
fn a_tensor_must_lie_within_its_storage() {
    let float = |len: &[u8]| storage("FloatStorage", "0", len);
    let six = float(b"K\x06");
    let huge: &[u8] = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    let twice = |number: &[u8]| [number, number, b"\x86"].concat();
    for (what, value) in [
        ("a shape that is too large", tensor(&six, b"K\0", b"K\x03K\x03\x86", STRIDES)),
        ("an offset that is too large", tensor(&six, b"K\x01", SHAPE, STRIDES)),
        ("an offset below 0", tensor(&six, b"J\xff\xff\xff\xff", SHAPE, STRIDES)),
        ("strides that overrun", tensor(&six, b"K\0", SHAPE, b"K\x04K\x01\x86")),
        ("strides below 0", tensor(&six, b"K\x05", SHAPE, b"J\xfd\xff\xff\xffJ\xff\xff\xff\xff\x86")),
        ("a stride that overflows", tensor(&six, b"K\0", SHAPE, &[huge, huge, b"\x86"].concat())),
        ("a shape that overflows", tensor(&six, b"K\0", &twice(huge), STRIDES)),
        ("an offset that overflows", tensor(&six, huge, SHAPE, STRIDES)),
        ("a shape below 0", tensor(&six, b"K\0", &twice(b"J\xff\xff\xff\xff"), STRIDES)),
        ("fewer strides", tensor(&six, b"K\0", SHAPE, b"K\x01\x85")),
        ("a shape that is no number", tensor(&six, b"K\0", b"NN\x86", STRIDES)),
        ("one number many times", tensor(&six, b"K\0", b"M\xff\xffM\xff\xff\x86", b"K\0K\0\x86")),
        ("an empty one behind its storage", tensor(&six, b"K\x07", b"K\0\x85", b"K\x01\x85")),
        (
            "nine dimensions",
            tensor(&six, b"K\0", b"(K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t", STRIDES),
        ),
    ] {
        let error = refusal(&zipped(&dict(&value)));
        assert!(error.contains("does not lie within its storage"), "{what}: {error}");
        refusal(&older(&dict(&value)));
    }
    let over = |storage: &[u8]| tensor(storage, b"K\0", SHAPE, STRIDES);
    for (what, value, says) in [
        ("a storage that is too long", over(&float(b"K\x07")), "has 24 bytes"),
        ("a storage that overflows", over(&float(huge)), "has 24 bytes"),
        ("a storage below 0", over(&float(b"J\xff\xff\xff\xff")), "impossible length"),
        ("a storage of another type", over(&storage("DoubleStorage", "0", b"K\x06")), "has 24 bytes"),
        ("a storage of no type", over(&storage("OrderedDict", "0", b"K\x06")), "torch.OrderedDict"),
        ("no storage", over(b"N"), "unknown form"),
        ("a list for a storage", over(b"]Q"), "BINPERSID"),
        ("a long number", over(&float(&[&b"\x8a\x09"[..], &[1; 9]].concat())), "LONG1"),
        (
            "a flag that turns the sign",
            {
                let mut turned = good_tensor();
                turned.truncate(turned.len() - 2);
                [&turned[..], b"}", &text("neg"), b"\x88stR"].concat()
            },
            "more than a shape",
        ),
        ("two lengths", [&over(&six)[..], b"q\0", &float(b"K\x05")].concat(), "two types or lengths"),
    ] {
        let error = refusal(&zipped(&dict(&value)));
        assert!(error.contains(says), "{what}: {error}");
        refusal(&older(&dict(&value)));
    }
    let view = text("storage");
    let view =
        [b"(", &view[..], &global("torch", "FloatStorage"), &text("0"), &text("cpu"), b"K\x06)tQ"].concat();
    assert!(refusal(&older(&dict(&over(&view)))).contains("BINPERSID"));
}

#[test]
fn a_missing_storage_is_named() {
    let elsewhere = dict(&tensor(&storage("FloatStorage", "1", b"K\x06"), b"K\0", SHAPE, STRIDES));
    assert!(refusal(&zipped(&elsewhere)).contains("data/1"));
    assert!(refusal(&older(&elsewhere)).contains("none of its tensors"));
    let one_more = [&b"}"[..], &text("a"), &good_tensor(), b"s", &text("b")].concat();
    let second = tensor(&storage("FloatStorage", "1", b"K\x06"), b"K\0", SHAPE, STRIDES);
    let both = [b"\x80\x02", &one_more[..], &second, b"s."].concat();
    assert!(refusal(&older(&both)).contains("lacks a storage"));
    // A path instead of a key reaches nothing outside the archive.
    let path = dict(&tensor(&storage("FloatStorage", "../../etc/passwd", b"K\x06"), b"K\0", SHAPE, STRIDES));
    assert!(refusal(&zipped(&path)).contains("data/../../etc/passwd"));
}

#[test]
fn an_archive_must_be_as_torch_writes_it() {
    let pickle = dict(&good_tensor());
    let numbers: &[u8] = &[0; 24];
    for (entries, says) in [
        (vec![("m/data.pkl", &pickle[..])], "data/0"),
        (vec![("m/data/0", numbers)], "data.pkl"),
        (vec![("m/data.pkl", &pickle), ("n/data/0", numbers)], "not in the folder"),
        (vec![("data.pkl", &pickle)], "in no folder"),
        (vec![("m/data.pkl", &pickle), ("m/byteorder", b"big"), ("m/data/0", numbers)], "big-endian"),
        (vec![("m/data.pkl", &pickle), ("m/data/0", numbers), ("m/data/0", numbers)], "twice"),
    ] {
        let error = refusal(&archive(&entries));
        assert!(error.contains(says), "{error}");
    }
    // The writer would not write such names.
    for (name, with) in [("m/??/data.pkl", "m/../data.pkl"), ("??/data.pkl", "../data.pkl")] {
        let mut bytes = archive(&[(name, &pickle)]);
        while let Some(at) = bytes.windows(name.len()).position(|window| window == name.as_bytes()) {
            bytes[at..at + name.len()].copy_from_slice(with.as_bytes());
        }
        assert!(refusal(&bytes).contains("not in the folder"));
    }
    // Without the entry, the byte order is little-endian: torch began to write the entry in 2.0.
    StateDict::open(FILE, &archive(&[("m/data.pkl", &pickle), ("m/data/0", numbers)]))
        .expect("it should be read");

    // The central directory's record of the last entry, data/0.
    let whole = zipped(&pickle);
    let directory = whole.windows(4).rposition(|window| window == b"PK\x01\x02").expect("the directory");
    let spoiled = |at: usize, with: &[u8]| {
        let mut bytes = whole.clone();
        bytes[directory + at..][..with.len()].copy_from_slice(with);
        refusal(&bytes)
    };
    assert!(spoiled(10, &8_u16.to_le_bytes()).contains("is compressed"));
    assert!(spoiled(8, &1_u16.to_le_bytes()).contains("is encrypted"));
    assert!(spoiled(24, &25_u32.to_le_bytes()).contains("two lengths"));
    assert!(spoiled(24, &u32::MAX.to_le_bytes()).contains("two lengths"));
    assert!(spoiled(20, &u32::MAX.to_le_bytes()).contains("not whole"));
    assert!(spoiled(42, &0_u32.to_le_bytes()).contains("overlap"));
    assert!(spoiled(42, &u32::MAX.to_le_bytes()).contains("not whole"));
    let end = whole.windows(4).rposition(|window| window == b"PK\x05\x06").expect("the end");
    let mut bytes = whole.clone();
    bytes[end + 10] = 9;
    assert!(refusal(&bytes).contains("as many entries"));
}

#[test]
fn other_files_are_reported() {
    for bytes in [&b""[..], b"PK", b"version https://git-lfs.github.com/spec/v1\n", b"\x80\x02}.", &[0; 600]]
    {
        assert!(refusal(bytes).contains("is not a file that torch.save wrote"));
    }
    let mut big = older(&dict(&good_tensor()));
    let at = legacy::START.len() + 21;
    assert_eq!(big[at], 0x88);
    big[at] = 0x89;
    assert!(refusal(&big).contains("little-endian"));
}

#[test]
fn a_broken_pickle_is_refused() {
    for pickle in [
        &b"\x80\x02."[..],
        b"\x80\x02h\0.",
        b"\x80\x02}q\xffj\xff\xff\xff\xff.",
        b"\x80\x02}(t.",
        b"\x80\x02t.",
        b"\x80\x02e.",
        b"\x80\x02(e.",
        b"\x80\x02}(.",
        b"\x80\x02}(R.",
        b"\x80\x02}(Nu.",
        b"\x80\x02}(NNe.",
        b"\x80\x02)Na.",
        b"\x80\x02\x85.",
        b"\x80\x02\x87.",
        b"\x80\x02X\xff\xff\xff\xff.",
        b"\x80\x02X\x01\0\0\0\xff.",
        b"\x80\x02\x8a\xff\0.",
        b"\x80\x02J\0\0",
        b"\x80\x02c",
        b"\x80\x02cos\nsys",
        b"\x80\x02Q.",
        b"\x80\x02)Q.",
    ] {
        refusal(&zipped(pickle));
        refusal(&older(pickle));
    }
    let endless = [&b"\x80\x02c"[..], &[b'a'; 100_000]].concat();
    assert!(refusal(&zipped(&endless)).contains("does not end"));
}

/// Each pickle is deep, wide or cyclic, or grows by repeating its earlier content.
#[test]
fn bombs_end_soon() {
    let many = |start: &[u8], part: &[u8], count: usize| dict(&[start, &part.repeat(count)].concat());
    let doubled: Vec<u8> = (0..30_u8).flat_map(|i| [b'h', i, b'h', i, 0x86, b'q', i + 1]).collect();
    let puts: Vec<u8> = (0..80_000_u32).flat_map(|i| [&b"r"[..], &i.to_le_bytes()].concat()).collect();
    let wide = [&b"("[..], &b"K\x01".repeat(1000), b"tq\0"].concat();
    for (what, bomb, says) in [
        ("deep", many(b")", b"\x85", 2_000_000), "opcodes"),
        ("many lists", many(b"", b"]", 2_000_000), "opcodes"),
        ("many marks", many(b"", b"(", 2_000_000), "opcodes"),
        ("many values", many(b"", b"N", 2_000_000), "opcodes"),
        ("a list in itself, again and again", many(b"]q\0", b"h\0a", 80_000), "is a list"),
        ("the memo's end", many(b"]", b"r\xff\xff\xff\xff", 100_000), "is a list"),
        ("a memo of everything", dict(&[&b"]"[..], &puts].concat()), "is a list"),
        ("doubled 30 times", [&b"\x80\x02]q\0"[..], &doubled, b"."].concat(), "contains a tuple"),
        ("a wide tuple in many", many(&wide, b"h\0h\0\x86", 50_000), "sets a key of"),
    ] {
        for bytes in [zipped(&bomb), older(&bomb)] {
            let error = refusal(&bytes);
            // The remaining value needs no storage, which the older format notices first.
            assert!(error.contains(says) || error.contains("none of its tensors"), "{what}: {error}");
        }
    }
    // Two dicts that contain each other, and a dict that contains itself.
    refusal(&zipped(&[&b"\x80\x02}q\0"[..], &text("w"), b"h\0s."].concat()));
    refusal(&zipped(&[&b"\x80\x02}q\0"[..], &text("w"), b"}", &text("w"), b"h\0ss."].concat()));
    // A small file of one tensor under many names.
    let name = |i: u32| [&text(&format!("w{i}"))[..], b"h\0s"].concat();
    let names: Vec<u8> = (0..50_000).flat_map(name).collect();
    let big = vec![0; 1 << 20];
    let whole =
        tensor(&storage("FloatStorage", "0", b"J\0\0\x04\0"), b"K\0", b"J\0\0\x04\0\x85", b"K\x01\x85");
    let pickle = [b"\x80\x02}", &text("w")[..], &whole, b"q\0s", &names, b"."].concat();
    let error = refusal(&archive(&[("m/data.pkl", &pickle), ("m/data/0", &big)]));
    assert!(error.contains("share storages"), "{error}");
}

#[test]
fn no_start_of_a_file_is_read() {
    for file in WRITTEN {
        let bytes = written(file);
        for end in 0..bytes.len() {
            refusal(&bytes[..end]);
        }
    }
}

/// Reads all of a file, if it can be read; returns the number of files that were read, 0 or 1.
fn read_all(bytes: &[u8]) -> usize {
    let Ok(state) = StateDict::open(FILE, bytes) else { return 0 };
    let mut total = 0;
    for name in state.names() {
        let tensor = state.tensor(name).expect("it should exist");
        let count: usize = tensor.shape.iter().product();
        assert_eq!(tensor.bytes.len(), count * tensor.dtype.bitsize() / 8);
        total += tensor.bytes.len();
    }
    assert!(total <= MOST_SHARING * bytes.len());
    1
}

/// The positions in a file outside the numbers of tensors, whose bytes may be anything.
fn described(bytes: &[u8]) -> Vec<usize> {
    let Ok(archive) = ZipArchive::from_slice(bytes) else { return (0..bytes.len()).collect() };
    let entries = archive.entries().map(|entry| entry.expect("it should have an entry"));
    let numbers = entries.filter(|entry| entry.file_path().as_bytes().starts_with(b"views-zip/data/"));
    let ranges: Vec<(u64, u64)> = numbers
        .map(|entry| {
            archive.get_entry(entry.wayfinder()).expect("it should have an entry").compressed_data_range()
        })
        .collect();
    let outside = |&at: &usize| !ranges.iter().any(|&(start, end)| (start..end).contains(&(at as u64)));
    (0..bytes.len()).filter(outside).collect()
}

#[test]
fn mutations_are_read_or_refused() {
    // Knuth's MMIX generator: the same mutations each time.
    let mut state = 1_u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    const TELLING: [u8; 16] = *b"\0\x01\x7f\x80\xff().0RbQuqKt";
    for file in WRITTEN {
        let whole = written(file);
        let places = described(&whole);
        let mut read = 0;
        for _ in 0..6000 {
            let mut bytes = whole.clone();
            for _ in 0..1 + below(3) {
                let at = places[below(places.len())].min(bytes.len() - 1);
                match below(5) {
                    0 => bytes[at] = below(256) as u8,
                    1 => bytes[at] = TELLING[below(TELLING.len())],
                    2 => bytes[at] ^= 1 << below(8),
                    3 => {
                        bytes.remove(at);
                    }
                    _ => {
                        let from = places[below(places.len())].min(bytes.len() - 1);
                        let part = bytes[from..bytes.len().min(from + 1 + below(40))].to_vec();
                        let to = bytes.len().min(at + part.len());
                        bytes.splice(at..to, part);
                    }
                }
            }
            read += read_all(&bytes);
        }
        println!("{file}: {read} of 6000 mutations are read");
        assert!((100..5900).contains(&read), "{read} files were read: the mutations test nothing");
    }
}
