//! Frames that nobody waits for save syncs by waiting for company, where company comes; nobody who waits is delayed.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]
mod support;

use journal::Ticket;
use model::State;
use model::record::Record;
use model::stage::JournaledJob;
use std::time::Duration;
use support::{Open, Place, end, intent, key};
use world::simulated::Simulation;

/// What may be waited at most.
const BOUND: Duration = Duration::from_millis(20);
/// Between two outcomes of a busy engine: far less than four syncs, which are never counted below 50 µs each.
const GAP: Duration = Duration::from_micros(20);

async fn outcome(open: &Open, job: &JournaledJob<model::Transactional>) -> Ticket<()> {
    open.journal().record(key(job.id, 1), Record::Outcome(end(State::Delivered))).await.unwrap()
}

fn place(simulation: &Simulation) -> Place {
    let mut place = Place::simulated(simulation.world());
    place.commit_delay_max = BOUND;
    place.segment_bytes = 1 << 20;
    place
}

/// Outcomes that come [`GAP`] apart: the journal learns that company comes.
async fn busy(place: &Place, open: &Open, jobs: &[JournaledJob<model::Transactional>]) -> Vec<Ticket<()>> {
    let mut tickets = Vec::new();
    for job in jobs {
        place.world.sleep(GAP).await;
        tickets.push(outcome(open, job).await);
    }
    tickets
}

#[test]
fn one_that_comes_alone_is_committed_at_once() {
    let simulation = Simulation::new(1);
    let place = place(&simulation);
    simulation.run(async {
        let open = place.open().await;
        let jobs = open.batch(3).await;
        for job in &jobs {
            place.world.sleep(Duration::from_secs(1)).await;
            let start = place.world.monotonic();
            outcome(&open, job).await.await.unwrap();
            assert_eq!(place.world.monotonic() - start, Duration::ZERO);
        }
        open.close().await;
    });
}

#[test]
fn many_share_a_commit_and_none_waits_beyond_the_bound() {
    let simulation = Simulation::new(2);
    let place = place(&simulation);
    simulation.run(async {
        let open = place.open().await;
        let jobs = open.batch(200).await;
        let before = simulation.disk_changes("engine");
        let start = place.world.monotonic();
        let tickets = busy(&place, &open, &jobs).await;
        for ticket in tickets {
            ticket.await.unwrap();
        }
        let span = place.world.monotonic() - start;
        assert!(span < GAP * 200 + BOUND, "the last one waited within the bound: {span:?}");
        // A commit of the record is a write and a sync.
        let commits = (simulation.disk_changes("engine") - before) / 2;
        assert!((2..=80).contains(&commits), "{commits} commits for 200 outcomes");
        open.close().await;
    });
}

#[test]
fn whoever_waits_is_not_delayed_and_takes_the_others_along() {
    let simulation = Simulation::new(3);
    let place = place(&simulation);
    simulation.run(async {
        let open = place.open().await;
        let jobs = open.batch(100).await;
        drop(busy(&place, &open, &jobs[..97]).await);
        open.journal().sync().await.unwrap();

        place.world.sleep(GAP).await;
        let waiting = outcome(&open, &jobs[97]).await;
        place.world.sleep(GAP).await;
        let start = place.world.monotonic();
        open.journal().record(key(jobs[98].id, 1), Record::Intent(intent(1))).await.unwrap().await.unwrap();
        assert_eq!(place.world.monotonic() - start, Duration::ZERO, "the intent was not delayed");
        waiting.await.unwrap();
        assert_eq!(place.world.monotonic() - start, Duration::ZERO, "and the outcome went with it");

        // A closed journal has lost nothing that it took.
        drop(outcome(&open, &jobs[99]).await);
        open.close().await;
        let open = place.open().await;
        assert_eq!(open.states(), [(jobs[98].id.sequence(), State::Uncertain)]);
        open.close().await;
    });
}
