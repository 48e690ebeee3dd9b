//! Sockets: TCP from a chosen source address, TCP and Unix doors, datagrams.
//!
//! A stream is tokio's `AsyncRead + AsyncWrite`, so that TLS and SMTP code runs on it unchanged. It is driven by the
//! executor of the thread that opened or accepted it: use it there.
//! Time limits are the caller's ([`crate::World::timeout`]).

use futures_util::future::BoxFuture;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

/// A byte stream of any kind.
pub type BoxStream = Box<dyn ByteStream>;

/// Where to connect, and from which of our addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectRequest {
    /// The receiver.
    pub target: SocketAddr,
    /// Our address; the routing table chooses where it is `None`. Must be of the target's family.
    pub source: Option<IpAddr>,
}

/// A network.
pub trait Net: Send + Sync {
    /// Opens a TCP connection without delay of small writes (TCP_NODELAY).
    ///
    /// # Errors
    /// What the network says: `ConnectionRefused`, `AddrNotAvailable` (the source is not ours) ...
    fn connect(&self, request: ConnectRequest) -> BoxFuture<'static, io::Result<BoxStream>>;

    /// Listens for TCP connections; port 0 takes a free one.
    ///
    /// # Errors
    /// `AddrInUse` and what else the network says.
    fn listen(&self, at: SocketAddr) -> io::Result<Box<dyn Listener>>;

    /// Listens on a Unix socket, mode 0600. A socket file that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// `AddrInUse` where somebody listens there or the path is another kind of file; else what the system says.
    fn listen_unix(&self, path: &Path) -> io::Result<Box<dyn UnixDoor>>;

    /// Connects to a Unix socket.
    ///
    /// # Errors
    /// What the system says.
    fn connect_unix(&self, path: &Path) -> BoxFuture<'static, io::Result<BoxStream>>;

    /// A UDP socket; port 0 takes a free one.
    ///
    /// # Errors
    /// `AddrInUse` and what else the network says.
    fn bind_udp(&self, at: SocketAddr) -> io::Result<Box<dyn Datagrams>>;
}

/// A TCP door. It may be moved to another thread before its first `accept`, which ties it to that thread.
pub trait Listener: Send {
    /// The next connection and the address it comes from.
    ///
    /// # Errors
    /// What the network says. One failed connection is no reason to close the door.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>>;

    /// Where it listens, with the port that was taken.
    ///
    /// # Errors
    /// What the system says.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A Unix socket's door; the socket file goes with it.
pub trait UnixDoor: Send {
    /// The next connection.
    ///
    /// # Errors
    /// What the system says.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<BoxStream>>;
}

/// A UDP socket; sending and receiving may overlap.
pub trait Datagrams: Send + Sync {
    /// Sends one datagram.
    ///
    /// # Errors
    /// What the network says.
    fn send_to<'a>(&'a self, bytes: &'a [u8], target: SocketAddr) -> BoxFuture<'a, io::Result<usize>>;

    /// The next datagram's length and sender. What does not fit into `buf` is lost.
    ///
    /// # Errors
    /// What the network says.
    fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>>;

    /// Where it is bound, with the port that was taken.
    ///
    /// # Errors
    /// What the system says.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}
