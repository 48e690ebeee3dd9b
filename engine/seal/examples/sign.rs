//! Signs the message on standard input and writes it to standard output, with its DNS records as `X-Record` lines on
//! standard error: for checking by hand with another verifier.
//!
//! `sign <domain> <selector> <rsa.pem> [<selector> <ed25519.pem>]`

#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a tool for a developer's shell")]

use model::Timestamp;
use seal::{DkimKeys, Signer};
use std::io::{Read, Write};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let keys = match arguments.as_slice() {
        [domain, selector, rsa] => DkimKeys::from_rsa_pem(domain, selector, &read(rsa)),
        [domain, selector, rsa, second, ed25519] => DkimKeys::from_pem(domain, selector, &read(rsa), second, &read(ed25519)),
        _ => panic!("expected: sign <domain> <selector> <rsa.pem> [<selector> <ed25519.pem>]"),
    };
    let keys = keys.unwrap();
    keys.dns_records().iter().for_each(|record| eprintln!("{} {}", record.name, record.text));
    let mut message = Vec::new();
    std::io::stdin().read_to_end(&mut message).unwrap();
    let body_offset = message.windows(4).position(|window| window == b"\r\n\r\n").expect("a header and CRLF line ends") + 4;
    let signatures = Signer::new(vec![keys]).unwrap().signatures(&message, body_offset, Timestamp::from_seconds(1_767_225_600)).unwrap();
    std::io::stdout().write_all(&[signatures, message].concat()).unwrap();
}
