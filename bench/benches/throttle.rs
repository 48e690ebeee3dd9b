//! What a lane asks for a message: a permit before it is prepared, and the spending at the final dot, under 0, 1 and 3 rates.
#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

use bench::criterion;
use criterion::{BenchmarkId, Criterion};
use model::Monotonic;
use std::hint::black_box;
use throttle::limits::{Limits, Sourced};
use throttle::{Lane, Rate};

/// Between two messages, in nanoseconds: slow enough for every rate below.
const STEP_NS: u64 = 4_000_000;

fn main() {
    let mut criterion = criterion();
    permit_and_spend(&mut criterion);
    criterion.final_summary();
}

fn permit_and_spend(criterion: &mut Criterion) {
    let rates = ["1000/s", "60000/1m", "1000000/1h"].map(|rate| Sourced::built_in(rate.parse::<Rate>().unwrap()));
    let mut group = criterion.benchmark_group("throttle/permit_and_spend");
    for count in [0, 1, 3] {
        let limits = Limits { rates: rates[..count].to_vec(), ..Limits::default() };
        let mut lane = Lane::new(limits, Monotonic(0));
        let mut at = 0;
        group.bench_function(BenchmarkId::new("rates", count), |bencher| {
            bencher.iter(|| {
                at += STEP_NS;
                let permit = lane.permit(Monotonic(at)).unwrap();
                lane.spend(Monotonic(at)).unwrap();
                black_box(permit)
            });
        });
    }
    group.finish();
}
