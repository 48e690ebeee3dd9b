//! A raw conversation with each personality, and what the books say of it afterwards.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use sink::{Drops, Keep, Personality, RateLimit, Sandbox, SandboxConfig, SiteConfig, TlsOffer};
use std::sync::mpsc;
use std::time::Duration;
use support::{Client, base, one_site};
use world::{World, block_on};

#[test]
fn quick_takes_everything_byte_for_byte() {
    let world = World::real();
    let folder = tempfile::tempdir().unwrap();
    let (send, received) = mpsc::channel();
    let config = SandboxConfig {
        base: base(0),
        keep: Some(Keep { dir: folder.path().join("kept"), last: Some(2) }),
        ..SandboxConfig::new(3, vec![SiteConfig::new("only", Personality::quick(), 1)])
    };
    let on_delivery = Box::new(move |delivered: &sink::Delivered<'_>| {
        send.send((delivered.recipients[0].reveal(), delivered.message.to_vec(), delivered.answered, delivered.encrypted)).unwrap();
    });
    let sandbox = Sandbox::start_with(&world, config, Some(on_delivery)).unwrap();
    let report = block_on(async {
        let mut client = Client::open(&world, sandbox.address_of("only").unwrap()).await;
        for number in 1..=3 {
            assert_eq!(client.send("ada@d00001.example", &format!("<{number}@a>")).await, Some(250));
        }
        assert_eq!(client.say("QUIT").await, 221);
        assert_eq!(sandbox.acceptances("<2@a>"), 1);
        sandbox.stop().await
    });
    let first = received.recv().unwrap();
    let expected = b"Subject: x\r\nMessage-ID: <1@a>\r\n\r\n.hidden dot\r\n".to_vec();
    assert_eq!(first, ("ada@d00001.example".to_owned(), expected.clone(), true, false));
    assert_eq!((report.accepted, report.distinct, report.doubled, report.bytes), (3, 3, 0, 3 * expected.len() as u64));
    assert_eq!((report.sites[0].connections, report.sites[0].final_dots, report.sites[0].accepted_without_tls), (1, 3, 3));
    let kept: Vec<_> = std::fs::read_dir(folder.path().join("kept")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept.len(), 2);
    let last = std::fs::read(folder.path().join("kept/00000003-only.eml")).unwrap();
    assert_eq!(last, expected.iter().map(|byte| if *byte == b'1' { b'3' } else { *byte }).collect::<Vec<_>>());
}

#[test]
fn slow_answers_the_greeting_and_the_final_dot_late() {
    let world = World::real();
    block_on(async {
        let sandbox = one_site(&world, 1, Personality::slow(Duration::from_millis(60)));
        let start = world.monotonic();
        let mut client = Client::open(&world, sandbox.address_of("only").unwrap()).await;
        assert_eq!(client.send("ada@d00001.example", "<1@a>").await, Some(250));
        let took = world.monotonic().since(start);
        assert!(took >= Duration::from_millis(120) && took < Duration::from_secs(5), "{took:?}");
    });
}

#[test]
fn greylisting_takes_the_second_try_after_its_time() {
    let world = World::real();
    block_on(async {
        let sandbox = one_site(&world, 2, Personality::greylisting(Duration::from_millis(80)));
        let mut client = Client::open(&world, sandbox.address_of("only").unwrap()).await;
        assert_eq!(client.send("ada@d00001.example", "<1@a>").await, Some(451));
        assert_eq!(client.say("RSET").await, 250);
        assert_eq!(client.send("ada@d00001.example", "<1@a>").await, Some(451));
        assert_eq!(client.say("RSET").await, 250);
        world.sleep(Duration::from_millis(100)).await;
        assert_eq!(client.send("ada@d00001.example", "<1@a>").await, Some(250));
        let report = sandbox.stop().await;
        assert_eq!((report.deferred, report.refused, report.accepted), (2, 0, 1));
    });
}

