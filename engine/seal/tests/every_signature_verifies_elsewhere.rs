//! What we sign, mail-auth verifies: both algorithms, whatever the body's end and the header's length.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use mail_auth::DkimResult;
use model::Timestamp;
use seal::{DkimKeys, Signer, new_keys};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use support::{body_offset, verdicts};

const SIGNED_AT: Timestamp = Timestamp::from_seconds(1_767_225_600);

static SIGNER: LazyLock<(Signer, Vec<seal::dkim::keys::DnsRecord>)> = LazyLock::new(|| {
    let new = new_keys("plan.example", "r2026", "e2026").unwrap();
    let keys = DkimKeys::from_pem("plan.example", "r2026", &new.rsa_pem, "e2026", &new.ed25519_pem).unwrap();
    (Signer::new(vec![keys]).unwrap(), new.records)
});

const HEADER: &str = "From: =?utf-8?Q?Plan_of_K=C3=B6ln?= <no-reply@mail.plan.example>\r\nTo: \"Ada Example\" <ada@clinic.example>\r\n\
    Subject: Your statement\r\n  is   ready \r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <j1-2a.0@plan.example>\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n\tboundary=\"b1\"\r\nContent-Language: en-US\r\n\
    Auto-Submitted: auto-generated\r\nX-Not-Signed: x\r\n\r\n";

fn signed(message: &[u8]) -> Vec<u8> {
    let mut whole = SIGNER.0.signatures(message, body_offset(message), SIGNED_AT).unwrap();
    whole.extend_from_slice(message);
    whole
}

fn assert_both_pass(message: &[u8], what: &str) {
    let verdicts = verdicts(&signed(message), &SIGNER.1);
    assert_eq!(verdicts.len(), 2, "{what}");
    assert!(verdicts.iter().all(|(_, result)| *result == DkimResult::Pass), "{what}: {verdicts:?}");
}

#[test]
fn bodies_of_every_ending() {
    for body in ["", "a", "a\r\n", "a\r\n\r\n\r\n", "a  b \t c\r\n  d\r\n", "\r\n\r\na\r\n", "a \r\n", "=20\r\n..\r\n"] {
        assert_both_pass(format!("{HEADER}{body}").as_bytes(), &format!("{body:?}"));
    }
}

#[test]
fn lines_of_blanks_at_the_end_hash_like_no_lines() {
    // mail-auth 0.13.3 hashes such lines wrongly, so the oracle judges the same message without them: RFC 6376 section 3.4.4
    // gives both the same canonical body, and with it the same signatures.
    let plain = format!("{HEADER}a\r\n");
    assert_both_pass(plain.as_bytes(), "plain");
    let expected = SIGNER.0.signatures(plain.as_bytes(), HEADER.len(), SIGNED_AT).unwrap();
    for tail in [" \r\n", "\t\r\n \t \r\n", "\r\n  \r\n\r\n", " "] {
        let message = format!("{plain}{tail}");
        assert_eq!(SIGNER.0.signatures(message.as_bytes(), HEADER.len(), SIGNED_AT).unwrap(), expected, "{tail:?}");
    }
}

#[test]
fn long_and_repeated_headers() {
    let addresses: Vec<String> = (0..200).map(|number| format!("\"Somebody {number}\" <a{number}@clinic.example>")).collect();
    let long = HEADER.replace("To: \"Ada Example\" <ada@clinic.example>", &format!("To: {}", addresses.join(",\r\n\t")));
    assert_both_pass(format!("{long}body\r\n").as_bytes(), "long To");
    let unsubscribe = HEADER.replace(
        "X-Not-Signed: x",
        "Reply-To: help@plan.example\r\nList-Unsubscribe: <https://plan.example/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click",
    );
    assert_both_pass(format!("{unsubscribe}body\r\n").as_bytes(), "List-Unsubscribe");
    let text = String::from_utf8(signed(format!("{unsubscribe}b\r\n").as_bytes())).unwrap();
    let names: String = text.split_once("h=").unwrap().1.split_once(';').unwrap().0.split_ascii_whitespace().collect();
    assert_eq!(
        names,
        "From:From:To:To:Reply-To:Reply-To:Subject:Subject:Date:Date:Message-ID:Message-ID:MIME-Version:Content-Type:\
         Content-Language:Auto-Submitted:List-Unsubscribe:List-Unsubscribe-Post"
    );
    assert!(text.lines().take_while(|line| !line.starts_with("From")).all(|line| line.len() <= 78), "{text}");
    let repeated = HEADER.replace("X-Not-Signed: x", "Content-Language: de\r\nContent-Language: fr");
    assert_both_pass(format!("{repeated}body\r\n").as_bytes(), "repeated");
}

