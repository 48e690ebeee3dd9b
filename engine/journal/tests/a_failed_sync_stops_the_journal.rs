//! After a write or sync that failed nobody is told "accepted" any more, and a restart knows what was.
mod support;

use journal::JournalError;
use model::State;
use support::{Place, commit, data};
use world::simulated::Simulation;

const HOST: &str = "engine";

#[test]
fn everybody_who_waits_and_everybody_who_comes_later_gets_the_error() {
    let simulation = Simulation::new(3);
    let place = Place::simulated(simulation.world());
    simulation.run(async {
        let open = place.open().await;
        let kept = open.batch(2).await;
        let (file, rolling) = (open.open_batch(false).await, open.open_batch(true).await);
        open.journal().append(open.job(file, 1)).await.unwrap();
        simulation.fail_syncs(HOST, 1);
        // One group: all of it waits for the sync that fails.
        let first = open.journal().append_rolling(open.job(rolling, 2)).await.unwrap();
        let second = open.journal().record(support::key(kept[0].id, 1), model::record::Record::Intent(support::intent(1))).await.unwrap();
        assert!(matches!(first.await, Err(JournalError::Poisoned(_))));
        assert!(matches!(second.await, Err(JournalError::Poisoned(_))));
        assert!(open.journal().is_poisoned());
        assert!(matches!(open.journal().append(open.job(file, 3)).await, Err(JournalError::Poisoned(_))));
        assert!(matches!(open.journal().commit_batch(commit(file, 1)).await, Err(JournalError::Poisoned(_))));
        let told = open.journal().destroy_batch_key(file).await.unwrap_err();
        assert!(matches!(told, JournalError::Poisoned(_)), "{told}");
        // The operator reads where, what to look at and what to do.
        let told = told.to_string();
        assert!(["cannot sync", ".seg", "Look after the disk", "start again"].iter().all(|part| told.contains(part)), "{told}");
        open.close().await;

        let open = place.open().await;
        let states = open.states();
        assert_eq!(states.len() as u64, 2, "{states:?}");
        assert!(states.iter().all(|(_, state)| matches!(state, State::Queued | State::Uncertain)));
        for (job, row) in kept.iter().zip(1u64..) {
            assert_eq!(open.opened.reader.payload(job.id, job.locator).unwrap(), data(row));
        }
        assert_eq!(open.batch(1).await.len(), 1);
        open.close().await;
    });
}

#[test]
fn what_a_failed_sync_left_in_memory_is_durable_before_it_is_built_upon() {
    for seed in 0..8 {
        let simulation = Simulation::new(seed);
        let mut place = Place::simulated(simulation.world());
        place.segment_bytes = 1 << 20;
        simulation.run(async {
            let open = place.open().await;
            // Several pages of intents in one group, so that later frames do not touch all of them.
            let kept = open.batch(80).await;
            simulation.fail_syncs(HOST, 1);
            let mut refused = Vec::new();
            for job in &kept {
                let intent = model::record::Record::Intent(support::intent(1));
                let Ok(ticket) = open.journal().record(support::key(job.id, 1), intent).await else { break };
                refused.push(ticket);
            }
            assert!(refused.len() > 30, "one group of {} intents", refused.len());
            for ticket in refused {
                assert!(matches!(ticket.await, Err(JournalError::Poisoned(_))));
            }
            open.close().await;
            // The machine stays up: its memory still has what its disk refused.
            let open = place.open().await;
            let states = open.states();
            open.batch(2).await;
            open.close().await;
            simulation.crash_host(HOST);
            let open = place.open().await;
            assert_eq!(open.opened.recovered.findings, []);
            assert_eq!(open.states()[..states.len()], states, "seed {seed}");
            open.close().await;
        });
    }
}
