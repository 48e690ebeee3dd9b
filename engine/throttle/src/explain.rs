//! Why a lane waits, in one line a person can act on.

use crate::lane::{Lane, Wait};
use crate::units::SpanText;
use model::{Monotonic, StreamName};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// `google/203.0.113.5 transactional: 5 of 5 connections in use (…); next message allowed in 3.2 s by '20/1m' (file:line)`.
pub fn explain(group: &str, source: Option<IpAddr>, stream: StreamName, lane: &Lane, now: Monotonic) -> String {
    let source = source.map_or_else(|| "any address".to_owned(), |ip| ip.to_string());
    let mut line = format!("{group}/{source} {stream}: ");
    let waits = lane.waits(now);
    if waits.is_empty() {
        line.push_str("may send now");
    }
    for (at, wait) in waits.iter().enumerate() {
        line.push_str(if at > 0 { "; " } else { "" });
        describe(&mut line, wait, now);
    }
    if lane.slowed() > 1 {
        write!(line, "; {} times slower than configured, recovering every {}", lane.slowed(), SpanText(lane.limits().recovery_step.value))
            .expect("writing to a String cannot fail");
    }
    line
}

fn describe(line: &mut String, wait: &Wait, now: Monotonic) {
    match wait {
        Wait::Suspended { until, why } => write!(line, "suspended for {}: {why}", seconds(until.since(now))),
        Wait::InHand { permits, limit } => write!(line, "{permits} of {limit} messages in preparation"),
        Wait::Rate { until, rule } => {
            write!(line, "next message allowed in {} by '{}' ({})", seconds(until.since(now)), rule.value, rule.from)
        }
        Wait::Connections { in_use, limit, from } => write!(line, "{in_use} of {limit} connections in use ({from})"),
        Wait::ConnectRate { until, rule } => {
            write!(line, "next connection allowed in {} by '{}' ({})", seconds(until.since(now)), rule.value, rule.from)
        }
    }
    .expect("writing to a String cannot fail");
}

/// `3.2 s`, rounded up to a tenth; `95 min` beyond two minutes.
fn seconds(span: Duration) -> String {
    let tenths = span.as_millis().div_ceil(100);
    if tenths < 1_200 { format!("{}.{} s", tenths / 10, tenths % 10) } else { format!("{} min", tenths.div_ceil(600)) }
}
