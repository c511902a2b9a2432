//! Throws files at the reader of separated fields.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tillbridge_fuzz::run(&tillbridge_fuzz::CSV, data));
