//! The binary: one JSON line when ready, the report when standard input closes.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use support::Client;
use world::{World, block_on};

#[test]
fn from_ready_to_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_sink"))
        .args(["--mix", "quick", "--sites", "1", "--destinations", "5", "--port", "0", "--dns-port", "0", "--base", "127.41.0.0"])
        .args(["--seconds", "60", "--ca-file"])
        .arg(folder.path().join("ca.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines =
        BufReader::new(process.stdout.take().unwrap()).lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let ready = lines.next().unwrap();
    assert_eq!(ready["destinations"], 5);
    assert!(ready["dns"].as_str().unwrap().starts_with("127.41.0.1:"));
    let ca_pem = std::fs::read_to_string(ready["ca_file"].as_str().unwrap()).unwrap();
    let port = ready["port"].as_u64().unwrap() as u16;
    let world = World::real();
    block_on(async {
        let client = Client::open(&world, ([127, 41, 1, 0], port).into()).await;
        let mut client = client.start_tls(&ca_pem, "mx1.quick-00001.example").await.unwrap();
        assert_eq!(client.send("ada@d00005.example", "<1@a>").await, Some(250));
    });
    drop(process.stdin.take());
    let report = lines.next().unwrap();
    assert_eq!((report["accepted"].as_u64(), report["distinct"].as_u64()), (Some(1), Some(1)));
    assert_eq!(report["sites"][0]["tls_handshakes"], 1);
    assert!(process.wait().unwrap().success());
}

#[test]
fn a_base_outside_loopback_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_sink")).args(["--base", "10.0.0.0"]).stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("127.0.0.0/8"));
}
