//! The versions of a claim: the same again is a duplicate, another content is a correction, a reversal alone is nothing, and what is not
//! committed corrects nothing.
#![allow(clippy::unwrap_used, reason = "test code")]

mod admitting;

use admitting::{Plain, settings};
use intake::{Admission, Admitted, Binding, Earlier, KeyIndex, Row};
use intake::{InlineRecipient, ReadStatement};
use model::reject::Place;
use model::statement::ClaimStatus;
use model::{BatchId, Cents, JobId, Statement, Transactional};

fn statement(owes: i64) -> Statement {
    let batch = testkit::Batch::new(testkit::Options { rows: 1, ..testkit::Options::default() });
    let mut statement = batch.row(1).statement;
    statement.totals.member_owes = Some(Cents(owes));
    statement
}

fn reversal(of: &Statement) -> Statement {
    let mut reversal = Statement { status: ClaimStatus::Reversal, ..of.clone() };
    reversal.totals.billed = of.totals.billed.map(|billed| -billed);
    reversal.totals.plan_paid = of.totals.plan_paid.map(|paid| -paid);
    reversal.totals.member_owes = None;
    reversal
}

/// One batch, row by row. Accepted rows become jobs with the row's number.
struct Door {
    admission: Admission<Transactional>,
    batch: u64,
    binding: Binding,
    row: u64,
    /// Of cancelled batches: jobs that had left.
    left: Vec<JobId>,
}

impl Door {
    fn open(batch: u64) -> Self {
        Self::with(batch, Binding::WithBatch)
    }

    fn with(batch: u64, binding: Binding) -> Self {
        Self { admission: Admission::new(settings(batch, binding), None), batch, binding, row: 0, left: Vec::new() }
    }

    /// After these batches were cancelled, and of their jobs these had left.
    fn after_cancelled(batch: u64, cancelled: &[u64], left: &[JobId]) -> Self {
        let door = Self::open(batch);
        let batches = cancelled.iter().map(|batch| BatchId::new(1, *batch)).collect();
        Self { admission: door.admission.after_cancelled(batches), left: left.to_vec(), ..door }
    }

    /// What became of a row: its reason, or `accepted` with its earlier version.
    fn hand_in(&mut self, statement: Statement, keys: &mut KeyIndex) -> Result<Option<Earlier>, String> {
        self.row += 1;
        let not_mailable = (statement.status == ClaimStatus::Reversal).then_some(intake::reason::REVERSAL);
        let recipient = InlineRecipient { email: "ada@mail.example".into(), name: None, language: None };
        let place = Place { row: self.row, line: None, segment: None, field: None };
        let read = ReadStatement { statement, place, not_mailable, also_known_as: Vec::new(), recipient: Some(recipient), key: None };
        let row = Row::Statement(Box::new(read));
        while let Some(job) = self.admission.in_doubt(&row, keys, &Plain).unwrap() {
            self.admission.judge(job, self.left.contains(&job));
        }
        match self.admission.admit(row, keys, &Plain).unwrap() {
            Admitted::Job(job) => {
                let head = &job.head;
                let day = intake::Day::of(head.due);
                let entry = intake::KeyEntry {
                    tenant: head.tenant,
                    key: head.key,
                    content: head.content,
                    batch: head.batch,
                    day,
                    job: None,
                    row: None,
                };
                keys.locate(&entry, self.binding, JobId::new(1, self.batch * 100 + self.row));
                if self.binding == Binding::ByItself {
                    keys.bind(head.tenant, &head.key);
                }
                Ok(self.admission.earlier())
            }
            Admitted::Not { reason, reject, .. } => Err(format!("{reason}: {}", reject.expected)),
        }
    }
}

fn job_before(earlier: Option<Earlier>) -> Option<JobId> {
    earlier.and_then(|earlier| earlier.known).and_then(|known| known.job)
}

#[test]
fn the_same_is_a_duplicate_by_name_and_another_content_corrects_the_latest_version() {
    let mut keys = KeyIndex::in_memory();
    let mut first = Door::open(1);
    assert_eq!(first.hand_in(statement(100), &mut keys), Ok(None));
    keys.commit(BatchId::new(1, 1));
    let mut second = Door::open(2);
    let again = second.hand_in(statement(100), &mut keys).unwrap_err();
    assert!(again.starts_with("duplicate: ") && again.contains("batch b1-1"), "{again}");
    assert_eq!(job_before(second.hand_in(statement(200), &mut keys).unwrap()), Some(JobId::new(1, 101)));
    keys.commit(BatchId::new(1, 2));
    let mut third = Door::open(3);
    assert_eq!(job_before(third.hand_in(statement(300), &mut keys).unwrap()), Some(JobId::new(1, 202)), "the latest, not the first");
    keys.commit(BatchId::new(1, 3));
    let mut fourth = Door::open(4);
    for known in [100, 200, 300] {
        assert!(fourth.hand_in(statement(known), &mut keys).is_err(), "an old file handed in again takes nothing back");
    }
}

#[test]
fn another_member_or_another_claim_is_no_correction() {
    let mut keys = KeyIndex::in_memory();
    let mut door = Door::open(1);
    assert_eq!(door.hand_in(statement(100), &mut keys), Ok(None));
    keys.commit(BatchId::new(1, 1));
    let mut other_member = statement(200);
    other_member.member.id = "somebody else".into();
    let mut other_claim = statement(200);
    other_claim.claim_number = "another".into();
    let mut door = Door::open(2);
    assert_eq!(door.hand_in(other_member, &mut keys), Ok(None));
    assert_eq!(door.hand_in(other_claim, &mut keys), Ok(None));
}