#[test]
fn the_rsa_signature_stands_first_and_the_stamp_is_the_date() {
    let text = String::from_utf8(signed(format!("{HEADER}a\r\n").as_bytes())).unwrap();
    let rsa = text.find("a=rsa-sha256").unwrap();
    assert!(rsa < text.find("a=ed25519-sha256").unwrap());
    assert_eq!(text.matches("t=1767225600;").count(), 2);
    assert!(!text.contains("l="), "a body length would let a stranger append");
}

#[test]
fn any_change_of_what_is_covered_breaks_both() {
    let good = String::from_utf8(signed(format!("{HEADER}You owe $10.00\r\n").as_bytes())).unwrap();
    let changes = [
        ("$10.00", "$90.00"),
        ("Your statement", "Your invoice"),
        ("Subject:", "Reply-To: thief@evil.example\r\nSubject:"),
        ("Subject:", "Subject: Pay now\r\nSubject:"),
        ("boundary=\"b1\"", "boundary=\"b2\""),
        ("t=1767225600", "t=1767225601"),
    ];
    for (from, to) in changes {
        let verdicts = verdicts(good.replace(from, to).as_bytes(), &SIGNER.1);
        assert!(verdicts.iter().all(|(_, result)| *result != DkimResult::Pass), "{from} → {to}: {verdicts:?}");
    }
    // What is not covered may be added on the way.
    let relayed = format!("Received: from a by b\r\n{}", good.replace("X-Not-Signed: x", "X-Not-Signed: y"));
    assert!(verdicts(relayed.as_bytes(), &SIGNER.1).iter().all(|(_, result)| *result == DkimResult::Pass));
}

#[test]
fn messages_of_the_corpora_verify() {
    let corpus = PathBuf::from(std::env::var("SEALPOST_CORPUS").unwrap_or("../../../shared/data".into()));
    let folders = ["mime-dkimpy", "mime-mailauth/dkim2/emails", "mime-stalwart-parser"].map(|folder| corpus.join(folder));
    if !folders.iter().all(|folder| folder.is_dir()) {
        println!("SKIPPED: no corpora under {} (set SEALPOST_CORPUS)", corpus.display());
        return;
    }
    let mut checked = 0;
    for path in folders.iter().flat_map(|folder| files(folder)) {
        let Some(message) = as_ours(&std::fs::read(&path).unwrap()) else { continue };
        assert_both_pass(&message, &path.display().to_string());
        checked += 1;
    }
    assert!(checked > 60, "only {checked} messages had a usable header");
}

/// The body of a foreign message under our header, with CRLF line ends; `None` where it has no body, or one that the oracle
/// itself gets wrong (blank lines of whitespace at the end).
fn as_ours(text: &[u8]) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = text.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let message = lines.join(&b"\r\n"[..]);
    let from = memchr::memmem::find(&message, b"\r\n\r\n")? + 4;
    let body = &message[from..];
    let trimmed = body.trim_ascii_end();
    if trimmed.is_empty() || body[trimmed.len()..].iter().any(|octet| matches!(octet, b' ' | b'\t')) {
        return None;
    }
    Some([HEADER.as_bytes(), body].concat())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry) }
    }
    found.sort();
    found
}
