//! Rows of one member, scattered over a batch, become one job; rows of two people never do, whatever they share. Every row keeps its key,
//! its place and its cents, and what memory cannot hold is closed early and counted.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use intake::grouping::{GROUP_FULL, GROUPED};
use intake::{GroupBy, Grouping, TakenOut};
use model::record::{Head, HeadRow};
use model::stage::{Job, JobData, Payload};
use model::state::HoldReason;
use model::statement::{Correction, StatementKind};
use model::{
    BatchId, BundleId, Cents, Date, Detail, Fingerprint, JobId, LanguageTag, Mailbox, MoneySummary, PaperReason, Presentation, Protection,
    Recipient, Statement, TenantId, Timestamp, Transactional,
};
use std::collections::BTreeMap;

type OneJob = Job<Transactional>;

/// A job as admission makes it of one row.
fn job(row: u64, (id, name, born): (&str, &str, Option<Date>), email: &str) -> OneJob {
    let (given, family) = name.split_once(' ').unwrap();
    let mut statement = testkit::Batch::new(testkit::Options { rows: 1, lines: 1..=2, ..Default::default() }).row(1).statement;
    statement.claim_number = format!("CLAIM-{row}").into();
    statement.member.id = id.into();
    (statement.member.given_name, statement.member.family_name, statement.member.name) = (given.into(), family.into(), name.into());
    statement.member.birth_date = born;
    statement.totals.billed = Some(Cents(row as i64));
    let mailbox = Mailbox::parse(email).unwrap();
    let recipient = Recipient { mailbox, name: "The Examples".into(), address_version: 7, language: None, on_behalf_of: false };
    let fingerprint = |of: u64| Fingerprint(u128::from(of).to_le_bytes());
    let head = Head {
        batch: BatchId::new(1, 1),
        tenant: TenantId(1),
        row,
        key: fingerprint(row),
        content: fingerprint(row + 1_000),
        recipient: Some(fingerprint(9_000 + email.len() as u64)),
        destination: Some(recipient.mailbox.destination().clone()),
        bundle: BundleId([0; 32]),
        protection: Protection::TlsVerified,
        priority: 1,
        due: Timestamp(5),
        deadline: Timestamp(500),
        statements: 1,
        money: statement.money(),
        held: None,
        presentation: Presentation::default(),
        supersedes: None,
        further: Vec::new(),
        language_unmet: false,
    };
    let (protection, presentation) = (head.protection, head.presentation);
    let payload = Payload::Statements(vec![statement]);
    Job::new(head, JobData { recipient: Some(recipient), payload, bundle: BundleId([0; 32]), protection, presentation })
}

fn statements(job: &OneJob) -> &[Statement] {
    let Payload::Statements(statements) = &job.data.payload else { panic!("statements") };
    statements
}

/// Groups these jobs; the rows of each message, by its number.
fn grouped(by: GroupBy, jobs: Vec<OneJob>) -> (BTreeMap<u64, Vec<u64>>, BTreeMap<&'static str, u64>) {
    let mut grouping = Grouping::new(by);
    let mut number = 0;
    let mut closed = Vec::new();
    let expected: u64 = jobs.iter().map(|job| job.head.row).sum();
    for job in jobs {
        let next = || {
            number += 1;
            JobId::new(1, number)
        };
        closed.extend(grouping.take(job, next).closed);
    }
    closed.extend(std::iter::from_fn(|| grouping.close_next()));
    let mut messages = BTreeMap::new();
    let mut billed = 0;
    for (id, job) in &closed {
        let rows: Vec<HeadRow> = job.head.rows().collect();
        assert_eq!((rows.len(), usize::from(job.head.statements)), (statements(job).len(), rows.len()));
        for (row, statement) in rows.iter().zip(statements(job)) {
            assert_eq!(statement.claim_number.reveal(), format!("CLAIM-{}", row.row), "each row keeps its statement");
            assert_eq!((row.money, row.key.0[0]), (statement.money(), row.row as u8), "its cents and its key");
        }
        let members: std::collections::BTreeSet<_> = statements(job)
            .iter()
            .map(|statement| format!("{}{:?}", statement.member.id.reveal().trim().to_uppercase(), statement.member.birth_date))
            .collect();
        assert_eq!(members.len(), 1, "never two members");
        let money = rows.iter().fold(MoneySummary::default(), |sum, row| {
            let mut sum = sum;
            sum += row.money;
            sum
        });
        assert_eq!(job.head.money, money);
        billed += money.billed.0;
        assert!(messages.insert(id.sequence(), rows.iter().map(|row| row.row).collect()).is_none());
    }
    assert_eq!(billed as u64, expected, "not a cent is lost");
    (messages, grouping.reasons().collect())
}

fn rows(messages: &BTreeMap<u64, Vec<u64>>) -> Vec<Vec<u64>> {
    messages.values().cloned().collect()
}

