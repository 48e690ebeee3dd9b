//! Write, then sync, in one submission to the kernel: io_uring for one purpose, behind a safe function.
//!
//! A [`Ring`] makes a few pieces durable in order: each piece is written and synced (fdatasync) before the next one is begun. All of it is
//! one system call, where pwrite and fdatasync are four for two files: the steps are *linked*, so the kernel begins each when the one
//! before it succeeded, and gives up the rest where one failed.
//!
//! What it promises: when [`Ring::write_and_sync`] returns `Ok`, all bytes are durable; when it returns an error, it says which piece
//! failed and at which step, and no later piece was begun. A write that the kernel cut short is gone on with. No request is under way
//! when it returns: the kernel never reads bytes that the caller has back.
//!
//! What it leaves to others: opening, preallocating, deciding whether it is faster ([`Ring::new`] says where the kernel refuses). Never
//! `O_DIRECT` with `RWF_DSYNC`: a linked fsync is a promise about the file, a flag of one write is one about that write alone.
//!
//! # Why this crate may use `unsafe`
//!
//! The kernel reads the caller's bytes while the caller's thread goes on, which no borrow can express. Here the borrow is
//! held to by waiting: [`Ring::write_and_sync`] keeps `&[Piece]` until the completion of each request it submitted has come. It stays
//! this small so that it can be read in one go.

use io_uring::{IoUring, Probe, opcode, squeue, types};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Pieces of one call at most: a stream has two logs.
pub const PIECES_MAX: usize = 4;
/// Each piece is a write and a sync.
const REQUESTS_MAX: usize = 2 * PIECES_MAX;
/// What one request writes at most: the kernel cuts a longer one short anyway (write(2): "at most 0x7ffff000 bytes").
const WRITE_BYTES_MAX: usize = 1 << 30;

/// Bytes for a place in a file.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// An open, writable file.
    pub file: BorrowedFd<'a>,
    /// What is written; where it is empty the file is only synced.
    pub bytes: &'a [u8],
    /// Where, in bytes from the start of the file.
    pub offset: u64,
}

/// What the kernel was asked to do with a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To write it.
    Write,
    /// To sync its file.
    Sync,
}

/// A piece that could not be made durable. Those before it are; those after it were not begun.
#[derive(Debug)]
pub struct Failed {
    /// Its place among the pieces, from 0.
    pub piece: usize,
    /// At which step.
    pub step: Step,
    /// What the kernel said.
    pub error: io::Error,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let step = if self.step == Step::Write { "write" } else { "sync" };
        write!(f, "cannot {step} piece {}: {}", self.piece, self.error)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// A submission and a completion queue of the kernel.
pub struct Ring {
    ring: IoUring,
    write_bytes_max: usize,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ring")
    }
}

/// How far a call is: everything before `piece` is durable, and `written` bytes of it are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    piece: usize,
    written: usize,
    /// The write is done, and only the sync is left.
    is_written: bool,
}

