//! A pool of one warm and one cold address: who gets what, day by day, over crashes, idle months and mistakes.

#![allow(clippy::unwrap_used, reason = "a test may")]

use ipreputation::explain::explain;
use ipreputation::{Day, Pools, PoolsConfig, SourceAddress, Warmup};
use model::{StreamName, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;

const STREAM: StreamName = StreamName::Transactional;

fn warmup() -> Warmup {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/pools/warmup.toml");
    Warmup::from_file("configs/pools/warmup.toml", &std::fs::read_to_string(path).unwrap()).unwrap()
}

fn read(text: &str) -> Result<Pools, String> {
    let config: PoolsConfig = toml::from_str(text).map_err(|error| error.to_string())?;
    Pools::new(&config, warmup(), "host.example.com").map_err(|error| error.to_string())
}

fn warm_and_cold() -> Pools {
    read(concat!(
        "[statements]\nstream = \"transactional\"\naddresses = [\n",
        "  { ip = \"203.0.113.5\", ehlo = \"mx5.example.com\" },\n",
        "  { ip = \"203.0.113.6\", ehlo = \"mx6.example.com\", warmup_started = \"2026-11-01\" },\n]\n",
        "[offers]\nstream = \"marketing\"\naddresses = [{ ip = \"2001:db8::7\", ehlo = \"mx7.example.com\" }]\n",
    ))
    .unwrap()
}

/// Noon of a day of November 2026.
fn november(day: u64) -> Timestamp {
    Timestamp((20_758 + day - 1) * 86_400_000 + 43_200_000)
}

fn cold(pools: &Pools) -> SourceAddress {
    pools.addresses(STREAM)[1].clone()
}

#[test]
fn days_are_civil_days_in_utc() {
    assert_eq!(Day::of(november(1)), Day::of_date("2026-11-01".parse().unwrap()));
    assert_eq!(Day::of(november(1)).end(), Timestamp(november(2).0 - 43_200_000));
}

#[test]
fn the_shipped_schedule_is_the_generic_one() {
    let pools = warm_and_cold();
    let ceiling = |day| pools.ceiling(&cold(&pools), november(day));
    assert_eq!([ceiling(1), ceiling(3), ceiling(7), ceiling(14), ceiling(21)].map(Option::unwrap), [200, 1_000, 10_000, 50_000, 100_000]);
    assert_eq!(ceiling(30), Some(250_000));
    assert_eq!((ceiling(31), pools.ceiling(&pools.addresses(STREAM)[0], november(1))), (None, None), "and then it is warm");
}

#[test]
fn leases_never_pass_the_ceiling_and_what_is_unused_goes_back() {
    let mut pools = warm_and_cold();
    let address = cold(&pools);
    assert_eq!(pools.lease(&address, 150, november(1)), 150);
    assert_eq!(pools.lease(&address, 150, november(1)), 50);
    assert_eq!(pools.lease(&address, 150, november(1)), 0);
    pools.give_back(&address, 20, november(1));
    assert_eq!(explain(&pools, &address, november(1)), "203.0.113.6 (statements, transactional): warm-up day 1, 180 of 200 leased today");
    assert_eq!(pools.lease(&address, 150, november(1)), 20);
    assert!(explain(&pools, &address, november(1)).contains("all 200 of today are leased; more after 2026-11-02T00:00:00Z"));
    assert_eq!(pools.lease(&address, 1_000, november(2)), 600, "a new day");
    pools.give_back(&address, 100, november(1));
    assert_eq!(pools.lease(&address, 1_000, november(2)), 0, "a lease of yesterday is worth nothing today");
}

#[test]
fn a_crash_counts_what_was_leased() {
    let mut pools = warm_and_cold();
    let address = cold(&pools);
    pools.lease(&address, 150, november(1));
    let saved = pools.usage();
    let mut after = warm_and_cold();
    after.restore(&saved);
    assert_eq!(after.lease(&address, 150, november(1)), 50);
}

#[test]
fn what_the_cold_one_may_not_take_goes_to_the_warm_one() {
    let mut pools = warm_and_cold();
    let on_cold = |pools: &Pools| {
        (0..1_000).filter(|n| pools.choose(STREAM, &format!("mx{n}.example"), november(14)).unwrap() == cold(pools)).count()
    };
    let share = on_cold(&pools);
    assert!((100..240).contains(&share), "50,000 beside 250,000 is a sixth: {share}");
    let address = cold(&pools);
    assert_eq!(pools.lease(&address, u64::MAX, november(14)), 50_000);
    assert_eq!(on_cold(&pools), 0);
}

#[test]
fn a_group_keeps_its_address_as_long_as_that_has_room() {
    let mut pools = warm_and_cold();
    let before: Vec<u16> = (0..100).map(|n| pools.choose(STREAM, &format!("mx{n}.example"), november(21)).unwrap().id).collect();
    let address = cold(&pools);
    pools.lease(&address, 1_000, november(21));
    let after: Vec<u16> = (0..100).map(|n| pools.choose(STREAM, &format!("mx{n}.example"), november(21)).unwrap().id).collect();
    assert!(before.iter().zip(&after).filter(|(a, b)| a != b).count() <= 3);
}

#[test]
fn where_every_ceiling_is_reached_it_says_until_when() {
    let text = "[p]\nstream = \"transactional\"\naddresses = [{ ip = \"203.0.113.6\", ehlo = \"mx6.example.com\", warmup_started = \"2026-11-10\" }]\n";
    let mut pools = read(text).unwrap();
    let address = pools.choose(STREAM, "google", november(10)).unwrap();
    assert_eq!(pools.lease(&address, 500, november(10)), 200);
    let reached = pools.choose(STREAM, "google", november(10)).unwrap_err();
    assert_eq!(reached.until, Timestamp(november(11).0 - 43_200_000));
    assert!(pools.choose(STREAM, "google", november(9)).is_err(), "its warm-up has not begun");
    assert!(explain(&pools, &address, november(9)).ends_with("its warm-up has not begun"));
}

#[test]
fn an_idle_address_warms_up_again() {
    let mut pools = warm_and_cold();
    let warm = pools.addresses(STREAM)[0].clone();
    assert_eq!(pools.lease(&warm, 1_000_000, november(1)), 1_000_000);
    assert_eq!(pools.ceiling(&warm, november(31)), None, "30 days are forgiven: a monthly cycle");
    assert_eq!(pools.ceiling(&warm, november(32)), Some(200));
    assert_eq!(pools.lease(&warm, 1_000, november(32)), 200);
    assert_eq!(pools.lease(&warm, 9_999, november(34)), 1_000, "day 3 of the new warm-up");
    let mut after = warm_and_cold();
    after.restore(&pools.usage());
    assert_eq!(after.lease(&warm, 9_999, november(34)), 0, "also over a restart");
}

#[test]
fn a_stream_without_addresses_leaves_it_to_the_kernel() {
    let pools = Pools::new(&BTreeMap::new(), warmup(), "host.example.com").unwrap();
    let address = pools.choose(STREAM, "google", november(1)).unwrap();
    assert_eq!((address.ip, address.ehlo_name.as_ref(), address.id), (None, "host.example.com", 0));
    assert_eq!(pools.addresses(STREAM), std::slice::from_ref(&address));
    assert!(explain(&pools, &address, november(1)).contains("the kernel chooses"));
}

#[test]
fn streams_never_share_an_address() {
    let pool = |name: &str, stream: &str, ip: &str| {
        format!("[{name}]\nstream = \"{stream}\"\naddresses = [{{ ip = \"{ip}\", ehlo = \"a.example.com\" }}]\n")
    };
    let shared = pool("a", "transactional", "203.0.113.5") + &pool("b", "marketing", "203.0.113.5");
    assert_eq!(
        read(&shared).unwrap_err(),
        "[pools.b] 203.0.113.5 already serves the transactional stream; streams never share an address, give this pool its own"
    );
    let twice = pool("a", "marketing", "203.0.113.5") + &pool("b", "marketing", "203.0.113.5");
    assert!(read(&twice).unwrap_err().contains("stands twice"));
    assert!(read(&pool("a", "marketing", "203.0.113")).unwrap_err().contains("expected an IPv4 or IPv6 address"));
    assert!(read(&pool("a", "bulk", "203.0.113.5")).unwrap_err().contains("transactional"));
    let bad_name = "[a]\nstream = \"marketing\"\naddresses = [{ ip = \"203.0.113.5\", ehlo = \"localhost\" }]\n";
    assert!(read(bad_name).unwrap_err().contains("expected a full host name"));
    let bad_date =
        "[a]\nstream = \"marketing\"\naddresses = [{ ip = \"203.0.113.5\", ehlo = \"a.example.com\", warmup_started = \"May\" }]\n";
    assert!(read(bad_date).unwrap_err().contains("expected a date"));
}

proptest::proptest! {
    /// Whatever is leased, given back and forgotten in crashes: no day passes its ceiling.
    #[test]
    fn no_day_passes_its_ceiling(steps in proptest::collection::vec((0u8..5, 0u64..2_000), 1..200)) {
        let mut pools = warm_and_cold();
        let address = cold(&pools);
        let (mut day, mut sent, mut unused) = (1, 0, 0);
        for (what, units) in steps {
            match what {
                0 | 1 => {
                    let granted = pools.lease(&address, units, november(day));
                    unused += granted / 2;
                    sent += granted - granted / 2;
                }
                2 => {
                    pools.give_back(&address, unused, november(day));
                    unused = 0;
                }
                3 => {
                    let saved = pools.usage();
                    pools = warm_and_cold();
                    pools.restore(&saved);
                    unused = 0;
                }
                _ if units < 400 => (day, sent, unused) = (day + 1, 0, 0),
                _ => {}
            }
            if let Some(ceiling) = pools.ceiling(&address, november(day)) {
                proptest::prop_assert!(sent + unused <= ceiling, "{sent} sent and {unused} leased of {ceiling}");
            }
        }
    }
}

#[test]
fn a_group_knows_where_it_goes_next() {
    let mut pools = warm_and_cold();
    let ips =
        |pools: &Pools, group: &str| pools.order(STREAM, group, november(7)).into_iter().map(|address| address.ip).collect::<Vec<_>>();
    for group in (0..500).map(|number| format!("mx{number}.example")) {
        assert_eq!(ips(&pools, &group)[0], pools.choose(STREAM, &group, november(7)).unwrap().ip, "{group}");
    }
    let address = cold(&pools);
    pools.lease(&address, u64::MAX, november(7));
    assert!((0..500).all(|number| ips(&pools, &format!("mx{number}.example")).last() == Some(&address.ip)), "what is used up comes last");
    let none = read("").unwrap();
    assert_eq!(none.order(STREAM, "g", november(7)).len(), 1, "the kernel's choice");
}
