//! What the end-to-end stories share: an installation in a folder of its own, the binary with an eye on the clock, and servers
//! from Debian packages where they are installed.
//!
//! Every child is ended by its own number when its story ends, whichever way. A server that is not installed makes its story
//! say so and skip, unless `SEALPOST_REQUIRE_SERVERS` is set: then it is a failure.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "each story uses a part of it; it is test code that waits for real processes by the real clock"
)]

pub mod door;
pub mod gpg;
pub mod installation;
pub mod process;
pub mod python;

pub use door::Door;
pub use gpg::GnuPg;
pub use installation::{BatchFiles, Installation};
pub use process::{Ended, Running, wait_until};

use serde_json::Value;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder of the templates that are shipped.
pub const SHIPPED_TEMPLATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/templates");

/// A port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until somebody listens there.
pub fn wait_for_listener(port: u16) {
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let listens = || TcpStream::connect_timeout(&at, Duration::from_millis(200)).is_ok();
    assert!(wait_until(Duration::from_secs(20), listens), "nobody listens on port {port}");
}

/// A server's program, or a clear word that the story is skipped without it.
pub fn server(program: &str, package: &str) -> Option<PathBuf> {
    if Path::new(program).is_file() {
        return Some(PathBuf::from(program));
    }
    skip(&format!("{program} is not installed (Debian package {package})"));
    None
}

/// Whether this process may do what only root may.
pub fn is_root(what_for: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    skip(&format!("{what_for} needs root"));
    false
}

/// Says that a story is skipped, past the capture of the test harness.
///
/// # Panics
/// Where `SEALPOST_REQUIRE_SERVERS` is set.
pub fn skip(why: &str) {
    assert!(std::env::var_os("SEALPOST_REQUIRE_SERVERS").is_none_or(|value| value == "0"), "required, but {why}");
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}

/// A number of a report by its path, such as `states/delivered`.
pub fn number(report: &Value, path: &str) -> i64 {
    let found = path.split('/').fold(report, |value, key| &value[key]);
    found.as_i64().unwrap_or_else(|| panic!("{path} is no number in {report}"))
}

/// Every file under a folder.
pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Copies a folder with what is under it; folders that are there are added to.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
