//! The words of the `record` log: what is kept as the truth (invariant 12).
//!
//! No content and no personal field stands here, except as a keyed [`Fingerprint`]. Ledger, idempotency
//! index and reports are projections of these and can be rebuilt from them. Each is stored
//! with the frame key ([`FrameKey`]) and encrypted; the encoding is versioned by the frame.

use crate::protection::ProtectionProof;
use crate::stage::Locator;
use crate::state::{HoldReason, State};
use crate::{
    BatchId, BundleId, Destination, EnhancedCode, Fingerprint, JobId, MessageVersion, MoneySummary, Presentation, Protection, StreamName,
    TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What a frame is about. Frames are found by it, never by where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FrameKey {
    /// The job; `None` for frames about a batch or the journal itself.
    pub job: Option<JobId>,
    /// The message version of the job.
    pub message: MessageVersion,
    /// The attempt, from 1; 0 for frames that are about no attempt.
    pub attempt: u16,
}

/// One entry of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A batch begins. Nothing of it binds before its commit, unless it is rolling.
    BatchOpen(BatchOpen),
    /// A job of a batch.
    Head(Head),
    /// The batch is complete: its rows are queueable and its keys bind.
    BatchCommit(BatchCommit),
    /// The batch was given up before its commit; its rows never counted.
    BatchDiscard {
        /// Which.
        batch: BatchId,
        /// When.
        at: Timestamp,
        /// A stable code: `no_commit`, `refused`.
        reason: String,
    },
    /// No job of the batch is active any more, and its report was given.
    BatchClose {
        /// Which.
        batch: BatchId,
        /// When.
        at: Timestamp,
    },
    /// A sealed message is bound to a live connection; the final dot waits for this frame's sync.
    Intent(Intent),
    /// The attempt ended before its last byte was written.
    NotSent(AttemptEnd),
    /// The attempt was answered, or its answer is lost (`uncertain`).
    Outcome(AttemptEnd),
    /// A state changed without an attempt: held, released, expired, cancelled.
    Change(StateChange),
    /// An operator did something to a batch.
    Operator(OperatorAction),
    /// A key was destroyed, and with it the content under it (invariant 6).
    KeyDestroyed(KeyDestruction),
    /// An operator vouched for a journal that was older than its epoch, or a copy.
    Restored(Restoration),
    /// Some statements of a job gave way to newer versions; the others wait as before.
    Narrowed(Narrowing),
}

/// How a batch reached us and which key its content is under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchOpen {
    /// Its id.
    pub batch: BatchId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its stream.
    pub stream: StreamName,
    /// SHA-256 of the file's bytes; `None` for a rolling batch.
    pub file_sha256: Option<[u8; 32]>,
    /// The format: `x12_835`, `ndjson`.
    pub format: String,
    /// When.
    pub at: Timestamp,
    /// Streamed jobs of one hour: binding as each head is durable, without a commit.
    pub rolling: bool,
}

/// One accepted job, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its batch.
    pub batch: BatchId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The row it came from (the first one where rows were grouped), from 1.
    pub row: u64,
    /// The idempotency key of that row.
    pub key: Fingerprint,
    /// The keyed hash of that row's content: tells a repeat from a conflict.
    pub content: Fingerprint,
    /// The keyed hash of the address; `None` where there is no recipient yet (held).
    pub recipient: Option<Fingerprint>,
    /// The receiving domain; `None` where there is no recipient yet (held).
    pub destination: Option<Destination>,
    /// What decides the bytes.
    pub bundle: BundleId,
    /// What it requires on its way.
    pub protection: Protection,
    /// 0 is the most urgent.
    pub priority: u8,
    /// Not before this moment.
    pub due: Timestamp,
    /// Expires after this moment.
    pub deadline: Timestamp,
    /// Statements in the job.
    pub statements: u16,
    /// What they add up to, those of `further` included.
    pub money: MoneySummary,
    /// Held from the start, with the reason.
    pub held: Option<HoldReason>,
    /// How much the message says, and why.
    pub presentation: Presentation,
    /// The job whose statement this one corrects, where that one had not been sent: with the commit of this job's batch it is `superseded`.
    pub supersedes: Option<JobId>,
    /// The statements behind the first, where rows of one member were grouped; in the order of the payload. Empty for all other jobs.
    pub further: Vec<HeadRow>,
    /// The tenant's templates lack the recipient's language: the message goes out in English with the language lines.
    pub language_unmet: bool,
}

