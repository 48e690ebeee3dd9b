//! Invariant 7: the required protection is reached, or there is no connection.

use crate::receiving::Step::{Await, Hang, Say};
use crate::receiving::{
    Authority, Server, Setup, Verdict, arrived, message, open_gate, our_name, plain_message, plain_target, scripted, short,
};
use egress::{ConnectFailure, Connection, Delivery, Phase, Severity, Target, TlsContext, TlsTrouble, Trouble};
use model::Protection::{self, PlaintextLoopback, TlsEncrypted, TlsVerified};
use world::{World, block_on};

async fn open(world: &World, target: &Target, required: Protection, tls: &TlsContext) -> Result<Connection, ConnectFailure> {
    Connection::open(world, target, None, &our_name(), required, tls, &short()).await
}

fn trouble(opened: Result<Connection, ConnectFailure>) -> (Phase, Trouble) {
    match opened {
        Err(ConnectFailure::Broken { phase, trouble, .. }) => (phase, trouble),
        other => panic!("{other:?}"),
    }
}

fn tls_server(world: &World, authority: &Authority, host: &str) -> (Server, Target) {
    let server = Setup::tls(authority, host).start(world, |_| Verdict::Accept);
    let target = Target::new("mx.test", server.at);
    (server, target)
}

#[test]
fn verified_tls_proves_itself() {
    block_on(async {
        let (world, authority) = (World::real(), Authority::new());
        let (server, target) = tls_server(&world, &authority, "mx.test");
        let mut connection = open(&world, &target, TlsVerified, &authority.trusted(&world)).await.unwrap();
        let proof = connection.proof();
        assert_eq!((proof.reached, proof.tls_version.as_deref()), (TlsVerified, Some("TLSv1_3")));
        assert!(proof.cipher.as_ref().unwrap().starts_with("TLS13_") && proof.certificate_sha256.is_some());
        assert!(connection.deliver(&message(TlsVerified, "x\r\n"), open_gate()).await.is_accepted());
        assert_eq!(server.seen.borrow().messages, [arrived("x\r\n")]);
    });
}

#[test]
fn a_resumed_session_has_the_same_proof() {
    block_on(async {
        let (world, authority) = (World::real(), Authority::new());
        let (_server, target) = tls_server(&world, &authority, "mx.test");
        let tls = authority.trusted(&world);
        let mut proofs = Vec::new();
        for _ in 0..2 {
            let mut connection = open(&world, &target, TlsVerified, &tls).await.unwrap();
            assert!(connection.deliver(&message(TlsVerified, "x\r\n"), open_gate()).await.is_accepted());
            proofs.push(connection.proof().clone());
            connection.quit().await;
        }
        assert_eq!(proofs[0], proofs[1]);
    });
}

#[test]
fn plaintext_needs_message_route_and_loopback() {
    block_on(async {
        let (world, authority) = (World::real(), Authority::new());
        let tls = authority.trusted(&world);
        let server = Setup::plain().start(&world, |_| Verdict::Accept);
        let unrouted = Target::new("mx.test", server.at);
        let routed = plain_target(server.at);
        let no_tls = (Phase::Tls, Trouble::ProtectionUnavailable);
        for required in [TlsVerified, TlsEncrypted] {
            assert_eq!(trouble(open(&world, &routed, required, &tls).await), no_tls, "the message does not allow it");
        }
        assert_eq!(trouble(open(&world, &unrouted, PlaintextLoopback, &tls).await), no_tls, "the route does not say so");
        let mut connection = open(&world, &routed, PlaintextLoopback, &tls).await.unwrap();
        assert_eq!(connection.proof().tls_version, None);
        assert!(connection.deliver(&plain_message("x\r\n"), open_gate()).await.is_accepted());
        assert_eq!(server.seen.borrow().messages.len(), 1);
    });
}

#[test]
fn a_message_that_requires_more_is_not_sent_over_a_weaker_connection() {
    block_on(async {
        let (world, authority) = (World::real(), Authority::new());
        let tls = authority.trusted(&world);
        let plain = Setup::plain().start(&world, |_| Verdict::Accept);
        let mut connection = open(&world, &plain_target(plain.at), PlaintextLoopback, &tls).await.unwrap();
        let refused = Delivery::Broken { phase: Phase::Tls, trouble: Trouble::ProtectionUnavailable, last_byte_written: false };
        assert_eq!(connection.deliver(&message(TlsEncrypted, "x\r\n"), open_gate()).await, refused);
        let (encrypted, target) = tls_server(&world, &authority, "mx.test");
        let mut connection = open(&world, &target, TlsEncrypted, &tls).await.unwrap();
        assert_eq!(connection.deliver(&message(TlsVerified, "x\r\n"), open_gate()).await, refused);
        assert!(connection.deliver(&message(TlsEncrypted, "x\r\n"), open_gate()).await.is_accepted());
        assert!(plain.seen.borrow().messages.is_empty() && encrypted.seen.borrow().messages.len() == 1);
    });
}

