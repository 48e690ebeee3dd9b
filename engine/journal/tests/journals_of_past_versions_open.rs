//! A journal that an earlier version of the format wrote opens after an upgrade: all that it says is there, and it goes on.
//!
//! `fixtures/vN/` holds one journal for each format version, written by the code of its time: a crash ended it in its second start.
//! `fixtures/v2_grouped/` is of version 2 when heads had come to name several statements, and payloads what accompanies a statement. What
//! they must say is [`script`], word for word. The contents are this story's own, so that no change of another story's changes what is
//! expected. A new version gets its fixture by
//! `SEALPOST_FIXTURE=v3 cargo test -p journal --test journals_of_past_versions_open -- --ignored`.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use journal::{JournalConfig, KeyRing, KeySource, Opened, RecordPosition, open};
use model::record::{
    AttemptEnd, BatchCommit, BatchOpen, BatchVerb, FrameKey, Head, HeadRow, Intake, Intent, OperatorAction, Part, Record, StateChange,
};
use model::stage::{Job, JobData, Payload};
use model::state::HoldReason;
use model::statement::{
    Accumulator, AccumulatorKind, AccumulatorScope, AmountChange, Bill, ChangedAmount, ClaimStatus, ClaimType, Correction, LiabilityRule,
    Member, Network, PaidTo, Particulars, Program, ServiceLine, Statement, StatementKind,
};
use model::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use world::World;

/// Base64 of 32 bytes: this key protects nothing but invented people.
const KEY: &str = "c2VhbHBvc3QgZml4dHVyZSBrZXkgb2Ygbm8gc2VjcmU=\n";
const BUNDLE: BundleId = BundleId([0xb7; 32]);
const ARCHIVE: &[u8] = b"the archive of a bundle, as it was stored";
/// The present format version.
const VERSION: u8 = 2;
/// The steps before the first of the two ends.
const FIRST_START: usize = 74;

/// What the writer of a journal knew.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    /// One statement a message, and of it what the first versions had.
    First,
    /// Some messages hold several statements, with all that a statement may have.
    Grouped,
}

/// What is done to the journal, and what its record must say.
enum Step {
    Open(BatchOpen),
    Append(JobId, u64),
    AppendRolling(JobId, u64),
    Commit(BatchCommit),
    Discard(BatchId),
    Record(FrameKey, Record),
}

const fn batch(number: u64) -> BatchId {
    BatchId::new(1, number)
}

const fn job(number: u64) -> JobId {
    JobId::new(1, number)
}

