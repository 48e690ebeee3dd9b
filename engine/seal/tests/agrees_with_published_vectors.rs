//! Our canonical octets are those of others: RFC 8463 appendix A, and signatures that real senders made.

#![allow(clippy::unwrap_used, reason = "a test")]

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use seal::dkim::canonical::{relaxed_body, relaxed_field};
use seal::dkim::headers::{Field, fields, write_covered};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// RFC 8463 appendix A.3, with the public keys of A.2 as `name text` lines in front.
const RFC_8463: &str = "brisbane._domainkey.football.example.com v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
test._domainkey.football.example.com v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB

DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
";

/// RFC 8463 appendix A.2: the Ed25519 private key (that of RFC 8032 section 7.1, test 1).
const RFC_8463_SEED: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

struct Vector {
    keys: BTreeMap<String, String>,
    message: Vec<u8>,
}

impl Vector {
    fn read(text: &str) -> Self {
        let text = text.replace("\r\n", "\n");
        let (keys, message) = text.split_once("\n\n").unwrap();
        let keys = keys.lines().filter_map(|line| line.split_once(' ')).map(|(name, text)| (name.to_owned(), text.to_owned()));
        Self { keys: keys.collect(), message: message.replace('\n', "\r\n").into_bytes() }
    }

    fn split(&self) -> (Vec<Field<'_>>, &[u8]) {
        let at = memchr::memmem::find(&self.message, b"\r\n\r\n").unwrap() + 4;
        (fields(&self.message[..at]).unwrap(), &self.message[at..])
    }
}

fn tags(value: &str) -> BTreeMap<String, String> {
    let compact = |text: &str| text.split_ascii_whitespace().collect::<String>();
    value.split(';').filter_map(|tag| tag.split_once('=')).map(|(name, text)| (compact(name), compact(text))).collect()
}

fn is_signature(field: &Field<'_>) -> bool {
    field.name.eq_ignore_ascii_case(b"DKIM-Signature")
}

/// The octets under a signature: the covered fields, then the signature field without the value of `b=`.
fn signed_octets(fields: &[Field<'_>], signature: &Field<'_>, tags: &BTreeMap<String, String>) -> Vec<u8> {
    let names: Vec<&str> = tags["h"].split(':').collect();
    let mut octets = Vec::new();
    write_covered(fields, &names, &mut octets);
    let value = std::str::from_utf8(signature.value).unwrap();
    let from = value.match_indices("b=").find(|(at, _)| !value[..*at].trim_end().ends_with(|c: char| c != ';')).unwrap().0 + 2;
    let to = value[from..].find(';').map_or(value.len(), |length| from + length);
    relaxed_field(signature.name, format!("{}{}", &value[..from], &value[to..]).as_bytes(), &mut octets);
    octets
}

fn hash_of_body(body: &[u8]) -> String {
    let mut canonical = Vec::new();
    relaxed_body(body, &mut canonical);
    STANDARD.encode(digest(&SHA256, &canonical))
}

/// Checks every signature that is relaxed where we are; gives how many headers and bodies were checked.
fn check(vector: &Vector, what: &str) -> (usize, usize) {
    let (fields, body) = vector.split();
    let (mut headers, mut bodies) = (0, 0);
    for signature in fields.iter().filter(|field| is_signature(field)) {
        let tags = tags(std::str::from_utf8(signature.value).unwrap());
        let (header_form, body_form) = tags["c"].split_once('/').unwrap_or((&tags["c"], "simple"));
        if body_form == "relaxed" {
            assert_eq!(hash_of_body(body), tags["bh"], "{what}: body hash");
            bodies += 1;
        }
        let record = vector.keys.get(&format!("{}._domainkey.{}", tags["s"], tags["d"]));
        if let (Some(record), "relaxed") = (record, header_form) {
            let octets = signed_octets(&fields, signature, &tags);
            let public = STANDARD.decode(&self::tags(record)["p"]).unwrap();
            let value = STANDARD.decode(&tags["b"]).unwrap();
            let verified = if tags["a"] == "ed25519-sha256" {
                UnparsedPublicKey::new(&ED25519, public).verify(digest(&SHA256, &octets).as_ref(), &value)
            } else {
                UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, public).verify(&octets, &value)
            };
            assert!(verified.is_ok(), "{what}: signature of {}", tags["d"]);
            headers += 1;
        }
    }
    (headers, bodies)
}

#[test]
fn rfc_8463_appendix_a_verifies() {
    assert_eq!(check(&Vector::read(RFC_8463), "RFC 8463"), (2, 2));
}

#[test]
fn rfc_8463_appendix_a_is_what_ed25519_signs() {
    let vector = Vector::read(RFC_8463);
    let (fields, _) = vector.split();
    let signature = fields.iter().find(|field| is_signature(field)).unwrap();
    let tags = tags(std::str::from_utf8(signature.value).unwrap());
    let key = Ed25519KeyPair::from_seed_unchecked(&STANDARD.decode(RFC_8463_SEED).unwrap()).unwrap();
    let hash = digest(&SHA256, &signed_octets(&fields, signature, &tags));
    assert_eq!(STANDARD.encode(key.sign(hash.as_ref()).as_ref()), tags["b"]);
}

#[test]
fn signatures_of_real_senders_verify() {
    let corpus = PathBuf::from(std::env::var("SEALPOST_CORPUS").unwrap_or("../../../shared/data".into())).join("mime-mailauth/dkim");
    if !corpus.is_dir() {
        println!("SKIPPED: no corpus at {} (set SEALPOST_CORPUS)", corpus.display());
        return;
    }
    let (mut headers, mut bodies) = (0, 0);
    for number in 1..=6 {
        let name = format!("{number:03}.txt");
        let vector = Vector::read(&std::fs::read_to_string(corpus.join(&name)).unwrap());
        let (header, body) = check(&vector, &name);
        headers += header;
        bodies += body;
    }
    // 002 is simple/simple; 003 to 005 are relaxed in the header only; 001 and one of the others carry two signatures.
    assert_eq!((headers, bodies), (7, 3));
}
