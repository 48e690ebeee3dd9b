//! How long a lane's two answers take: `cargo run --release -p throttle --example permit_spend`.

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::expect_used, reason = "a measurement, not part of the engine")]

use model::Monotonic;
use std::time::Instant;
use throttle::limits::{Limits, Sourced};
use throttle::{Lane, Rate};

const MESSAGES: u64 = 10_000_000;

fn main() {
    let rates = ["1000/s", "60000/1m", "1000000/1h"].map(|rate| Sourced::built_in(rate.parse::<Rate>().expect("a rate")));
    for count in [0, 1, 3] {
        let limits = Limits { rates: rates[..count].to_vec(), ..Limits::default() };
        let mut lane = Lane::new(limits, Monotonic(0));
        let clock = Instant::now();
        let mut refused = 0u64;
        for message in 0..MESSAGES {
            let now = Monotonic(message * 4_000_000);
            match lane.permit(now) {
                Ok(_permit) if lane.spend(now).is_ok() => {}
                Ok(_permit) => lane.give_back(),
                Err(_) => refused += 1,
            }
        }
        println!("{count} rates: {} ns for permit + spend, {refused} refused", clock.elapsed().as_nanos() as u64 / MESSAGES);
    }
}
