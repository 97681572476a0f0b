//! The function `entities`, called by libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entopic_fuzz::run(entopic_fuzz::entities, data));
