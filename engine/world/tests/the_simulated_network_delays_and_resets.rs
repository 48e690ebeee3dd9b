//! Connections, Unix doors and datagrams of the simulated network, and what a crash does to them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use world::simulated::{NetworkTrouble, Simulation, Weather};
use world::{BoxStream, ConnectRequest, World};

fn door() -> SocketAddr {
    "10.0.0.1:25".parse().unwrap()
}

async fn connected(engine: &World, sink: &World) -> (BoxStream, BoxStream) {
    let mut listener = sink.net().listen(door()).unwrap();
    let client = engine.net().connect(ConnectRequest { target: door(), source: None }).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

#[test]
fn bytes_arrive_in_order_late_and_cut_anywhere() {
    let mut cuts = BTreeSet::new();
    for seed in 0..30 {
        let simulation = Simulation::new(seed);
        let weather = Weather { delay_min: Duration::from_millis(5), delay_max: Duration::from_millis(50), datagrams_lost_percent: 0 };
        simulation.set_weather(weather);
        let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
        simulation.run(async {
            let (mut client, mut server) = connected(&engine, &sink).await;
            let before = engine.monotonic();
            client.write_all(b"EHLO client.example\r\n").await.unwrap();
            client.write_all(b"MAIL FROM:<a@b.example>\r\n").await.unwrap();
            client.shutdown().await.unwrap();
            let (mut all, mut piece, mut pieces) = (Vec::new(), [0; 100], Vec::new());
            loop {
                let len = server.read(&mut piece).await.unwrap();
                assert!(engine.monotonic().since(before) >= Duration::from_millis(5));
                if len == 0 {
                    break;
                }
                all.extend_from_slice(&piece[..len]);
                pieces.push(len);
            }
            assert_eq!(all, b"EHLO client.example\r\nMAIL FROM:<a@b.example>\r\n");
            assert_eq!(server.read(&mut piece).await.unwrap(), 0, "the end stays");
            // One direction has ended, the other has not.
            server.write_all(b"221\r\n").await.unwrap();
            drop(server);
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "221\r\n");
            cuts.insert(pieces);
        });
    }
    assert!(cuts.len() > 5, "{cuts:?}");
}

