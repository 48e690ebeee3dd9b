//! Bytes as damage to a journal's directory, and a start on it.
#![no_main]

use journal::fuzzing::Image;
use std::cell::OnceCell;

thread_local! {
    static IMAGES: OnceCell<[Image; 2]> = const { OnceCell::new() };
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    IMAGES.with(|images| {
        let images = images.get_or_init(|| ["v1", "v2_grouped"].map(Image::of_fixture));
        images.iter().for_each(|image| journal::fuzzing::recovery(image, bytes));
    });
});