#[test]
fn what_is_given_up_corrects_nothing() {
    let mut keys = KeyIndex::in_memory();
    let mut first = Door::open(1);
    assert_eq!(first.hand_in(statement(100), &mut keys), Ok(None));
    keys.commit(BatchId::new(1, 1));
    let mut given_up = Door::open(2);
    assert!(given_up.hand_in(statement(200), &mut keys).unwrap().is_some());
    keys.discard(BatchId::new(1, 2));
    let mut third = Door::open(3);
    assert_eq!(job_before(third.hand_in(statement(200), &mut keys).unwrap()), Some(JobId::new(1, 101)), "as if it had never come");
}

#[test]
fn a_reversal_and_its_correction_are_one_statement_and_a_reversal_alone_is_none() {
    let mut keys = KeyIndex::in_memory();
    let mut door = Door::open(1);
    let before = statement(100);
    assert!(door.hand_in(reversal(&before), &mut keys).unwrap_err().starts_with("reversal"));
    let earlier = door.hand_in(statement(200), &mut keys).unwrap().expect("it corrects what was taken back");
    let taken_back = earlier.reversed.unwrap();
    assert_eq!((earlier.known, taken_back.billed), (None, before.totals.billed.unwrap()));
    let intake = door.admission.finish(2);
    assert_eq!((intake.accepted.rows, intake.not_mailable.rows, intake.is_balanced()), (1, 1, true));

    let mut alone = Door::open(2);
    assert!(alone.hand_in(reversal(&before), &mut KeyIndex::in_memory()).is_err());
    assert_eq!(alone.admission.intake().accepted.rows, 0);
}

#[test]
fn two_parts_of_a_claim_in_one_file_are_two_statements_unless_a_reversal_stands_between() {
    let mut keys = KeyIndex::in_memory();
    let mut door = Door::open(1);
    assert_eq!(door.hand_in(statement(100), &mut keys), Ok(None));
    assert_eq!(door.hand_in(statement(200), &mut keys), Ok(None), "neither swallows the other");
    assert!(door.hand_in(reversal(&statement(200)), &mut keys).is_err());
    assert_eq!(job_before(door.hand_in(statement(300), &mut keys).unwrap()), Some(JobId::new(1, 102)));
}

#[test]
fn single_jobs_of_one_hour_correct_each_other() {
    let mut keys = KeyIndex::in_memory();
    let mut door = Door::with(1, Binding::ByItself);
    assert_eq!(door.hand_in(statement(100), &mut keys), Ok(None));
    assert!(door.hand_in(statement(100), &mut keys).unwrap_err().starts_with("duplicate"));
    assert_eq!(job_before(door.hand_in(statement(200), &mut keys).unwrap()), Some(JobId::new(1, 101)));
}

fn claim(number: &str, cents: i64) -> Statement {
    let mut statement = statement(cents);
    statement.claim_number = number.into();
    statement
}

#[test]
fn what_never_left_of_a_cancelled_batch_may_come_again() {
    let mut keys = KeyIndex::in_memory();
    let mut first = Door::open(1);
    for number in ["one", "two"] {
        assert_eq!(first.hand_in(claim(number, 100), &mut keys), Ok(None));
    }
    keys.commit(BatchId::new(1, 1));
    // Cancelled; "one" had left by then.
    let left = [JobId::new(1, 101)];
    let mut second = Door::after_cancelled(2, &[1], &left);
    assert!(second.hand_in(claim("one", 100), &mut keys).unwrap_err().contains("batch b1-1"));
    assert_eq!(second.hand_in(claim("two", 100), &mut keys), Ok(None), "no correction: nobody got the first");
    assert!(second.hand_in(claim("two", 100), &mut keys).is_err(), "once");
    keys.commit(BatchId::new(1, 2));
    assert!(Door::after_cancelled(3, &[1], &left).hand_in(claim("two", 100), &mut keys).unwrap_err().contains("batch b1-2"));
    // Cancelled again, and again.
    for batch in 3..6 {
        let cancelled: Vec<u64> = (1..batch).collect();
        let mut again = Door::after_cancelled(batch, &cancelled, &left);
        assert_eq!(again.hand_in(claim("two", 100), &mut keys), Ok(None), "batch {batch}");
        keys.commit(BatchId::new(1, batch));
    }
    // Its correction corrects what was sent last; behind it the first version never comes.
    let mut corrects = Door::after_cancelled(6, &[1, 2, 3, 4], &left);
    assert_eq!(job_before(corrects.hand_in(claim("two", 200), &mut keys).unwrap()), Some(JobId::new(1, 501)));
    keys.commit(BatchId::new(1, 6));
    let mut late = Door::after_cancelled(7, &[1, 2, 3, 4, 5], &left);
    assert!(late.hand_in(claim("two", 100), &mut keys).unwrap_err().contains("batch b1-6"));
    // A correction that was cancelled comes again as one.
    let mut again = Door::after_cancelled(8, &[1, 2, 3, 4, 6], &left);
    assert_eq!(job_before(again.hand_in(claim("two", 200), &mut keys).unwrap()), Some(JobId::new(1, 501)));
}
