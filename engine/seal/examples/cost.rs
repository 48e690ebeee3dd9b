//! What a seal costs: one RSA-2048 signature of the library alone, then whole messages of 23 KB with both signatures, taking turns in
//! one run. Medians in microseconds, and their ratio.
//!
//! `cargo run --release -p seal --example cost`

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a measurement on the real clock")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use model::Timestamp;
use seal::{DkimKeys, Signer, new_keys};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 4000;
const BODY_BYTES: usize = 22 * 1024;

fn main() {
    let new = new_keys("plan.example", "r", "e").unwrap();
    let both = Signer::new(vec![DkimKeys::from_pem("plan.example", "r", &new.rsa_pem, "e", &new.ed25519_pem).unwrap()]).unwrap();
    let rsa = Signer::new(vec![DkimKeys::from_rsa_pem("plan.example", "r", &new.rsa_pem).unwrap()]).unwrap();
    let bare = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let (message, body_offset) = message();
    let mut into = vec![0; bare.public_modulus_len()];
    let mut spans = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        spans[0].push(micros(|| bare.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), b"hash me", &mut into).unwrap()));
        spans[1].push(micros(|| drop(black_box(rsa.signatures(&message, body_offset, Timestamp(0)).unwrap()))));
        spans[2].push(micros(|| drop(black_box(both.signatures(&message, body_offset, Timestamp(0)).unwrap()))));
    }
    let [bare, rsa, both] = spans.map(median);
    println!("message {} bytes; bare RSA-2048 {bare:.1} µs; sealed with RSA {rsa:.1} µs; with RSA and Ed25519 {both:.1} µs", message.len());
    println!("both / bare = {:.3}; beyond the bare signature {:.1} µs", both / bare, both - bare);
}

fn message() -> (Vec<u8>, usize) {
    let mut text = String::from(
        "From: Plan <no-reply@plan.example>\r\nTo: Ada Example <ada@clinic.example>\r\nSubject: Your Explanation of Benefits\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <j1-2a.0@plan.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=\"b1\"\r\nAuto-Submitted: auto-generated\r\n\r\n",
    );
    let body_offset = text.len();
    // Quoted-printable HTML: every third line is indented, so that it is not canonical as it stands.
    while text.len() < body_offset + BODY_BYTES {
        text.push_str("<tr><td style=3D\"padding:4px\">Office visit, established patient</td><td>=\r\n");
        text.push_str("$125.00</td><td>$80.00</td><td>$45.00</td><td>CO-45, see note 3</td></tr>\r\n");
        text.push_str("    <!-- line -->  <tr class=3D\"total\"><td colspan=3D\"4\">&nbsp;</td></tr>\r\n");
    }
    (text.into_bytes(), body_offset)
}

fn micros(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e6
}

fn median(mut spans: Vec<f64>) -> f64 {
    spans.sort_by(f64::total_cmp);
    spans[spans.len() / 2]
}
