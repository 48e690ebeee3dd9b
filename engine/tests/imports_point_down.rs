//! A crate depends on crates of a lower rank only, and no stage on another stage.
//!
//! The ranks are those of README.md ("Map of the crates"). Tests of a crate may use the test kit, whatever their rank.

mod workspace;

use workspace::members;

/// From the ground up. A crate may use what stands before its own line.
const RANKS: [&[&str]; 7] = [
    &["model", "uring", "allocator"],
    &["world", "telemetry", "smtp", "throttle", "render", "ipreputation"],
    &["journal", "audit", "seal", "publish"],
    &["intake", "queue", "egress", "outcome", "ledger", "portal", "sink", "testkit"],
    &["api"],
    &["sealpost"],
    &["sim", "bench", "loadtest"],
];

/// In the order a record meets them. Only `engine/src/pipeline.rs` knows that order.
const STAGES: [&str; 8] = ["intake", "journal", "queue", "throttle", "render", "seal", "egress", "outcome"];

fn rank(name: &str) -> Option<usize> {
    RANKS.iter().position(|names| names.contains(&name))
}

#[test]
fn every_member_has_a_rank() {
    let without: Vec<String> = members().into_iter().map(|member| member.name).filter(|name| rank(name).is_none()).collect();
    assert!(without.is_empty(), "no rank in engine/tests/imports_point_down.rs: {without:?}");
}

#[test]
fn dependencies_have_a_lower_rank() {
    let mut upward = Vec::new();
    for member in members() {
        for (section, may_use_test_kit) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
            for dependency in member.dependencies(section) {
                let exempt = may_use_test_kit && dependency == "testkit";
                if rank(&dependency).is_some_and(|below| Some(below) >= rank(&member.name)) && !exempt {
                    upward.push(format!("{} -> {dependency} ({section})", member.name));
                }
            }
        }
    }
    assert!(upward.is_empty(), "imports must point down: {upward:#?}");
}

#[test]
fn no_stage_imports_another_stage() {
    let mut sideways = Vec::new();
    for member in members().iter().filter(|member| STAGES.contains(&member.name.as_str())) {
        for dependency in ["dependencies", "dev-dependencies"].into_iter().flat_map(|section| member.dependencies(section)) {
            if STAGES.contains(&dependency.as_str()) {
                sideways.push(format!("{} -> {dependency}", member.name));
            }
        }
    }
    assert!(sideways.is_empty(), "only engine/src/pipeline.rs knows the order of the stages: {sideways:#?}");
}
