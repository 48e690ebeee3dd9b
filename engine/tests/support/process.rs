//! Children of a story: the binary and the servers, each bounded in time and ended by its own number.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How often a waiting story looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

static NEXT_OUTPUT: AtomicU32 = AtomicU32::new(1);

/// What a child that ended left behind.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A child that runs. Dropping it kills it.
pub struct Running {
    child: Child,
    /// Where its standard output goes.
    pub stdout: PathBuf,
    /// Where its standard error goes.
    pub stderr: PathBuf,
}

impl Running {
    /// Starts it; what it prints goes into files of `folder`.
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        let number = NEXT_OUTPUT.fetch_add(1, Ordering::Relaxed);
        let (stdout, stderr) = (folder.join(format!("{number}.stdout")), folder.join(format!("{number}.stderr")));
        command.stdin(Stdio::null()).stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, stdout, stderr }
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it ended, and how.
    pub fn poll(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGKILL, and the end.
    pub fn kill(mut self) -> Ended {
        let _ = self.child.kill();
        self.child.wait().unwrap();
        self.ended()
    }

    /// SIGTERM; it may take its time.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it takes longer than `span`; it is killed then.
    pub fn wait(mut self, span: Duration) -> Ended {
        if !wait_until(span, || self.poll().is_some()) {
            let said = self.kill();
            panic!("still running after {span:?}: {said:#?}");
        }
        self.ended()
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        lossy(&self.stderr)
    }

    fn ended(&mut self) -> Ended {
        let code = self.child.try_wait().unwrap().and_then(|status| status.code());
        Ended { code, stdout: lossy(&self.stdout), stderr: lossy(&self.stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Standard output as one JSON value.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Standard output as JSON, after the exit code was this one.
    pub fn json_after(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self.json()
    }
}

/// Looks until `is_so` or until the span is over; whether it became so.
pub fn wait_until(span: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + span;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
