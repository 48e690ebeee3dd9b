//! Invariant 10: the last byte waits for the durable intent, and every outcome says whether it was written.

use crate::receiving::Step::{Await, Hang, Say};
use crate::receiving::{Setup, Step, Verdict, arrived, connected, open_gate, plain_message, scripted, short};
use egress::{Delivery, Phase, Timeouts, Trouble};
use smtp::Event;
use std::time::Duration;
use world::{World, block_on, channel};

fn script(rest: &[Step]) -> Vec<Step> {
    let opening = [Say("220 mx ESMTP\r\n"), Await("EHLO"), Say("250-mx\r\n250 PIPELINING\r\n")];
    let data = [Await("DATA\r\n"), Say("250 ok\r\n250 ok\r\n354 go\r\n")];
    [&opening[..], &data, rest].concat()
}

#[test]
fn nothing_is_accepted_before_the_gate_opens_though_the_content_is_already_there() {
    block_on(async {
        let world = World::real();
        let server = Setup::plain().start(&world, |_| Verdict::Accept);
        let mut connection = connected(&world, server.at, &short()).await;
        let before = server.seen.borrow().reads;
        let (open, opened) = channel::oneshot::<()>();
        let (clock, seen) = (world.clone(), server.seen.clone());
        world.spawn_local(async move {
            clock.sleep(Duration::from_millis(100)).await;
            assert_eq!(seen.borrow().reads - before, 2, "commands and content have come");
            assert!(seen.borrow().messages.is_empty(), "the dot has not");
            let _ = open.send(());
        });
        let gate = async move { opened.await.is_some() };
        assert!(connection.deliver(&plain_message("x\r\n"), gate).await.is_accepted());
        assert_eq!(server.seen.borrow().messages, [arrived("x\r\n")]);
        assert_eq!(server.seen.borrow().reads - before, 3);
        assert!(connection.is_usable());
    });
}

#[test]
fn a_gate_that_says_no_stops_before_the_last_byte() {
    for delay in [Duration::ZERO, Duration::from_millis(50)] {
        block_on(async move {
            let world = World::real();
            let server = Setup::plain().start(&world, |_| Verdict::Accept);
            let mut connection = connected(&world, server.at, &short()).await;
            let clock = world.clone();
            let gate = async move {
                if !delay.is_zero() {
                    clock.sleep(delay).await;
                }
                false
            };
            let delivery = connection.deliver(&plain_message("x\r\n"), gate).await;
            assert_eq!(delivery, Delivery::Broken { phase: Phase::Data, trouble: Trouble::Stopped, last_byte_written: false });
            assert!(!connection.is_usable());
            connection.quit().await;
            world.sleep(Duration::from_millis(50)).await;
            assert!(server.seen.borrow().messages.is_empty());
        });
    }
}

#[test]
fn a_reject_before_354_never_asks_the_gate() {
    block_on(async {
        let world = World::real();
        let server = Setup::plain().start(&world, |event| match event {
            Event::Recipient { .. } => Verdict::Answer("550 5.1.1 no"),
            _ => Verdict::Accept,
        });
        let mut connection = connected(&world, server.at, &short()).await;
        let gate = async { panic!("the gate was asked") };
        assert!(!connection.deliver(&plain_message("x\r\n"), gate).await.last_byte_written());
    });
}

#[test]
fn lost_after_the_dot_is_uncertain() {
    block_on(async {
        let world = World::real();
        for rest in [vec![Await("\r\n.\r\n")], vec![Await("\r\n.\r\n"), Say("25")]] {
            let mut connection = connected(&world, scripted(&world, &script(&rest)), &short()).await;
            let delivery = connection.deliver(&plain_message("x\r\n"), open_gate()).await;
            assert_eq!(delivery, Delivery::Broken { phase: Phase::FinalDot, trouble: Trouble::ConnectionLost, last_byte_written: true });
        }
        let server = Setup::plain().start(&world, |event| match event {
            Event::Message(_) => Verdict::Drop,
            _ => Verdict::Accept,
        });
        let mut connection = connected(&world, server.at, &short()).await;
        assert!(connection.deliver(&plain_message("x\r\n"), open_gate()).await.last_byte_written());
        let patient = Timeouts { final_dot: Duration::from_millis(100), ..short() };
        let mut connection = connected(&world, scripted(&world, &script(&[Await("\r\n.\r\n"), Hang])), &patient).await;
        let delivery = connection.deliver(&plain_message("x\r\n"), open_gate()).await;
        assert_eq!(delivery, Delivery::Broken { phase: Phase::FinalDot, trouble: Trouble::Timeout, last_byte_written: true });
        assert!(!connection.is_usable());
    });
}

#[test]
fn lost_while_the_gate_is_pending_is_not_uncertain() {
    block_on(async {
        let world = World::real();
        let mut connection = connected(&world, scripted(&world, &script(&[Await("x\r\n")])), &short()).await;
        let clock = world.clone();
        let gate = async move {
            clock.sleep(Duration::from_millis(100)).await;
            true
        };
        let delivery = connection.deliver(&plain_message("x\r\n"), gate).await;
        assert_eq!(delivery, Delivery::Broken { phase: Phase::Data, trouble: Trouble::ConnectionLost, last_byte_written: false });
    });
}

#[test]
fn a_receiver_that_gives_up_within_the_content_is_heard() {
    block_on(async {
        let world = World::real();
        let rest = [Await("x\r\n"), Say("552 5.2.2 mailbox full\r\n")];
        let mut connection = connected(&world, scripted(&world, &script(&rest)), &short()).await;
        let clock = world.clone();
        let gate = async move {
            clock.sleep(Duration::from_millis(100)).await;
            true
        };
        match connection.deliver(&plain_message("x\r\n"), gate).await {
            Delivery::Answered { phase: Phase::Data, reply, last_byte_written: false } => assert_eq!(reply.code, 552),
            other => panic!("{other:?}"),
        }
        assert!(!connection.is_usable());
    });
}

#[test]
fn a_250_that_came_before_the_dot_is_not_believed() {
    block_on(async {
        let world = World::real();
        let rest = [Await("x\r\n"), Say("250 queued\r\n"), Hang];
        let mut connection = connected(&world, scripted(&world, &script(&rest)), &short()).await;
        let clock = world.clone();
        let gate = async move {
            clock.sleep(Duration::from_millis(100)).await;
            true
        };
        let delivery = connection.deliver(&plain_message("x\r\n"), gate).await;
        assert_eq!(delivery, Delivery::Broken { phase: Phase::Data, trouble: Trouble::PeerMisbehaved, last_byte_written: false });
    });
}

#[test]
fn a_large_message_to_a_receiver_that_closes_early_is_not_uncertain() {
    block_on(async {
        let world = World::real();
        let mut connection = connected(&world, scripted(&world, &script(&[Await("xxxx")])), &short()).await;
        // More than the socket buffers of both sides hold: the dot cannot have been taken.
        let body = format!("{}\r\n", "x".repeat(900)).repeat(20_000);
        let delivery = connection.deliver(&plain_message(&body), open_gate()).await;
        assert!(!delivery.last_byte_written() && !connection.is_usable(), "{delivery:?}");
    });
}