const ADA: (&str, &str, Option<Date>) = ("M1", "Ada Example", Some(Date::constant(1980, 1, 2)));

#[test]
fn rows_that_are_far_apart_find_each_other_and_nobody_else() {
    let spouse = ("M1", "Ben Example", Some(Date::constant(1979, 5, 5)));
    let jobs = || {
        vec![
            job(1, ADA, "home@mail.example"),
            job(2, spouse, "home@mail.example"),
            job(3, ("M2", "Ada Example", ADA.2), "home@mail.example"),
            job(4, ("m1 ", "ADA EXAMPLE", ADA.2), "home@mail.example"),
            job(5, ("M1", "Ada Example", Some(Date::constant(2010, 1, 2))), "home@mail.example"),
            job(6, ("M1", "Ada Example", None), "home@mail.example"),
            job(7, spouse, "home@mail.example"),
            job(8, ADA, "home@mail.example"),
        ]
    };
    let (messages, reasons) = grouped(GroupBy::MemberBatch, jobs());
    assert_eq!(rows(&messages), [vec![1, 4, 8], vec![2, 7], vec![3], vec![5], vec![6]]);
    assert_eq!(reasons, BTreeMap::from([(GROUPED, 3)]));
    let (messages, reasons) = grouped(GroupBy::None, jobs());
    assert_eq!((messages.len(), reasons.len()), (8, 0));
}

#[test]
fn what_is_presented_otherwise_stays_apart() {
    let other: [fn(&mut OneJob); 10] = [
        |job| job.head.held = Some(HoldReason::ReasonUnworded),
        |job| job.head.presentation.paper = Some(PaperReason::Minor),
        |job| job.head.presentation.detail = Detail::Notice,
        |job| (job.head.protection, job.data.protection) = (Protection::TlsEncrypted, Protection::TlsEncrypted),
        |job| job.data.recipient.as_mut().unwrap().language = LanguageTag::parse("es").ok(),
        |job| job.data.recipient.as_mut().unwrap().on_behalf_of = true,
        |job| job.data.recipient.as_mut().unwrap().mailbox = Mailbox::parse("work@mail.example").unwrap(),
        |job| job.data.recipient = None,
        |job| {
            let Payload::Statements(statements) = &mut job.data.payload else { return };
            statements[0].kind = StatementKind::Bill;
        },
        |job| {
            let Payload::Statements(statements) = &mut job.data.payload else { return };
            statements[0].particulars.correction = Some(Correction::default());
        },
    ];
    for (at, change) in other.into_iter().enumerate() {
        let mut odd = job(2, ADA, "home@mail.example");
        change(&mut odd);
        let (messages, _) = grouped(GroupBy::MemberBatch, vec![job(1, ADA, "home@mail.example"), odd, job(3, ADA, "home@mail.example")]);
        let mut messages = rows(&messages);
        messages.sort();
        assert_eq!(messages, [vec![1, 3], vec![2]], "change {at}");
    }
}

#[test]
fn a_full_message_is_followed_by_the_next() {
    let jobs = (1..=120).map(|row| job(row, ADA, "home@mail.example")).collect();
    let (messages, reasons) = grouped(GroupBy::MemberBatch, jobs);
    assert_eq!(messages.values().map(Vec::len).collect::<Vec<_>>(), [50, 50, 20]);
    assert_eq!(reasons, BTreeMap::from([(GROUPED, 117), (GROUP_FULL, 2)]));
}

#[test]
fn a_corrected_row_leaves_the_message_that_is_put_together() {
    let mut grouping = Grouping::<Transactional>::new(GroupBy::MemberBatch);
    let number = std::cell::Cell::new(0);
    let next = || {
        number.set(number.get() + 1);
        JobId::new(1, number.get())
    };
    let group = (1..=3).map(|row| grouping.take(job(row, ADA, "home@mail.example"), next).id).last().unwrap();
    let content = |row: u64| job(row, ADA, "home@mail.example").head.content;
    let TakenOut::Job(first) = grouping.take_out(group, &content(1), next) else { panic!("it is in an open group") };
    assert_eq!((first.0 == group, first.1.head.row, first.1.head.statements), (false, 1, 1));
    assert_eq!(statements(&first.1)[0].claim_number.reveal(), "CLAIM-1");
    // Nobody takes a whole message for a row that is not in it.
    assert!(matches!(grouping.take_out(group, &content(1), next), TakenOut::InGroup));
    assert!(matches!(grouping.take_out(JobId::new(1, 99), &content(1), next), TakenOut::Alone));
    let (id, rest) = grouping.close_next().unwrap();
    assert_eq!((id, rest.head.row, rest.head.rows().map(|row| row.row).collect::<Vec<_>>()), (group, 2, vec![2, 3]));
    assert_eq!(rest.head.money.billed, Cents(5));
    assert_eq!(grouping.reasons().collect::<Vec<_>>(), [(GROUPED, 1)]);
}