#[test]
fn a_full_buffer_makes_the_writer_wait_for_the_reader() {
    let simulation = Simulation::new(1);
    let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
    simulation.run(async {
        let (mut client, mut server) = connected(&engine, &sink).await;
        let sent: Vec<u8> = (0..300_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
        assert!(engine.timeout(Duration::from_secs(9), client.write_all(&sent)).await.is_err(), "nobody reads");
        let mut buffered = vec![0; 64 * 1024];
        server.read_exact(&mut buffered).await.unwrap();
        assert!(sent.starts_with(&buffered));
        let write = async {
            client.write_all(&sent).await.unwrap();
            drop(client);
        };
        let read = async {
            let mut received = Vec::new();
            server.read_to_end(&mut received).await.unwrap();
            received
        };
        let ((), received) = tokio::join!(write, read);
        assert!(received == sent);
    });
}

#[test]
fn the_peer_sees_the_source_address_that_was_asked_for() {
    let simulation = Simulation::new(1);
    let world = simulation.world();
    simulation.run(async {
        let mut listener = world.net().listen("0.0.0.0:0".parse().unwrap()).unwrap();
        let target = SocketAddr::new("10.9.8.7".parse().unwrap(), listener.local_addr().unwrap().port());
        let source: IpAddr = "192.0.2.7".parse().unwrap();
        let _client = world.net().connect(ConnectRequest { target, source: Some(source) }).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1.ip(), source);
        assert_eq!(world.net().listen(listener.local_addr().unwrap()).map(|_| ()).unwrap_err().kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn nobody_listening_is_a_refusal_also_after_the_door_was_closed() {
    let simulation = Simulation::new(1);
    let world = simulation.world();
    simulation.run(async {
        for _ in 0..2 {
            let error = world.net().connect(ConnectRequest { target: door(), source: None }).await.map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            drop(world.net().listen(door()).unwrap());
        }
    });
}

#[test]
fn a_crash_resets_the_other_side_and_what_was_on_its_way_may_arrive() {
    let mut arrived = BTreeSet::new();
    for seed in 0..60 {
        let simulation = Simulation::new(seed);
        let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
        simulation.run(async {
            let (mut client, mut server) = connected(&engine, &sink).await;
            client.write_all(b".\r\n").await.unwrap();
            simulation.crash_host("engine");
            let mut received = Vec::new();
            let error = server.read_to_end(&mut received).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            assert_eq!(server.write(b"250 OK\r\n").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert!(client.write(b"x").await.is_err(), "an end from before the crash");
            arrived.insert(received);
            let error = sink.net().connect(ConnectRequest { target: "10.0.0.2:25".parse().unwrap(), source: None }).await.map(|_| ());
            assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        });
    }
    assert_eq!(arrived, [b"".to_vec(), b".\r\n".to_vec()].into(), "the final dot arrives or does not");
}

#[test]
fn a_crash_of_the_receiver_closes_its_door_until_it_listens_again() {
    let simulation = Simulation::new(9);
    let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
    simulation.run(async {
        let connect = || engine.net().connect(ConnectRequest { target: door(), source: None });
        let old = sink.net().listen(door()).unwrap();
        simulation.crash_host("sink");
        assert_eq!(connect().await.map(|_| ()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let mut new = sink.net().listen(door()).unwrap();
        drop(old);
        connect().await.unwrap();
        new.accept().await.unwrap();
    });
}

#[test]
fn a_writer_that_waits_learns_of_the_reset() {
    let simulation = Simulation::new(4);
    let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
    simulation.run(async {
        let (mut client, _server) = connected(&engine, &sink).await;
        let stuck = async { client.write_all(&[0; 1_000_000]).await.unwrap_err().kind() };
        let crash = async {
            engine.sleep(Duration::from_secs(1)).await;
            assert!(simulation.reset_a_connection());
        };
        let (kind, ()) = tokio::join!(stuck, crash);
        assert_eq!(kind, ErrorKind::ConnectionReset);
    });
}

#[test]
fn closing_with_unread_bytes_resets_the_other_side() {
    let simulation = Simulation::new(1);
    let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
    simulation.run(async {
        let (mut client, server) = connected(&engine, &sink).await;
        client.write_all(b"QUIT\r\n").await.unwrap();
        drop(server);
        let error = client.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn writing_to_a_closed_side_is_answered_by_a_reset() {
    let simulation = Simulation::new(1);
    let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
    simulation.run(async {
        let (mut client, server) = connected(&engine, &sink).await;
        drop(server);
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
        client.write_all(b"QUIT\r\n").await.unwrap();
        engine.sleep(Duration::from_millis(50)).await;
        assert_eq!(client.write(b"again").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn unix_doors_are_of_one_host() {
    let simulation = Simulation::new(1);
    let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
    let path = Path::new("/run/door");
    simulation.run(async {
        let mut door = engine.net().listen_unix(path).unwrap();
        let mut client = engine.net().connect_unix(path).await.unwrap();
        let mut server = door.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
        assert!(sink.net().connect_unix(path).await.is_err());
    });
}

#[test]
fn datagrams_are_delayed_overtake_each_other_and_get_lost() {
    let simulation = Simulation::new(1);
    simulation.set_weather(Weather { datagrams_lost_percent: 30, ..Weather::default() });
    let (engine, dns) = (simulation.world_of("engine"), simulation.world_of("dns"));
    let arrived = simulation.run(async {
        let server = dns.net().bind_udp("10.0.0.53:53".parse().unwrap()).unwrap();
        let client = engine.net().bind_udp("10.0.0.2:0".parse().unwrap()).unwrap();
        for number in 0..100_u8 {
            client.send_to(&[number, 0], server.local_addr().unwrap()).await.unwrap();
        }
        let mut arrived = Vec::new();
        let mut buf = [0; 1];
        while let Ok(received) = engine.timeout(Duration::from_secs(1), server.recv_from(&mut buf)).await {
            assert_eq!(received.unwrap(), (1, client.local_addr().unwrap()), "what does not fit is cut off");
            arrived.push(buf[0]);
        }
        arrived
    });
    assert!((50..90).contains(&arrived.len()), "{arrived:?}");
    assert!(!arrived.is_sorted());
    assert_eq!(arrived.iter().collect::<BTreeSet<_>>().len(), arrived.len());
}

/// How many bytes of a long message arrived, and whether an end or a reset was seen.
fn arrived(seed: u64, trouble: NetworkTrouble) -> Result<(usize, bool), ErrorKind> {
    let simulation = Simulation::new(seed);
    let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
    simulation.set_network_trouble(trouble);
    simulation.run(async {
        let mut listener = sink.net().listen(door()).unwrap();
        let connecting = engine.net().connect(ConnectRequest { target: door(), source: None });
        let mut client = match engine.timeout(Duration::from_secs(10), connecting).await {
            Ok(client) => client.map_err(|error| error.kind())?,
            Err(_) => return Err(ErrorKind::TimedOut),
        };
        let (mut server, _) = listener.accept().await.unwrap();
        let written = client.write_all(&[7; 60_000]).await.is_ok();
        let mut bytes = Vec::new();
        let ended = sink.timeout(Duration::from_secs(60), server.read_to_end(&mut bytes)).await.is_ok();
        drop((client, written));
        Ok((bytes.len(), ended))
    })
}

#[test]
fn connections_end_at_any_byte_fall_silent_are_refused_and_never_answered() {
    let of = |trouble: NetworkTrouble| (0..60).map(|seed| arrived(seed, trouble.clone())).collect::<BTreeSet<_>>();
    let reset = of(NetworkTrouble { reset_per_mille: 1000, ..NetworkTrouble::default() });
    assert!(reset.iter().any(|end| matches!(end, Ok((1..60_000, true)))) && reset.len() > 5, "{reset:?}");
    let silent = of(NetworkTrouble { silent_per_mille: 1000, ..NetworkTrouble::default() });
    assert!(silent.iter().any(|end| matches!(end, Ok((1..60_000, false)))), "nothing says that no more comes: {silent:?}");
    let refused = of(NetworkTrouble { refused_per_mille: 1000, ..NetworkTrouble::default() });
    assert_eq!(refused, [Err(ErrorKind::ConnectionRefused)].into());
    let unanswered = of(NetworkTrouble { unanswered_per_mille: 1000, ..NetworkTrouble::default() });
    assert_eq!(unanswered, [Err(ErrorKind::TimedOut)].into());
}
