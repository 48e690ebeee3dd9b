//! The memory of a process: which allocator its binaries use, and giving back to the system what is free.
//!
//! mimalloc keeps what was freed for a second before it returns it, and returns it only when the process frees something then. An engine
//! that read a batch of a million rows and then waits for receivers does nothing for hours, and would hold on to what it needed for
//! a moment. So a page is returned when the last of it is freed ([`return_at_once`]: a million jobs that wait took a tenth less, and a
//! delivered message cost no more CPU), and what threads keep for themselves is asked for ([`give_back`]).
//!
//! Huge pages are left out (feature `no_thp`): a queue in 64 KiB chunks kept twice its size resident, and a delivered message
//! cost no more CPU without them.
//!
//! # Why this crate may use `unsafe`
//!
//! `mi_collect` and `mi_option_set_default` are C functions, and Rust cannot know what they ask of their caller: nothing.

pub use mimalloc::MiMalloc as Allocator;

/// `mi_option_purge_delay` of mimalloc 3 (its `mimalloc.h`), a name the bindings leave out. In milliseconds.
const PURGE_DELAY: std::ffi::c_int = 15;

/// From now on pages go back to the system when the last of what lies in them is freed. For the start of a process; what
/// `MIMALLOC_PURGE_DELAY` says goes first.
#[allow(unsafe_code, reason = "a call of the allocator's own; see above")]
pub fn return_at_once() {
    // SAFETY: it takes two numbers, and writes the second into the allocator's own table if the first is an option of it. The one race it
    // has, with a thread that sets the same option, would be between two equal numbers.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, 0) }
}

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

    /// The number of the option means what we think: its value, before it is set, is the one that mimalloc documents for it.
    #[test]
    #[allow(unsafe_code, reason = "asks the allocator")]
    fn pages_are_returned_without_delay() {
        // SAFETY: it reads a number from the allocator's own table.
        let delay = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), 1_000);
        return_at_once();
        assert_eq!(delay(), 0);
    }

    #[test]
    fn what_is_free_goes_back_when_asked_for() {
        let kept: Vec<Vec<u8>> = (0..1_024).map(|_| vec![1; 64 * 1024]).collect();
        let full = resident_bytes();
        drop(kept);
        give_back();
        let after = resident_bytes();
        assert!(full - after > 48 * 1024 * 1024, "{full} before, {after} after");
    }
}
