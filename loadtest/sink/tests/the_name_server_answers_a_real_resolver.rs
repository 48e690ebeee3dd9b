//! hickory's resolver asks the sandbox over UDP; one question goes over TCP by hand.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use sink::{Sandbox, SandboxConfig};
use support::base;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use world::{ConnectRequest, World, block_on};

fn resolver(sandbox: &Sandbox) -> TokioResolver {
    let at = sandbox.dns_address();
    let mut connection = ConnectionConfig::udp();
    connection.port = at.port();
    let config = ResolverConfig::from_parts(None, vec![], vec![NameServerConfig::new(at.ip(), true, vec![connection])]);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap()
}

#[test]
fn over_udp() {
    let world = World::real();
    block_on(async {
        let sandbox = Sandbox::start(&world, SandboxConfig { base: base(50), ..SandboxConfig::mixed(200) }).unwrap();
        let resolver = resolver(&sandbox);
        let destination = sandbox.destinations_at("quick-c").remove(0);
        let lookup = resolver.mx_lookup(format!("{destination}.")).await.unwrap();
        let mut hosts: Vec<(u16, String)> = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::MX(mx) => Some((mx.preference, mx.exchange.to_string())),
                _ => None,
            })
            .collect();
        hosts.sort();
        assert_eq!(hosts, [(10, "mx1.quick-c.example.".to_owned()), (20, "mx2.quick-c.example.".to_owned())]);
        let addresses: Vec<_> =
            resolver.ipv4_lookup("mx2.quick-c.example.").await.unwrap().answers().iter().map(|r| r.data.to_string()).collect();
        assert_eq!(addresses, [sandbox.address_of("quick-c").unwrap().ip().to_string()]);
        assert!(resolver.mx_lookup("nowhere.example.").await.unwrap_err().is_nx_domain());
        let implicit = sandbox.destinations_at("quick-d").remove(0);
        let none = resolver.mx_lookup(format!("{implicit}.")).await.unwrap_err();
        assert!(none.is_no_records_found() && !none.is_nx_domain());
        let dns = sandbox.stop().await.dns;
        assert_eq!((dns.positive, dns.name_error, dns.no_data, dns.malformed), (2, 1, 1, 0));
    });
}

#[test]
fn over_tcp() {
    let world = World::real();
    block_on(async {
        let sandbox = Sandbox::start(&world, SandboxConfig { base: base(60), ..SandboxConfig::mixed(20) }).unwrap();
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii("mx1.slow.example.").unwrap(), RecordType::A));
        let bytes = query.to_vec().unwrap();
        let mut stream = world.net().connect(ConnectRequest { target: sandbox.dns_address(), source: None }).await.unwrap();
        for _ in 0..2 {
            stream.write_all(&[&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat()).await.unwrap();
            let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut answer).await.unwrap();
            let answer = Message::from_vec(&answer).unwrap();
            assert_eq!((answer.metadata.id, answer.answers.len()), (query.metadata.id, 1));
        }
        assert_eq!(sandbox.stop().await.dns.positive, 2);
    });
}
