//! Throws files at the reader of XML.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tillbridge_fuzz::run(&tillbridge_fuzz::XML, data));
