//! CPU of one render with MIME and hash, in microseconds: `cargo run --release -p render --example measure -- [SERVICES]`.
//!
//! The scheduler's own count of this process's time on a core is read, so that a busy machine spoils less of it.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

#[path = "../tests/invented/mod.rs"]
mod invented;

use model::{Protection, Transactional};

const ROUNDS: usize = 5_000;
const REPEATS: usize = 7;

fn main() {
    let renderer = invented::renderer();
    let lines = std::env::args().nth(1).map_or(15, |lines| lines.parse().expect("usage: measure [SERVICES]"));
    let data = invented::job(vec![invented::statement(lines)]);
    let mut best = f64::MAX;
    let mut bytes = 0;
    for _ in 0..REPEATS {
        let start = cpu_nanoseconds();
        for job in 0..ROUNDS {
            let delivery = invented::delivery::<Transactional>(job as u64);
            let message = renderer.render(delivery, &data, Protection::TlsVerified, invented::DATE).expect("it renders");
            bytes = message.bytes.len();
        }
        best = best.min((cpu_nanoseconds() - start) as f64 / 1e3 / ROUNDS as f64);
    }
    println!("{best:.1} µs of CPU a message of {bytes} bytes, best of {REPEATS} × {ROUNDS}");
}

/// Time on a core so far, as Linux counts it (proc(5): `/proc/self/schedstat`).
fn cpu_nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("this is Linux");
    text.split(' ').next().and_then(|first| first.parse().ok()).expect("it begins with a number")
}
