//! The signatures of one message, beside one bare RSA-2048 signature of the library: the yardstick of all benches.
//!
//! The body hash is shared, so that `both` may cost little more than `rsa`, and `rsa` little more than `bare`.
#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use bench::{FROM_DOMAIN, criterion, message, now};
use criterion::Criterion;
use seal::{DkimKeys, Signer, new_keys};
use std::hint::black_box;

fn main() {
    let mut criterion = criterion();
    signatures(&mut criterion);
    criterion.final_summary();
}

fn signatures(criterion: &mut Criterion) {
    let new = new_keys(FROM_DOMAIN, "r", "e").unwrap();
    let rsa = Signer::new(vec![DkimKeys::from_rsa_pem(FROM_DOMAIN, "r", &new.rsa_pem).unwrap()]).unwrap();
    let both = Signer::new(vec![DkimKeys::from_pem(FROM_DOMAIN, "r", &new.rsa_pem, "e", &new.ed25519_pem).unwrap()]).unwrap();
    let bare = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let random = SystemRandom::new();
    let mut into = vec![0; bare.public_modulus_len()];
    let message = message();
    let mut group = criterion.benchmark_group("seal");
    group.bench_function("bare", |bencher| {
        bencher.iter(|| bare.sign(&RSA_PKCS1_SHA256, &random, b"hash me", black_box(&mut into)).unwrap())
    });
    for (name, signer) in [("rsa", &rsa), ("both", &both)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(signer.signatures(&message.bytes, message.body_offset, now()).unwrap()));
        });
    }
    group.finish();
}
