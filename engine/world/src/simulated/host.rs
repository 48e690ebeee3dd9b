//! A machine of the simulated world: its name, whether it is up, and its disk.
//!
//! A crash raises the *incarnation*. Handles (files, locks) belong to the incarnation that opened them and fail afterwards, so that
//! nothing from before the crash can write after it. While a host is *down* (its tasks are being dropped) nothing it does has effect.

use super::crash_point::Countdown;
use super::disk::DiskState;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) struct Host {
    pub(super) name: Arc<str>,
    down: AtomicBool,
    incarnation: AtomicU64,
    crashes: AtomicU64,
    disk: Mutex<DiskState>,
    /// Polls of its tasks until it crashes.
    pub(super) polls: Countdown,
    /// Bytes of its connections until it crashes.
    pub(super) network_bytes: Countdown,
}

impl Host {
    pub(super) fn new(name: &str, disk: DiskState) -> Self {
        Self {
            name: name.into(),
            down: AtomicBool::new(false),
            incarnation: AtomicU64::new(0),
            crashes: AtomicU64::new(0),
            disk: Mutex::new(disk),
            polls: Countdown::default(),
            network_bytes: Countdown::default(),
        }
    }

    pub(super) fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::SeqCst)
    }

    pub(super) fn crashes(&self) -> u64 {
        self.crashes.load(Ordering::SeqCst)
    }

    pub(super) fn count_crash(&self) {
        self.crashes.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    pub(super) fn go_down(&self) {
        self.down.store(true, Ordering::SeqCst);
    }

    pub(super) fn come_up(&self) {
        self.polls.clear();
        self.network_bytes.clear();
        self.incarnation.fetch_add(1, Ordering::SeqCst);
        self.down.store(false, Ordering::SeqCst);
    }

    /// An error where the host is down, or a handle is from before its last crash.
    pub(super) fn check(&self, incarnation: u64) -> io::Result<()> {
        if self.is_down() || self.incarnation() != incarnation {
            return Err(io::Error::other("the simulated host crashed"));
        }
        Ok(())
    }

    pub(super) fn disk(&self) -> MutexGuard<'_, DiskState> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