/// One row of a job: what is known of it by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadRow {
    /// The row it came from, from 1.
    pub row: u64,
    /// Its idempotency key.
    pub key: Fingerprint,
    /// The keyed hash of its content.
    pub content: Fingerprint,
    /// What its statement adds up to.
    pub money: MoneySummary,
    /// The job whose statement it takes the place of, as in [`Head::supersedes`].
    pub supersedes: Option<JobId>,
}

impl Head {
    /// Every row of the job, the first one first. Their money adds up to the job's.
    pub fn rows(&self) -> impl Iterator<Item = HeadRow> + '_ {
        let Self { row, key, content, supersedes, .. } = *self;
        let mut money = self.money;
        self.further.iter().for_each(|further| money -= further.money);
        std::iter::once(HeadRow { row, key, content, money, supersedes }).chain(self.further.iter().copied())
    }

    /// The job without these rows; `None` where none would be left.
    pub fn without(&self, rows: &[u64]) -> Option<Self> {
        let mut stay = self.rows().filter(|row| !rows.contains(&row.row));
        let HeadRow { row, key, content, money, supersedes } = stay.next()?;
        let mut head = Self { row, key, content, money, supersedes, statements: 1, further: Vec::new(), ..self.clone() };
        stay.for_each(|row| head.add_row(row));
        Some(head)
    }

    /// One row more, behind all others. The caller adds its statement to the payload.
    pub fn add_row(&mut self, row: HeadRow) {
        self.money += row.money;
        self.statements = self.statements.saturating_add(1);
        self.further.push(row);
    }

    /// The state the job begins in: held where a person must look, on paper where it must not go by e-mail, else queued.
    pub const fn first_state(&self) -> State {
        match (self.held, self.presentation.paper) {
            (Some(_), _) => State::Held,
            (None, Some(_)) => State::ToPaper,
            (None, None) => State::Queued,
        }
    }
}

/// Rows and money of one part of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Part {
    /// Statements.
    pub rows: u64,
    /// What they add up to.
    pub money: MoneySummary,
}

impl Part {
    /// Adds one statement.
    pub fn add(&mut self, money: MoneySummary) {
        self.rows += 1;
        self.money += money;
    }
}

/// How the rows of a batch split at the door.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Intake {
    /// Records the file has, counted independently of whether they could be understood.
    pub source_records: u64,
    /// Statements read, each of which is in exactly one of the parts below.
    pub read: Part,
    /// See [`crate::state::Disposition::Rejected`].
    pub rejected: Part,
    /// See [`crate::state::Disposition::Duplicate`].
    pub duplicate: Part,
    /// See [`crate::state::Disposition::Merged`].
    pub merged: Part,
    /// See [`crate::state::Disposition::NotMailable`].
    pub not_mailable: Part,
    /// See [`crate::state::Disposition::NoAddress`].
    pub no_address: Part,
    /// See [`crate::state::Disposition::NoConsent`].
    pub no_consent: Part,
    /// See [`crate::state::Disposition::Accepted`].
    pub accepted: Part,
    /// Rows by stable reason code, for everything that was not simply accepted.
    pub reasons: BTreeMap<String, u64>,
}

impl Intake {
    /// The part of a disposition.
    pub fn part_mut(&mut self, disposition: crate::state::Disposition) -> &mut Part {
        use crate::state::Disposition;
        match disposition {
            Disposition::Rejected => &mut self.rejected,
            Disposition::Duplicate => &mut self.duplicate,
            Disposition::Merged => &mut self.merged,
            Disposition::NotMailable => &mut self.not_mailable,
            Disposition::NoAddress => &mut self.no_address,
            Disposition::NoConsent => &mut self.no_consent,
            Disposition::Accepted => &mut self.accepted,
        }
    }

    /// Counts one statement: read, and its disposition.
    pub fn count(&mut self, disposition: crate::state::Disposition, money: MoneySummary, reason: Option<&str>) {
        self.read.add(money);
        self.part_mut(disposition).add(money);
        if let Some(reason) = reason {
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
        }
    }

    /// The first equation of invariant 3, in rows and in money.
    pub fn is_balanced(&self) -> bool {
        let mut sum = Part::default();
        for part in [self.rejected, self.duplicate, self.merged, self.not_mailable, self.no_address, self.no_consent, self.accepted] {
            sum.rows += part.rows;
            sum.money += part.money;
        }
        sum == self.read && self.source_records == self.read.rows
    }
}

/// The batch is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchCommit {
    /// Which.
    pub batch: BatchId,
    /// When.
    pub at: Timestamp,
    /// How its rows split.
    pub intake: Intake,
    /// An operator must release it before its first message.
    pub held: bool,
}

