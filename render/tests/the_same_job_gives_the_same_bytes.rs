//! Invariant 4: the same job, message version, date and bundle give the same bytes, in every process.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, delivery, job, recipient, renderer, statement};
use model::stage::RenderedMessage;
use model::{MessageVersion, Protection, Timestamp, Transactional};
use render::{Bundle, Renderer};

fn render(renderer: &Renderer, number: u64, version: u16, date: Timestamp) -> RenderedMessage<Transactional> {
    let mut delivery = delivery(number);
    delivery.due.message = MessageVersion(version);
    renderer.render(delivery, &job(vec![statement(15)]), Protection::TlsVerified, date).unwrap()
}

#[test]
fn in_one_process_and_through_the_stored_archive() {
    let first = render(&renderer(), 7, 0, DATE);
    let stored = Bundle::from_archive(&invented::bundle().to_archive()).unwrap();
    let again = render(&Renderer::new(&stored).unwrap(), 7, 0, DATE);
    assert_eq!(first, again);
    assert_eq!(first.bundle, invented::bundle().id());
    assert!(first.bytes[..first.body_offset].ends_with(b"\r\n\r\n"));
    assert!(first.bytes[first.body_offset..].starts_with(b"--=_"));
}

#[test]
fn another_job_version_date_or_person_is_another_message() {
    let renderer = renderer();
    let first = render(&renderer, 7, 0, DATE);
    let mut other = job(vec![statement(15)]);
    other.recipient = Some(recipient("Bob Example"));
    for message in [
        render(&renderer, 8, 0, DATE),
        render(&renderer, 7, 1, DATE),
        render(&renderer, 7, 0, Timestamp(DATE.0 + 1)),
        renderer.render(delivery(7), &other, Protection::TlsVerified, DATE).unwrap(),
    ] {
        assert_ne!(message.sha256, first.sha256);
    }
}

/// Not a test of its own: what the other process runs.
#[test]
fn prints_its_hash() {
    let hash = render(&renderer(), 7, 0, DATE).sha256;
    println!("hash {hash:?}");
}

#[test]
fn in_another_process() {
    let own = format!("hash {:?}", render(&renderer(), 7, 0, DATE).sha256);
    let test = std::env::current_exe().unwrap();
    let output = std::process::Command::new(test).args(["--exact", "prints_its_hash", "--nocapture"]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(&own), "{printed}");
}

#[test]
fn the_envelope_and_the_rest_say_what_the_job_says() {
    let message = render(&renderer(), 7, 0, DATE);
    assert_eq!(message.envelope.sender, Some(invented::identity().bounce));
    assert_eq!(message.envelope.recipient, recipient("").mailbox);
    assert_eq!((message.address_version, message.date, message.protection), (3, DATE, Protection::TlsVerified));
}
