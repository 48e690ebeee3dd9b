//! What was accepted comes back after a restart, with its content.
mod support;

use journal::RecordPosition;
use model::record::{BatchVerb, OperatorAction, Record};
use model::{BundleId, State, Timestamp};
use support::{Place, about_a_batch, commit, data, key};

#[test]
fn heads_payloads_keys_and_states_come_back() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(100).await;
        assert_eq!(jobs.len(), 100);
        for (job, row) in jobs.iter().zip(1u64..) {
            assert_eq!(job.head.row, row);
            assert_eq!(open.opened.reader.payload(job.id, job.locator).unwrap(), data(row));
        }
        open.close().await;

        let open = place.open().await;
        let recovered = &open.opened.recovered;
        assert_eq!((recovered.discarded.len(), recovered.findings.len()), (0, 0));
        assert_eq!(recovered.jobs.iter().map(|job| job.job.clone()).collect::<Vec<_>>(), jobs);
        assert!(recovered.jobs.iter().all(|job| job.state == State::Queued && job.attempts == 0 && job.due == Timestamp(10)));
        assert_eq!(
            open.binding_keys().iter().map(|(batch, key)| (*batch, *key)).collect::<Vec<_>>(),
            jobs.iter().map(|job| (job.head.batch, job.head.key)).collect::<Vec<_>>()
        );
        assert_eq!(recovered.batches[0].commit.as_ref().unwrap(), &commit(jobs[0].head.batch, 100));
        for (job, row) in jobs.iter().zip(1u64..) {
            assert_eq!(open.opened.reader.payload(job.id, job.locator).unwrap(), data(row));
        }
        // Ids go on where they were.
        let more = open.batch(1).await;
        assert!(more[0].id > jobs[99].id && more[0].head.batch > jobs[0].head.batch);
        open.close().await;
    });
}

#[test]
fn streamed_jobs_bind_one_by_one_and_their_batch_goes_on_after_a_restart() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let batch = open.open_batch(true).await;
        let first = open.journal().append_rolling(open.job(batch, 1)).await.unwrap().await.unwrap();
        // A process that dies without a word.
        let copy = place.copy();
        open.close().await;

        let open = copy.open().await;
        assert_eq!(open.states(), [(first.id.sequence(), State::Queued)]);
        let second = open.journal().append_rolling(open.job(batch, 2)).await.unwrap().await.unwrap();
        assert!(second.id > first.id);
        assert_eq!(open.opened.reader.payload(first.id, first.locator).unwrap(), data(1));
        assert_eq!(open.opened.reader.payload(second.id, second.locator).unwrap(), data(2));
        assert!(open.journal().commit_batch(commit(batch, 2)).await.unwrap().is_empty());
        assert!(open.journal().append_rolling(open.job(batch, 3)).await.unwrap().await.is_err(), "after its commit");
        open.close().await;
    });
}

#[test]
fn operators_words_and_bundles_come_back() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let batch = open.batch(2).await[0].head.batch;
        let action = |verb| OperatorAction { batch, verb, at: Timestamp(4), by: "ada".to_owned(), reason: "check".to_owned() };
        let say = async |record| open.journal().record(about_a_batch(), record).await.unwrap().await.unwrap();
        say(Record::Operator(action(BatchVerb::Hold))).await;
        let (id, archive) = (BundleId([8; 32]), b"<h1>Statement</h1>".repeat(100));
        open.journal().store_bundle(id, &archive).await.unwrap();
        open.journal().store_bundle(id, &archive).await.unwrap();
        open.close().await;

        let open = place.open().await;
        assert!(open.opened.recovered.batches[0].held);
        assert_eq!(open.opened.reader.bundle(id).unwrap(), archive);
        assert!(open.opened.reader.bundle(BundleId([9; 32])).is_err());
        open.journal().record(about_a_batch(), Record::Operator(action(BatchVerb::Release))).await.unwrap().await.unwrap();
        open.journal().record(about_a_batch(), Record::Operator(action(BatchVerb::Cancel))).await.unwrap().await.unwrap();
        open.close().await;

        let open = place.open().await;
        let batch = &open.opened.recovered.batches[0];
        assert!(!batch.held && batch.cancelled && !batch.closed);
        open.close().await;
    });
}

#[test]
fn the_tail_gives_every_durable_record_once_and_in_order() {
    let place = Place::new();
    world::block_on(async {
        let mut open = place.open().await;
        assert!(open.opened.tail.next(10).unwrap().is_empty());
        let jobs = open.batch(300).await;
        for job in &jobs {
            open.outcome(job.id, 1, State::Delivered).await;
        }
        let mut seen = Vec::new();
        loop {
            let some = open.opened.tail.next(37).unwrap();
            if some.is_empty() {
                break;
            }
            seen.extend(some);
        }
        assert_eq!(seen.len(), 1 + 300 + 1 + 300);
        assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(seen.last().unwrap().0, open.journal().durable());
        assert_eq!(seen.last().unwrap().1, key(jobs[299].id, 1));
        assert!(place.segments("record").len() > 2, "the record went over several segments");
        let middle = seen[400].0;
        open.close().await;

        let mut open = place.open().await;
        let jobs = open.batch(1).await;
        open.opened.tail.seek(middle);
        let rest = open.opened.tail.next(10_000).unwrap();
        assert_eq!(rest.len(), seen.len() - 401 + 3);
        assert_eq!(rest[0].0, seen[401].0);
        assert_eq!(rest[..seen.len() - 401], seen[401..]);
        assert_eq!(rest[rest.len() - 2].1.job, Some(jobs[0].id));
        open.opened.tail.seek(RecordPosition::default());
        assert_eq!(open.opened.tail.next(10_000).unwrap().len(), seen.len() + 3);
        open.close().await;
    });
}
