//! `keys rotate`: every key is wrapped anew, in both copies, while jobs come in; the old key opens nothing any more; and wherever a crash
//! comes, the ring opens with what is there.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use journal::{KeyError, KeyRing, KeySource, Rotation};
use model::State;
use std::path::Path;
use support::{Place, data};
use world::World;
use world::simulated::Simulation;

const HOST: &str = "engine";

fn open_with(place: &Place, kek: &str) -> Result<KeyRing, KeyError> {
    KeyRing::open(&place.world, &place.dir.join("ring"), &KeySource::File(place.dir.join(kek)))
}

fn bytes(place: &Place, file: &str) -> Vec<u8> {
    place.world.disk().read_to_vec(&place.dir.join(file), 1 << 20).unwrap()
}

#[test]
fn under_load() {
    world::block_on(async {
        let place = Place::new();
        let open = place.open().await;
        std::fs::copy(place.dir.join("kek"), place.dir.join("old")).unwrap();
        let mut jobs = Vec::new();
        for round in 0..20 {
            let batch = open.open_batch(true).await;
            let rotating = open.keys.clone();
            let copies = (bytes(&place, "ring/ring.a"), bytes(&place, "ring/ring.b"));
            let rotated = std::thread::scope(|scope| scope.spawn(|| rotating.rotate(&Rotation::InPlace)).join().unwrap()).unwrap();
            assert!(rotated.in_place && rotated.keys > 5, "{rotated:?}");
            let after = (bytes(&place, "ring/ring.a"), bytes(&place, "ring/ring.b"));
            assert!(after.0 == after.1 && after.0 != copies.0 && after.1 != copies.1, "both copies are wrapped anew");
            let job = open.journal().append_rolling(open.job(batch, round)).await.unwrap().await.unwrap();
            jobs.push((job.id, round));
        }
        open.close().await;
        assert!(matches!(open_with(&place, "old"), Err(KeyError::WrongKey(_))), "the old key opens nothing");
        assert!(!place.dir.join("kek.next").exists());
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(place.dir.join("kek")).unwrap().permissions().mode() & 0o777, 0o600);
        let open = place.open().await;
        assert_eq!(open.states().len(), jobs.len());
        for (recovered, (id, row)) in open.opened.recovered.jobs.iter().zip(&jobs) {
            assert_eq!((recovered.job.id, recovered.state), (*id, State::Queued));
            assert_eq!(open.opened.reader.payload(*id, recovered.job.locator).unwrap(), data(*row));
        }
    });
}

#[test]
fn to_another_source() {
    let place = Place::new();
    let ring = open_with(&place, "kek").unwrap();
    let tenant = ring.tenant("a").unwrap();
    let hash = ring.fingerprint(tenant, "row", &[b"x"]).unwrap();
    let other = KeySource::File(place.dir.join("other"));
    let rotated = ring.rotate(&Rotation::To(other.clone())).unwrap();
    assert!(!rotated.in_place && rotated.source == other, "a file that is not there is made");
    assert!(matches!(ring.rotate(&Rotation::To(other)), Err(KeyError::SameKey(_))));
    let printed = KeySource::Command(vec!["cat".to_owned(), place.dir.join("third").display().to_string()]);
    assert!(matches!(ring.rotate(&Rotation::To(printed.clone())), Err(KeyError::Command { .. })));
    journal::new_key_file(&place.world, &place.dir.join("third")).unwrap();
    ring.rotate(&Rotation::To(printed.clone())).unwrap();
    let error = ring.rotate(&Rotation::InPlace).unwrap_err();
    assert!(error.to_string().contains("--to"), "{error}");
    assert_eq!(ring.overview().source, "command:cat");
    drop(ring);
    assert!(matches!(open_with(&place, "kek"), Err(KeyError::WrongKey(_))));
    assert!(matches!(open_with(&place, "other"), Err(KeyError::WrongKey(_))));
    let ring = KeyRing::open(&place.world, &place.dir.join("ring"), &printed).unwrap();
    assert_eq!(ring.fingerprint(tenant, "row", &[b"x"]).unwrap(), hash, "the keys are the same");
}

/// A ring with a tenant, and what a lookup under its keys gives.
fn furnish(world: World) -> (Place, model::Fingerprint) {
    let place = Place::simulated(world);
    let ring = place.ring();
    let tenant = ring.tenant("a").unwrap();
    let hash = ring.fingerprint(tenant, "row", &[b"x"]).unwrap();
    (place, hash)
}

