//! A receiver allows 2 connections, 20 messages a minute and 100 an hour from one address. The lane holds all of it,
//! counts at the final dot, survives a reload, and comes back gently after the receiver pushed back.

#![allow(clippy::unwrap_used, reason = "a test may")]

use model::Monotonic;
use std::time::Duration;
use throttle::limits::{Limits, Sourced};
use throttle::{Lane, Rate, SuspendReason, Wait};

fn limits(rates: &[&str]) -> Limits {
    Limits {
        connections: Sourced::built_in(2),
        messages_in_hand: Sourced::built_in(3),
        connect_rate: Some(Sourced::built_in("6/1m".parse().unwrap())),
        rates: rates.iter().map(|rate| Sourced::built_in(rate.parse::<Rate>().unwrap())).collect(),
        ..Limits::default()
    }
}

fn at(seconds: u64) -> Monotonic {
    Monotonic(seconds * 1_000_000_000)
}

/// Sends as eagerly as the lane lets it, from `from` until `until`; the moments of the dots.
fn send_eagerly(lane: &mut Lane, from: Monotonic, until: Monotonic) -> Vec<Monotonic> {
    let (mut now, mut dots) = (from, Vec::new());
    while now < until {
        match lane.permit(now) {
            Ok(_permit) => {
                while let Err(later) = lane.spend(now) {
                    now = later;
                }
                dots.push(now);
            }
            Err(wait) => now = wait.until().expect("with no permit out only time can help"),
        }
    }
    dots
}

fn most_within(dots: &[Monotonic], window: Duration) -> usize {
    dots.iter().enumerate().map(|(i, first)| dots[i..].iter().take_while(|dot| dot.since(*first) <= window).count()).max().unwrap_or(0)
}

#[test]
fn several_windows_hold_at_once() {
    let mut lane = Lane::new(limits(&["20/1m", "100/1h burst 1"]), at(0));
    let dots = send_eagerly(&mut lane, at(0), at(4 * 3_600));
    assert!(most_within(&dots, Duration::from_secs(60)) <= 20);
    assert_eq!(most_within(&dots, Duration::from_secs(3_600)), 100, "the tighter one is used up and not passed");
}

#[test]
fn a_reload_forgets_nothing_that_was_spent() {
    let mut lane = Lane::new(limits(&["20/1m burst 20"]), at(0));
    let mut dots = send_eagerly(&mut lane, at(0), at(90));
    for second in [90, 95, 99, 100, 101] {
        lane.reshape(limits(&["20/1m burst 20"]), at(second));
        dots.extend(send_eagerly(&mut lane, at(second), at(second + 1)));
    }
    assert!(most_within(&dots, Duration::from_secs(60)) <= 20);
}

#[test]
fn a_permit_is_not_a_spend() {
    let mut lane = Lane::quiet_since(limits(&["3/1h burst 3"]), at(10_000), at(0));
    for _ in 0..3 {
        lane.permit(at(10_000)).unwrap();
    }
    assert!(matches!(lane.permit(at(10_000)), Err(Wait::Rate { .. })), "a fourth dot would not be allowed for long");
    lane.give_back();
    assert!(lane.permit(at(10_000)).is_ok(), "one that was not sent cost nothing");
    for _ in 0..3 {
        lane.spend(at(10_000)).unwrap();
    }
    assert_eq!(lane.permits(), 0);
    let Err(Wait::Rate { until, rule }) = lane.permit(at(10_000)) else { panic!("the hour is used up") };
    assert!(until > at(10_000 + 3_599) && until <= at(10_000 + 3_601));
    assert_eq!(rule.value.to_string(), "3/1h");
}

#[test]
fn what_is_prepared_is_bounded_by_the_connections() {
    let mut lane = Lane::new(limits(&[]), at(0));
    for _ in 0..6 {
        lane.permit(at(0)).unwrap();
    }
    assert_eq!(lane.permit(at(0)), Err(Wait::InHand { permits: 6, limit: 6 }));
}

#[test]
fn connections_are_bounded_in_number_and_in_rate() {
    let mut lane = Lane::quiet_since(limits(&[]), at(1_000), at(0));
    lane.may_connect(at(1_000)).unwrap();
    lane.connected(at(1_000));
    let Err(Wait::ConnectRate { until, .. }) = lane.may_connect(at(1_000)) else { panic!("six a minute, one at a time") };
    lane.may_connect(until).unwrap();
    lane.connected(until);
    assert!(matches!(lane.may_connect(until + Duration::from_secs(60)), Err(Wait::Connections { in_use: 2, limit: 2, .. })));
    lane.disconnected();
    assert!(lane.may_connect(until + Duration::from_secs(60)).is_ok());
    assert!(lane.connection_is_used_up(100) && !lane.connection_is_used_up(99));
}

#[test]
fn after_a_suspension_the_pace_comes_back_in_steps() {
    let mut lane = Lane::new(limits(&["60/1m"]), at(0));
    lane.suspend(at(7_200), SuspendReason::Receiver("rate_limited".to_owned()));
    lane.suspend(at(100), SuspendReason::Receiver("greylisted".to_owned()));
    assert_eq!(lane.permit(at(7_199)).unwrap_err().until(), Some(at(7_200)), "the longer suspension stays");
    let dots = send_eagerly(&mut lane, at(7_200), at(7_200 + 1_800));
    let in_span = |from: u64, to: u64| dots.iter().filter(|dot| **dot >= at(7_200 + from) && **dot < at(7_200 + to)).count();
    let paces = [in_span(0, 300), in_span(300, 600), in_span(600, 900), in_span(900, 1_200)];
    assert!(paces.windows(2).all(|pair| pair[1] > pair[0] * 3 / 2), "each step is faster: {paces:?}");
    assert!(paces[0] <= 300 / 8 + 1 && paces[3] >= 280, "from an eighth to the whole: {paces:?}");
}

#[test]
fn a_cap_of_one_a_minute_is_just_that() {
    let mut lane = Lane::new(limits(&["100/1s"]), at(0));
    lane.cap(Some("1/1m".parse().unwrap()), Some(1), at(5_400), at(0));
    lane.connected(at(0));
    assert!(matches!(lane.may_connect(at(120)), Err(Wait::Connections { in_use: 1, limit: 1, .. })));
    let dots = send_eagerly(&mut lane, at(0), at(600));
    assert_eq!(dots.iter().filter(|dot| **dot < at(600)).count(), 9);
    assert!(send_eagerly(&mut lane, at(5_401), at(5_402)).len() > 50, "and after it everything as before");
}

#[test]
fn an_operator_can_resume_early() {
    let mut lane = Lane::new(limits(&[]), at(0));
    lane.suspend(at(7_200), SuspendReason::Operator("ticket 4711".to_owned()));
    assert!(lane.permit(at(10)).is_err());
    lane.resume(at(10));
    assert!(lane.permit(at(10)).is_ok());
    assert_eq!(lane.slowed(), 1, "the receiver had not complained");
}