/// Batch 1: 60 jobs of a file, committed. 2: a rolling batch of 6. 3: given up. 4: settled and closed. 5: never committed.
fn script(tenant: TenantId) -> Vec<Step> {
    let about = |number: u64, attempt: u16| FrameKey { job: Some(job(number)), message: MessageVersion(0), attempt };
    let of_batch = FrameKey { job: None, message: MessageVersion(0), attempt: 0 };
    let ended = |state| end(state, None, None);
    let mut steps = vec![Step::Open(opening(tenant, 1, false))];
    steps.extend((1..=60).map(|row| Step::Append(job(row), row)));
    steps.push(Step::Commit(commit(1, 60)));
    steps.push(Step::Open(opening(tenant, 2, true)));
    steps.extend((61..=66).map(|row| Step::AppendRolling(job(row), row)));
    steps.push(Step::Open(opening(tenant, 3, false)));
    steps.extend((67..=69).map(|row| Step::Append(job(row), row)));
    steps.push(Step::Discard(batch(3)));
    assert_eq!(steps.len(), FIRST_START, "the first start ends here: what is open then is given up");
    steps.push(Step::Open(opening(tenant, 4, false)));
    steps.extend((70..=71).map(|row| Step::Append(job(row), row)));
    steps.push(Step::Commit(commit(4, 2)));
    for number in [70, 71] {
        steps.push(Step::Record(about(number, 1), Record::Intent(intent(1))));
        steps.push(Step::Record(about(number, 1), Record::Outcome(ended(State::Delivered))));
    }
    steps.push(Step::Record(of_batch, Record::BatchClose { batch: batch(4), at: Timestamp(40) }));
    // 1 is delivered, 2 is not answered, 3 was not sent, 4 is put off and tried again, 5 is held, 6 bounced.
    for number in [1, 2, 3, 4, 6] {
        steps.push(Step::Record(about(number, 1), Record::Intent(intent(1))));
    }
    steps.push(Step::Record(about(1, 1), Record::Outcome(ended(State::Delivered))));
    steps.push(Step::Record(about(3, 1), Record::NotSent(end(State::Queued, None, Some(77)))));
    steps.push(Step::Record(about(4, 1), Record::Outcome(end(State::Queued, None, Some(88)))));
    steps.push(Step::Record(about(4, 2), Record::Intent(intent(2))));
    let held = Some(HoldReason::OperatorHold);
    let change = StateChange { at: Timestamp(41), state: State::Held, held, due: None, cause: "operator".to_owned() };
    steps.push(Step::Record(about(5, 0), Record::Change(change)));
    steps.push(Step::Record(about(6, 1), Record::Outcome(ended(State::Bounced))));
    // Most of the file is delivered, so that both logs are rolled by many frames of each kind.
    for number in 7..=54 {
        steps.push(Step::Record(about(number, 1), Record::Intent(intent(1))));
        steps.push(Step::Record(about(number, 1), Record::Outcome(ended(State::Delivered))));
    }
    for verb in [BatchVerb::Hold, BatchVerb::Release, BatchVerb::Hold] {
        let (by, reason) = ("operator".to_owned(), "a question of the plan".to_owned());
        steps.push(Step::Record(of_batch, Record::Operator(OperatorAction { batch: batch(2), verb, at: Timestamp(42), by, reason })));
    }
    steps.push(Step::Open(opening(tenant, 5, false)));
    steps.extend((72..=73).map(|row| Step::Append(job(row), row)));
    steps
}

/// Where a job stands: state, reason, attempts, due, date of the intent that froze it.
type Standing = (State, Option<HoldReason>, u16, u64, Option<u64>);

/// The jobs that are not settled.
fn standing() -> BTreeMap<u64, Standing> {
    let queued = |due| (State::Queued, None, 0, due, None);
    let mut standing: BTreeMap<_, _> = (55..=66).map(|number| (number, queued(10 + number))).collect();
    standing.insert(2, (State::Uncertain, None, 1, 12, Some(1)));
    standing.insert(3, (State::Queued, None, 1, 77, Some(1)));
    standing.insert(4, (State::Uncertain, None, 2, 88, Some(1)));
    standing.insert(5, (State::Held, Some(HoldReason::OperatorHold), 0, 15, None));
    standing.insert(6, (State::Bounced, None, 1, 16, Some(1)));
    standing
}

fn opening(tenant: TenantId, number: u64, rolling: bool) -> BatchOpen {
    let (stream, format, at) = (StreamName::Transactional, "x12_835".to_owned(), Timestamp(1));
    BatchOpen { batch: batch(number), tenant, stream, file_sha256: (!rolling).then_some([number as u8; 32]), format, at, rolling }
}

fn commit(number: u64, rows: u64) -> BatchCommit {
    let part = Part { rows, money: MoneySummary::default() };
    let intake = Intake { source_records: rows, read: part, accepted: part, ..Intake::default() };
    BatchCommit { batch: batch(number), at: Timestamp(2), intake, held: false }
}

fn intent(attempt: u16) -> Intent {
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let date = Timestamp(u64::from(attempt));
    Intent { bundle: BUNDLE, address_version: 1, date, sha256: [2; 32], source: None, peer }
}

