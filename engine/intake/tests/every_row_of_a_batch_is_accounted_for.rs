//! Invented batches through the whole of intake: where each row ends is what the batch's maker expects, in rows and in money.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod admitting;

use admitting::{Plain, settings};
use intake::{Admission, Admitted, Binding, Contacts, InputProfile, KeyIndex, Row, open};
use model::record::Intake;
use model::reject::Place;
use model::state::{Disposition, HoldReason};
use model::statement::Member;
use model::{BatchId, Marketing, Private, Stream, TenantId, Timestamp, Transactional};
use std::sync::Arc;
use std::time::Duration;
use testkit::{Batch, Options};

fn admit<S: Stream>(file: &[u8], contacts: Option<&[u8]>, batch: u64, keys: &mut KeyIndex) -> (Vec<Admitted<S>>, Intake) {
    let contacts = contacts.map(|bytes| Arc::new(Contacts::read(bytes, "contacts.csv").unwrap()));
    let mut admission = Admission::<S>::new(settings(batch, Binding::WithBatch), contacts);
    let mut rows = open(&InputProfile::default(), "batch.835", Box::new(file)).unwrap();
    let admitted = rows.by_ref().map(|row| admission.admit(row.unwrap(), keys, &Plain).unwrap()).collect();
    let intake = admission.finish(rows.source_records());
    assert!(intake.is_balanced(), "{intake:?}");
    (admitted, intake)
}

fn mixed() -> Batch {
    Batch::new(Options {
        rows: 2_000,
        lines: 1..=6,
        claims_per_transaction: 90,
        without_contact_per_mille: 40,
        mismatched_per_mille: 40,
        duplicate_per_mille: 60,
        unbalanced_per_mille: 50,
        reversal_per_mille: 50,
        ..Options::default()
    })
}

