//! Bytes as a line of NDJSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| intake::fuzzing::ndjson_line(bytes));