fn end(state: State, held: Option<HoldReason>, due: Option<u64>) -> AttemptEnd {
    let due = due.map(Timestamp);
    let cause = "answered".to_owned();
    AttemptEnd { at: Timestamp(3), state, held, due, code: Some(250), enhanced: None, cause, source: None, peer: None, proof: None }
}

fn batch_of(row: u64) -> u64 {
    match row {
        ..=60 => 1,
        61..=66 => 2,
        67..=69 => 3,
        70..=71 => 4,
        _ => 5,
    }
}

fn head(era: Era, keys: &KeyRing, tenant: TenantId, row: u64) -> Head {
    let fingerprint = |label: &str| keys.fingerprint(tenant, label, &[&row.to_le_bytes()]).unwrap();
    let mut head = Head {
        batch: batch(batch_of(row)),
        tenant,
        row,
        key: fingerprint("key"),
        content: fingerprint("content"),
        recipient: Some(fingerprint("address")),
        destination: Some(Destination::parse("mail.example").unwrap()),
        bundle: BUNDLE,
        protection: Protection::TlsVerified,
        priority: 1,
        due: Timestamp(10 + row),
        deadline: Timestamp(1_000_000),
        statements: 1,
        money: MoneySummary::default(),
        held: None,
        presentation: model::Presentation::default(),
        supersedes: None,
        further: Vec::new(),
        language_unmet: false,
    };
    for behind in rows_behind(era, row) {
        let (key, content) = (fingerprint("key behind"), fingerprint("content behind"));
        let money = MoneySummary { billed: Cents(9_900 + behind as i64), ..MoneySummary::default() };
        head.add_row(HeadRow { row: behind, key, content, money, supersedes: behind.is_multiple_of(2).then(|| job(1)) });
    }
    head
}

/// The rows whose statements go in the message of this one. They are no rows of the script's own.
fn rows_behind(era: Era, row: u64) -> std::ops::Range<u64> {
    let count = if era == Era::Grouped && row % 4 == 1 { 1 + row % 3 } else { 0 };
    1_000 + row * 10..1_000 + row * 10 + count
}

/// Every third content is a template's, all others are statements.
fn content(era: Era, row: u64) -> JobData {
    let payload = if row.is_multiple_of(3) {
        let variables = [("name", "Wilhelmina Featherstone"), ("greeting", "Good day")];
        let variables = variables.map(|(name, value)| (name.to_owned(), Private::from(value)));
        Payload::Templated {
            template: "reminder".to_owned(),
            variables: BTreeMap::from(variables),
            authorization: Private::from(format!("AUTH-{row}")),
        }
    } else {
        Payload::Statements(std::iter::once(row).chain(rows_behind(era, row)).map(|row| statement(era, row)).collect())
    };
    let mailbox = Mailbox::parse(&format!("wilhelmina+{row}@mail.example")).unwrap();
    let recipient = Some(Recipient {
        mailbox,
        name: Private::from("Wilhelmina Featherstone"),
        address_version: 1,
        language: None,
        on_behalf_of: false,
    });
    JobData { recipient, payload, bundle: BUNDLE, protection: Protection::TlsVerified, presentation: model::Presentation::default() }
}

fn statement(era: Era, row: u64) -> Statement {
    let amounts = model::statement::Amounts { billed: Some(Cents(9_900 + row as i64)), ..Default::default() };
    let line = |number: u64| ServiceLine {
        service_from: Some(Date::constant(2025, 11, 3)),
        code: Some(Private::from(format!("HC:9920{number}"))),
        description: Some(Private::from("Consultation")),
        amounts,
        ..ServiceLine::default()
    };
    Statement {
        kind: StatementKind::Eob,
        claim_number: Private::from(format!("FIX-{row}")),
        member: Member { id: Private::from(format!("FIX{row:06}")), name: Private::from("Wilhelmina Featherstone"), ..Member::default() },
        status: ClaimStatus::ProcessedPrimary,
        payer: Some(Private::from("Example Health Plan")),
        provider: None,
        service_from: Some(Date::constant(2025, 11, 3)),
        service_to: None,
        totals: amounts,
        liability_rule: LiabilityRule::Stated,
        lines: (0..3).map(line).collect(),
        notes: Vec::new(),
        particulars: if era == Era::Grouped { particulars(row) } else { Particulars::default() },
    }
}

