//! A ledger made anew from the record, beside the old one, and put in its place when it is whole.
//!
//! The old one is brought up to date first and compared batch by batch, so that "it differs" means that it was wrong, not that it was
//! behind. The exchange is one rename: before it the old ledger is there, after it the new one.

use journal::{Flaw, JournalDir, JournalError, KeyRing, RecordPosition};
use ledger::{BatchLine, BatchReport, Ledger, LedgerError};
use model::record::{FrameKey, Record};
use model::{BatchId, Cents, StreamName};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use world::World;

/// Frames applied in one transaction.
const FRAMES_MAX: usize = 4096;
/// What SQLite keeps beside a file.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// A ledger that was made anew.
#[derive(Debug, Clone, Serialize)]
pub struct Rebuilt {
    /// Whose.
    pub stream: StreamName,
    /// Its file.
    pub path: PathBuf,
    /// Records applied.
    pub records: u64,
    /// Records that did not fit and were not applied, as in a running engine.
    pub findings: u64,
    /// Position of the last one, such as `3.1042`; `None` where the record is empty.
    pub position: Option<String>,
    /// Batches in it.
    pub batches: u64,
    /// Statements read in all of them.
    pub statements: u64,
    /// What the statements read add up to: billed, in cents.
    pub billed_cents: Cents,
    /// What the plan paid, in cents.
    pub plan_paid_cents: Cents,
    /// What the members owe, in cents.
    pub member_owes_cents: Cents,
    /// Batches whose report does not balance.
    pub unbalanced: u64,
    /// Places where the record is damaged: what they said is not in it.
    pub record_damage: Vec<Flaw>,
    /// What became of the one before.
    pub before: Before,
}

/// The ledger that was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "was")]
pub enum Before {
    /// There was none.
    Absent,
    /// It could not be read.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// It said the same of every batch.
    Equal,
    /// It was wrong.
    Different {
        /// In which batches, and how.
        batches: Vec<Difference>,
    },
}

/// How the old ledger differed in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The batch.
    pub batch: String,
    /// What was wrong, in a sentence.
    pub what: String,
}

