//! The words of the control door: what is asked, and what is answered. Each is one line of JSON on the socket.

use crate::backup::{BackupRequest, Manifest};
use crate::contacts::MembersAsk;
use crate::files::FileRequest;
use crate::paper::{PaperAsk, PaperTold};
use journal::{RingOverview, Rotated, Rotation};
use ledger::JobFilter;
use model::StreamName;
use model::record::BatchVerb;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an operator asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Request {
    /// Accept a file and follow its batch until it is closed, or until `deadline_ms` has passed.
    Send {
        /// The file and how to read it.
        file: FileRequest,
        /// How long to follow, in milliseconds; `None` follows to the end.
        deadline_ms: Option<u64>,
    },
    /// All batches.
    List,
    /// One batch.
    Show {
        /// Which.
        batch: String,
    },
    /// Its jobs, a page at a time.
    Rows {
        /// Which batch.
        batch: String,
        /// Which of them.
        filter: JobFilter,
    },
    /// Hold, release or cancel a batch.
    Order {
        /// Which.
        batch: String,
        /// What.
        order: BatchVerb,
        /// Why.
        reason: String,
        /// Who.
        by: String,
    },
    /// Write out what goes on paper of a batch, or settle it.
    Paper {
        /// Which batch.
        batch: String,
        /// What.
        ask: PaperAsk,
        /// Who.
        by: String,
    },
    /// Put the key ring under another key-encryption key.
    RotateKeys {
        /// Which.
        rotation: Rotation,
    },
    /// What is in the key ring.
    ShowKeys,
    /// Import, show or date the contact data of a tenant.
    Members {
        /// Whose; `None` where the configuration has one tenant.
        tenant: Option<String>,
        /// What.
        ask: MembersAsk,
        /// Who.
        by: String,
    },
    /// Take over what was activated or retired.
    Templates {
        /// Whose; `None` where the configuration has one tenant.
        tenant: Option<String>,
    },
    /// Copy the journals into a folder, as they are at one moment.
    Backup {
        /// Where, and what.
        backup: BackupRequest,
    },
}

/// What the engine answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The batch is committed (or was before): it is on disk.
    Accepted {
        /// Its id.
        batch: String,
        /// The same file was accepted before and its batch goes on.
        resumed: bool,
        /// Damage of the file that belongs to no row; each stands in the reject file.
        findings: u64,
    },
    /// How far it is.
    Progress(Progress),
    /// The books of a batch.
    Report {
        /// Its stream.
        stream: StreamName,
        /// The books, as `ledger::BatchReport` serializes them.
        report: serde_json::Value,
        /// Statements that a person must look at.
        needs_a_person: u64,
        /// `test` or `live`.
        environment: String,
        /// Since the request, in milliseconds.
        elapsed_ms: u64,
    },
    /// All batches.
    Batches {
        /// As `ledger::BatchLine` serializes them.
        batches: serde_json::Value,
    },
    /// A page of a batch's jobs.
    Rows {
        /// As `ledger::JobLine` serializes them.
        rows: serde_json::Value,
        /// Where the next page begins, where there may be one.
        next: Option<String>,
    },
    /// An order was carried out on so many waiting jobs.
    Ordered {
        /// How many.
        jobs: u64,
        /// What a cancelled batch had sent before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<Left>,
        /// Of a release: what was held because a denial had no words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wording: Option<WordedAgain>,
    },
    /// The tenant's templates are those that are activated.
    TemplatesTaken,
    /// What goes on paper was written out, or settled.
    Paper {
        /// How much of it.
        told: PaperTold,
    },
    /// The key ring is under another key-encryption key.
    Rotated {
        /// How.
        rotated: Rotated,
    },
    /// What is in the key ring.
    Keys {
        /// Nothing secret.
        overview: Box<RingOverview>,
    },
    /// What was asked of a tenant's contact data.
    Members {
        /// As [`MembersAsk`] says; readable where a member was asked for.
        found: serde_json::Value,
    },
    /// How far a backup is, in bytes.
    Copying {
        /// Copied.
        done: u64,
        /// In all, about.
        total: u64,
    },
    /// The backup is whole.
    BackedUp {
        /// What is in it; its files stand in the manifest alone.
        manifest: Box<Manifest>,
    },
    /// The batch was refused as a whole: exit code 4.
    Refused {
        /// Why, and what to do.
        message: String,
    },
    /// The request cannot be understood or names nothing we know: exit code 2.
    Unknown {
        /// What was expected.
        message: String,
    },
    /// Nothing is wrong with the request, and there is no room for it now: exit code 6.
    NotNow {
        /// Why, and what to do.
        message: String,
    },
    /// Something of ours failed: exit code 1.
    Failed {
        /// What, and what to do.
        message: String,
    },
}

/// What a release did with jobs that were held because a denial had no words, in messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WordedAgain {
    /// They have words now, and go.
    pub released: u64,
    /// Still held, by the code that has no words; empty for a claim that is denied without a reason.
    pub still_held: BTreeMap<String, u64>,
}

/// What became of a batch that was cancelled, in statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Left {
    /// Stopped for good: nothing of them left.
    pub cancelled: u64,
    /// Delivered before.
    pub delivered: u64,
    /// Being sent at this moment: they have an intent on disk.
    pub in_flight: u64,
    /// Sent perhaps, the answer is lost.
    pub uncertain: u64,
    /// Anything else: bounced, expired, on paper.
    pub other: u64,
}

/// How far a batch is, in jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Jobs the engine knows of the batch in this life.
    pub total: i64,
    /// Waiting.
    pub queued: i64,
    /// Under way.
    pub in_flight: i64,
    /// Delivered.
    pub delivered: i64,
    /// Ended otherwise, or with a person.
    pub other: i64,
}

impl Progress {
    /// Jobs the engine still works on.
    pub fn active(&self) -> i64 {
        self.queued + self.in_flight
    }
}