fn particulars(row: u64) -> Particulars {
    let accumulator = Accumulator {
        kind: AccumulatorKind::Deductible,
        scope: AccumulatorScope::Family,
        network: None,
        limit: Some(Cents(150_000)),
        used: Some(Cents(-(row as i64))),
        from: Some(Date::constant(2025, 1, 1)),
        to: None,
    };
    let bill = Bill { due_on: Some(Date::constant(1999, 12, 31)), payments: Some(Cents(0)), ..Bill::default() };
    let change = AmountChange { which: ChangedAmount::PlanPaid, before: Cents(1), after: Cents(row as i64) };
    Particulars {
        claim_type: Some(ClaimType::Dental),
        network: Some(Network::OutOfNetwork),
        program: Some(Program::Chip),
        paid_to: Some(PaidTo::Member),
        accumulators: vec![accumulator],
        bill: row.is_multiple_of(2).then_some(bill),
        correction: Some(Correction { changes: vec![change] }),
    }
}

/// A directory with the key, the ring and the journal in it.
struct Place {
    dir: PathBuf,
    world: World,
    _temporary: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let place = Self { dir: temporary.path().to_owned(), world: World::real(), _temporary: temporary };
        std::fs::write(place.dir.join("kek"), KEY).unwrap();
        std::fs::set_permissions(place.dir.join("kek"), std::fs::Permissions::from_mode(0o600)).unwrap();
        place
    }

    fn of_fixture(version: &str) -> Self {
        let place = Self::new();
        copy(&fixtures().join(version), &place.dir);
        place
    }

    async fn open(&self) -> (Opened<Transactional>, KeyRing, TenantId) {
        let keys = KeyRing::open(&self.world, &self.dir.join("ring"), &KeySource::File(self.dir.join("kek"))).unwrap();
        let tenant = keys.tenant("fixture plan").unwrap();
        // A fixture comes out of the repository as a copy; this story is not about copies.
        journal::adopt(&self.world, &self.dir.join("journal"), StreamName::Transactional, &keys).unwrap();
        let config =
            JournalConfig { segment_bytes: 8 * 1024, commit_delay_max: Duration::ZERO, ..JournalConfig::new(self.dir.join("journal")) };
        (open::<Transactional>(self.world.clone(), config, keys.clone()).await.unwrap(), keys, tenant)
    }

    /// The format version that the segments in use state.
    fn versions(&self) -> Vec<u8> {
        let segments = ["work", "record"].map(|log| support::files_below(&self.dir.join("journal").join(log))).concat();
        let mut versions: Vec<u8> = segments.iter().map(|path| std::fs::read(path).unwrap()[8]).filter(|version| *version != 0).collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// All but locks, and segments that were prepared and never used.
fn copy(from: &Path, to: &Path) {
    for path in support::files_below(from) {
        let bytes = std::fs::read(&path).unwrap();
        if path.file_name().is_some_and(|name| name == "lock" || name == "kek") || bytes.iter().all(|byte| *byte == 0) {
            continue;
        }
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, bytes).unwrap();
    }
}

async fn close(opened: Opened<Transactional>) {
    let Opened { journal, writer, .. } = opened;
    journal.close().await;
    writer.join().await.unwrap();
}