#[test]
fn an_835_with_a_contact_file_ends_as_its_maker_expects() {
    let batch = mixed();
    let (mut file, mut contacts) = (Vec::new(), Vec::new());
    let expected = batch.write_x12_835(&mut file).unwrap();
    batch.write_contacts(&mut contacts).unwrap();
    let (admitted, intake) = admit::<Transactional>(&file, Some(&contacts), 1, &mut KeyIndex::in_memory());
    assert_eq!(expected.reconcile(&intake), Ok(()));
    for (row, admitted) in batch.rows().zip(&admitted) {
        let Admitted::Job(job) = admitted else { continue };
        assert_eq!(job.head.row, row.number);
        match (&job.data.recipient, job.head.held) {
            // Never the address of another row.
            (Some(recipient), None) => assert_eq!(recipient.mailbox.reveal(), row.person.email.reveal()),
            (None, Some(HoldReason::MemberMismatch)) => assert!(job.head.destination.is_none() && job.head.recipient.is_none()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_same_batch_as_ndjson_ends_the_same_with_and_without_recipients() {
    let batch = mixed();
    let (mut file, mut contacts) = (Vec::new(), Vec::new());
    let expected = batch.write_ndjson(&mut file).unwrap();
    batch.write_contacts(&mut contacts).unwrap();
    let (_, intake) = admit::<Transactional>(&file, Some(&contacts), 1, &mut KeyIndex::in_memory());
    assert_eq!(expected.reconcile(&intake), Ok(()));

    let mut file = Vec::new();
    batch.write_ndjson_with_recipients(&mut file).unwrap();
    let (_, inline) = admit::<Transactional>(&file, None, 1, &mut KeyIndex::in_memory());
    // Rows without a contact have no recipient in them either; nobody is mismatched, because no join takes place.
    assert_eq!((inline.accepted, inline.rejected, inline.duplicate), (intake.accepted, intake.rejected, intake.duplicate));
    assert_eq!(inline.reasons.get("contact_missing").copied().unwrap_or_default(), inline.no_address.rows);
    assert_eq!(inline.reasons.get("member_mismatch"), None);
}

#[test]
fn a_repeated_file_is_all_duplicates_and_a_discarded_one_none() {
    let batch = Batch::new(Options { rows: 50, ..Options::default() });
    let (mut file, mut contacts) = (Vec::new(), Vec::new());
    batch.write_x12_835(&mut file).unwrap();
    batch.write_contacts(&mut contacts).unwrap();
    let mut keys = KeyIndex::in_memory();
    let (_, first) = admit::<Transactional>(&file, Some(&contacts), 1, &mut keys);
    assert_eq!(first.accepted.rows, 50);
    keys.discard(BatchId::new(1, 1));
    let (_, second) = admit::<Transactional>(&file, Some(&contacts), 2, &mut keys);
    assert_eq!(second.accepted.rows, 50);
    keys.commit(BatchId::new(1, 2));
    let (admitted, third) = admit::<Transactional>(&file, Some(&contacts), 3, &mut keys);
    assert_eq!((third.duplicate.rows, third.accepted.rows), (50, 0));
    let Admitted::Not { reject, .. } = &admitted[7] else { panic!() };
    assert!(reject.expected.contains("b1-2") && reject.place.row == 8, "{reject:?}");
}

#[test]
fn a_row_without_an_address_can_be_handed_in_again() {
    let batch = Batch::new(Options { rows: 5, ..Options::default() });
    let (mut file, mut contacts) = (Vec::new(), Vec::new());
    batch.write_x12_835(&mut file).unwrap();
    batch.write_contacts(&mut contacts).unwrap();
    let mut keys = KeyIndex::in_memory();
    let (_, first) = admit::<Transactional>(&file, None, 1, &mut keys);
    assert_eq!((first.no_address.rows, first.reasons["contact_missing"]), (5, 5));
    keys.commit(BatchId::new(1, 1));
    let (_, second) = admit::<Transactional>(&file, Some(&contacts), 2, &mut keys);
    assert_eq!(second.accepted.rows, 5);
}

const LINE: &str = r#"{"key":"K1","kind":"eob","claim_number":"C1","member":{"id":"M1","name":"Ada Example"},"status":"denied","totals":{"billed":"10.00","member_owes":"10.00"},"recipient":{"email":"ada@mail.example"}}"#;
const TEMPLATED: &str =
    r#"{"kind":"templated","template":"flu","variables":{"a":"b"},"authorization":"A1","recipient":{"email":"ada@mail.example"}}"#;

fn dispositions<S: Stream>(lines: &[String]) -> Vec<(Disposition, String)> {
    let (admitted, _) = admit::<S>(lines.join("\n").as_bytes(), None, 1, &mut KeyIndex::in_memory());
    admitted
        .into_iter()
        .map(|admitted| match admitted {
            Admitted::Job(_) => (Disposition::Accepted, String::new()),
            Admitted::Not { disposition, reason, reject } => {
                assert_eq!((reject.reason.as_str(), reject.file.as_str()), (reason.as_str(), "batch.835"));
                (disposition, reason)
            }
        })
        .collect()
}

fn expect(found: &[(Disposition, String)], expected: &[(Disposition, &str)]) {
    let found: Vec<_> = found.iter().map(|(disposition, reason)| (*disposition, reason.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_key_means_one_content_for_ever() {
    let found = dispositions::<Transactional>(&[
        LINE.to_owned(),
        LINE.to_owned(),
        LINE.replace("10.00", "11.00"),
        LINE.replace("K1", "K2"),
        LINE.replace("ada@mail", "other@mail"),
        LINE.replace(r#""key":"K1","#, ""),
        LINE.replace(r#""key":"K1","#, ""),
    ]);
    expect(
        &found,
        &[
            (Disposition::Accepted, ""),
            (Disposition::Duplicate, "duplicate"),
            (Disposition::Rejected, "key_conflict"),
            (Disposition::Accepted, ""),
            (Disposition::Duplicate, "duplicate"),
            (Disposition::Accepted, ""),
            (Disposition::Duplicate, "duplicate"),
        ],
    );
}

#[test]
fn streams_do_not_take_each_others_rows() {
    let lines =
        [LINE.to_owned(), TEMPLATED.to_owned(), TEMPLATED.replace(r#""authorization":"A1","#, ""), TEMPLATED.replace("ada@", "bea@")];
    let wrong = (Disposition::Rejected, "wrong_stream");
    expect(&dispositions::<Transactional>(&lines), &[(Disposition::Accepted, ""), wrong, wrong, wrong]);
    expect(
        &dispositions::<Marketing>(&lines),
        &[wrong, (Disposition::Accepted, ""), (Disposition::NoConsent, "authorization_missing"), (Disposition::Accepted, "")],
    );
}

#[test]
fn bad_addresses_and_unmailable_statuses_have_their_own_reasons() {
    let found = dispositions::<Transactional>(&[
        LINE.replace("ada@mail.example", "not an address"),
        LINE.replace("ada@mail.example", ""),
        LINE.replace("denied", "reversal"),
        LINE.replace("denied", "unknown"),
        LINE.replace(r#","member_owes":"10.00""#, ""),
        "garbage".to_owned(),
    ]);
    expect(
        &found,
        &[
            (Disposition::NoAddress, "address_malformed"),
            (Disposition::NoAddress, "address_missing"),
            (Disposition::NotMailable, "reversal"),
            (Disposition::NotMailable, "status_unknown"),
            (Disposition::NotMailable, "liability_unknown"),
            (Disposition::Rejected, "json_invalid"),
        ],
    );
}

#[test]
fn heads_carry_what_the_batch_and_the_row_say() {
    let (admitted, intake) = admit::<Transactional>(LINE.as_bytes(), None, 9, &mut KeyIndex::in_memory());
    let Admitted::Job(job) = &admitted[0] else { panic!() };
    let head = &job.head;
    assert_eq!((head.batch, head.tenant, head.row, head.statements, head.priority), (BatchId::new(1, 9), TenantId(1), 1, 1, 3));
    let now = Timestamp(1_795_348_800_000);
    assert_eq!((head.due, head.deadline), (now, now + Duration::from_secs(72 * 3_600)));
    assert_eq!(head.destination.as_ref().unwrap().as_str(), "mail.example");
    assert_eq!((head.bundle, head.protection), (job.data.bundle, job.data.protection));
    assert_eq!(job.data.recipient.as_ref().unwrap().name, Private::from("Ada Example"));
    assert_eq!((intake.accepted.rows, intake.accepted.money), (1, head.money));
}

#[test]
fn nothing_of_a_row_prints() {
    let mut rows = open(&InputProfile::default(), "a.ndjson", Box::new(LINE.as_bytes())).unwrap();
    let row = rows.next().unwrap().unwrap();
    let shown = format!("{row:?} {rows:?}");
    for secret in ["Ada", "ada", "C1", "M1", "K1"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let Row::Statement(read) = row else { panic!() };
    assert_eq!(read.place, Place { row: 1, line: Some(1), segment: None, field: None });
    assert_eq!(read.statement.member, Member { id: "M1".into(), name: "Ada Example".into(), ..Member::default() });
}
