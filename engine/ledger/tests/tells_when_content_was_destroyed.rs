//! The report of a batch says when the key of its content went, and why; the first word counts.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use model::record::{FrameKey, KeyDestruction, Record};
use model::{BatchId, MessageVersion, Timestamp};

#[test]
fn once_and_why() {
    let batch = BatchId::new(1, 1);
    let key = FrameKey { job: None, message: MessageVersion(0), attempt: 0 };
    let gone = |batch, at, cause: &str| Record::KeyDestroyed(KeyDestruction { batch, key: 9, at: Timestamp(at), cause: cause.to_owned() });
    let open = Record::BatchOpen(model::record::BatchOpen {
        batch,
        tenant: model::TenantId(1),
        stream: model::StreamName::Transactional,
        file_sha256: None,
        format: "ndjson".to_owned(),
        at: Timestamp(1),
        rolling: true,
    });
    let mut ledger = ledger::Ledger::open_in_memory().unwrap();
    ledger.apply(&[(1, key, open)]).unwrap();
    let report = ledger.batch_report(batch).unwrap().unwrap();
    assert_eq!((report.content_destroyed_at, report.content_destroyed_cause), (None, None));
    let never_opened = BatchId::new(1, 77);
    let events =
        [(2, key, gone(batch, 500, "settled")), (3, key, gone(batch, 900, "operator")), (4, key, gone(never_opened, 5, "discarded"))];
    assert_eq!(ledger.apply(&events).unwrap().findings, 0);
    let report = ledger.batch_report(batch).unwrap().unwrap();
    assert_eq!((report.content_destroyed_at, report.content_destroyed_cause.as_deref()), (Some(Timestamp(500)), Some("settled")));
}
