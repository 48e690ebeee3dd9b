//! What goes on paper, written out for whoever prints it: encrypted to their key while it is read, readable nowhere.
//!
//! ```text
//! record: jobs of the batch in `to_paper` ─► payload by payload out of the work log ─► a line of JSON in memory ─► OpenPGP ─► FILE
//!                                                                    FILE is whole and synced ─► each job is marked `paper_exported`
//! ```
//! Each statement is a line of its own: row, job, reason, deadline, claim and member as the source states them, and the whole statement;
//! and the postal address that the contact data of now has for the member ([`intake::PostalAddress`]): the alternative one where the member
//! asked for it (45 CFR 164.522(b)), never the ordinary one in its place. Where there is none,
//! `postal_address_missing` says why in a stable word.
//!
//! **What is kept.** Content of what goes on paper stays until an operator says that the paper is on its way ([`PaperAsk::Settle`]); an
//! export marks and takes nothing away. So it can be made again, to the same key or another one, and its lines say when they were exported
//! first. After the settling the content may be reclaimed like that of a delivered message, and its key be destroyed.
//! The books say `to_paper` throughout.
//!
//! Who exported what, when, and under which key stands in the record with the operator's login name.

use crate::contacts::InForce;
use crate::engine::{AcceptError, Engine, no_marketing};
use crate::paper_key::PaperKey;
use crate::pipeline::Pipeline;
use crate::projection::ProjectionError;
use intake::{Contacts, PostalAddress, reason};
use jiff::civil::Date;
use journal::{JournalDir, JournalError, KeyRing, PlacedJob, Reader};
use ledger::PaperJob;
use model::record::{BatchVerb, FrameKey, OperatorAction, Record, StateChange};
use model::stage::{JobData, Payload};
use model::statement::Member;
use model::{BatchId, JobId, MessageVersion, Private, State, Statement, Stream, StreamName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use world::World;
use zeroize::Zeroize;

/// What an operator asks about the paper of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaperAsk {
    /// Write it out.
    Export {
        /// The public key, armored or binary.
        key: Vec<u8>,
        /// A new file; absolute.
        out: PathBuf,
        /// The contact file whose postal addresses are printed; absolute. `None` takes what the tenant goes by.
        #[serde(default)]
        members: Option<PathBuf>,
    },
    /// What was exported is on its way: its content may go.
    Settle,
}

