//! The memory of a process: which allocator its binaries use, and giving back to the system what is free.
//!
//! mimalloc keeps what was freed for a second before it returns it, and returns it only when the process frees something then. An engine
//! that read a batch of a million rows and then waits for receivers does nothing for hours, and would hold on to what it needed for
//! a moment. [`give_back`] asks for it.
//!
//! Huge pages are left out (feature `no_thp`): a queue in 64 KiB chunks kept twice its size resident, and a delivered message
//! cost no more CPU without them.
//!
//! # Why this crate may use `unsafe`
//!
//! `mi_collect` is a C function, and Rust cannot know what it asks of its caller: nothing.

pub use mimalloc::MiMalloc as Allocator;

/// Returns free memory to the system now, of whatever thread it was. Where another allocator is the process's, nothing happens.
///
/// Takes as long as the system needs for the pages: about a millisecond for ten megabytes.
#[allow(unsafe_code, reason = "a call of the allocator's own; see above")]
pub fn give_back() {
    // SAFETY: it takes a bool, may be called from any thread at any time (mimalloc's documentation of `mi_collect`), and touches only
    // memory that nobody has.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: Allocator = Allocator;

    fn resident_bytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
        let pages: u64 = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number");
        pages * 4096
    }

    #[test]
    fn what_is_free_goes_back_at_once() {
        let kept: Vec<Vec<u8>> = (0..1_024).map(|_| vec![1; 64 * 1024]).collect();
        let full = resident_bytes();
        drop(kept);
        give_back();
        let after = resident_bytes();
        assert!(full - after > 48 * 1024 * 1024, "{full} before, {after} after");
    }
}
