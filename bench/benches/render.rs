//! A statement of 15 lines becomes a message: the shipped templates filled, MIME assembled, hashed.
//!
//! Beside it, in the same run, the yardsticks: SHA-256 of the finished message, which no rendering can go below, and one plain
//! quoted-printable encoding of its page by the MIME library. `alloc` says how often one render asks for memory.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement may panic, and prints")]

use aws_lc_rs::digest;
use bench::{bundle, criterion, delivery, job_data, message, now};
use criterion::{Criterion, Throughput};
use mail_builder::mime::MimePart;
use model::{Protection, Transactional};
use render::Renderer;
use std::hint::black_box;

fn main() {
    let mut criterion = criterion();
    statement(&mut criterion);
    criterion.final_summary();
}

fn statement(criterion: &mut Criterion) {
    let bundle = bundle();
    let renderer = Renderer::new(&bundle).unwrap();
    let data = job_data(1, &bundle);
    let message = message();
    let render = |number| renderer.render::<Transactional>(delivery(number), &data, Protection::TlsVerified, now()).unwrap();
    let counted = allocation_counter::measure(|| drop(black_box(render(1))));
    println!(
        "render/alloc: {} allocations, {} bytes, for a message of {} bytes",
        counted.count_total,
        counted.bytes_total,
        message.bytes.len()
    );
    let mut group = criterion.benchmark_group("render");
    group.throughput(Throughput::Bytes(message.bytes.len() as u64));
    let mut number = 0;
    group.bench_function("statement_to_mime", |bencher| {
        bencher.iter(|| {
            number += 1;
            black_box(render(number))
        });
    });
    group.bench_function("bare_hash", |bencher| bencher.iter(|| digest::digest(&digest::SHA256, black_box(&message.bytes))));
    let page = renderer.preview(&data, now()).unwrap().html;
    let mut encoded = Vec::with_capacity(message.bytes.len());
    group.bench_function("bare_quoted_printable", |bencher| {
        bencher.iter(|| {
            encoded.clear();
            MimePart::new("text/html", black_box(page.as_str())).write_part(&mut encoded);
            black_box(&encoded);
        });
    });
    group.finish();
}
