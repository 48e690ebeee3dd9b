//! SMTP without sockets: a message of 20 KB made transparent, and the client's part of one conversation on a reused connection.
#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

use bench::{criterion, message, mx_envelope};
use criterion::{Criterion, Throughput};
use model::stage::Envelope;
use smtp::{Conversation, END_OF_DATA, EhloName, Next, StartTls, Stuffer};
use std::hint::black_box;

fn main() {
    let mut criterion = criterion();
    dots(&mut criterion);
    conversation(&mut criterion);
    criterion.final_summary();
}

fn stuff(message: &[u8], wire: &mut Vec<u8>) {
    let mut stuffer = Stuffer::new();
    stuffer.push(message, wire).unwrap();
    stuffer.finish(wire).unwrap();
    wire.extend_from_slice(END_OF_DATA);
}

fn dots(criterion: &mut Criterion) {
    let message = message().bytes;
    let mut group = criterion.benchmark_group("smtp/dots");
    group.throughput(Throughput::Bytes(message.len() as u64));
    let mut wire = Vec::with_capacity(2 * message.len());
    group.bench_function("message", |bencher| {
        bencher.iter(|| {
            wire.clear();
            stuff(&message, &mut wire);
            black_box(wire.len())
        });
    });
    group.finish();
}

/// A conversation that has said EHLO to a receiver with PIPELINING.
fn ready() -> Conversation {
    let mut client = Conversation::new(EhloName::parse("o1.mail.lakeside.example").unwrap(), StartTls::Never);
    client.receive(b"220 mx.mail.example ready\r\n").unwrap();
    client.output().clear();
    client.receive(b"250-mx.mail.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n").unwrap();
    client.output().clear();
    assert_eq!(client.next_step(), Next::Ready);
    client
}

/// One message: commands in one write, their replies, the content made transparent, the answer to the final dot.
fn one_message(client: &mut Conversation, envelope: &Envelope, message: &[u8], wire: &mut Vec<u8>) -> usize {
    client.begin(envelope, message.len() as u64).unwrap();
    let commands = client.output().len();
    client.output().clear();
    client.receive(b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n").unwrap();
    assert_eq!(client.next_step(), Next::SendContent);
    wire.clear();
    stuff(message, wire);
    client.content_sent().unwrap();
    client.receive(b"250 2.0.0 Ok: queued as 4X5Y6Z\r\n").unwrap();
    assert!(matches!(client.next_step(), Next::Ended { reply, .. } if reply.code == 250));
    commands + wire.len()
}

fn conversation(criterion: &mut Criterion) {
    let message = message().bytes;
    let (mut client, envelope) = (ready(), mx_envelope());
    let mut wire = Vec::with_capacity(2 * message.len());
    let mut group = criterion.benchmark_group("smtp/conversation");
    group.bench_function("message", |bencher| bencher.iter(|| black_box(one_message(&mut client, &envelope, &message, &mut wire))));
    group.finish();
}
