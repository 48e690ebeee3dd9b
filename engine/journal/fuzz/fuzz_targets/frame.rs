//! Bytes as a frame of a segment.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| journal::fuzzing::frame(bytes));
