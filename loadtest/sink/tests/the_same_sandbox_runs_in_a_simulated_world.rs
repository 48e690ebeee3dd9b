//! The sandbox on a virtual clock: hours of greylisting pass in no time, and a seed gives the same run again.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use sink::{Personality, Report, Sandbox, SandboxConfig, SiteConfig, TlsOffer};
use std::time::Duration;
use support::Client;
use world::simulated::Simulation;

const HOUR: Duration = Duration::from_secs(3600);

fn run(seed: u64, tls: bool) -> (Report, u64) {
    let simulation = Simulation::new(seed);
    let (engine, receivers) = (simulation.world_of("engine"), simulation.world_of("receivers"));
    let offer = if tls { TlsOffer::Verified } else { TlsOffer::None };
    let config = SandboxConfig {
        port: 25,
        dns_port: 53,
        idle_max: HOUR * 10,
        ..SandboxConfig::new(10, vec![SiteConfig::new("grey", Personality { tls: offer, ..Personality::greylisting(HOUR) }, 1)])
    };
    let sandbox = Sandbox::start(&receivers, config).unwrap();
    let report = simulation.run(async {
        let target = sandbox.address_of("grey").unwrap();
        let mut client = Client::open(&engine, target).await;
        if tls {
            client = client.start_tls(sandbox.ca_pem(), "mx1.grey.example").await.unwrap();
        }
        assert_eq!(client.send("ada@d00001.example", "<1@a>").await, Some(451));
        assert_eq!(client.say("RSET").await, 250);
        engine.sleep(HOUR).await;
        assert_eq!(client.send("ada@d00001.example", "<1@a>").await, Some(250));
        sandbox.stop().await
    });
    (report, simulation.trace_hash())
}

#[test]
fn an_hour_of_greylisting_twice_alike() {
    let (report, hash) = run(7, false);
    assert_eq!((report.accepted, report.deferred), (1, 1));
    assert!(report.elapsed_ms >= 3_600_000);
    assert_eq!((report, hash), run(7, false));
}

#[test]
fn with_tls_too_since_handshakes_have_the_same_length_each_time() {
    let (report, hash) = run(7, true);
    assert_eq!((report.accepted, report.sites[0].tls_handshakes, report.sites[0].accepted_without_tls), (1, 1, 0));
    assert_eq!((report, hash), run(7, true));
}
