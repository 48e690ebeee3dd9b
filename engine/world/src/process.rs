//! A program that is run to its end: a client of a key service that prints one secret.
//!
//! Without a shell, with nothing on its standard input, for a limited time and a limited output. The call blocks the thread; it is
//! for starts, never for the way of a message. There are no programs in the simulated world.

use std::io;
use std::time::Duration;
use zeroize::Zeroizing;

/// What to run, and how far it may go.
#[derive(Debug, Clone, Copy)]
pub struct ProcessRequest<'a> {
    /// The program: a path, or a name that is looked up in `PATH`.
    pub program: &'a str,
    /// Its arguments, as they are: no shell reads them.
    pub arguments: &'a [String],
    /// Bytes of standard output that are too many beyond this.
    pub output_bytes_max: usize,
    /// Bytes of standard error that are kept; what comes behind them is read and dropped.
    pub errors_bytes_kept: usize,
    /// After this it is killed, with everything it started in its process group.
    pub time_limit: Duration,
}

/// How it ended. `Debug` shows no output: it may be a secret.
pub struct ProcessEnd {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output, zeroed when dropped.
    pub output: Zeroizing<Vec<u8>>,
    /// The beginning of standard error, zeroed when dropped: programs print more there than they should.
    pub errors: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for ProcessEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessEnd").field("code", &self.code).finish_non_exhaustive()
    }
}

/// Runs programs.
pub trait Processes: Send + Sync {
    /// Runs one to its end. Blocks the thread.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied` ... where it cannot be started; `TimedOut` after its time limit; `FileTooLarge` where it prints too
    /// much; `Unsupported` in the simulated world.
    fn run(&self, request: &ProcessRequest<'_>) -> io::Result<ProcessEnd>;
}

/// The simulated world has none.
pub(crate) struct NoProcesses;

impl Processes for NoProcesses {
    fn run(&self, request: &ProcessRequest<'_>) -> io::Result<ProcessEnd> {
        Err(io::Error::new(io::ErrorKind::Unsupported, format!("there is no program {} in a simulated world", request.program)))
    }
}
