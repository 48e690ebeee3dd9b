//! From a destination to a delivered message: MX order, hosts that are down, and what counts when none is up.

use crate::receiving::Step::Say;
use crate::receiving::{Authority, Setup, Verdict, message, open_gate, our_name, scripted, short};
use egress::dns::address::AddressRule;
use egress::dns::table::Table;
use egress::{Phase, ResolverConfig, Routes, Severity, Site, SiteResolver, Target, Trouble, open_first};
use model::{Destination, Protection};
use std::net::SocketAddr;
use std::sync::Arc;
use world::{World, block_on};

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

#[test]
fn the_second_mx_delivers_under_its_own_name() {
    block_on(async {
        let (world, authority) = (World::real(), Authority::new());
        let server = Setup::tls(&authority, "mx2.a.test").start_at(&world, at("127.0.0.3", 0), |_| Verdict::Accept);
        let table = Table::new()
            .with_mx("a.test", 10, "mx1.a.test")
            .with_mx("a.test", 20, "mx2.a.test")
            .with_address("mx1.a.test", "127.0.0.2".parse().unwrap())
            .with_address("mx2.a.test", "127.0.0.3".parse().unwrap());
        let addresses = AddressRule { allow_loopback: true, allow_private: false };
        let config = ResolverConfig { port: server.at.port(), addresses, routes: Routes::default() };
        let resolver = SiteResolver::new(world.clone(), config, Arc::new(table));
        let site = resolver.site(&Destination::parse("a.test").unwrap()).await.unwrap();
        assert_eq!((site.name.as_str(), site.targets.len()), ("(mx1|mx2).a.test", 2));
        let tls = authority.trusted(&world);
        let opened = open_first(&world, &site, None, &our_name(), Protection::TlsVerified, &tls, &short()).await;
        let mut connection = opened.unwrap();
        assert_eq!((&*connection.target().host, connection.peer()), ("mx2.a.test", server.at));
        assert!(connection.deliver(&message(Protection::TlsVerified, "x\r\n"), open_gate()).await.is_accepted());
    });
}

#[test]
fn where_no_host_is_up_the_failure_that_may_pass_decides() {
    block_on(async {
        let (world, authority) = (World::real(), Authority::new());
        let refusing = scripted(&world, &[Say("554 5.7.1 no service\r\n")]);
        let unprotected = Setup::plain().start(&world, |_| Verdict::Accept);
        let closed = at("127.0.0.9", unprotected.at.port());
        let targets = [refusing, unprotected.at, closed].map(|address| Target::new("mx.test", address)).to_vec();
        let site = Site { name: "test".into(), mx_hosts: vec!["mx.test".into()], targets };
        let tls = authority.trusted(&world);
        let opened = open_first(&world, &site, None, &our_name(), Protection::TlsVerified, &tls, &short()).await;
        let none = opened.unwrap_err();
        let severities: Vec<Severity> = none.failures.iter().map(egress::ConnectFailure::severity).collect();
        assert_eq!(severities, [Severity::Permanent, Severity::Hold, Severity::Temporary]);
        let decisive = none.decisive().unwrap();
        assert_eq!((decisive.phase(), decisive.trouble()), (Phase::Connect, Some(Trouble::ConnectionRefused)));
    });
}

#[test]
fn the_source_address_is_used_and_a_wrong_one_is_our_trouble() {
    block_on(async {
        let (world, authority) = (World::real(), Authority::new());
        let server = Setup::plain().start(&world, |_| Verdict::Accept);
        let site = Site { name: "test".into(), mx_hosts: Vec::new(), targets: vec![crate::receiving::plain_target(server.at)] };
        let tls = authority.trusted(&world);
        let plain = Protection::PlaintextLoopback;
        let ours = Some("127.0.0.77".parse().unwrap());
        let connection = open_first(&world, &site, ours, &our_name(), plain, &tls, &short()).await.unwrap();
        assert_eq!(connection.source(), ours);
        let foreign = Some("192.0.2.55".parse().unwrap());
        let none = open_first(&world, &site, foreign, &our_name(), plain, &tls, &short()).await.unwrap_err();
        assert_eq!(none.decisive().unwrap().trouble(), Some(Trouble::SourceUnavailable));
        let other_family = Some("::1".parse().unwrap());
        let none = open_first(&world, &site, other_family, &our_name(), plain, &tls, &short()).await.unwrap_err();
        assert_eq!(none.decisive(), None);
    });
}
