//! A statement of 15 lines becomes a message: the shipped templates filled, MIME assembled, hashed.
#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

use bench::{bundle, criterion, delivery, job_data, message, now};
use criterion::{Criterion, Throughput};
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
    let mut group = criterion.benchmark_group("render");
    group.throughput(Throughput::Bytes(message().bytes.len() as u64));
    let mut number = 0;
    group.bench_function("statement_to_mime", |bencher| {
        bencher.iter(|| {
            number += 1;
            black_box(renderer.render::<Transactional>(delivery(number), &data, Protection::TlsVerified, now()).unwrap())
        });
    });
    group.finish();
}
