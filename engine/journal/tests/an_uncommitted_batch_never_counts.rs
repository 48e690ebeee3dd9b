//! A batch is all or nothing at the door (invariant 2).
mod support;

use journal::JournalError;
use model::{State, Timestamp};
use support::{Place, commit, data};

#[test]
fn it_is_discarded_at_the_next_start_and_its_key_is_gone() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let kept = open.batch(3).await;
        let batch = open.open_batch(false).await;
        for row in 1..=50 {
            open.journal().append(open.job(batch, row)).await.unwrap();
        }
        // Another batch's commit makes the frames durable; not the batch.
        let other = open.batch(1).await;
        open.close().await;

        let open = place.open().await;
        assert_eq!(open.opened.recovered.discarded, [batch]);
        assert_eq!(open.opened.recovered.jobs.len(), 4);
        assert_eq!(open.binding_keys().len(), 4, "its keys do not bind");
        assert!(open.opened.recovered.batches.iter().all(|found| found.open.batch != batch));
        assert_eq!(open.opened.reader.payload(other[0].id, other[0].locator).unwrap(), data(1));
        let error = open.journal().commit_batch(commit(batch, 50)).await.unwrap_err();
        assert!(matches!(error, JournalError::BatchNotOpen(_)), "{error}");
        assert!(open.batch(1).await[0].id > other[0].id, "ids of discarded jobs do not come back");
        open.close().await;

        let open = place.open().await;
        assert!(open.opened.recovered.discarded.is_empty(), "it was said once, for good");
        assert!(open.opened.recovered.findings.is_empty());
        assert_eq!(open.opened.recovered.jobs.len(), 3 + 1 + 1);
        assert_eq!(open.opened.recovered.jobs[0].job, kept[0]);
        open.close().await;
    });
}

#[test]
fn giving_it_up_by_hand_takes_its_key_and_a_binding_one_stays() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let batch = open.open_batch(false).await;
        open.journal().append(open.job(batch, 1)).await.unwrap();
        open.journal().discard_batch(batch, Timestamp(5), "refused").await.unwrap();
        assert!(open.journal().commit_batch(commit(batch, 1)).await.is_err());
        let jobs = open.batch(1).await;
        assert!(open.journal().discard_batch(jobs[0].head.batch, Timestamp(5), "refused").await.is_err());
        let rolling = open.open_batch(true).await;
        assert!(open.journal().discard_batch(rolling, Timestamp(5), "refused").await.is_err());
        open.close().await;
        let open = place.open().await;
        assert_eq!(open.states(), [(jobs[0].id.sequence(), State::Queued)]);
        open.close().await;
    });
}

#[test]
fn a_job_that_does_not_fit_makes_the_commit_fail_and_nothing_else() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let batch = open.open_batch(false).await;
        open.journal().append(open.job(batch, 1)).await.unwrap();
        let mut large = open.job(batch, 2);
        let noise = |row: u64| (0..3000).map(move |i: u64| (row ^ i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_string()).collect::<String>();
        if let model::stage::Payload::Statements(statements) = &mut large.data.payload {
            statements[0].claim_number = model::Private::from((0..40).map(noise).collect::<String>());
        }
        open.journal().append(large).await.unwrap();
        open.journal().append(open.job(batch, 3)).await.unwrap();
        let error = open.journal().commit_batch(commit(batch, 3)).await.unwrap_err();
        assert!(matches!(error, JournalError::TooLarge { .. }), "{error}");
        assert!(!open.journal().is_poisoned());
        assert_eq!(open.batch(2).await.len(), 2);
        open.close().await;
    });
}

#[test]
fn what_does_not_go_together_is_refused() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let (file, rolling) = (open.open_batch(false).await, open.open_batch(true).await);
        let refused = |error| matches!(error, JournalError::WrongBatchKind(_));
        assert!(refused(open.journal().append_rolling(open.job(file, 1)).await.unwrap().await.unwrap_err()));
        open.journal().append(open.job(rolling, 1)).await.unwrap();
        let unknown = open.journal().new_batch_id();
        let error = open.journal().append_rolling(open.job(unknown, 1)).await.unwrap().await.unwrap_err();
        assert!(matches!(error, JournalError::BatchNotOpen(_)));
        let head = model::record::Record::Head(open.job(file, 1).head);
        assert!(open.journal().record(support::about_a_batch(), head).await.unwrap().await.is_err());
        assert!(matches!(place.open_second().await, Err(JournalError::Keys(_) | JournalError::Locked(_))));
        open.close().await;
    });
}

impl Place {
    /// The journal alone, under a ring of its own: as a second process would.
    async fn open_second(&self) -> Result<(), JournalError> {
        let ring = journal::KeyRing::open(&self.world, &self.dir.join("ring2"), &self.source())?;
        journal::open::<model::Transactional>(self.world.clone(), self.config(), ring).await.map(drop)
    }
}

#[test]
fn only_one_process_writes() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        assert!(matches!(place.open_second().await, Err(JournalError::Locked(_))));
        open.close().await;
        // The other stream's journal in this directory is not ours.
        let ring = place.ring();
        let opened = journal::open::<model::Marketing>(place.world.clone(), place.config(), ring).await;
        assert!(matches!(opened, Err(JournalError::Foreign { .. })), "{opened:?}");
    });
}