#[test]
fn a_stripped_starttls_is_no_tls_and_not_a_reason_for_less() {
    block_on(async {
        let (world, authority) = (World::real(), Authority::new());
        let tls = authority.trusted(&world);
        for steps in [
            vec![Say("220 mx\r\n"), Await("EHLO"), Say("250-mx\r\n250-XXXXXXXA\r\n250 PIPELINING\r\n"), Hang],
            vec![Say("220 mx\r\n"), Await("EHLO"), Say("502 what\r\n"), Hang],
        ] {
            for required in [TlsVerified, TlsEncrypted] {
                let at = scripted(&world, &steps);
                let opened = open(&world, &plain_target(at), required, &tls).await;
                assert_eq!(trouble(opened), (Phase::Tls, Trouble::ProtectionUnavailable));
            }
        }
        assert_eq!(Trouble::ProtectionUnavailable.severity(), Severity::Hold);
        let refusing =
            [Say("220 mx\r\n"), Await("EHLO"), Say("250-mx\r\n250 STARTTLS\r\n"), Await("STARTTLS"), Say("454 4.7.0 no TLS now\r\n")];
        let opened = open(&world, &plain_target(scripted(&world, &refusing)), TlsEncrypted, &tls).await;
        assert!(matches!(opened, Err(ConnectFailure::Answered { phase: Phase::Tls, reply, .. }) if reply.code == 454));
    });
}

#[test]
fn another_name_or_another_authority_is_refused_when_verified_and_taken_when_encrypted() {
    block_on(async {
        let (world, authority, stranger) = (World::real(), Authority::new(), Authority::new());
        let tls = authority.trusted(&world);
        let wrong = (Phase::Tls, Trouble::TlsFailed(TlsTrouble::Certificate));
        let servers = [tls_server(&world, &authority, "other.test"), tls_server(&world, &stranger, "mx.test")];
        for (server, target) in &servers {
            assert_eq!(trouble(open(&world, target, TlsVerified, &tls).await), wrong);
            let mut connection = open(&world, target, TlsEncrypted, &tls).await.unwrap();
            assert_eq!(connection.proof().reached, TlsEncrypted);
            assert!(connection.deliver(&message(TlsEncrypted, "x\r\n"), open_gate()).await.is_accepted());
            // The session of the unverified peer must not be resumed as a verified one.
            assert_eq!(trouble(open(&world, target, TlsVerified, &tls).await), wrong);
            assert_eq!(server.seen.borrow().messages.len(), 1);
        }
        let verified_route = Target { at_least: Some(TlsVerified), ..servers[0].1.clone() };
        assert_eq!(trouble(open(&world, &verified_route, TlsEncrypted, &tls).await), wrong, "the route asks for more");
    });
}

#[test]
fn replies_injected_before_the_handshake_end_the_connection() {
    block_on(async {
        let (world, authority) = (World::real(), Authority::new());
        let tls = authority.trusted(&world);
        let opening = [Say("220 mx\r\n"), Await("EHLO"), Say("250-mx\r\n250 STARTTLS\r\n"), Await("STARTTLS\r\n")];
        let injected = [&opening[..], &[Say("220 go\r\n250-mx\r\n250 PIPELINING\r\n"), Hang]].concat();
        for required in [TlsVerified, TlsEncrypted] {
            let opened = open(&world, &Target::new("mx.test", scripted(&world, &injected)), required, &tls).await;
            assert_eq!(trouble(opened), (Phase::Tls, Trouble::PeerMisbehaved));
        }
        let no_handshake = [&opening[..], &[Say("220 go\r\n"), Await("\u{1}"), Say("250 mx\r\n")]].concat();
        let opened = open(&world, &Target::new("mx.test", scripted(&world, &no_handshake)), TlsEncrypted, &tls).await;
        assert_eq!(trouble(opened), (Phase::Tls, Trouble::TlsFailed(TlsTrouble::Handshake)));
    });
}
