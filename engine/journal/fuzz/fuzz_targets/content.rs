//! Bytes as what is in a frame: header of a segment, record, payload.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| journal::fuzzing::content(bytes));
