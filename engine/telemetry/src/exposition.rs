//! The text a Prometheus server reads: exposition format 0.0.4.

use crate::latency::LatencySummary;
use crate::metric::{Family, Kind, Registry, Value};
use std::fmt::Write;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of a registry, sorted by name and labels, then the stage latencies as a summary.
pub fn text(registry: &Registry, latencies: &[LatencySummary]) -> String {
    let mut out = String::new();
    for (name, family) in registry.lock().iter() {
        write_family(&mut out, name, family);
    }
    write_latencies(&mut out, latencies);
    out
}

fn write_family(out: &mut String, name: &str, family: &Family) {
    let kind = if family.kind == Kind::Counter { "counter" } else { "gauge" };
    write_head(out, name, kind, family.metric.help, family.metric.when_it_moves);
    for (labels, value) in &family.values {
        let labels: Vec<_> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match value {
            Value::Counter(counter) => write_sample(out, name, &labels, counter.value()),
            Value::Gauge(gauge) => write_sample(out, name, &labels, gauge.value()),
        }
    }
}

fn write_latencies(out: &mut String, latencies: &[LatencySummary]) {
    const NAME: &str = "sealpost_stage_latency_seconds";
    if latencies.is_empty() {
        return;
    }
    let what_to_do = "Compare with the budgets; a stage that grew alone is the cause, all of them together mean a busy machine.";
    write_head(out, NAME, "summary", "How long each stage takes for one message.", what_to_do);
    for summary in latencies {
        let quantiles = [("0.5", summary.p50_ns), ("0.9", summary.p90_ns), ("0.99", summary.p99_ns), ("0.999", summary.p999_ns)];
        for (quantile, nanoseconds) in quantiles {
            write_sample(out, NAME, &[("stage", summary.stage), ("quantile", quantile)], seconds(nanoseconds.into()));
        }
        let sum = u128::from(summary.mean_ns) * u128::from(summary.count);
        write_sample(out, &format!("{NAME}_sum"), &[("stage", summary.stage)], seconds(sum));
        write_sample(out, &format!("{NAME}_count"), &[("stage", summary.stage)], summary.count);
    }
}

/// The help line carries both sentences, so that they are there where the metric is looked at.
fn write_head(out: &mut String, name: &str, kind: &str, help: &str, when_it_moves: &str) {
    let help = format!("{help} When it moves: {when_it_moves}").replace('\\', "\\\\").replace('\n', "\\n");
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn write_sample(out: &mut String, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
    out.push_str(name);
    for (index, (label, text)) in labels.iter().enumerate() {
        let before = if index == 0 { '{' } else { ',' };
        let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{before}{label}=\"{text}\"");
    }
    let after = if labels.is_empty() { "" } else { "}" };
    let _ = writeln!(out, "{after} {value}");
}

/// Nanoseconds as seconds, exactly.
fn seconds(nanoseconds: u128) -> String {
    format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Latencies, Metric, Unit};
    use std::time::Duration;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let registry = Registry::new();
        let delivered =
            Metric { name: "egress_delivered", unit: Unit::Messages, help: "Accepted by receivers.", when_it_moves: "See the lanes." };
        let queued = Metric { name: "queue_waiting", unit: Unit::Jobs, help: "Waiting.", when_it_moves: "Look at the oldest." };
        registry.counter(delivered, &[("stream", "transactional"), ("group", "a\"b\\c")]).add(7);
        registry.gauge(queued, &[]).set(-3);
        let mut latencies = Latencies::new();
        latencies.record("seal", Duration::from_nanos(100));
        let expected = r#"# HELP sealpost_egress_delivered_messages_total Accepted by receivers. When it moves: See the lanes.
# TYPE sealpost_egress_delivered_messages_total counter
sealpost_egress_delivered_messages_total{stream="transactional",group="a\"b\\c"} 7
# HELP sealpost_queue_waiting_jobs Waiting. When it moves: Look at the oldest.
# TYPE sealpost_queue_waiting_jobs gauge
sealpost_queue_waiting_jobs -3
# HELP sealpost_stage_latency_seconds How long each stage takes for one message. When it moves: Compare with the budgets; a stage that grew alone is the cause, all of them together mean a busy machine.
# TYPE sealpost_stage_latency_seconds summary
sealpost_stage_latency_seconds{stage="seal",quantile="0.5"} 0.000000100
sealpost_stage_latency_seconds{stage="seal",quantile="0.9"} 0.000000100
sealpost_stage_latency_seconds{stage="seal",quantile="0.99"} 0.000000100
sealpost_stage_latency_seconds{stage="seal",quantile="0.999"} 0.000000100
sealpost_stage_latency_seconds_sum{stage="seal"} 0.000000100
sealpost_stage_latency_seconds_count{stage="seal"} 1
"#;
        assert_eq!(text(&registry, &latencies.snapshot()), expected);
    }
}
