//! DESIGN section 7: at most 96 bytes a queued job beyond a fixed base, whether they are due now or later.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod story;

use queue::{GroupId, Queue};
use story::{at, push, resolve_all, said};

const JOBS: u64 = 1_000_000;
/// Two wheels, the parts of the index, the first chunks.
const BASE_BYTES: usize = 256 * 1024;

#[test]
fn a_million_queued_jobs_take_at_most_96_bytes_each() {
    let mut queue = Queue::new(at(0));
    for number in 0..JOBS {
        let mut job = said(number, &format!("d{}.example", number % 5_000));
        job.batch = number % 3;
        job.due = at(number % 2 * (number % 10_000));
        push(&mut queue, &job);
    }
    resolve_all(&mut queue, GroupId(0));
    let each = (queue.memory_bytes() - BASE_BYTES) as f64 / JOBS as f64;
    println!("{each:.1} bytes a job");
    assert!(each <= 96.0, "{each} bytes a job");
    assert!(queue.ready(GroupId(0)) >= JOBS / 2);
}
