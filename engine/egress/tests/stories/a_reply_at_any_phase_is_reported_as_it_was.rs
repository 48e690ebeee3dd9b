//! Rejects at each phase, replies of many lines, 421 in the middle, sizes, and receivers that break the protocol.

use crate::receiving::Step::{Await, Hang, Pause, Say};
use crate::receiving::{Setup, Step, Verdict, connected, open_gate, our_name, plain_message, plain_target, scripted, short};
use egress::{ConnectFailure, Connection, Delivery, Phase, Timeouts, Trouble};
use model::Protection;
use smtp::Event;
use std::time::Duration;
use world::{World, block_on};

const OPENING: [Step; 3] = [Say("220 mx ESMTP\r\n"), Await("EHLO"), Say("250-mx\r\n250 PIPELINING\r\n")];

fn after_opening(steps: &[Step]) -> Vec<Step> {
    [&OPENING, steps].concat()
}

fn code_of(delivery: &Delivery) -> (Phase, u16, bool) {
    match delivery {
        Delivery::Answered { phase, reply, last_byte_written } => (*phase, reply.code, *last_byte_written),
        broken @ Delivery::Broken { .. } => panic!("{broken:?}"),
    }
}

#[test]
fn a_reject_at_each_phase_keeps_the_connection_and_resets_it() {
    for (phase, resets) in [(Phase::Mail, 1), (Phase::Rcpt, 1), (Phase::Data, 1), (Phase::FinalDot, 0)] {
        block_on(async move {
            let world = World::real();
            let mut rejected = false;
            let server = Setup::plain().start(&world, move |event| {
                let here = match event {
                    Event::Mail { .. } => phase == Phase::Mail,
                    Event::Recipient { .. } => phase == Phase::Rcpt,
                    Event::Data => phase == Phase::Data,
                    Event::Message(_) => phase == Phase::FinalDot,
                    _ => false,
                };
                if here && !std::mem::replace(&mut rejected, true) {
                    return Verdict::Answer("550 5.7.26 not\nfrom you");
                }
                Verdict::Accept
            });
            let mut connection = connected(&world, server.at, &short()).await;
            let first = connection.deliver(&plain_message("x\r\n"), open_gate()).await;
            assert_eq!(code_of(&first), (phase, 550, phase == Phase::FinalDot));
            let Delivery::Answered { reply, .. } = first else { unreachable!() };
            assert_eq!(reply.enhanced.unwrap().to_string(), "5.7.26");
            assert_eq!(reply.text.reveal(), "not\nfrom you");
            assert!(connection.is_usable());
            assert!(connection.deliver(&plain_message("y\r\n"), open_gate()).await.is_accepted());
            assert_eq!(server.seen.borrow().resets, resets, "{phase}");
        });
    }
}

#[test]
fn four_two_one_in_the_middle_is_reported_and_ends_the_connection() {
    for phase in [Phase::Mail, Phase::Rcpt, Phase::Data, Phase::FinalDot] {
        block_on(async move {
            let world = World::real();
            let server = Setup::plain().start(&world, move |event| match (event, phase) {
                (Event::Mail { .. }, Phase::Mail)
                | (Event::Recipient { .. }, Phase::Rcpt)
                | (Event::Data, Phase::Data)
                | (Event::Message(_), Phase::FinalDot) => Verdict::Answer("421 4.7.28 slow down"),
                _ => Verdict::Accept,
            });
            let mut connection = connected(&world, server.at, &short()).await;
            let delivery = connection.deliver(&plain_message("x\r\n"), open_gate()).await;
            assert_eq!(code_of(&delivery), (phase, 421, phase == Phase::FinalDot));
            assert!(!connection.is_usable());
        });
    }
}

#[test]
fn a_refusing_greeting_and_a_refused_ehlo_are_answers() {
    block_on(async {
        let world = World::real();
        let busy = vec![Say("220 mx\r\n"), Await("EHLO"), Say("250 mx\r\n421 4.7.0 too many connections\r\n")];
        for steps in [vec![Say("554 5.7.1 no\r\n")], vec![Say("220 mx\r\n"), Await("EHLO"), Say("550 5.7.1 not you\r\n")], busy] {
            let at = scripted(&world, &steps);
            let tls = crate::receiving::Authority::new().trusted(&world);
            let opened =
                Connection::open(&world, &plain_target(at), None, &our_name(), Protection::PlaintextLoopback, &tls, &short()).await;
            let failure = opened.unwrap_err();
            assert!(
                matches!(&failure, ConnectFailure::Answered { phase: Phase::Greeting, reply, .. } if !reply.is_positive()),
                "{failure:?}"
            );
        }
    });
}

