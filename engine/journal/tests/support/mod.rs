//! A place with a key, a ring and a journal; invented jobs; short ways to say what happens to them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each story uses a part")]

use journal::{Journal, JournalConfig, JournalError, KeyRing, KeySource, Opened, new_key_file, open};
use model::record::{AttemptEnd, BatchCommit, BatchOpen, FrameKey, Head, Intake, Intent, Record};
use model::stage::{Job, JobData, JournaledJob, Payload};
use model::statement::{ClaimStatus, LiabilityRule, Member, ServiceLine, Statement, StatementKind};
use model::*;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use world::{CommitMethod, World};

pub const NAME: &str = "Zebulon Quackenbush";
pub const LOCAL_PART: &str = "zebulon.quackenbush";
pub const CLAIM: &str = "CLM-77-0099";
/// More segments than a story writes: the record stays as it was written, and all of it is read at each start.
pub const NO_CHECKPOINTS: u32 = 1024;
/// Longer than a story lasts.
pub const EVIDENCE_KEPT: Duration = Duration::from_secs(u64::MAX / 1_000_000);
pub const DESTINATION: &str = "mail.example";

/// A directory with a key-encryption key in it.
pub struct Place {
    pub dir: PathBuf,
    pub world: World,
    pub segment_bytes: u64,
    pub commit_delay_max: Duration,
    pub checkpoint_every_segments: u32,
    pub reserve_bytes: u64,
    pub quota_bytes: Option<u64>,
    pub commit_method: Option<CommitMethod>,
    pub evidence_kept: Duration,
    _temporary: Option<tempfile::TempDir>,
}

