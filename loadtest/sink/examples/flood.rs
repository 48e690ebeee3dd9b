//! What the sandbox itself costs: floods a sink process with 23 KB messages over kept TLS connections, then prints messages a second and
//! the sink's CPU per message.
//!
//! `cargo run --release -p sink --example flood -- <sink binary> [connections] [messages]`

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement on a developer's shell")]

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use world::{BoxStream, ConnectRequest, World, block_on};

const BODY_LINES: usize = 300;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("the path of the sink binary");
    let connections: usize = arguments.next().map_or(16, |text| text.parse().unwrap());
    let messages: u64 = arguments.next().map_or(20_000, |text| text.parse().unwrap());
    let mut sink = Command::new(binary)
        .args(["--mix", "quick", "--sites", "4", "--destinations", "100", "--port", "0", "--dns-port", "0", "--base", "127.44.0.0"])
        .args(["--seconds", "120", "--ca-file", "/tmp/flood-ca.pem"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(sink.stdout.take().unwrap()).lines();
    let ready: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let port = ready["port"].as_u64().unwrap() as u16;
    let connector = connector(&std::fs::read_to_string("/tmp/flood-ca.pem").unwrap());
    let world = World::real();
    let before = cpu_ticks(sink.id());
    let start = world.monotonic();
    block_on(async {
        let left = Rc::new(Cell::new(messages));
        let floods: Vec<_> =
            (0..connections).map(|number| world.spawn_local(flood(world.clone(), connector.clone(), port, number, left.clone()))).collect();
        for flood in floods {
            flood.ended().await;
        }
    });
    let took = world.monotonic().since(start);
    let ticks = cpu_ticks(sink.id()) - before;
    drop(sink.stdin.take());
    let report: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    println!(
        "{} messages in {:.2} s: {:.0} a second; sink {:.1} µs CPU a message (ticks of 10 ms); doubled {}",
        report["accepted"],
        took.as_secs_f64(),
        messages as f64 / took.as_secs_f64(),
        ticks as f64 * 10_000.0 / messages as f64,
        report["doubled"],
    );
    sink.wait().unwrap();
}

fn connector(ca_pem: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// User and system time of a process, in ticks.
fn cpu_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

async fn flood(world: World, connector: TlsConnector, port: u16, number: usize, left: Rc<Cell<u64>>) {
    let site = number % 4;
    let target = ([127, 44, 1, site as u8], port).into();
    let mut plain = world.net().connect(ConnectRequest { target, source: None }).await.unwrap();
    turn(&mut plain, b"", 1).await;
    turn(&mut plain, b"EHLO flood.example\r\n", 1).await;
    turn(&mut plain, b"STARTTLS\r\n", 1).await;
    let name = ServerName::try_from(format!("mx1.quick-{:05}.example", site + 1)).unwrap();
    let mut stream: BoxStream = Box::new(connector.connect(name, plain).await.unwrap());
    turn(&mut stream, b"EHLO flood.example\r\n", 1).await;
    let recipient = recipient(&mut stream).await;
    let body = "<td style=3D\"padding:4px\">Office visit, established patient</td><td>=20</td>\r\n".repeat(BODY_LINES);
    while left.get() > 0 {
        let id = left.replace(left.get() - 1);
        let commands = format!("MAIL FROM:<a@b.example>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n");
        turn(&mut stream, commands.as_bytes(), 3).await;
        let message = format!("From: a@b.example\r\nMessage-ID: <{id}@flood>\r\nSubject: x\r\n\r\n{body}.\r\n");
        turn(&mut stream, message.as_bytes(), 1).await;
    }
    turn(&mut stream, b"QUIT\r\n", 1).await;
}

/// A recipient that lies at this site, found by asking.
async fn recipient(stream: &mut BoxStream) -> String {
    for number in 1..=100 {
        let recipient = format!("a@d{number:05}.example");
        let replies = turn(stream, format!("MAIL FROM:<>\r\nRCPT TO:<{recipient}>\r\nRSET\r\n").as_bytes(), 3).await;
        if !replies.contains("\n550") {
            return recipient;
        }
    }
    unreachable!("every site has destinations")
}

/// Writes, then reads so many replies.
async fn turn(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8], replies: usize) -> String {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while text.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.as_bytes()[3] == b' ').count() < replies {
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(length > 0, "lost: {text}");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    text
}