/// What was written out, or settled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PaperTold {
    /// Rows of the file; of a settling, rows whose content may go now.
    pub rows: u64,
    /// Of these, rows that were exported before.
    pub exported_before: u64,
    /// Rows whose content may be gone already: they were settled.
    pub settled_before: u64,
    /// Rows whose content cannot be read; the log says why. They are not in the file.
    pub unreadable: u64,
    /// Rows that go on paper and were never exported: of a settling alone.
    pub not_exported: u64,
    /// Rows of the file without a postal address, by the reason.
    #[serde(default)]
    pub without_address: BTreeMap<String, u64>,
    /// Rows of the file by the reason why they go on paper.
    pub reasons: BTreeMap<String, u64>,
    /// The fingerprint of the key.
    pub key: Option<String>,
    /// The file; `None` where nothing was written.
    pub out: Option<PathBuf>,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum PaperTrouble {
    /// The key must not be used; one sentence.
    #[error("the key cannot be used: {0}")]
    Key(String),
    /// The file cannot be made.
    #[error("{path}: {error}; name a new file with --out, in a folder that the engine may write into")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It broke off: nothing stays of the file.
    #[error("{path}: {what}; nothing of it was kept")]
    BrokeOff {
        /// Which.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// The journal refuses.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] ProjectionError),
    /// The contact data cannot be read.
    #[error("{0}; nothing was written: without it nobody's postal address is known")]
    Contacts(AcceptError),
    /// It is a batch of a stream that this configuration does not have.
    #[error(transparent)]
    Stream(AcceptError),
    /// The engine is stopping.
    #[error("the engine is stopping; ask again when it runs")]
    Stopped,
}

impl Engine {
    /// Writes out what goes on paper of a batch, or settles it.
    ///
    /// # Errors
    /// [`PaperTrouble`]; then nothing was marked, and no file stays.
    pub async fn paper(&self, stream: StreamName, batch: BatchId, ask: PaperAsk, by: String) -> Result<PaperTold, PaperTrouble> {
        match (stream, self.marketing()) {
            (StreamName::Transactional, _) => self.paper_of(self.transactional(), batch, ask, by).await,
            (StreamName::Marketing, Some(pipeline)) => self.paper_of(pipeline, batch, ask, by).await,
            (StreamName::Marketing, None) => Err(PaperTrouble::Stream(no_marketing())),
        }
    }

    async fn paper_of<S: Stream>(
        &self,
        pipeline: &Pipeline<S>,
        batch: BatchId,
        ask: PaperAsk,
        by: String,
    ) -> Result<PaperTold, PaperTrouble> {
        let world = self.world().clone();
        let key = match &ask {
            PaperAsk::Export { key, .. } => Some(PaperKey::read(key, world.wall()).map_err(PaperTrouble::Key)?),
            PaperAsk::Settle => None,
        };
        // Outcomes are appended without waiting; what went on paper a moment ago belongs to it.
        pipeline.journal.sync().await?;
        let known = pipeline.projection.ask(pipeline.journal.durable(), move |ledger| ledger.paper(batch)).await?;
        let mut told = PaperTold { key: key.as_ref().map(|key| key.fingerprint().to_owned()), ..PaperTold::default() };
        let (marked, cause) = match (ask, key) {
            (PaperAsk::Export { out, members, .. }, Some(key)) => {
                let addresses = self.addresses(batch, members.as_deref()).map_err(PaperTrouble::Contacts)?;
                let dir = self.kept_in().0.join(S::NAME.as_str());
                let export = Export {
                    world: world.clone(),
                    dir,
                    stream: S::NAME,
                    keys: self.keys().clone(),
                    reader: pipeline.reader.clone(),
                    batch,
                    known,
                    key,
                    out,
                    addresses,
                };
                // It may read for seconds: not on the thread that answers everybody.
                let written = world.apart("paper", move || async move { export.run() }).await;
                let (jobs, counted) = written.ok_or(PaperTrouble::Stopped)??;
                told = PaperTold { key: told.key, ..counted };
                (jobs, StateChange::PAPER_EXPORTED)
            }
            _ => (settled(known, &mut told), StateChange::PAPER_SETTLED),
        };
        self.mark(pipeline, batch, &marked, cause, by, &told).await?;
        Ok(told)
    }

    /// Who lives where.
    fn addresses(&self, batch: BatchId, members: Option<&Path>) -> Result<Addresses, AcceptError> {
        let Some(tenant) = self.tenant_of(batch) else { return Ok(Addresses::default()) };
        let contacts = match members {
            Some(path) => Some(InForce::of_file(path)?),
            None => self.contacts().newest(tenant.id)?,
        };
        let today = tenant.settings.member_settings.authority.day_of(self.world().wall());
        Ok(Addresses { contacts: contacts.map(|known| known.contacts), today })
    }

    /// Records the mark of each job, and who asked for it; durable when it returns.
    async fn mark<S: Stream>(
        &self,
        pipeline: &Pipeline<S>,
        batch: BatchId,
        jobs: &[JobId],
        cause: &str,
        by: String,
        told: &PaperTold,
    ) -> Result<(), PaperTrouble> {
        if told.rows == 0 {
            return Ok(());
        }
        let at = self.world().wall();
        let key = |job| FrameKey { job, message: MessageVersion(0), attempt: 0 };
        for job in jobs {
            let change = StateChange { at, state: State::ToPaper, held: None, due: None, cause: cause.to_owned() };
            // Waited for together, by the last record.
            pipeline.journal.record(key(Some(*job)), Record::Change(change)).await.map(drop)?;
        }
        let reason = match &told.key {
            Some(key) => format!("{cause}: {} rows under the key {key}", told.rows),
            None => format!("{cause}: {} rows", told.rows),
        };
        let action = OperatorAction { batch, verb: BatchVerb::Paper, at, by, reason };
        pipeline.journal.record(key(None), Record::Operator(action)).await?.await?;
        Ok(())
    }
}

/// The jobs that were exported and not settled yet.
fn settled(known: Vec<PaperJob>, told: &mut PaperTold) -> Vec<JobId> {
    let mut jobs = Vec::new();
    for job in known {
        let rows = u64::from(job.statements);
        match (job.exported_at, job.settled_at) {
            (None, _) => told.not_exported += rows,
            (Some(_), Some(_)) => told.settled_before += rows,
            (Some(_), None) => {
                told.rows += rows;
                *told.reasons.entry(job.reason.unwrap_or_default()).or_default() += rows;
                jobs.push(job.job);
            }
        }
    }
    jobs
}

/// Postal addresses, as they are on a day.
#[derive(Default)]
struct Addresses {
    contacts: Option<Arc<Contacts>>,
    today: Date,
}

impl Addresses {
    fn of(&self, member: &Member) -> Result<PostalAddress, &'static str> {
        self.contacts.as_ref().ok_or(reason::CONTACT_MISSING)?.postal_address(member, self.today)
    }
}

/// One writing out.
struct Export {
    addresses: Addresses,
    world: World,
    dir: PathBuf,
    stream: StreamName,
    keys: KeyRing,
    reader: Reader,
    batch: BatchId,
    known: Vec<PaperJob>,
    key: PaperKey,
    out: PathBuf,
}

