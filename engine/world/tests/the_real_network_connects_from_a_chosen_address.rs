//! TCP, Unix and UDP sockets on loopback.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use world::{BoxStream, ConnectRequest, World, block_on};

async fn echo_once(mut stream: BoxStream) {
    let mut bytes = [0; 5];
    stream.read_exact(&mut bytes).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
}

async fn says_hello_and_hears_it(mut stream: BoxStream) {
    stream.write_all(b"hello").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"hello");
}

#[test]
fn tcp_comes_from_the_source_address_asked_for() {
    block_on(async {
        let world = World::real();
        let mut door = world.net().listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let target = door.local_addr().unwrap();
        let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
        let client = world.net().connect(ConnectRequest { target, source: Some(source) });
        let (accepted, connected) = tokio::join!(door.accept(), client);
        let (stream, peer) = accepted.unwrap();
        assert_eq!(peer.ip(), source);
        tokio::join!(echo_once(stream), says_hello_and_hears_it(connected.unwrap()));
    });
}

#[test]
fn a_door_made_on_one_thread_may_serve_on_another() {
    let world = World::real();
    let mut door = world.net().listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let target = door.local_addr().unwrap();
    let server = world.spawn_thread("server", move || async move { echo_once(door.accept().await.unwrap().0).await });
    block_on(async {
        says_hello_and_hears_it(world.net().connect(ConnectRequest { target, source: None }).await.unwrap()).await;
        server.join().await.unwrap();
    });
}

#[test]
fn ipv6_takes_a_source_address_too() {
    let world = World::real();
    // Machines without IPv6 have nothing to test here.
    let Ok(mut door) = world.net().listen((Ipv6Addr::LOCALHOST, 0).into()) else { return };
    block_on(async {
        let target = door.local_addr().unwrap();
        let request = ConnectRequest { target, source: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)) };
        let (accepted, connected) = tokio::join!(door.accept(), world.net().connect(request));
        assert_eq!(accepted.unwrap().1.ip(), IpAddr::V6(Ipv6Addr::LOCALHOST));
        connected.unwrap();
    });
}

#[test]
fn nobody_listening_is_a_refusal() {
    block_on(async {
        let world = World::real();
        let door = world.net().listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let target = door.local_addr().unwrap();
        drop(door);
        let error = world.net().connect(ConnectRequest { target, source: None }).await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_unix_door_is_private_replaces_an_abandoned_file_and_removes_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("door");
    // What a killed process leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    block_on(async {
        let world = World::real();
        let mut door = world.net().listen_unix(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(world.net().listen_unix(&path).map(|_| ()).unwrap_err().kind(), ErrorKind::AddrInUse);
        // The second listener asked whether somebody lives here; that was a connection.
        drop(door.accept().await.unwrap());
        let (accepted, connected) = tokio::join!(door.accept(), world.net().connect_unix(&path));
        tokio::join!(echo_once(accepted.unwrap()), says_hello_and_hears_it(connected.unwrap()));
        drop(door);
        assert!(!path.exists());
    });
}

#[test]
fn datagrams_go_and_come() {
    block_on(async {
        let world = World::real();
        let at: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        let (one, two) = (world.net().bind_udp(at).unwrap(), world.net().bind_udp(at).unwrap());
        assert_eq!(one.send_to(b"who?", two.local_addr().unwrap()).await.unwrap(), 4);
        let mut bytes = [0; 16];
        let (len, from) = two.recv_from(&mut bytes).await.unwrap();
        assert_eq!((&bytes[..len], from), (&b"who?"[..], one.local_addr().unwrap()));
    });
}