impl Place {
    pub fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let place = Self {
            dir: temporary.path().to_owned(),
            world: World::real(),
            segment_bytes: 64 * 1024,
            commit_delay_max: Duration::ZERO,
            checkpoint_every_segments: NO_CHECKPOINTS,
            reserve_bytes: 0,
            quota_bytes: None,
            commit_method: Some(CommitMethod::Pwrite),
            evidence_kept: EVIDENCE_KEPT,
            _temporary: Some(temporary),
        };
        new_key_file(&place.world, &place.dir.join("kek")).unwrap();
        place
    }

    /// On the disk of a simulated host.
    pub fn simulated(world: World) -> Self {
        let place = Self::simulated_at(world, "/simulated/sealpost");
        new_key_file(&place.world, &place.dir.join("kek")).unwrap();
        place
    }

    /// A folder there, without a key yet.
    pub fn simulated_at(world: World, dir: &str) -> Self {
        let dir = PathBuf::from(dir);
        world.disk().create_dir_all(&dir).unwrap();
        Self {
            dir,
            world,
            segment_bytes: 16 * 1024,
            commit_delay_max: Duration::ZERO,
            checkpoint_every_segments: 4,
            reserve_bytes: 0,
            quota_bytes: None,
            commit_method: None,
            evidence_kept: EVIDENCE_KEPT,
            _temporary: None,
        }
    }

    /// Takes over the key and the key ring of another place on the same disk.
    pub fn share_keys_of(&self, other: &Self) {
        let disk = self.world.disk();
        disk.create_dir_all(&self.dir.join("ring")).unwrap();
        for name in ["kek", "ring/ring.a", "ring/ring.b"] {
            let bytes = disk.read_to_vec(&other.dir.join(name), 1 << 24).unwrap();
            disk.write_atomic(&self.dir.join(name), &bytes).unwrap();
        }
    }

    /// A copy of everything as it is on disk now, as a machine that lost its power here would find it.
    pub fn copy(&self) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        copy_dir(&self.dir, temporary.path());
        let copy = Self {
            dir: temporary.path().to_owned(),
            world: self.world.clone(),
            segment_bytes: self.segment_bytes,
            commit_delay_max: self.commit_delay_max,
            checkpoint_every_segments: self.checkpoint_every_segments,
            reserve_bytes: self.reserve_bytes,
            quota_bytes: self.quota_bytes,
            commit_method: self.commit_method,
            evidence_kept: self.evidence_kept,
            _temporary: Some(temporary),
        };
        // The copy stands for the same disk: its directory is not to be taken for a clone's.
        journal::adopt(&copy.world, &copy.journal_dir(), StreamName::Transactional, &copy.ring()).unwrap();
        copy
    }

    /// Another place, which somebody else keeps.
    pub fn at(&self, dir: &Path) -> Self {
        let (world, segment_bytes, commit_delay_max) = (self.world.clone(), self.segment_bytes, self.commit_delay_max);
        let (reserve_bytes, quota_bytes, commit_method) = (0, None, Some(CommitMethod::Pwrite));
        Self {
            dir: dir.to_owned(),
            world,
            segment_bytes,
            commit_delay_max,
            checkpoint_every_segments: NO_CHECKPOINTS,
            reserve_bytes,
            quota_bytes,
            commit_method,
            evidence_kept: EVIDENCE_KEPT,
            _temporary: None,
        }
    }

    pub fn source(&self) -> KeySource {
        KeySource::File(self.dir.join("kek"))
    }

    pub fn ring(&self) -> KeyRing {
        KeyRing::open(&self.world, &self.dir.join("ring"), &self.source()).unwrap()
    }

    pub fn journal_dir(&self) -> PathBuf {
        self.dir.join("journal")
    }

    pub fn config(&self) -> JournalConfig {
        JournalConfig {
            dir: self.journal_dir(),
            node: 1,
            segment_bytes: self.segment_bytes,
            commit_delay_max: self.commit_delay_max,
            reserve_bytes: self.reserve_bytes,
            quota_bytes: self.quota_bytes,
            commit_method: self.commit_method,
            channel_capacity: 64,
            checkpoint_every_segments: self.checkpoint_every_segments,
            evidence_kept: self.evidence_kept,
        }
    }

    pub async fn open(&self) -> Open {
        self.try_open().await.unwrap()
    }

    pub async fn try_open(&self) -> Result<Open, JournalError> {
        let keys = KeyRing::open(&self.world, &self.dir.join("ring"), &self.source())?;
        let tenant = keys.tenant("acme")?;
        let opened = open::<Transactional>(self.world.clone(), self.config(), keys.clone()).await?;
        Ok(Open { opened, keys, tenant })
    }

    /// Opens it by an operator's word.
    pub async fn try_open_restored(&self) -> Result<Open, JournalError> {
        let keys = KeyRing::open(&self.world, &self.dir.join("ring"), &self.source())?;
        let tenant = keys.tenant("acme")?;
        let vouch = journal::Vouch { by: "ada".to_owned(), reason: "disk lost".to_owned() };
        let opened = journal::open_restored::<Transactional>(self.world.clone(), self.config(), keys.clone(), vouch).await?;
        Ok(Open { opened, keys, tenant })
    }

    pub fn segments(&self, log: &str) -> Vec<PathBuf> {
        let mut paths: Vec<_> = std::fs::read_dir(self.journal_dir().join(log)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// Every file below the directory.
    pub fn files(&self) -> Vec<PathBuf> {
        files_below(&self.dir)
    }
}

/// Every file below a directory.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_dir(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// An open journal with its ring.
pub struct Open {
    pub opened: Opened<Transactional>,
    pub keys: KeyRing,
    pub tenant: TenantId,
}

impl Open {
    pub fn journal(&self) -> &Journal<Transactional> {
        &self.opened.journal
    }

    /// Ends cleanly: everything is released when it returns.
    pub async fn close(self) {
        let Opened { journal, reader, tail, writer, .. } = self.opened;
        journal.close().await;
        writer.join().await.unwrap();
        drop((journal, reader, tail, self.keys));
    }

    pub async fn open_batch(&self, rolling: bool) -> BatchId {
        let batch = self.journal().new_batch_id();
        let (tenant, stream) = (self.tenant, StreamName::Transactional);
        let file_sha256 = (!rolling).then_some([5; 32]);
        let open = BatchOpen { batch, tenant, stream, file_sha256, format: "ndjson".to_owned(), at: Timestamp(1), rolling };
        self.journal().open_batch(open).await.unwrap();
        batch
    }

    pub fn job(&self, batch: BatchId, row: u64) -> Job<Transactional> {
        job(&self.keys, self.tenant, batch, row)
    }

    /// A committed batch of `rows` jobs.
    pub async fn batch(&self, rows: u64) -> Vec<JournaledJob<Transactional>> {
        let batch = self.open_batch(false).await;
        for row in 1..=rows {
            self.journal().append(self.job(batch, row)).await.unwrap();
        }
        self.journal().commit_batch(commit(batch, rows)).await.unwrap()
    }

    pub async fn intent(&self, job: JobId, attempt: u16) {
        self.record(job, attempt, Record::Intent(intent(attempt))).await;
    }

    pub async fn outcome(&self, job: JobId, attempt: u16, state: State) {
        self.record(job, attempt, Record::Outcome(end(state))).await;
    }

    pub async fn record(&self, job: JobId, attempt: u16, record: Record) {
        self.journal().record(key(job, attempt), record).await.unwrap().await.unwrap();
    }

    /// Batch and key of each head that binds, settled or not, in the order of the record: what the index of keys is made of.
    pub fn binding_keys(&self) -> Vec<(BatchId, Fingerprint)> {
        let binds = |found: &&journal::RecoveredBatch| found.open.rolling || found.commit.is_some();
        let binding: BTreeSet<BatchId> = self.opened.recovered.batches.iter().filter(binds).map(|found| found.open.batch).collect();
        let mut tail = self.opened.tail.of_keys();
        let mut keys = Vec::new();
        loop {
            let records = tail.next(100).unwrap();
            if records.is_empty() {
                return keys;
            }
            let heads = records.into_iter().filter_map(|(_, _, record)| if let Record::Head(head) = record { Some(head) } else { None });
            keys.extend(heads.filter(|head| binding.contains(&head.batch)).map(|head| (head.batch, head.key)));
        }
    }

    pub fn states(&self) -> Vec<(u64, State)> {
        self.opened.recovered.jobs.iter().map(|job| (job.job.id.sequence(), job.state)).collect()
    }
}

pub fn key(job: JobId, attempt: u16) -> FrameKey {
    FrameKey { job: Some(job), message: MessageVersion(0), attempt }
}

pub fn about_a_batch() -> FrameKey {
    FrameKey { job: None, message: MessageVersion(0), attempt: 0 }
}

pub fn commit(batch: BatchId, rows: u64) -> BatchCommit {
    let part = model::record::Part { rows, money: MoneySummary::default() };
    let intake = Intake { source_records: rows, read: part, accepted: part, ..Intake::default() };
    BatchCommit { batch, at: Timestamp(2), intake, held: false }
}

pub fn intent(attempt: u16) -> Intent {
    Intent {
        bundle: BundleId([1; 32]),
        address_version: 1,
        date: Timestamp(u64::from(attempt)),
        sha256: [2; 32],
        source: None,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

pub fn end(state: State) -> AttemptEnd {
    AttemptEnd {
        at: Timestamp(3),
        state,
        held: None,
        due: None,
        code: Some(250),
        enhanced: None,
        cause: "accepted".to_owned(),
        source: None,
        peer: None,
        proof: None,
    }
}

pub fn job(keys: &KeyRing, tenant: TenantId, batch: BatchId, row: u64) -> Job<Transactional> {
    let data = data(row);
    let fingerprint = |label: &str| keys.fingerprint(tenant, label, &[&row.to_le_bytes()]).unwrap();
    let head = Head {
        batch,
        tenant,
        row,
        key: fingerprint("key"),
        content: fingerprint("content"),
        recipient: Some(fingerprint("address")),
        destination: Some(Destination::parse(DESTINATION).unwrap()),
        bundle: data.bundle,
        protection: data.protection,
        priority: 1,
        due: Timestamp(10),
        deadline: Timestamp(1_000_000),
        statements: 1,
        money: MoneySummary::default(),
        held: None,
        presentation: model::Presentation::default(),
        supersedes: None,
        further: Vec::new(),
        language_unmet: false,
    };
    Job::new(head, data)
}

/// A job of several statements, one a row.
pub fn grouped_job(keys: &KeyRing, tenant: TenantId, batch: BatchId, rows: std::ops::RangeInclusive<u64>) -> Job<Transactional> {
    let mut jobs = rows.map(|row| job(keys, tenant, batch, row));
    let mut first = jobs.next().unwrap();
    for Job { head, data, .. } in jobs {
        first.head.add_row(head.rows().next().unwrap());
        let (Payload::Statements(of), Payload::Statements(more)) = (&mut first.data.payload, data.payload) else { unreachable!() };
        of.extend(more);
    }
    first
}

/// What is left of the content of such a job when one of its rows went.
pub fn data_without(job: &Job<Transactional>, row: u64) -> JobData {
    let mut data = job.data.clone();
    let rows: Vec<u64> = job.head.rows().map(|row| row.row).collect();
    let Payload::Statements(statements) = &mut data.payload else { unreachable!() };
    statements.remove(rows.iter().position(|of| *of == row).unwrap());
    data
}

/// A typical content: one statement of a few lines, about somebody who does not exist.
pub fn data(row: u64) -> JobData {
    let amounts = model::statement::Amounts { billed: Some(Cents(12_345 + row as i64)), ..Default::default() };
    let line = |number: u64| ServiceLine {
        service_from: Some(Date::constant(2026, 3, 7)),
        code: Some(Private::from(format!("HC:9921{}", number % 10))),
        description: Some(Private::from("Office visit, established patient")),
        amounts,
        ..ServiceLine::default()
    };
    let statement = Statement {
        kind: StatementKind::Eob,
        claim_number: Private::from(format!("{CLAIM}-{row}")),
        member: Member { id: Private::from(format!("TST{row:08}")), name: Private::from(NAME), ..Member::default() },
        status: ClaimStatus::ProcessedPrimary,
        payer: Some(Private::from("Example Health Plan")),
        provider: Some(Private::from("Dr. Example")),
        service_from: Some(Date::constant(2026, 3, 7)),
        service_to: None,
        totals: amounts,
        liability_rule: LiabilityRule::Stated,
        lines: (0..4).map(line).collect(),
        notes: Vec::new(),
        particulars: model::statement::Particulars::default(),
    };
    let mailbox = Mailbox::parse(&format!("{LOCAL_PART}+{row}@{DESTINATION}")).unwrap();
    JobData {
        recipient: Some(Recipient { mailbox, name: Private::from(NAME), address_version: 1, language: None, on_behalf_of: false }),
        payload: Payload::Statements(vec![statement]),
        bundle: BundleId([1; 32]),
        protection: Protection::TlsVerified,
        presentation: model::Presentation::default(),
    }
}

/// One frame of a segment file, read without any of the journal's own code: (offset, padded length, kind, sequence, epoch, key id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RawFrame {
    pub offset: usize,
    pub bytes: usize,
    pub kind: u8,
    pub sequence: u64,
    pub epoch: u32,
    pub key_id: u32,
}

pub fn raw_frames(path: &Path) -> Vec<RawFrame> {
    frames_in(&std::fs::read(path).unwrap())
}

pub fn frames_in(bytes: &[u8]) -> Vec<RawFrame> {
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut frames = Vec::new();
    let mut at = 64;
    // The index of a full segment, its last 64 bytes first, says where the frames end.
    let trailer = bytes.len().saturating_sub(64);
    let bytes = if bytes[trailer..].starts_with(b"sealindx") { &bytes[..u32_at(trailer + 28) as usize] } else { bytes };
    while at + 40 <= bytes.len() && u32_at(at + 4) != 0 {
        let length = u32_at(at + 4) as usize;
        let sequence = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().unwrap());
        let frame = RawFrame {
            offset: at,
            bytes: length.next_multiple_of(8),
            kind: bytes[at + 20] & 0x7f,
            sequence,
            epoch: u32_at(at + 16),
            key_id: u32_at(at + 36),
        };
        at += frame.bytes;
        frames.push(frame);
    }
    frames
}
