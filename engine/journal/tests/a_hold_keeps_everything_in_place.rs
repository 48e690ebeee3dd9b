//! While a hold lives, settled segments and keys stay where they are; when it is gone, they go as ever.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use model::State;
use support::*;

#[test]
fn nothing_goes_before_the_last_hold() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(1500).await;
        let batch = jobs[0].head.batch;
        let before = place.segments("work");
        assert!(before.len() > 3, "several segments: {before:?}");

        let first = open.journal().hold().await.unwrap();
        let second = open.journal().hold().await.unwrap();
        for job in &jobs {
            drop(open.journal().record(key(job.id, 1), model::record::Record::Outcome(end(State::Delivered))).await.unwrap());
        }
        open.journal().sync().await.unwrap();
        let journal = open.journal().clone();
        let mut destroyed = Box::pin(journal.destroy_batch_key(batch));
        let waiting = place.world.timeout(std::time::Duration::from_millis(200), destroyed.as_mut()).await;
        assert!(waiting.is_err(), "a key is not destroyed under a hold");
        drop(first);
        let waiting = place.world.timeout(std::time::Duration::from_millis(100), destroyed.as_mut()).await;
        assert!(waiting.is_err(), "one of two holds is left");
        let during = place.segments("work");
        assert!(before.iter().all(|path| during.contains(path)), "{during:?}");

        drop(second);
        destroyed.as_mut().await.unwrap();
        drop(destroyed);
        drop(journal);
        open.journal().hold().await.map(drop).unwrap();
        let after = place.segments("work");
        assert!(after.len() < before.len(), "settled segments went: {after:?}");
        open.close().await;
        // What was set aside and never served is done by the next start.
        let open = place.open().await;
        assert!(open.opened.recovered.jobs.is_empty());
        open.close().await;
    });
}
