//! When a content key is in no copy of the ring any more, the record says so: why, when, and after whatever crash.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use journal::JournalError;
use model::record::{KeyDestruction, Record};
use model::{BatchId, State, Timestamp};
use std::collections::BTreeMap;
use support::{Open, Place, about_a_batch, commit, end, key};
use world::simulated::Simulation;

const HOST: &str = "engine";

fn destructions(open: &mut Open) -> Vec<KeyDestruction> {
    let records = open.opened.tail.next(100_000).unwrap().into_iter();
    records.filter_map(|(_, _, record)| if let Record::KeyDestroyed(gone) = record { Some(gone) } else { None }).collect()
}

fn causes(open: &mut Open) -> BTreeMap<BatchId, String> {
    destructions(open).into_iter().map(|gone| (gone.batch, gone.cause)).collect()
}

async fn settle(open: &Open, rows: u64) -> BatchId {
    let batch = open.open_batch(false).await;
    for row in 0..rows {
        open.journal().append(open.job(batch, row)).await.unwrap();
    }
    for job in open.journal().commit_batch(commit(batch, rows)).await.unwrap() {
        open.outcome(job.id, 1, State::Delivered).await;
    }
    batch
}

#[test]
fn with_its_cause() {
    let place = Place::new();
    world::block_on(async {
        let mut open = place.open().await;
        let settled = settle(&open, 2).await;
        let close = Record::BatchClose { batch: settled, at: Timestamp(5) };
        open.journal().record(about_a_batch(), close).await.unwrap().await.unwrap();
        let given_up = open.open_batch(false).await;
        open.journal().append(open.job(given_up, 9)).await.unwrap();
        open.journal().discard_batch(given_up, Timestamp(6), "refused").await.unwrap();
        let ordered = settle(&open, 1).await;
        let kept = open.batch(1).await[0].head.batch;
        assert!(matches!(open.journal().destroy_batch_key(kept).await, Err(JournalError::StillNeeded { .. })));
        open.journal().destroy_batch_key(ordered).await.unwrap();
        // The operator's answer comes after the frame.
        assert_eq!(causes(&mut open).get(&ordered).map(String::as_str), Some("operator"));
        open.journal().destroy_batch_key(ordered).await.unwrap();
        open.close().await;

        let mut open = place.open().await;
        let all = destructions(&mut open);
        let expected = [(settled, "settled"), (given_up, "discarded"), (ordered, "operator")];
        assert_eq!(all.len(), expected.len(), "each once: {all:?}");
        for (batch, cause) in expected {
            let gone = all.iter().find(|gone| gone.batch == batch).unwrap();
            assert!(gone.cause == cause && gone.at.0 > 0, "{gone:?}");
        }
        open.close().await;
    });
}

#[test]
fn one_that_a_start_gives_up_too() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let batch = open.open_batch(false).await;
        open.journal().append(open.job(batch, 1)).await.unwrap();
        open.journal().sync().await.unwrap();
        open.close().await;
        place.open().await.close().await;
        let mut open = place.open().await;
        assert_eq!(causes(&mut open), BTreeMap::from([(batch, "discarded".to_owned())]));
        open.close().await;
    });
}

/// Batches that are opened, delivered and closed, and one that is given up; until the disk fails.
async fn live(place: &Place, opened: &mut Vec<BatchId>) -> Result<(), JournalError> {
    let open = place.try_open().await?;
    for given_up in [false, true, false] {
        let batch = open.journal().new_batch_id();
        let (tenant, stream, format) = (open.tenant, model::StreamName::Transactional, "ndjson".to_owned());
        let opening =
            model::record::BatchOpen { batch, tenant, stream, file_sha256: Some([1; 32]), format, at: Timestamp(1), rolling: false };
        open.journal().open_batch(opening).await?;
        opened.push(batch);
        open.journal().append(open.job(batch, 1)).await?;
        if given_up {
            open.journal().discard_batch(batch, Timestamp(2), "refused").await?;
            continue;
        }
        for job in open.journal().commit_batch(commit(batch, 1)).await? {
            open.journal().record(key(job.id, 1), Record::Outcome(end(State::Delivered))).await?.await?;
        }
        open.journal().record(about_a_batch(), Record::BatchClose { batch, at: Timestamp(3) }).await?.await?;
    }
    open.journal().close().await;
    Ok(())
}

#[test]
fn after_a_crash_at_any_change_of_the_disk() {
    for change in 1..=120 {
        for seed in 0..4 {
            let simulation = Simulation::new(seed * 1000 + change);
            let place = Place::simulated(simulation.world());
            let mut opened = Vec::new();
            for _ in 0..2 {
                simulation.crash_host_in_disk_change(HOST, change);
                let _ = simulation.run(live(&place, &mut opened));
                simulation.crash_host(HOST);
            }
            simulation.run(async {
                // What a start makes good is durable when it ends well.
                place.open().await.close().await;
                let mut open = place.open().await;
                let all = destructions(&mut open);
                for batch in &opened {
                    let named: Vec<_> = all.iter().filter(|gone| gone.batch == *batch).collect();
                    let alive = open.opened.recovered.batches.iter().any(|known| known.open.batch == *batch && !known.closed);
                    assert_eq!(named.is_empty(), alive, "seed {seed}, change {change}: {batch} {named:?}");
                    assert!(named.windows(2).all(|two| two[0] == two[1]), "twice at most the same: {named:?}");
                }
                assert_eq!(open.keys.overview().destructions_to_record, 0, "seed {seed}, change {change}");
                open.close().await;
            });
        }
    }
}
