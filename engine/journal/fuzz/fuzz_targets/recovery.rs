//! Bytes as damage to a journal's directory, and a start on it.
#![no_main]

use journal::fuzzing::Image;
use std::cell::OnceCell;

thread_local! {
    static IMAGE: OnceCell<Image> = const { OnceCell::new() };
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    IMAGE.with(|image| journal::fuzzing::recovery(image.get_or_init(|| Image::of_fixture("v1")), bytes));
});
