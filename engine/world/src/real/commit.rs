//! The operating system's ways to write and sync in fewer calls.

use crate::commit::{CommitFault, CommitMethod, Committer, DurableWrite, Pwrite};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use uring::{PIECES_MAX, Piece, Ring, Step};

/// The committer of a method.
pub(super) fn committer(method: CommitMethod) -> io::Result<Box<dyn Committer>> {
    Ok(match method {
        CommitMethod::Pwrite => Box::new(Pwrite),
        CommitMethod::Pwritev2 => Box::new(Pwritev2),
        CommitMethod::IoUring => Box::new(Linked(Ring::new()?)),
    })
}

fn descriptor<'a>(write: &DurableWrite<'a>, index: usize) -> Result<BorrowedFd<'a>, CommitFault> {
    let refused = || CommitFault { write: index, action: "write", source: io::Error::other("the file is not the operating system's") };
    write.file.descriptor().ok_or_else(refused)
}

struct Pwritev2;

impl Committer for Pwritev2 {
    fn method(&self) -> CommitMethod {
        CommitMethod::Pwritev2
    }

    fn commit(&mut self, writes: &[DurableWrite<'_>]) -> Result<(), CommitFault> {
        for (index, write) in writes.iter().enumerate() {
            let file = descriptor(write, index)?;
            let fault = |action| move |source| CommitFault { write: index, action, source };
            // RWF_DSYNC covers this write alone. What was written before needs a sync of the file.
            let flags = if write.has_unsynced { ReadWriteFlags::empty() } else { ReadWriteFlags::DSYNC };
            write_all(file, write.bytes, write.offset, flags).map_err(fault("write"))?;
            if write.has_unsynced {
                write.file.sync_data().map_err(fault("sync"))?;
            }
        }
        Ok(())
    }
}

fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8], mut offset: u64, flags: ReadWriteFlags) -> io::Result<()> {
    while !bytes.is_empty() {
        match pwritev2(file, &[IoSlice::new(bytes)], offset, flags) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// io_uring.
struct Linked(Ring);

impl Committer for Linked {
    fn method(&self) -> CommitMethod {
        CommitMethod::IoUring
    }

    fn commit(&mut self, writes: &[DurableWrite<'_>]) -> Result<(), CommitFault> {
        for (round, writes) in writes.chunks(PIECES_MAX).enumerate() {
            let first = round * PIECES_MAX;
            let mut pieces = Vec::with_capacity(writes.len());
            for (index, write) in writes.iter().enumerate() {
                pieces.push(Piece { file: descriptor(write, first + index)?, bytes: write.bytes, offset: write.offset });
            }
            self.0.write_and_sync(&pieces).map_err(|failed| CommitFault {
                write: first + failed.piece,
                action: if failed.step == Step::Write { "write" } else { "sync" },
                source: failed.error,
            })?;
        }
        Ok(())
    }
}