/// Why a ledger was not made anew. The old one is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Operator: an engine has the journal; or the record cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Operator: SQLite refuses to write the new one.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Operator: the record lost something that the ledger there may still know.
    #[error(
        "the record is damaged in {places} places, the first at {first}: a ledger made of it would lack what is lost there, so the one that is there is kept"
    )]
    RecordDamaged {
        /// How many.
        places: usize,
        /// The first of them.
        first: String,
    },
    /// Operator: files cannot be exchanged.
    #[error("{}: {error}", path.display())]
    Exchange {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Makes the ledger of a stream anew; `progress` is told how many records are in it. A ledger that can be read is not given for one of a
/// damaged record, unless `despite_damage`.
///
/// # Errors
/// [`RebuildError`]; [`JournalError::Locked`] where an engine runs.
pub fn rebuild(
    world: &World,
    journal: &JournalDir,
    keys: &KeyRing,
    path: &Path,
    despite_damage: bool,
    mut progress: impl FnMut(u64),
) -> Result<Rebuilt, RebuildError> {
    let lock = journal.lock()?;
    let mut old = Old::open(path);
    let record_damage = journal.record_damage(keys)?;
    if let (Some(first), Old::Open(_), false) = (record_damage.first(), &old, despite_damage) {
        return Err(RebuildError::RecordDamaged { places: record_damage.len(), first: first.place.clone() });
    }
    if let Some(folder) = path.parent() {
        world.disk().create_dir_all(folder).map_err(|error| RebuildError::Exchange { path: folder.to_owned(), error })?;
    }
    let beside = with_suffix(path, ".new");
    remove(world, &beside)?;
    let mut new = Ledger::open(&beside)?;
    let mut tail = journal.tail(keys.clone());
    let (mut records, mut findings) = (0, 0);
    loop {
        let frames: Vec<(u64, FrameKey, Record)> =
            tail.next(FRAMES_MAX)?.into_iter().map(|(position, key, record)| (position.0, key, record)).collect();
        if frames.is_empty() {
            break;
        }
        let applied = new.apply(&frames)?;
        records += applied.events;
        findings += applied.findings;
        old.catch_up(&frames);
        progress(records);
    }
    let books = Books::of(&new)?;
    let before = old.compare(&books);
    let position = new.position().map(|position| RecordPosition(position).to_string());
    new.close()?;
    exchange(world, &beside, path)?;
    drop(lock);
    let made = Rebuilt { records, findings, position, record_damage, before, ..books.summary(journal.stream(), path) };
    Ok(made)
}

/// The ledger before, as far as it can be read.
enum Old {
    Absent,
    Unreadable(String),
    Open(Ledger),
}

impl Old {
    fn open(path: &Path) -> Self {
        if !path.exists() {
            return Self::Absent;
        }
        match Ledger::look(path).and_then(|_| Ledger::open(path)) {
            Ok(ledger) => Self::Open(ledger),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }

    fn catch_up(&mut self, frames: &[(u64, FrameKey, Record)]) {
        if let Self::Open(ledger) = self
            && let Err(error) = ledger.apply(frames)
        {
            *self = Self::Unreadable(error.to_string());
        }
    }

    fn compare(self, books: &Books) -> Before {
        match self {
            Self::Absent => Before::Absent,
            Self::Unreadable(reason) => Before::Unreadable { reason },
            Self::Open(ledger) => match Books::of(&ledger) {
                Err(error) => Before::Unreadable { reason: error.to_string() },
                Ok(old) => {
                    let batches = books.differences(&old);
                    if batches.is_empty() { Before::Equal } else { Before::Different { batches } }
                }
            },
        }
    }
}

/// Every batch of a ledger.
struct Books(BTreeMap<BatchId, (BatchLine, BatchReport)>);

impl Books {
    fn of(ledger: &Ledger) -> Result<Self, LedgerError> {
        let mut books = BTreeMap::new();
        for line in ledger.batches()? {
            let Ok(id) = line.batch_id.parse::<BatchId>() else { continue };
            if let Some(report) = ledger.batch_report(id)? {
                books.insert(id, (line, report));
            }
        }
        Ok(Self(books))
    }

    fn differences(&self, old: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut tell = |batch: &BatchId, what: String| found.push(Difference { batch: batch.to_string(), what });
        for (id, (line, report)) in &self.0 {
            match old.0.get(id) {
                None => tell(id, "it was not in the old ledger".to_owned()),
                Some((_, old)) if old != report => tell(id, difference(report, old)),
                Some((old, _)) if old != line => tell(id, "its times, or whether it is held or cancelled, were wrong".to_owned()),
                Some(_) => {}
            }
        }
        for id in old.0.keys().filter(|id| !self.0.contains_key(id)) {
            tell(id, "the record does not know it".to_owned());
        }
        found
    }

    fn summary(self, stream: StreamName, path: &Path) -> Rebuilt {
        let reports = || self.0.values().map(|(_, report)| report);
        Rebuilt {
            stream,
            path: path.to_owned(),
            records: 0,
            findings: 0,
            position: None,
            batches: self.0.len() as u64,
            statements: reports().map(|report| report.statements.read).sum(),
            billed_cents: reports().map(|report| report.money_cents.billed.parts.read).sum(),
            plan_paid_cents: reports().map(|report| report.money_cents.plan_paid.parts.read).sum(),
            member_owes_cents: reports().map(|report| report.money_cents.member_owes.parts.read).sum(),
            unbalanced: reports().filter(|report| !report.balanced).count() as u64,
            record_damage: Vec::new(),
            before: Before::Absent,
        }
    }
}

/// The first thing that a person would look at.
fn difference(new: &BatchReport, old: &BatchReport) -> String {
    if let Some((state, now)) = new.states.iter().find(|(state, now)| old.states.get(*state) != *now) {
        return format!("{state}: {now} statements by the record, {} by the old ledger", old.states.get(state));
    }
    if new.statements != old.statements {
        return "the statements at the door differ".to_owned();
    }
    if new.money_cents != old.money_cents {
        return "sums of money differ".to_owned();
    }
    if new.uncertain != old.uncertain {
        return format!("uncertain: {} by the record, {} by the old ledger", new.uncertain, old.uncertain);
    }
    "reasons, or whether it is closed, differ".to_owned()
}

/// The new file takes the old one's place. What SQLite kept beside the old one must not be taken for the new one's.
fn exchange(world: &World, from: &Path, to: &Path) -> Result<(), RebuildError> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |error| RebuildError::Exchange { path, error }
    };
    for companion in COMPANIONS {
        remove_one(world, &with_suffix(to, companion))?;
    }
    world.disk().rename(from, to).map_err(wrong(to))?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    world.disk().sync_dir(folder).map_err(wrong(folder))
}

/// A file that an earlier attempt left, and what SQLite kept beside it.
fn remove(world: &World, path: &Path) -> Result<(), RebuildError> {
    for companion in COMPANIONS {
        remove_one(world, &with_suffix(path, companion))?;
    }
    remove_one(world, path)
}

fn remove_one(world: &World, path: &Path) -> Result<(), RebuildError> {
    match world.disk().remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(RebuildError::Exchange { path: path.to_owned(), error }),
        _ => Ok(()),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
