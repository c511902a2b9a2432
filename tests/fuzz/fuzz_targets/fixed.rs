//! Throws files at the reader of fixed width.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tillbridge_fuzz::run(&tillbridge_fuzz::FIXED, data));