impl Ring {
    /// Asks the kernel for a ring.
    ///
    /// # Errors
    /// Where the kernel has no io_uring, does not allow it (`/proc/sys/kernel/io_uring_disabled`, a seccomp filter, no memory to lock), or
    /// knows no write and fsync in it.
    pub fn new() -> io::Result<Self> {
        let ring = IoUring::new(REQUESTS_MAX as u32)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        if !probe.is_supported(opcode::Write::CODE) || !probe.is_supported(opcode::Fsync::CODE) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this kernel's io_uring knows no write or no fsync"));
        }
        Ok(Self { ring, write_bytes_max: WRITE_BYTES_MAX })
    }

    /// Makes the pieces durable, each before the next one is begun. Blocks the thread until all of it is done.
    ///
    /// # Errors
    /// [`Failed`] for the first piece that could not be. After a failed sync nothing of that file since the last good sync may be
    /// relied on: the kernel has given those pages up.
    ///
    /// # Panics
    /// With more than [`PIECES_MAX`] pieces.
    pub fn write_and_sync(&mut self, pieces: &[Piece<'_>]) -> Result<(), Failed> {
        assert!(pieces.len() <= PIECES_MAX, "{} pieces, at most {PIECES_MAX}", pieces.len());
        let mut progress = Progress { piece: 0, written: 0, is_written: false };
        while progress.piece < pieces.len() {
            progress = self.round(pieces, progress)?;
        }
        Ok(())
    }

    /// One submission of all that is left, and all its completions.
    fn round(&mut self, pieces: &[Piece<'_>], from: Progress) -> Result<Progress, Failed> {
        let mut asked = Vec::with_capacity(REQUESTS_MAX);
        for (index, piece) in pieces.iter().enumerate().skip(from.piece) {
            let (written, is_written) = if index == from.piece { (from.written, from.is_written) } else { (0, false) };
            if !is_written && written < piece.bytes.len() {
                let rest = &piece.bytes[written..];
                let part = &rest[..rest.len().min(self.write_bytes_max)];
                asked.push((index, Step::Write, write_of(piece.file, part, piece.offset + written as u64), rest.len()));
                // Nothing may be linked behind a part: the sync, and the next piece, wait for all of it.
                if part.len() < rest.len() {
                    break;
                }
            }
            asked.push((index, Step::Sync, sync_of(piece), 0));
        }
        let results = self.submit(&asked).map_err(|error| Failed { piece: from.piece, step: Step::Write, error })?;

        let mut progress = from;
        for ((index, step, _, length), result) in asked.iter().zip(results) {
            let failed = |error| Failed { piece: *index, step: *step, error };
            if *index != progress.piece {
                progress = Progress { piece: *index, written: 0, is_written: false };
            }
            match (step, usize::try_from(result)) {
                (Step::Write, Ok(written)) if written == *length => progress.is_written = true,
                (Step::Write, Ok(0)) => return Err(failed(io::ErrorKind::WriteZero.into())),
                // Cut short, which has broken the link: the rest of it, and all that follows, in another round.
                (Step::Write, Ok(written)) => {
                    progress.written += written;
                    return Ok(progress);
                }
                (Step::Write, Err(_)) if is_passing(result) => return Ok(progress),
                (Step::Sync, Ok(_)) => progress = Progress { piece: index + 1, written: 0, is_written: false },
                (_, Err(_)) => return Err(failed(io::Error::from_raw_os_error(-result))),
            }
        }
        Ok(progress)
    }

    /// Hands the requests in, linked, and waits for the completion of each. The results stand in the order of the requests.
    fn submit(&mut self, asked: &[(usize, Step, squeue::Entry, usize)]) -> io::Result<Vec<i32>> {
        let mut queue = self.ring.submission();
        for (place, (_, _, entry, _)) in asked.iter().enumerate() {
            let is_last = place + 1 == asked.len();
            let flags = if is_last { squeue::Flags::empty() } else { squeue::Flags::IO_LINK };
            let entry = entry.clone().flags(flags).user_data(place as u64);
            // SAFETY: the entry points into the bytes of a `Piece` and names its file; both are borrowed by `write_and_sync`, which does
            // not return before this function does. This function returns `Ok` only when the completion of every entry has come, and `Err`
            // only while the kernel has taken none of them (they are taken out of the queue again); anything else ends the process. So the
            // kernel never reads the bytes after the borrow. The queue has `REQUESTS_MAX` places and is empty here:
            // `push` cannot find it full.
            #[allow(unsafe_code, reason = "see above")]
            let pushed = unsafe { queue.push(&entry) };
            pushed.map_err(|_| io::Error::other("the submission queue has no place, which cannot be"))?;
        }
        drop(queue);
        let mut results = vec![None; asked.len()];
        let mut came = 0;
        let mut is_taken = false;
        while came < asked.len() {
            match self.ring.submit_and_wait(asked.len() - came) {
                Ok(taken) => is_taken |= taken > 0,
                Err(error) if is_taken || came > 0 || self.ring.submission().len() < asked.len() => wait_on(&error),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nothing was taken: a new ring forgets the entries, and the caller gets the error.
                Err(error) => {
                    self.ring = IoUring::new(REQUESTS_MAX as u32)?;
                    return Err(error);
                }
            }
            for completion in self.ring.completion() {
                if let Some(result) = results.get_mut(completion.user_data() as usize) {
                    came += usize::from(result.replace(completion.result()).is_none());
                }
            }
        }
        Ok(results.into_iter().flatten().collect())
    }
}

/// Requests are under way, and waiting for them failed. What passes is waited out. Anything else would leave the kernel with bytes that the
/// caller is about to use for something else: there is no safe way on.
fn wait_on(error: &io::Error) {
    const BUSY: i32 = 16;
    const AGAIN: i32 = 11;
    if error.kind() != io::ErrorKind::Interrupted && !matches!(error.raw_os_error(), Some(BUSY | AGAIN)) {
        std::process::abort();
    }
}

/// A result after which the same write may be tried again.
fn is_passing(result: i32) -> bool {
    const INTERRUPTED: i32 = -4;
    const AGAIN: i32 = -11;
    matches!(result, INTERRUPTED | AGAIN)
}

fn write_of(file: BorrowedFd<'_>, bytes: &[u8], offset: u64) -> squeue::Entry {
    let length = u32::try_from(bytes.len()).expect("a part is cut to WRITE_BYTES_MAX");
    opcode::Write::new(types::Fd(file.as_raw_fd()), bytes.as_ptr(), length).offset(offset).build()
}

fn sync_of(piece: &Piece<'_>) -> squeue::Entry {
    opcode::Fsync::new(types::Fd(piece.file.as_raw_fd())).flags(types::FsyncFlags::DATASYNC).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    #[test]
    fn a_write_in_parts_is_gone_on_with_and_the_next_piece_follows() {
        // Where this machine has no io_uring there is nothing to test.
        let Ok(mut ring) = Ring::new() else { return };
        ring.write_bytes_max = 1000;
        let (large, small) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        for length in [999, 1000, 1001, 2000, 2500] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let pieces =
                [Piece { file: large.as_fd(), bytes: &bytes, offset: 3 }, Piece { file: small.as_fd(), bytes: b"head", offset: length }];
            ring.write_and_sync(&pieces).unwrap();
            let mut read = vec![0; bytes.len()];
            large.read_exact_at(&mut read, 3).unwrap();
            assert_eq!(read, bytes);
            assert_eq!(small.metadata().unwrap().len(), length + 4);
        }
    }
}