#[test]
fn refusing_and_full_refuse_their_share() {
    let world = World::real();
    block_on(async {
        for (net, personality, expected) in [(3, Personality::refusing(300), 550), (4, Personality::full(300, None), 552)] {
            let sandbox = one_site(&world, net, personality);
            let mut client = Client::open(&world, sandbox.address_of("only").unwrap()).await;
            assert_eq!(client.say("MAIL FROM:<>").await, 250);
            let mut refused = 0;
            for number in 0..200 {
                let code = client.say(&format!("RCPT TO:<m{number}@d00002.example>")).await;
                assert!(code == 250 || code == expected, "{code}");
                refused += u64::from(code == expected);
            }
            assert!((30..90).contains(&refused), "{refused}");
            assert_eq!(sandbox.stop().await.refused, refused);
        }
        let sandbox = one_site(&world, 5, Personality::full(1000, Some(Duration::from_millis(50))));
        let mut client = Client::open(&world, sandbox.address_of("only").unwrap()).await;
        assert_eq!(client.send("ada@d00001.example", "<1@a>").await, Some(452));
        world.sleep(Duration::from_millis(60)).await;
        assert_eq!(client.say("RSET").await, 250);
        assert_eq!(client.send("ada@d00001.example", "<1@a>").await, Some(250));
    });
}

#[test]
fn rate_limited_counts_final_dots_and_closes_beyond_its_number() {
    let world = World::real();
    block_on(async {
        let sandbox = one_site(&world, 6, Personality::rate_limited(3, Duration::from_secs(600)));
        let mut client = Client::open(&world, sandbox.address_of("only").unwrap()).await;
        for number in 0..3 {
            assert_eq!(client.send("ada@d00001.example", &format!("<{number}@a>")).await, Some(250));
        }
        assert_eq!(client.send("ada@d00001.example", "<4@a>").await, Some(421));
        assert_eq!(client.reply().await, None, "closed");
        let report = sandbox.stop().await;
        assert_eq!((report.violations, report.accepted, report.sites[0].in_window_max), (1, 3, 4));
        let rate = RateLimit { messages: 1, window: Duration::from_millis(100), closes: false };
        let sandbox = one_site(&world, 7, Personality { rate: Some(rate), ..Personality::default() });
        let mut client = Client::open(&world, sandbox.address_of("only").unwrap()).await;
        assert_eq!(client.send("ada@d00001.example", "<1@a>").await, Some(250));
        assert_eq!(client.send("ada@d00001.example", "<2@a>").await, Some(451));
        world.sleep(Duration::from_millis(120)).await;
        assert_eq!(client.send("ada@d00001.example", "<2@a>").await, Some(250));
    });
}

#[test]
fn connection_limited_refuses_the_next_one_from_the_same_address() {
    let world = World::real();
    block_on(async {
        let sandbox = one_site(&world, 8, Personality::connection_limited(2));
        let target = sandbox.address_of("only").unwrap();
        let first = Client::open(&world, target).await;
        let _second = Client::open(&world, target).await;
        assert_eq!(Client::connect(&world, target, None).await.code().await, 421);
        let elsewhere = Some("127.0.0.9".parse().unwrap());
        assert_eq!(Client::connect(&world, target, elsewhere).await.code().await, 220, "another address has its own count");
        drop(first);
        // The site notices the end of a connection in its own time.
        while sandbox.report().sites[0].open > 2 {
            world.sleep(Duration::from_millis(5)).await;
        }
        Client::open(&world, target).await;
        let report = sandbox.stop().await;
        assert_eq!((report.violations, report.sites[0].connections_refused, report.sites[0].open_per_source_max), (1, 1, 2));
    });
}

#[test]
fn closing_ends_the_connection_after_its_messages() {
    let world = World::real();
    block_on(async {
        let sandbox = one_site(&world, 9, Personality::closing(2));
        let mut client = Client::open(&world, sandbox.address_of("only").unwrap()).await;
        assert_eq!(client.send("ada@d00001.example", "<1@a>").await, Some(250));
        assert_eq!(client.send("ada@d00001.example", "<2@a>").await, Some(250));
        assert_eq!(client.send("ada@d00001.example", "<3@a>").await, Some(421));
        assert_eq!(client.reply().await, None);
    });
}

