//! Throws samples at what proposes a profile.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tillbridge_fuzz::run_guess(data));
