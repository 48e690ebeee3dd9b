//! The types of the journey: rendered in, sealed out, or the same rendered message with the reason.

#![allow(clippy::unwrap_used, reason = "a test")]

use model::ids::MessageVersion;
use model::stage::{DueDelivery, Envelope, Locator, Permit, PermittedDelivery, RenderedMessage};
use model::{BatchId, BundleId, JobId, Mailbox, Protection, TenantId, Timestamp, Transactional};
use seal::{DkimKeys, SealError, Signer, new_keys};

fn rendered(text: &str) -> RenderedMessage<Transactional> {
    let due = DueDelivery::new(
        JobId::new(1, 42),
        Locator { segment: 0, offset: 0 },
        MessageVersion(0),
        0,
        TenantId(1),
        BatchId::new(1, 1),
        0,
        0,
        Timestamp(u64::MAX),
        false,
        0,
    );
    RenderedMessage {
        delivery: PermittedDelivery::new(due, Permit::attest()),
        envelope: Envelope { sender: None, recipient: Mailbox::parse("ada@clinic.example").unwrap() },
        bundle: BundleId([0; 32]),
        address_version: 0,
        date: Timestamp(1_767_225_600_999),
        protection: Protection::TlsVerified,
        sha256: [0; 32],
        bytes: text.to_owned().into_bytes().into(),
        body_offset: text.find("\r\n\r\n").map_or(0, |at| at + 4),
    }
}

fn signer() -> Signer {
    let new = new_keys("plan.example", "r", "e").unwrap();
    Signer::new(vec![DkimKeys::from_pem("plan.example", "r", &new.rsa_pem, "e", &new.ed25519_pem).unwrap()]).unwrap()
}

#[test]
fn a_slice_is_sealed_place_by_place_and_the_same_way_each_time() {
    let signer = signer();
    let messages = vec![
        rendered("From: a@plan.example\r\nSubject: one\r\n\r\nbody\r\n"),
        rendered("From: a@other.example\r\n\r\nbody\r\n"),
        rendered("From: a@mail.plan.example\r\nSubject: three\r\n\r\nbody\r\n"),
    ];
    let sealed = signer.seal_slice(messages.clone());
    let first = sealed[0].as_ref().unwrap();
    assert_eq!(first.rendered, messages[0]);
    assert!(first.signatures.starts_with(b"DKIM-Signature: ") && first.signatures.ends_with(b"\r\n"));
    assert_eq!(first.signatures, signer.seal(messages[0].clone()).unwrap().signatures, "a resend is the same message");
    assert_eq!(first.wire_bytes(), first.signatures.len() + messages[0].bytes.len());
    let refused = sealed[1].as_ref().unwrap_err();
    assert_eq!(refused.reason, SealError::NoKey { domain: "other.example".into() });
    assert_eq!(refused.rendered, messages[1]);
    let text = std::str::from_utf8(&sealed[2].as_ref().unwrap().signatures).unwrap();
    assert!(text.contains("d=plan.example;"), "signed by the parent");
}

#[test]
fn refuses_what_would_not_verify() {
    let signer = signer();
    let reason = |message: RenderedMessage<Transactional>| signer.seal(message).unwrap_err().reason;
    assert_eq!(reason(rendered("Subject: x\r\n\r\nbody\r\n")), SealError::From { found: 0 });
    assert_eq!(reason(rendered("From: a@plan.example\r\nFrom: b@plan.example\r\n\r\nb\r\n")), SealError::From { found: 2 });
    assert_eq!(reason(rendered("From: a@plan.example\r\nbroken\r\n\r\nb\r\n")), SealError::Header { at: 22 });
    let mut shifted = rendered("From: a@plan.example\r\n\r\nbody\r\n");
    shifted.body_offset += 1;
    assert_eq!(reason(shifted), SealError::BodyOffset { offset: 25 });
    let mut beyond = rendered("From: a@plan.example\r\n\r\nbody\r\n");
    beyond.body_offset = 1000;
    assert_eq!(reason(beyond), SealError::BodyOffset { offset: 1000 });
}

#[test]
fn unsigned_is_a_choice_and_adds_nothing() {
    let sealed = Signer::unsigned().seal(rendered("From: a@plan.example\r\n\r\nbody\r\n")).unwrap();
    assert!(sealed.signatures.is_empty());
}

#[test]
fn a_domain_has_one_set_of_keys_of_2048_bits_or_more() {
    let new = new_keys("plan.example", "r", "e").unwrap();
    let set = || DkimKeys::from_rsa_pem("plan.example", "r", &new.rsa_pem).unwrap();
    assert!(Signer::new(vec![set(), set()]).unwrap_err().to_string().contains("plan.example"));
    let small = DkimKeys::from_rsa_pem("plan.example", "r", RSA_1024).unwrap_err().to_string();
    assert!(small.contains("TooSmall") && small.contains("2048"), "{small}");
}

/// A key of 1024 bits, made for this test.
const RSA_1024: &str = include_str!("rsa_1024.pem");
