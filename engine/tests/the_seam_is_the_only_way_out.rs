//! Clock, randomness, threads, tasks and timers come from `world` alone, so that the simulator decides about all of them.
//!
//! Clippy refuses the same calls; this story also sees what is behind `cfg`, and what clippy's list has no path for. Tests, benches
//! and examples measure the machine they run on and are free to.

mod workspace;

use workspace::{Source, members};

const OUTSIDE: [&str; 18] = [
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "thread::spawn",
    "thread::scope",
    "thread::sleep",
    "thread::Builder",
    "tokio::spawn",
    "spawn_blocking",
    "task::spawn_local",
    "time::sleep",
    "time::timeout",
    "time::interval",
    "SystemRandom",
    "getrandom",
    "rand::random",
    "thread_rng",
];

/// (file, call, why it may).
const ALLOWED: [(&str, &str, &str); 0] = [];

fn is_seam(source: &Source) -> bool {
    source.path.starts_with("engine/world/src/real")
}

#[test]
fn nobody_goes_around_the_seam() {
    let mut around = Vec::new();
    let mut seam = 0;
    for member in members() {
        for source in member.sources("src") {
            for (line, code) in source.code() {
                let Some(call) = OUTSIDE.iter().find(|call| code.contains(**call)) else { continue };
                if is_seam(&source) {
                    seam += 1;
                } else if !ALLOWED.iter().any(|(file, allowed, _)| *file == source.path && allowed == call) {
                    around.push(format!("{}:{line}: {}", source.path, code.trim()));
                }
            }
        }
    }
    assert!(around.is_empty(), "ask `world` instead: {around:#?}");
    assert!(seam > 3, "the real world is built on these calls; if it is not found, this story looks in the wrong place");
}

#[test]
fn every_exception_is_still_needed() {
    let sources: Vec<Source> = members().iter().flat_map(|member| member.sources("src")).collect();
    for (file, call, why) in ALLOWED {
        let used = sources.iter().any(|source| source.path == file && source.code().any(|(_, code)| code.contains(call)));
        assert!(used, "{file} does not use {call} any more ({why}); remove the exception");
    }
}

#[test]
fn clippy_refuses_the_same() {
    let clippy = workspace::read("clippy.toml");
    for call in ["std::time::Instant::now", "std::time::SystemTime::now", "std::thread::spawn", "tokio::spawn", "tokio::time::sleep"] {
        assert!(clippy.contains(call), "clippy.toml allows {call}");
    }
}
