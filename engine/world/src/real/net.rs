//! The operating system's sockets, driven by tokio.

use crate::net::{BoxStream, ConnectRequest, Datagrams, Listener, Net, UnixDoor};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nix::sys::socket::sockopt;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixListener, UnixStream};

/// Connections the system keeps for us until we accept them.
const BACKLOG: i32 = 1024;
/// The socket file of a Unix door: for the engine's user alone.
const SOCKET_MODE: u32 = 0o600;

pub(super) struct Sockets;

impl Net for Sockets {
    fn connect(&self, request: ConnectRequest) -> BoxFuture<'static, io::Result<BoxStream>> {
        async move { Ok(Box::new(connect(request).await?) as BoxStream) }.boxed()
    }

    fn listen(&self, at: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&at.into())?;
        socket.listen(BACKLOG)?;
        Ok(Box::new(TcpDoor::Bound(socket.into())))
    }

    fn listen_unix(&self, path: &Path) -> io::Result<Box<dyn UnixDoor>> {
        remove_if_abandoned(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Nobody can connect between bind and listen, so nobody comes in before the mode is right.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
        socket.listen(BACKLOG)?;
        Ok(Box::new(SocketFile { door: UnixState::Bound(socket.into()), path: path.to_owned() }))
    }

    fn connect_unix(&self, path: &Path) -> BoxFuture<'static, io::Result<BoxStream>> {
        let path = path.to_owned();
        async move { Ok(Box::new(UnixStream::connect(path).await?) as BoxStream) }.boxed()
    }

    fn bind_udp(&self, at: SocketAddr) -> io::Result<Box<dyn Datagrams>> {
        let bound = std::net::UdpSocket::bind(at)?;
        bound.set_nonblocking(true)?;
        Ok(Box::new(Udp { bound, live: OnceLock::new() }))
    }
}

async fn connect(request: ConnectRequest) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(request.target), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A command and its answer are each one small packet: waiting to fill it would cost 40 ms a turn.
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = request.source {
        // The port is chosen at connect, so that connections to different receivers may share one: without this a source
        // address has 28,000 connections in all, with it as many to each receiver.
        nix::sys::socket::setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    TcpSocket::from_std_stream(socket.into()).connect(request.target).await
}

/// A door is bound where it is made and joins the executor of the thread that first accepts.
enum TcpDoor {
    Bound(std::net::TcpListener),
    Live(TcpListener),
}

impl TcpDoor {
    fn live(&mut self) -> io::Result<&TcpListener> {
        if let Self::Bound(bound) = self {
            *self = Self::Live(TcpListener::from_std(bound.try_clone()?)?);
        }
        match self {
            Self::Live(listener) => Ok(listener),
            Self::Bound(_) => Err(io::Error::other("the door was not opened")),
        }
    }
}

impl Listener for TcpDoor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        async move {
            let (stream, peer) = self.live()?.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Box::new(stream) as BoxStream, peer))
        }
        .boxed()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Bound(bound) => bound.local_addr(),
            Self::Live(listener) => listener.local_addr(),
        }
    }
}

enum UnixState {
    Bound(std::os::unix::net::UnixListener),
    Live(UnixListener),
}

struct SocketFile {
    door: UnixState,
    path: PathBuf,
}

impl SocketFile {
    fn live(&mut self) -> io::Result<&UnixListener> {
        if let UnixState::Bound(bound) = &self.door {
            self.door = UnixState::Live(UnixListener::from_std(bound.try_clone()?)?);
        }
        match &self.door {
            UnixState::Live(listener) => Ok(listener),
            UnixState::Bound(_) => Err(io::Error::other("the door was not opened")),
        }
    }
}

impl UnixDoor for SocketFile {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<BoxStream>> {
        async move { Ok(Box::new(self.live()?.accept().await?.0) as BoxStream) }.boxed()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Where somebody removed it already there is nothing left to do.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes a socket file that a killed process left behind: one that refuses connections.
fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let refuses = || std::os::unix::net::UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if is_socket && refuses() { std::fs::remove_file(path) } else { Ok(()) }
}

/// Bound where it is made; joins the executor of the thread that first sends or receives.
struct Udp {
    bound: std::net::UdpSocket,
    live: OnceLock<UdpSocket>,
}

impl Udp {
    fn live(&self) -> io::Result<&UdpSocket> {
        if self.live.get().is_none() {
            // Where two threads come here together one of the sockets is dropped; both are the same socket of the system.
            let _ = self.live.set(UdpSocket::from_std(self.bound.try_clone()?)?);
        }
        self.live.get().ok_or_else(|| io::Error::other("the socket was not opened"))
    }
}

impl Datagrams for Udp {
    fn send_to<'a>(&'a self, bytes: &'a [u8], target: SocketAddr) -> BoxFuture<'a, io::Result<usize>> {
        async move { self.live()?.send_to(bytes, target).await }.boxed()
    }

    fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>> {
        async move { self.live()?.recv_from(buf).await }.boxed()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.bound.local_addr()
    }
}