async fn perform(era: Era, opened: &Opened<Transactional>, keys: &KeyRing, tenant: TenantId, steps: &[Step]) {
    let journal = &opened.journal;
    for step in steps {
        match step {
            Step::Open(open) => {
                assert_eq!(journal.new_batch_id(), open.batch);
                journal.open_batch(open.clone()).await.unwrap();
            }
            Step::Append(id, row) => {
                assert_eq!(journal.append(Job::new(head(era, keys, tenant, *row), content(era, *row))).await.unwrap(), *id);
            }
            Step::AppendRolling(id, row) => {
                let job = journal.append_rolling(Job::new(head(era, keys, tenant, *row), content(era, *row))).await.unwrap().await.unwrap();
                assert_eq!(job.id, *id);
            }
            Step::Commit(commit) => drop(journal.commit_batch(commit.clone()).await.unwrap()),
            Step::Discard(batch) => journal.discard_batch(*batch, Timestamp(4), "refused").await.unwrap(),
            Step::Record(key, record) => journal.record(*key, record.clone()).await.unwrap().await.unwrap(),
        }
    }
    journal.sync().await.unwrap();
}

/// What the record says after the script.
fn told(era: Era, keys: &KeyRing, tenant: TenantId) -> Vec<(FrameKey, Record)> {
    let of_batch = FrameKey { job: None, message: MessageVersion(0), attempt: 0 };
    let of_job = |id: JobId| FrameKey { job: Some(id), ..of_batch };
    let tell = |step| match step {
        Step::Open(open) => (of_batch, Record::BatchOpen(open)),
        Step::Append(id, row) | Step::AppendRolling(id, row) => (of_job(id), Record::Head(head(era, keys, tenant, row))),
        Step::Commit(commit) => (of_batch, Record::BatchCommit(commit)),
        Step::Discard(batch) => (of_batch, Record::BatchDiscard { batch, at: Timestamp(4), reason: "refused".to_owned() }),
        Step::Record(key, record) => (key, record),
    };
    script(tenant).into_iter().map(tell).collect()
}

fn check(era: Era, opened: &mut Opened<Transactional>, keys: &KeyRing, tenant: TenantId, is_first: bool) {
    let recovered = &opened.recovered;
    assert!(recovered.findings.is_empty(), "{:?}", recovered.findings);
    assert_eq!(recovered.discarded, if is_first { vec![batch(5)] } else { vec![] });
    let found: BTreeMap<u64, _> = recovered
        .jobs
        .iter()
        .filter(|job| job.job.id.sequence() <= 73)
        .map(|job| {
            let frozen = job.frozen.as_ref().map(|intent| intent.date.0);
            (job.job.id.sequence(), (job.state, job.held, job.attempts, job.due.0, frozen))
        })
        .collect();
    assert_eq!(found, standing());
    for job in recovered.jobs.iter() {
        let row = job.job.head.row;
        let era = if job.job.id.sequence() <= 73 { era } else { Era::Grouped };
        assert_eq!(*job.job.head, Head { batch: job.job.head.batch, ..head(era, keys, tenant, row) });
        assert_eq!(opened.reader.payload(job.job.id, job.job.locator).unwrap(), content(era, row), "{}", job.job.id);
    }
    let batches: BTreeMap<u64, _> =
        recovered.batches.iter().map(|found| (found.open.batch.sequence(), (found.held, found.commit.is_some(), found.closed))).collect();
    let expected = [(1, (false, true, false)), (2, (true, false, false)), (4, (false, true, true))];
    assert_eq!(batches.into_iter().filter(|(number, _)| *number <= 5).collect::<Vec<_>>(), expected);
    assert_eq!(opened.reader.bundle(BUNDLE).unwrap(), ARCHIVE);

    opened.tail.seek(RecordPosition::default());
    let given = opened.tail.next(10_000).unwrap();
    assert!(given.is_sorted_by(|a, b| a.0 < b.0));
    // That a key is gone the journal says by itself, when it is so: since version 2, and of a version 1 after its upgrade.
    let given: Vec<_> = given.into_iter().filter(|(_, _, record)| !matches!(record, Record::KeyDestroyed(_))).collect();
    // The heads of the batch that was given up go when their segment is compacted, which may be now or later.
    let given_up = |record: &Record| matches!(record, Record::Head(head) if head.batch == batch(3));
    let given: Vec<_> = given.into_iter().filter(|(_, _, record)| !given_up(record)).collect();
    let expected: Vec<_> = told(era, keys, tenant).into_iter().filter(|(_, record)| !given_up(record)).collect();
    for ((_, key, record), expected) in given.iter().zip(&expected) {
        assert_eq!((key, record), (&expected.0, &expected.1));
    }
    let of_start = &given[expected.len()..];
    assert!(of_start.iter().any(|(_, _, record)| matches!(record, Record::BatchDiscard { batch: id, .. } if *id == batch(5))));
}