/// What an attempt is about to send. The first one of a message freezes its bytes (invariant 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What decides the bytes.
    pub bundle: BundleId,
    /// Version of the contact data.
    pub address_version: u32,
    /// The `Date` header.
    pub date: Timestamp,
    /// SHA-256 of the rendered message before sealing (its Message-ID is in it).
    pub sha256: [u8; 32],
    /// Our address.
    pub source: Option<IpAddr>,
    /// The receiver's address.
    pub peer: IpAddr,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// When.
    pub at: Timestamp,
    /// The state the job is in now.
    pub state: State,
    /// Why it is held, where it is.
    pub held: Option<HoldReason>,
    /// When it is due again, where it is queued.
    pub due: Option<Timestamp>,
    /// The receiver's reply code, where there was one.
    pub code: Option<u16>,
    /// The enhanced code, where there was one.
    pub enhanced: Option<EnhancedCode>,
    /// A stable word for what happened: `accepted`, `greylisted`, `mailbox_full`, `connection_refused`.
    pub cause: String,
    /// Our address.
    pub source: Option<IpAddr>,
    /// The receiver's address.
    pub peer: Option<IpAddr>,
    /// How the attempt was protected.
    pub proof: Option<ProtectionProof>,
}

/// A change of state that no attempt caused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// When.
    pub at: Timestamp,
    /// The new state.
    pub state: State,
    /// Why it is held, where it is.
    pub held: Option<HoldReason>,
    /// When it is due, where it is queued.
    pub due: Option<Timestamp>,
    /// A stable word: `deadline`, `operator`, `resend_after_crash`, [`StateChange::RESTORED`].
    pub cause: String,
}

impl StateChange {
    /// The cause of the changes that go with a [`Restoration`].
    pub const RESTORED: &'static str = "restored";
    /// The cause of a mark, not a change: what stays `to_paper` was written into a file for whoever prints it. Its content is kept.
    pub const PAPER_EXPORTED: &'static str = "paper_exported";
    /// The cause of a mark: an operator says that the paper is on its way, and the content may go.
    pub const PAPER_SETTLED: &'static str = "paper_settled";

    /// Whether it is a mark on a job that stays `to_paper`: why it goes on paper stays as it was.
    pub fn is_paper_mark(&self) -> bool {
        self.state == State::ToPaper && [Self::PAPER_EXPORTED, Self::PAPER_SETTLED].contains(&self.cause.as_str())
    }

    /// Whether the payload can go: nothing will be made of it again, by us or by whoever prints.
    pub fn is_settling(&self) -> bool {
        self.state.is_settled() || (self.state == State::ToPaper && self.cause == Self::PAPER_SETTLED)
    }
}

/// That statements of a job that was not sent gave way to newer versions of theirs (`superseded`). The job, its message and its place in
/// the queue are the others'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowing {
    /// When.
    pub at: Timestamp,
    /// The rows that are no part of it any more; at least one stays.
    pub rows: Vec<u64>,
    /// Where the payload of those that stay lies.
    pub to: Locator,
}

/// What an operator can do to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchVerb {
    /// Stop sending what has no durable intent.
    Hold,
    /// Go on.
    Release,
    /// Stop for good what has no durable intent.
    Cancel,
    /// What goes on paper was written out for whoever prints it, or is said to be on its way. Nothing stops or goes for it.
    Paper,
}

/// Who did what to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorAction {
    /// Which batch.
    pub batch: BatchId,
    /// What.
    pub verb: BatchVerb,
    /// When.
    pub at: Timestamp,
    /// The login name of the operator.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
}

/// That a content key is gone: what was under it cannot be read any more, wherever a copy of it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDestruction {
    /// Whose content.
    pub batch: BatchId,
    /// The key's number in the ring; it never comes back.
    pub key: u32,
    /// When it was in no copy of the ring any more.
    pub at: Timestamp,
    /// A stable word: `settled`, `discarded`, `operator`.
    pub cause: String,
}

/// That a journal was put back from a copy. Each job that was not settled in it became `uncertain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoration {
    /// When.
    pub at: Timestamp,
    /// The login name of the operator.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// The last start that the directory knew.
    pub directory_epoch: u32,
    /// The last start that was known outside it.
    pub known_epoch: u32,
    /// Jobs that may have been sent since the copy was made: those that became `uncertain`, and those that a person must look at anyway.
    pub uncertain: u64,
}