impl Export {
    /// The jobs that are to be marked, and what was written.
    fn run(self) -> Result<(Vec<JobId>, PaperTold), PaperTrouble> {
        let Some(dir) = JournalDir::look(&self.world, &self.dir, self.stream)? else { return Ok(Default::default()) };
        let placed = dir.jobs_in(&self.keys, self.batch, State::ToPaper)?;
        let known: BTreeMap<JobId, PaperJob> = self.known.iter().map(|job| (job.job, job.clone())).collect();
        let settled_before = self.known.iter().filter(|job| job.settled_at.is_some()).map(|job| u64::from(job.statements)).sum();
        let told = PaperTold { settled_before, ..PaperTold::default() };
        if placed.is_empty() {
            return Ok((Vec::new(), told));
        }
        let mut lines = Lines {
            reader: self.reader,
            batch: self.batch,
            jobs: placed.into_iter(),
            known,
            addresses: self.addresses,
            buffer: Vec::with_capacity(LINE_BYTES),
            at: 0,
            told,
            marked: Vec::new(),
        };
        let unwritable = |error| PaperTrouble::File { path: self.out.clone(), error };
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&self.out).map_err(unwritable)?;
        let mut into = BufWriter::new(file);
        let written =
            self.key.encrypt(&self.world, &mut lines, &mut into).and_then(|()| finish(into, &self.out).map_err(|error| error.to_string()));
        // Half a file looks like a whole one; one without a row looks like work.
        if written.is_err() || lines.told.rows == 0 {
            let _ = std::fs::remove_file(&self.out);
        }
        written.map_err(|what| PaperTrouble::BrokeOff { path: self.out.clone(), what })?;
        lines.told.out = (lines.told.rows > 0).then_some(self.out);
        Ok((std::mem::take(&mut lines.marked), std::mem::take(&mut lines.told)))
    }
}

/// The file is on disk, by its name too, before anything says so.
fn finish(into: BufWriter<std::fs::File>, path: &Path) -> io::Result<()> {
    into.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

/// One row, as it is written out.
#[derive(Serialize)]
struct Line<'a> {
    batch_id: String,
    row: u64,
    job_id: String,
    reason: Option<&'a str>,
    deadline: String,
    exported_before: Option<String>,
    claim_number: &'a Private,
    member: &'a Member,
    /// `null` where none is known.
    postal_address: Option<PostalAddress>,
    /// Why.
    postal_address_missing: Option<&'static str>,
    statement: &'a Statement,
}

/// Room for the lines of most jobs, so that no half of one is left behind where the buffer grows.
const LINE_BYTES: usize = 256 * 1024;

/// The lines of a file, made one job at a time and wiped when they were read.
struct Lines {
    reader: Reader,
    batch: BatchId,
    jobs: std::vec::IntoIter<PlacedJob>,
    known: BTreeMap<JobId, PaperJob>,
    addresses: Addresses,
    buffer: Vec<u8>,
    at: usize,
    told: PaperTold,
    marked: Vec<JobId>,
}

impl Lines {
    /// The lines of the next job, or none where it cannot be read; false where there is no job left.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.zeroize();
        self.at = 0;
        let Some(job) = self.jobs.next() else { return Ok(false) };
        match self.reader.payload(job.id, job.locator) {
            Ok(JobData { payload: Payload::Statements(statements), .. }) => self.write(&job, &statements)?,
            Ok(_) => self.told.unreadable += u64::from(job.head.statements),
            Err(error) => {
                tracing::error!(target: "sealpost::journal", job = %job.id, %error, "content for paper cannot be read; it is not in the file");
                self.told.unreadable += u64::from(job.head.statements);
            }
        }
        Ok(true)
    }

    fn write(&mut self, job: &PlacedJob, statements: &[Statement]) -> io::Result<()> {
        let known = self.known.get(&job.id);
        let (reason, before) = known.map_or((None, None), |known| (known.reason.clone(), known.exported_at));
        for (row, statement) in job.head.rows().zip(statements) {
            let (postal_address, postal_address_missing) = match self.addresses.of(&statement.member) {
                Ok(address) => (Some(address), None),
                Err(why) => (None, Some(why)),
            };
            postal_address_missing.into_iter().for_each(|why| *self.told.without_address.entry(why.to_owned()).or_default() += 1);
            let line = Line {
                batch_id: self.batch.to_string(),
                row: row.row,
                job_id: job.id.to_string(),
                reason: reason.as_deref(),
                deadline: job.head.deadline.to_jiff().to_string(),
                exported_before: before.map(|at| at.to_jiff().to_string()),
                claim_number: &statement.claim_number,
                member: &statement.member,
                postal_address,
                postal_address_missing,
                statement,
            };
            serde_json::to_writer(&mut self.buffer, &line)?;
            self.buffer.push(b'\n');
            self.told.rows += 1;
            self.told.exported_before += u64::from(before.is_some());
            *self.told.reasons.entry(reason.clone().unwrap_or_default()).or_default() += 1;
        }
        if before.is_none() {
            self.marked.push(job.id);
        }
        Ok(())
    }
}

impl Read for Lines {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.buffer.len() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let count = into.len().min(self.buffer.len() - self.at);
        into[..count].copy_from_slice(&self.buffer[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}
