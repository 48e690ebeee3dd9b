//! The operating system's processes.
//!
//! Both pipes are read without blocking, in turn, so that a program that fills one of them while we wait for the other ends all the same.

use crate::process::{ProcessEnd, ProcessRequest, Processes};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{Error, ErrorKind, Read, Result};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How often its pipes and its end are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

pub(super) struct ChildProcesses;

impl Processes for ChildProcesses {
    fn run(&self, request: &ProcessRequest<'_>) -> Result<ProcessEnd> {
        let mut command = Command::new(request.program);
        command.args(request.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what it started in turn ends with it.
        let child = command.process_group(0).spawn()?;
        Running { child, ended: false }.follow(request)
    }
}

/// A child that does not outlive us.
struct Running {
    child: Child,
    ended: bool,
}

impl Running {
    #[allow(clippy::disallowed_methods, reason = "the one place where processes are waited for; it blocks, so it needs no timer")]
    fn follow(mut self, request: &ProcessRequest<'_>) -> Result<ProcessEnd> {
        let (Some(mut output), Some(mut errors)) = (self.child.stdout.take(), self.child.stderr.take()) else {
            return Err(Error::other("the process has no pipes"));
        };
        never_block(&output)?;
        never_block(&errors)?;
        // Room for one byte too many, made at once: a vector that grows leaves copies of a secret behind.
        let mut printed = Zeroizing::new(Vec::with_capacity(request.output_bytes_max + 1));
        let mut complained = Zeroizing::new(Vec::with_capacity(request.errors_bytes_kept));
        let started = Instant::now();
        loop {
            // First the end, then the pipes: what was written before the end is there.
            let status = self.look()?;
            drain(&mut output, &mut printed, request.output_bytes_max + 1)?;
            drain(&mut errors, &mut complained, request.errors_bytes_kept)?;
            if printed.len() > request.output_bytes_max {
                return Err(Error::new(ErrorKind::FileTooLarge, format!("it printed more than {} bytes", request.output_bytes_max)));
            }
            if let Some(status) = status {
                return Ok(ProcessEnd { code: status.code(), output: printed, errors: complained });
            }
            if started.elapsed() >= request.time_limit {
                return Err(Error::new(ErrorKind::TimedOut, format!("it did not end within {:?}", request.time_limit)));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn look(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.ended |= status.is_some();
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn never_block(pipe: &impl AsFd) -> Result<()> {
    let flags = fcntl_getfl(pipe)?;
    Ok(fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?)
}

/// Reads what is there now; keeps up to `keep` bytes.
fn drain(pipe: &mut impl Read, into: &mut Vec<u8>, keep: usize) -> Result<()> {
    let mut chunk = Zeroizing::new([0u8; 1024]);
    loop {
        match pipe.read(&mut chunk[..]) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                let room = keep.saturating_sub(into.len());
                into.extend_from_slice(&chunk[..read.min(room)]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