#[test]
fn dropping_loses_the_connection_and_the_books_know_whether_it_took_the_message() {
    let world = World::real();
    block_on(async {
        for (net, accepted_per_mille, taken) in [(10, 1000, 1), (11, 0, 0)] {
            let drops = Drops { per_mille: 1000, accepted_per_mille };
            let sandbox = one_site(&world, net, Personality { drops: Some(drops), ..Personality::default() });
            let target = sandbox.address_of("only").unwrap();
            assert_eq!(Client::open(&world, target).await.send("ada@d00001.example", "<1@a>").await, None);
            assert_eq!(sandbox.acceptances("<1@a>"), taken);
            // The resend gets through: where the first was taken it is now a double, and that is counted.
            assert_eq!(Client::open(&world, target).await.send("ada@d00001.example", "<1@a>").await, Some(250));
            let report = sandbox.stop().await;
            assert_eq!((report.doubled, report.surplus), (u64::from(taken), u64::from(taken)));
            let site = &report.sites[0];
            assert_eq!((site.dropped_accepted, site.dropped_unaccepted), (u64::from(taken), u64::from(1 - taken)));
        }
    });
}

#[test]
fn tls_is_as_offered() {
    let world = World::real();
    block_on(async {
        let sandbox = one_site(&world, 12, Personality::quick());
        let target = sandbox.address_of("only").unwrap();
        for name in ["mx1.only.example", "d00002.example", "127.40.13.0"] {
            let mut client = Client::open(&world, target).await.start_tls(sandbox.ca_pem(), name).await.unwrap();
            assert_eq!(client.send("ada@d00001.example", &format!("<{name}@a>")).await, Some(250));
            assert_eq!(client.say("QUIT").await, 221);
        }
        let stranger = Client::open(&world, target).await.start_tls(sandbox.ca_pem(), "mx1.other.example").await;
        assert!(stranger.is_err(), "a host is not certified for names of others");
        let report = sandbox.stop().await;
        assert_eq!((report.sites[0].tls_handshakes, report.sites[0].accepted_without_tls), (3, 0));

        for (net, offer) in [(14, TlsOffer::WrongName), (16, TlsOffer::Untrusted)] {
            let sandbox = one_site(&world, net, Personality::with_tls(offer));
            let client = Client::open(&world, sandbox.address_of("only").unwrap()).await;
            assert!(client.start_tls(sandbox.ca_pem(), "mx1.only.example").await.is_err(), "{offer:?}");
        }
        let sandbox = one_site(&world, 18, Personality::with_tls(TlsOffer::None));
        let mut client = Client::open(&world, sandbox.address_of("only").unwrap()).await;
        client.write("EHLO a.example\r\n").await;
        assert!(!client.reply().await.unwrap().contains("STARTTLS"));
        assert_eq!(client.say("STARTTLS").await, 503);
    });
}

#[test]
fn mail_for_another_site_is_refused_and_counted() {
    let world = World::real();
    block_on(async {
        let config = SandboxConfig { base: base(20), ..SandboxConfig::quick(10, 2) };
        let sandbox = Sandbox::start(&world, config).unwrap();
        let theirs = sandbox.destinations_at("quick-00002").remove(0);
        let mut client = Client::open(&world, sandbox.address_of("quick-00001").unwrap()).await;
        assert_eq!(client.send(&format!("ada@{theirs}"), "<1@a>").await, Some(550));
        let report = sandbox.stop().await;
        assert_eq!((report.misrouted, report.accepted, report.refused), (1, 0, 1));
    });
}

#[test]
fn a_silent_client_is_cut_off() {
    let world = World::real();
    block_on(async {
        let config = SandboxConfig { base: base(22), idle_max: Duration::from_millis(50), ..SandboxConfig::quick(1, 1) };
        let sandbox = Sandbox::start(&world, config).unwrap();
        let mut client = Client::open(&world, sandbox.address_of("quick-00001").unwrap()).await;
        assert_eq!(client.code().await, 421);
        assert_eq!(client.reply().await, None);
    });
}