fn rotate(place: &Place) -> Result<(), KeyError> {
    open_with(place, "kek")?.rotate(&Rotation::InPlace).map(drop)
}

/// Both copies are one, under the one key that there is.
fn assert_whole(place: &Place, hash: model::Fingerprint, seed: u64, change: u64) {
    let ring = open_with(place, "kek").unwrap_or_else(|error| panic!("seed {seed}, change {change}: {error}"));
    assert_eq!(ring.fingerprint(ring.tenant("a").unwrap(), "row", &[b"x"]).unwrap(), hash, "seed {seed}, change {change}");
    assert!(!place.world.disk().exists(&place.dir.join("kek.next")), "seed {seed}, change {change}");
    assert_eq!(bytes(place, "ring/ring.a"), bytes(place, "ring/ring.b"), "seed {seed}, change {change}");
}

#[test]
fn a_crash_at_any_change_of_the_disk_leaves_a_ring_that_opens() {
    let (mut old, mut new) = (0, 0);
    let changes = {
        let simulation = Simulation::new(1);
        let (place, _) = furnish(simulation.world());
        let before = simulation.disk_changes(HOST);
        rotate(&place).unwrap();
        simulation.disk_changes(HOST) - before
    };
    for change in 1..=changes {
        for seed in 0..25 {
            let simulation = Simulation::new(seed);
            let (place, hash) = furnish(simulation.world());
            let first = bytes(&place, "kek");
            simulation.crash_host_in_disk_change(HOST, change);
            let result = simulation.run(async { rotate(&place) });
            simulation.crash_host(HOST);
            // A second crash while the first is made good.
            simulation.crash_host_in_disk_change(HOST, 1 + seed % 6);
            let _ = simulation.run(async { open_with(&place, "kek").map(drop) });
            simulation.crash_host(HOST);
            assert_whole(&place, hash, seed, change);
            if bytes(&place, "kek") == first {
                assert!(result.is_err(), "what was answered stays");
                old += 1;
            } else {
                new += 1;
            }
            rotate(&place).unwrap();
            assert_whole(&place, hash, seed, change);
        }
    }
    assert!(old > 20 && new > 20, "both ends are seen: {old} and {new}");
}

#[test]
fn with_another_source_a_ring_between_two_keys_opens_with_either() {
    let copy = |place: &Place, from: &str, to: &str| {
        std::fs::copy(place.dir.join(from), place.dir.join(to)).unwrap();
    };
    for opens in ["kek", "other"] {
        let place = Place::new();
        let ring = open_with(&place, "kek").unwrap();
        ring.tenant("a").unwrap();
        copy(&place, "ring/ring.b", "before");
        ring.rotate(&Rotation::To(KeySource::File(place.dir.join("other")))).unwrap();
        drop(ring);
        // A crash between the two writes.
        copy(&place, "before", "ring/ring.b");
        let ring = open_with(&place, opens).unwrap();
        assert!(ring.tenant_name(model::TenantId(1)).is_some());
        drop(ring);
        assert_eq!(bytes(&place, "ring/ring.a"), bytes(&place, "ring/ring.b"), "made equal");
        let closed = if opens == "kek" { "other" } else { "kek" };
        assert!(matches!(open_with(&place, closed), Err(KeyError::WrongKey(_))), "under one key");
    }
}

#[test]
fn what_a_rotation_may_do_is_nothing_to_a_ring_that_is_only_read() {
    let place = Place::new();
    drop(open_with(&place, "kek").unwrap());
    let before = (bytes(&place, "ring/ring.a"), std::fs::read_dir(&place.dir).unwrap().count());
    let reading = KeyRing::open_to_read(&place.world, &place.dir.join("ring"), &place.source()).unwrap();
    assert!(reading.rotate(&Rotation::InPlace).is_err());
    assert_eq!(before, (bytes(&place, "ring/ring.a"), std::fs::read_dir(&place.dir).unwrap().count()), "not even the next key");
    let ring = open_with(&place, "kek").unwrap();
    ring.rotate(&Rotation::InPlace).unwrap();
    reading.refresh(&place.source()).unwrap();
    assert!(Path::new(&reading.overview().source.replace("file:", "")).exists());
}
