//! Allocations of one render with MIME and hash: `cargo run --release -p render --example allocations -- [SERVICES]`.
#![allow(clippy::print_stdout, reason = "a measurement prints")]

#[path = "../tests/invented/mod.rs"]
mod invented;

use model::{Protection, Transactional};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const ROUNDS: u64 = 100;

fn main() {
    let renderer = invented::renderer();
    let lines = std::env::args().nth(1).map_or(15, |lines| lines.parse().expect("usage: allocations [SERVICES]"));
    let data = invented::job(vec![invented::statement(lines)]);
    let _profiler = dhat::Profiler::builder().testing().build();
    let before = dhat::HeapStats::get();
    let mut bytes = 0;
    for job in 0..ROUNDS {
        let delivery = invented::delivery::<Transactional>(job);
        bytes = renderer.render(delivery, &data, Protection::TlsVerified, invented::DATE).expect("it renders").bytes.len();
    }
    let after = dhat::HeapStats::get();
    let (blocks, allocated) = (after.total_blocks - before.total_blocks, after.total_bytes - before.total_bytes);
    println!("{} allocations and {} bytes a message of {bytes} bytes with {lines} services", blocks / ROUNDS, allocated / ROUNDS);
}
