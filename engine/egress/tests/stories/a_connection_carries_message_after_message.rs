//! Reuse: one connection, three messages, two round trips each.

use crate::receiving::{Authority, Setup, Verdict, arrived, connected, message, open_gate, our_name, plain_message, short};
use egress::{Connection, Delivery, Target};
use model::Protection;
use world::{World, block_on};

#[test]
fn three_messages_share_a_connection_and_cost_two_round_trips_each() {
    block_on(async {
        let world = World::real();
        let server = Setup::plain().start(&world, |_| Verdict::Accept);
        let mut connection = connected(&world, server.at, &short()).await;
        let before = server.seen.borrow().reads;
        for body in ["one\r\n", ".two\r\n..\r\n", "three without end"] {
            assert!(connection.deliver(&plain_message(body), open_gate()).await.is_accepted());
            assert!(connection.is_usable());
        }
        assert_eq!(server.seen.borrow().reads - before, 6, "commands and content, one write each");
        assert_eq!(connection.messages(), 3);
        assert!(connection.is_still_open().await);
        connection.quit().await;
        let seen = server.seen.borrow();
        assert_eq!((seen.connections, seen.quits, seen.resets, seen.faults), (1, 1, 0, 0));
        assert_eq!(seen.hellos, ["out1.plan.example"]);
        assert_eq!(seen.messages, [arrived("one\r\n"), arrived(".two\r\n..\r\n"), arrived("three without end\r\n")]);
    });
}

#[test]
fn a_megabyte_goes_through_tls_and_so_does_the_next_message() {
    block_on(async {
        let (world, authority) = (World::real(), Authority::new());
        let server = Setup::tls(&authority, "mx.test").start(&world, |_| Verdict::Accept);
        let target = Target::new("mx.test", server.at);
        let tls = authority.trusted(&world);
        let mut connection = Connection::open(&world, &target, None, &our_name(), Protection::TlsVerified, &tls, &short()).await.unwrap();
        let body = format!(".{}\r\n", "x".repeat(70)).repeat(14_000);
        for body in [body.as_str(), "small\r\n"] {
            assert!(connection.deliver(&message(Protection::TlsVerified, body), open_gate()).await.is_accepted());
        }
        assert_eq!(server.seen.borrow().messages, [arrived(&body), arrived("small\r\n")]);
        assert_eq!(server.seen.borrow().hellos.len(), 2, "EHLO again after STARTTLS");
    });
}

#[test]
fn a_receiver_without_pipelining_gets_one_command_at_a_time() {
    block_on(async {
        let world = World::real();
        let mut setup = Setup::plain();
        setup.config.offers.pipelining = false;
        let server = setup.start(&world, |_| Verdict::Accept);
        let mut connection = connected(&world, server.at, &short()).await;
        let before = server.seen.borrow().reads;
        assert!(connection.deliver(&plain_message("x\r\n"), open_gate()).await.is_accepted());
        assert_eq!(server.seen.borrow().reads - before, 4);
    });
}

#[test]
fn the_receivers_own_limit_of_messages_is_kept() {
    block_on(async {
        let world = World::real();
        let mut setup = Setup::plain();
        setup.config.offers.further.push("LIMITS MAILMAX=2".into());
        let server = setup.start(&world, |_| Verdict::Accept);
        let mut connection = connected(&world, server.at, &short()).await;
        for usable in [true, false] {
            assert!(connection.deliver(&plain_message("x\r\n"), open_gate()).await.is_accepted());
            assert_eq!(connection.is_usable(), usable);
        }
        assert!(matches!(
            connection.deliver(&plain_message("x\r\n"), open_gate()).await,
            Delivery::Broken { last_byte_written: false, .. }
        ));
        assert_eq!(server.seen.borrow().messages.len(), 2);
    });
}
