#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| apim_dr::fuzz::envelope(bytes));