#[test]
fn a_message_over_the_receivers_size_is_not_even_begun() {
    block_on(async {
        let world = World::real();
        let mut setup = Setup::plain();
        setup.config.octets_max = 1000;
        let server = setup.start(&world, |_| Verdict::Accept);
        let mut connection = connected(&world, server.at, &short()).await;
        let before = server.seen.borrow().reads;
        let delivery = connection.deliver(&plain_message(&"x\r\n".repeat(500)), open_gate()).await;
        assert_eq!(delivery, Delivery::Broken { phase: Phase::Mail, trouble: Trouble::TooLarge, last_byte_written: false });
        assert_eq!(Trouble::TooLarge.enhanced().to_string(), "5.3.4");
        assert_eq!(server.seen.borrow().reads, before);
        assert!(connection.deliver(&plain_message("x\r\n"), open_gate()).await.is_accepted(), "the connection is none the worse");
    });
}

#[test]
fn a_message_with_a_bare_line_feed_is_not_sent() {
    block_on(async {
        let world = World::real();
        let server = Setup::plain().start(&world, |_| Verdict::Accept);
        let mut connection = connected(&world, server.at, &short()).await;
        let delivery = connection.deliver(&plain_message("x\n.\r\nMAIL FROM:<>\r\n"), open_gate()).await;
        assert_eq!(delivery, Delivery::Broken { phase: Phase::Mail, trouble: Trouble::Malformed, last_byte_written: false });
        assert!(connection.deliver(&plain_message("x\r\n"), open_gate()).await.is_accepted());
        assert_eq!(server.seen.borrow().messages.len(), 1);
    });
}

#[test]
fn a_connection_lost_behind_a_reject_still_reports_the_reject() {
    block_on(async {
        let world = World::real();
        let at = scripted(&world, &after_opening(&[Await("DATA\r\n"), Say("250 ok\r\n550 5.1.1 no such user\r\n")]));
        let mut connection = connected(&world, at, &short()).await;
        let delivery = connection.deliver(&plain_message("x\r\n"), open_gate()).await;
        assert_eq!(code_of(&delivery), (Phase::Rcpt, 550, false));
        assert!(!connection.is_usable());
    });
}

#[test]
fn data_accepted_for_a_rejected_recipient_gets_no_content() {
    block_on(async {
        let world = World::real();
        let script = [
            Await("DATA\r\n"),
            Say("250 ok\r\n550 5.1.1 no\r\n354 go\r\n"),
            Await("\r\n"),
            Say("554 no recipients\r\n"),
            Await("RSET\r\nMAIL"),
            Say("250 ok\r\n450 later\r\n503 no\r\n503 no\r\n"),
            Hang,
        ];
        let at = scripted(&world, &after_opening(&script));
        let mut connection = connected(&world, at, &short()).await;
        let delivery = connection.deliver(&plain_message("secret\r\n"), open_gate()).await;
        assert_eq!(code_of(&delivery), (Phase::Rcpt, 550, false));
        let delivery = connection.deliver(&plain_message("secret\r\n"), open_gate()).await;
        assert_eq!(code_of(&delivery), (Phase::Mail, 450, false));
    });
}

#[test]
fn nonsense_and_silence_are_the_peers_troubles() {
    let short = Timeouts { mail: Duration::from_millis(100), ..short() };
    for (steps, trouble) in [
        (vec![Await("DATA\r\n"), Say("HTTP/1.1 400 Bad Request\r\n"), Hang], Trouble::PeerMisbehaved),
        (vec![Await("DATA\r\n"), Say("354 go\r\n"), Hang], Trouble::PeerMisbehaved),
        (vec![Await("DATA\r\n")], Trouble::ConnectionLost),
        (vec![Await("DATA\r\n"), Hang], Trouble::Timeout),
    ] {
        block_on(async move {
            let world = World::real();
            let at = scripted(&world, &after_opening(&steps));
            let mut connection = connected(&world, at, &short).await;
            let delivery = connection.deliver(&plain_message("x\r\n"), open_gate()).await;
            assert_eq!(delivery, Delivery::Broken { phase: Phase::Mail, trouble, last_byte_written: false });
            assert!(!connection.is_usable());
        });
    }
}

#[test]
fn an_idle_connection_that_was_closed_is_noticed_before_reuse() {
    block_on(async {
        let world = World::real();
        let at = scripted(&world, &after_opening(&[Pause(Duration::from_millis(100)), Say("421 4.4.2 idle\r\n")]));
        let mut connection = connected(&world, at, &short()).await;
        assert!(connection.is_still_open().await);
        world.sleep(Duration::from_millis(300)).await;
        assert!(!connection.is_still_open().await);
        assert!(!connection.is_usable());
    });
}

#[test]
fn a_reply_that_drips_in_does_not_stretch_its_time() {
    block_on(async {
        let world = World::real();
        let drip = std::iter::repeat_n([Pause(Duration::from_millis(50)), Say("250-\r\n")], 20).flatten();
        let steps: Vec<Step> = OPENING.into_iter().chain([Await("DATA\r\n")]).chain(drip).collect();
        let timeouts = Timeouts { mail: Duration::from_millis(200), ..short() };
        let mut connection = connected(&world, scripted(&world, &steps), &timeouts).await;
        let delivery = connection.deliver(&plain_message("x\r\n"), open_gate()).await;
        assert_eq!(delivery, Delivery::Broken { phase: Phase::Mail, trouble: Trouble::Timeout, last_byte_written: false });
    });
}