/// Opens it, checks all, appends, closes, opens again.
async fn upgrade(version: &str, stated: u8, era: Era) {
    let place = Place::of_fixture(version);
    assert_eq!(place.versions(), [stated], "the fixture is what its name says");
    let (mut opened, keys, tenant) = place.open().await;
    check(era, &mut opened, &keys, tenant, true);
    let id = opened.journal.new_batch_id();
    assert_eq!(id, batch(6), "no number is given twice");
    let open = BatchOpen { batch: id, ..opening(tenant, 6, true) };
    opened.journal.open_batch(open).await.unwrap();
    for row in 200..260 {
        let head = Head { batch: id, ..head(Era::Grouped, &keys, tenant, row) };
        let job = opened.journal.append_rolling(Job::new(head, content(Era::Grouped, row))).await.unwrap().await.unwrap();
        assert_eq!(job.id.sequence(), 74 + row - 200);
    }
    close(opened).await;
    drop(keys);
    if stated == 1 {
        assert_eq!(place.versions(), [1, VERSION], "what is new is in segments of its own");
        for path in support::files_below(&place.dir.join("journal/record")) {
            let (name, bytes) = (path.file_name().unwrap(), std::fs::read(&path).unwrap());
            if bytes[8] == 1 {
                let before = std::fs::read(fixtures().join(version).join("journal/record").join(name)).unwrap();
                assert!(before.starts_with(&bytes) && before[bytes.len()..].iter().all(|byte| *byte == 0), "never written to again");
            }
        }
    }
    let (mut opened, keys, tenant) = place.open().await;
    check(era, &mut opened, &keys, tenant, false);
    assert_eq!(opened.recovered.jobs.len(), standing().len() + 60);
    close(opened).await;
}

#[test]
fn version_1() {
    world::block_on(upgrade("v1", 1, Era::First));
}

/// With indexes at the ends of full segments, and headers that say what came before.
#[test]
fn version_2() {
    world::block_on(upgrade("v2", 2, Era::First));
}

/// With heads that name several statements, and all that a statement may have.
#[test]
fn version_2_with_groups() {
    world::block_on(upgrade("v2_grouped", 2, Era::Grouped));
}

/// Makes `fixtures/$SEALPOST_FIXTURE` with the code of today.
#[test]
#[ignore = "makes a fixture of the present version, once"]
fn make_the_fixture_of_the_present_version() {
    let target = fixtures().join(std::env::var("SEALPOST_FIXTURE").expect("SEALPOST_FIXTURE names it"));
    assert!(!target.exists(), "a fixture is never replaced");
    let place = Place::new();
    world::block_on(async {
        let (opened, keys, tenant) = place.open().await;
        opened.journal.store_bundle(BUNDLE, ARCHIVE).await.unwrap();
        let steps = script(tenant);
        perform(Era::Grouped, &opened, &keys, tenant, &steps[..FIRST_START]).await;
        close(opened).await;
        drop(keys);
        let (opened, keys, tenant) = place.open().await;
        perform(Era::Grouped, &opened, &keys, tenant, &steps[FIRST_START..]).await;
        // The process dies here.
        copy(&place.dir, &target);
        close(opened).await;
    });
}
