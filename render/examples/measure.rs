//! Microseconds of one render with MIME and hash: `cargo run --release -p render --example measure -- [SERVICES]`.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement reads the clock and prints")]

#[path = "../tests/invented/mod.rs"]
mod invented;

use model::{Protection, Transactional};
use std::time::Instant;

const ROUNDS: usize = 5_000;
const REPEATS: usize = 7;

fn main() {
    let renderer = invented::renderer();
    let lines = std::env::args().nth(1).map_or(15, |lines| lines.parse().expect("usage: measure [SERVICES]"));
    let data = invented::job(vec![invented::statement(lines)]);
    let mut best = f64::MAX;
    let mut bytes = 0;
    for _ in 0..REPEATS {
        let start = Instant::now();
        for job in 0..ROUNDS {
            let delivery = invented::delivery::<Transactional>(job as u64);
            let message = renderer.render(delivery, &data, Protection::TlsVerified, invented::DATE).expect("it renders");
            bytes = message.bytes.len();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64);
    }
    println!("{best:.1} µs a message of {bytes} bytes, best of {REPEATS} × {ROUNDS}");
}
