//! Bytes as damage to a journal's directory, and a start on it.
#![no_main]

use journal::fuzzing::Image;
use std::cell::OnceCell;

thread_local! {
    static IMAGES: OnceCell<[Image; 2]> = const { OnceCell::new() };
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, damage)) = bytes.split_first() else { return };
    IMAGES.with(|images| {
        let images = images.get_or_init(|| ["v1", "v2_grouped"].map(Image::of_fixture));
        journal::fuzzing::recovery(&images[usize::from(which % 2)], damage);
    });
});
