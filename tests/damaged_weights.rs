//! Weight files with random damage are loaded or refused, without a panic, and without reserving memory for contents
//! that a file only claims to have. This is the only test of its program, so that its memory can be measured.

use std::fs;
use std::path::Path;

use entopic::{Engine, ErrorKind};
use tempfile::TempDir;

/// The files, and the number of bytes at their beginning that are not mostly weights.
const FILES: [(&str, &str, usize); 3] = [
    ("ner-wordpiece-cased/model.safetensors", "model.safetensors", 4000),
    ("weight-formats/zip/pytorch_model.bin", "pytorch_model.bin", 3600),
    ("weight-formats/legacy/pytorch_model.bin", "pytorch_model.bin", 3600),
];

/// The most memory that the process has reserved, where the system reports it.
fn reserved() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    line.trim().strip_suffix(" kB")?.parse::<usize>().ok().map(|kilobytes| kilobytes << 10)
}

#[test]
fn damage_costs_neither_a_panic_nor_memory() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    // Knuth's MMIX generator: the same damage each time.
    let mut state = 1_u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    let engine = Engine::builder().threads(1).build().expect("a thread should start");
    let mut before = None;
    for (source, name, header) in FILES {
        let whole = fs::read(goldens.join(source)).expect("the weights should exist");
        let folder = TempDir::new().expect("a temporary folder should be made");
        let config = fs::read(goldens.join("ner-wordpiece-cased/config.json")).expect("the config");
        let mut config: serde_json::Value = serde_json::from_slice(&config).expect("it should be JSON");
        config["num_hidden_layers"] = 1.into();
        fs::write(folder.path().join("config.json"), config.to_string()).expect("the file should be written");
        let tokenizer = goldens.join("ner-wordpiece-cased/tokenizer.json");
        fs::copy(tokenizer, folder.path().join("tokenizer.json")).expect("it should be copied");
        let load = |bytes: &[u8]| {
            fs::write(folder.path().join(name), bytes).expect("the file should be written");
            engine.ner(folder.path())
        };
        load(&whole).expect("it should be whole");
        let before = *before.get_or_insert_with(reserved);
        let mut loaded = 0;
        for _ in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..1 + below(3) {
                // At the start, or at the end, where archives have their directory.
                let at = below(header);
                let at = if below(4) == 0 { bytes.len() - 1 - at } else { at };
                match below(4) {
                    0 => bytes[at] = below(256) as u8,
                    1 => bytes[at] = b"\0\xff\x7f\x80019"[below(7)],
                    2 => bytes[at] ^= 1 << below(8),
                    _ => bytes.truncate(bytes.len() - below(8)),
                }
            }
            match load(&bytes) {
                Ok(_) => loaded += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Weights, "{error:?}"),
            }
        }
        println!("{source}: {loaded} of 300 are loaded");
        if let (Some(before), Some(after)) = (before, reserved()) {
            let more = (after - before) >> 20;
            println!("{more} MiB more were reserved");
            // Threads reserve some memory; trusting a false length would reserve more.
            assert!(more < 1024, "{more} MiB");
        }
    }
}
