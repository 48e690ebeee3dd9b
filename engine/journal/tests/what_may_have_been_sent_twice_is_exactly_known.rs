//! After a crash nothing is lost, and the set that may have been sent twice is exactly known (invariant 10).
mod support;

use model::record::{AttemptEnd, FrameKey, Record, StateChange};
use model::state::HoldReason;
use model::{MessageVersion, State, Timestamp};
use support::{Place, end, intent, key};

#[test]
fn a_job_is_uncertain_where_its_last_word_is_an_intent() {
    let place = Place::new();
    world::block_on(async {
        let open = place.open().await;
        let jobs = open.batch(7).await;
        let id = |index: usize| jobs[index].id;
        // 0: never tried. 1: tried, not answered. 2: delivered. 3: not sent. 4: deferred, then tried again. 5: held. 6: bounced.
        open.intent(id(1), 1).await;
        open.intent(id(2), 1).await;
        open.outcome(id(2), 1, State::Delivered).await;
        open.intent(id(3), 1).await;
        let not_sent = AttemptEnd { due: Some(Timestamp(77)), ..end(State::Queued) };
        open.record(id(3), 1, Record::NotSent(not_sent)).await;
        open.intent(id(4), 1).await;
        open.record(id(4), 1, Record::Outcome(AttemptEnd { due: Some(Timestamp(88)), ..end(State::Queued) })).await;
        open.intent(id(4), 2).await;
        let held =
            StateChange { at: Timestamp(5), state: State::Held, held: Some(HoldReason::OperatorHold), due: None, cause: "operator".into() };
        open.record(id(5), 0, Record::Change(held)).await;
        open.intent(id(6), 1).await;
        open.outcome(id(6), 1, State::Bounced).await;
        // The process dies: no close.
        let copy = place.copy();
        open.close().await;

        let open = copy.open().await;
        let found = &open.opened.recovered.jobs;
        let at = |index: usize| found.iter().find(|job| job.job.id == id(index));
        assert!(at(2).is_none(), "delivered is settled");
        let view = |index: usize| {
            at(index).map(|job| (job.state, job.attempts, job.due.0, job.frozen.as_ref().map(|intent| intent.date.0))).unwrap()
        };
        assert_eq!(view(0), (State::Queued, 0, 10, None));
        assert_eq!(view(1), (State::Uncertain, 1, 10, Some(1)));
        assert_eq!(view(3), (State::Queued, 1, 77, Some(1)));
        assert_eq!(view(4), (State::Uncertain, 2, 88, Some(1)), "the first intent froze the bytes");
        assert_eq!(view(5), (State::Held, 0, 10, None));
        assert_eq!(at(5).unwrap().held, Some(HoldReason::OperatorHold));
        assert_eq!(view(6), (State::Bounced, 1, 10, Some(1)), "a person may still need it");

        // A decision ends the uncertainty; another message version freezes anew.
        let resend =
            StateChange { at: Timestamp(6), state: State::Queued, held: None, due: Some(Timestamp(9)), cause: "resend_after_crash".into() };
        open.record(id(1), 0, Record::Change(resend)).await;
        let version = FrameKey { message: MessageVersion(1), ..key(id(4), 3) };
        open.journal().record(version, Record::Intent(intent(3))).await.unwrap().await.unwrap();
        open.close().await;
        let open = copy.open().await;
        let found = &open.opened.recovered.jobs;
        let at = |index: usize| found.iter().find(|job| job.job.id == id(index)).unwrap();
        assert_eq!((at(1).state, at(1).due, at(1).attempts), (State::Queued, Timestamp(9), 1));
        assert!(at(1).frozen.is_some());
        assert_eq!((at(4).message, at(4).attempts, at(4).frozen.as_ref().unwrap().date.0), (MessageVersion(1), 3, 3));
        open.close().await;
    });
}
