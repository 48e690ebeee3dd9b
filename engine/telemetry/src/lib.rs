//! Stage latencies, counters, Prometheus text, redacted logs
