//! Why a sandbox does not start. The operator of the test must act on each.

use std::io;
use std::net::SocketAddr;

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The configuration cannot be meant.
    #[error("sandbox configuration: {0}")]
    Config(String),
    /// A door cannot be opened.
    #[error("cannot listen on {at}: {error} (another sandbox on this base and port, or too few file descriptors: `ulimit -n`)")]
    Listen {
        /// Where.
        at: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The certificate library refused.
    #[error("cannot make the sandbox's certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The folder for kept messages cannot be made.
    #[error("cannot make the folder for kept messages: {0}")]
    Keep(io::Error),
}
