//! `commit_delay_max` saves syncs for outcomes, and never delays anybody who waits.
mod support;

use model::State;
use model::record::Record;
use std::time::Duration;
use support::{Place, end, intent, key};
use world::simulated::Simulation;

const DELAY: Duration = Duration::from_millis(20);

#[test]
fn an_outcome_waits_no_longer_than_the_delay_and_an_intent_takes_it_along() {
    let simulation = Simulation::new(1);
    let mut place = Place::simulated(simulation.world());
    place.commit_delay_max = DELAY;
    simulation.run(async {
        let open = place.open().await;
        let jobs = open.batch(3).await;
        let now = || place.world.monotonic();
        let outcome = |index: usize| open.journal().record(key(jobs[index].id, 1), Record::Outcome(end(State::Delivered)));

        let start = now();
        outcome(0).await.unwrap().await.unwrap();
        assert_eq!(now() - start, DELAY);

        let start = now();
        let waiting = outcome(1).await.unwrap();
        place.world.sleep(DELAY / 4).await;
        open.journal().record(key(jobs[2].id, 1), Record::Intent(intent(1))).await.unwrap().await.unwrap();
        waiting.await.unwrap();
        assert_eq!(now() - start, DELAY / 4, "the intent was not delayed, and the outcome went with it");

        // A closed journal has lost nothing that it took.
        drop(outcome(2).await.unwrap());
        open.close().await;
        let open = place.open().await;
        assert!(open.states().is_empty());
        open.close().await;
    });
}
