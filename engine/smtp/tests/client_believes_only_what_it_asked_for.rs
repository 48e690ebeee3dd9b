//! Scripted servers, most of them broken or hostile: what the client machine makes of their bytes.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use model::Mailbox;
use model::stage::Envelope;
use smtp::{Conversation, EhloName, Next, PeerMisbehaved, Phase, StartTls};

const EHLO: &[u8] = b"220 mx ESMTP\r\n250-mx\r\n250-PIPELINING\r\n250 SIZE 1000\r\n";

fn client(starttls: StartTls) -> Conversation {
    Conversation::new(EhloName::parse("a.example").unwrap(), starttls)
}

fn envelope() -> Envelope {
    Envelope { sender: Some(Mailbox::parse("eob@plan.example").unwrap()), recipient: Mailbox::parse("ada@b.example").unwrap() }
}

fn flushed(client: &mut Conversation) -> String {
    String::from_utf8(std::mem::take(client.output())).unwrap()
}

/// A client that has begun a pipelined transaction.
fn begun() -> Conversation {
    let mut client = client(StartTls::Never);
    client.receive(EHLO).unwrap();
    assert_eq!(client.next_step(), Next::Ready);
    flushed(&mut client);
    client.begin(&envelope(), 500).unwrap();
    client
}

fn ended(client: &mut Conversation) -> (Phase, u16) {
    match client.next_step() {
        Next::Ended { phase, reply } => (phase, reply.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_transaction_is_one_write() {
    let mut client = begun();
    assert_eq!(flushed(&mut client), "MAIL FROM:<eob@plan.example> SIZE=500\r\nRCPT TO:<ada@b.example>\r\nDATA\r\n");
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n").unwrap();
    assert_eq!(client.next_step(), Next::SendContent);
}

#[test]
fn without_pipelining_each_command_waits() {
    let mut client = client(StartTls::Never);
    client.receive(b"220 mx\r\n250 mx\r\n").unwrap();
    flushed(&mut client);
    client.begin(&envelope(), 500).unwrap();
    for (written, reply) in
        [("MAIL FROM:<eob@plan.example>\r\n", "250\r\n"), ("RCPT TO:<ada@b.example>\r\n", "251 ok\r\n"), ("DATA\r\n", "354\r\n")]
    {
        assert_eq!(flushed(&mut client), written);
        assert_eq!(client.next_step(), Next::Read);
        client.receive(reply.as_bytes()).unwrap();
    }
    assert_eq!(client.next_step(), Next::SendContent);
}

#[test]
fn starttls_forgets_what_came_before() {
    let mut client = client(StartTls::Required);
    client.receive(b"220 mx\r\n250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n").unwrap();
    assert!(flushed(&mut client).ends_with("STARTTLS\r\n"));
    client.receive(b"220 go\r\n").unwrap();
    assert_eq!(client.next_step(), Next::Handshake);
    client.tls_established();
    assert!(!client.capabilities().pipelining && !client.capabilities().starttls);
    assert_eq!(flushed(&mut client), "EHLO a.example\r\n");
    client.receive(b"250 mx\r\n").unwrap();
    assert_eq!(client.next_step(), Next::Ready);
}

#[test]
fn bytes_behind_the_answer_to_starttls_end_the_connection() {
    let mut client = client(StartTls::Required);
    client.receive(b"220 mx\r\n250 mx\r\n").unwrap();
    assert_eq!(client.next_step(), Next::NoStartTls, "a stripped STARTTLS is no TLS");
    let mut client = self::client(StartTls::Required);
    client.receive(b"220 mx\r\n250-mx\r\n250 STARTTLS\r\n").unwrap();
    assert_eq!(client.receive(b"220 go\r\n250 mx\r\n"), Err(PeerMisbehaved::BytesBeforeTls));
}

#[test]
fn ehlo_unknown_means_helo_for_plaintext_and_the_end_for_tls() {
    let mut plain = client(StartTls::Never);
    plain.receive(b"220 mx\r\n502 what\r\n").unwrap();
    assert!(flushed(&mut plain).ends_with("HELO a.example\r\n"));
    plain.receive(b"250 mx\r\n").unwrap();
    assert_eq!(plain.next_step(), Next::Ready);
    let mut tls = client(StartTls::Required);
    tls.receive(b"220 mx\r\n502 what\r\n").unwrap();
    assert_eq!(tls.next_step(), Next::NoStartTls);
}

#[test]
fn a_refusing_greeting_is_refused_and_so_is_421_at_ehlo() {
    let mut first = client(StartTls::Never);
    first.receive(b"554 5.7.1 no\r\n").unwrap();
    assert!(matches!(first.next_step(), Next::Refused { phase: Phase::Greeting, reply } if reply.code == 554));
    let mut second = client(StartTls::Never);
    second.receive(b"220 mx\r\n421 busy\r\n").unwrap();
    assert!(matches!(second.next_step(), Next::Refused { phase: Phase::Ehlo, reply } if reply.code == 421));
}

#[test]
fn the_first_negative_reply_decides_and_the_next_transaction_begins_with_rset() {
    let mut client = begun();
    flushed(&mut client);
    client.receive(b"250 ok\r\n550 5.1.1 no\r\n").unwrap();
    assert_eq!(client.next_step(), Next::Read, "the reply to DATA is still outstanding");
    client.receive(b"554 no recipients\r\n").unwrap();
    assert_eq!(ended(&mut client), (Phase::Rcpt, 550));
    client.begin(&envelope(), 500).unwrap();
    assert!(flushed(&mut client).starts_with("RSET\r\nMAIL"));
}

#[test]
fn data_accepted_after_a_rejected_recipient_gets_a_lone_dot() {
    let mut client = begun();
    flushed(&mut client);
    client.receive(b"250 ok\r\n550 5.1.1 no\r\n354 go\r\n").unwrap();
    assert_eq!(flushed(&mut client), ".\r\n");
    client.receive(b"554 nobody\r\n").unwrap();
    assert_eq!(ended(&mut client), (Phase::Rcpt, 550));
    assert!(client.is_usable());
}

#[test]
fn four_two_one_ends_at_once() {
    let mut client = begun();
    client.receive(b"250 ok\r\n421 4.3.2 bye\r\n").unwrap();
    assert_eq!(ended(&mut client), (Phase::Rcpt, 421));
    assert!(!client.is_usable());
    assert_eq!(client.next_step(), Next::Closed);
}

#[test]
fn a_positive_reply_before_the_final_dot_is_no_acceptance() {
    let mut client = begun();
    assert_eq!(client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"), Err(PeerMisbehaved::Unsolicited));
    let mut client = begun();
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n25").unwrap();
    assert_eq!(client.content_sent(), Err(PeerMisbehaved::Unsolicited));
}

#[test]
fn a_negative_reply_within_the_content_is_the_answer_and_the_end() {
    let mut client = begun();
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n552 5.2.2 full\r\n").unwrap();
    assert_eq!(ended(&mut client), (Phase::Data, 552));
    assert!(!client.is_usable());
}

#[test]
fn shifted_replies_are_noticed_at_data() {
    let mut client = begun();
    assert_eq!(
        client.receive(b"250 extra\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
        Err(PeerMisbehaved::UnexpectedCode { phase: Phase::Data, code: 250 })
    );
    let mut client = begun();
    assert_eq!(client.receive(b"354 go\r\n"), Err(PeerMisbehaved::UnexpectedCode { phase: Phase::Mail, code: 354 }));
}

#[test]
fn a_message_over_the_announced_size_is_not_begun() {
    let mut client = client(StartTls::Never);
    client.receive(EHLO).unwrap();
    flushed(&mut client);
    assert_eq!(client.begin(&envelope(), 1001).unwrap_err().octets_max, 1000);
    assert!(client.output().is_empty());
    assert_eq!(client.next_step(), Next::Ready);
}

#[test]
fn idle_421_closes_between_messages() {
    let mut client = client(StartTls::Never);
    client.receive(EHLO).unwrap();
    client.receive(b"421 4.4.2 idle\r\n").unwrap();
    assert!(!client.is_usable());
    assert!(matches!(client.next_step(), Next::Refused { phase: Phase::Ehlo, reply } if reply.code == 421));
}
