//! The end of a dropped batch: once each of its rows has ended, its delivery report is written and the batch is closed, by itself.
//!
//! ```text
//! done/NAME.BATCH.sealed, no .told/BATCH ─► every row ended? ─► results/NAME.BATCH.delivery.json ─► .told/BATCH ─► closed in the record
//! ```
//! A row has ended when nothing more happens to it without a person's new decision about *it*: delivered, bounced, expired, suppressed,
//! cancelled, superseded, on paper. One that is held, or of which it is not known whether it arrived, has not: the report waits for it.
//!
//! It promises that the report appears whole under its name, and once: whoever takes it out of `results/` does not get it again, for what
//! was told is remembered beside the folders. A crash between the two writes it over itself. What is remembered does not grow for ever: a
//! batch that is closed in the record and came [`REMEMBERED`] ago counts as told, and a start takes its mark away. Counts and cents,
//! nothing of a person. What changes after it (a bounce that comes days later) stands in `batch show`, not here.

use super::folder::Folder;
use crate::engine::{Engine, KnownBatch};
use ledger::BatchReport;
use model::{BatchId, State, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;
use world::World;

/// How long after a batch came it is remembered by a mark that its report was written: a statement's deadline, holds and corrections are
/// long over by then.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);

/// Batches whose end is awaited, with the name of their file.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    /// By the folder's place among the folders.
    batches: BTreeMap<(usize, BatchId), String>,
}

impl Awaited {
    /// What earlier lives left untold in a folder. Marks that nobody needs any more go.
    pub(super) fn find(&mut self, at: usize, folder: &Folder, engine: &Engine) {
        let (world, now) = (engine.world(), engine.world().wall());
        let is_past = |batch| is_past(engine.known(batch).as_ref(), now);
        if let Err(error) = forget(folder, world, is_past) {
            tracing::warn!(target: "sealpost::drop", tenant = folder.tenant, %error, "old marks in .told/ cannot be removed; tried again at the next start");
        }
        let sealed = match world.disk().read_dir(&folder.done()) {
            Ok(sealed) => sealed,
            Err(error) => {
                tracing::error!(target: "sealpost::drop", tenant = folder.tenant, %error, "done/ cannot be read: delivery reports of earlier batches wait for the next start");
                return;
            }
        };
        let batches = sealed.iter().filter_map(|path| named(path));
        let untold = batches.filter(|(_, batch)| !is_past(*batch) && !is_told(folder, *batch, world));
        self.batches.extend(untold.map(|(name, batch)| ((at, batch), name)));
    }

    /// A batch was just accepted.
    pub(super) fn accepted(&mut self, at: usize, batch: BatchId, name: String) {
        self.batches.insert((at, batch), name);
    }

    /// Tells of every batch that has ended since the last look.
    pub(super) async fn look<'f>(&mut self, engine: &Engine, folder_at: impl Fn(usize) -> &'f Folder) {
        let ended: Vec<(usize, BatchId)> = self.batches.keys().filter(|(_, batch)| seems_ended(engine, *batch)).copied().collect();
        for (at, batch) in ended {
            let (folder, name) = (folder_at(at), &self.batches[&(at, batch)]);
            match tell(engine, folder, batch, name).await {
                Ok(true) => drop(self.batches.remove(&(at, batch))),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(target: "sealpost::drop", tenant = folder.tenant, %batch, %error, "the delivery report cannot be written now; tried again");
                }
            }
        }
    }
}

/// Writes the report, remembers it, closes the batch. False where it has not ended after all.
async fn tell(engine: &Engine, folder: &Folder, batch: BatchId, name: &str) -> Result<bool, Box<dyn std::error::Error>> {
    // No longer among what is kept: there is nothing to tell of.
    if engine.stream_of(batch).await?.is_none() {
        return Ok(true);
    }
    let report = engine.report(folder.stream, batch).await?;
    if State::ALL.into_iter().any(|state| !has_ended(state) && report.states.get(state) > 0) {
        return Ok(false);
    }
    let world = engine.world();
    let about = as_json(&report, folder, name, engine)?;
    world.disk().write_atomic(&folder.results().join(format!("{name}.{batch}.delivery.json")), format!("{about:#}\n").as_bytes())?;
    remember(folder, batch, world)?;
    engine.close_batch(batch).await?;
    tracing::info!(target: "sealpost::drop", tenant = folder.tenant, %batch, file = name, "every row has ended; the delivery report stands in results/");
    Ok(true)
}

/// Statements and cents, by what became of them at the door and after it.
fn as_json(report: &BatchReport, folder: &Folder, name: &str, engine: &Engine) -> Result<Value, serde_json::Error> {
    let books = serde_json::to_value(report)?;
    let sums = |counts: &str| -> Value {
        let named = books[counts].as_object().into_iter().flatten();
        let part = |(key, statements): (&String, &Value)| {
            let cents = |kind: &str| books["money_cents"][kind][key].clone();
            let (billed, paid, owed) = (cents("billed"), cents("plan_paid"), cents("member_owes"));
            (key.clone(), json!({ "statements": statements, "billed_cents": billed, "plan_paid_cents": paid, "member_owes_cents": owed }))
        };
        Value::Object(named.map(part).collect())
    };
    Ok(json!({
        "batch_id": report.batch_id.to_string(),
        "file": name,
        "tenant": folder.tenant,
        "stream": folder.stream.as_str(),
        "environment": engine.environment(),
        "ended_at": engine.world().wall().to_jiff().to_string(),
        "source_records": report.source_records,
        "at_the_door": sums("statements"),
        "outcomes": sums("states"),
        "reasons": report.reasons,
        "uncertain": report.uncertain,
        "needs_a_person": report.needs_a_person(),
        "balanced": report.balanced,
    }))
}

/// Whether nothing more happens to a row in this state by itself or by an order about it.
const fn has_ended(state: State) -> bool {
    !state.is_active() && !matches!(state, State::Held | State::Uncertain)
}

/// By the live counts; the ledger has the last word.
fn seems_ended(engine: &Engine, batch: BatchId) -> bool {
    let jobs = engine.accounts().batch(batch);
    State::ALL.into_iter().all(|state| has_ended(state) || jobs.jobs(state) == 0)
}

/// File and batch of a sealed source: `NAME.BATCH.sealed`.
fn named(path: &Path) -> Option<(String, BatchId)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".sealed")?;
    let (name, batch) = name.rsplit_once('.')?;
    Some((name.to_owned(), batch.parse().ok()?))
}

/// Whether a batch's report is nobody's concern any more: it is not among what is kept, or it is closed and came long ago.
fn is_past(known: Option<&KnownBatch>, now: Timestamp) -> bool {
    known.is_none_or(|batch| batch.closed && now.since(batch.opened_at) >= REMEMBERED)
}

/// Takes the marks of past batches away.
fn forget(folder: &Folder, world: &World, is_past: impl Fn(BatchId) -> bool) -> io::Result<()> {
    if !world.disk().exists(&folder.told()) {
        return Ok(());
    }
    let marks = world.disk().read_dir(&folder.told())?;
    let batch = |mark: &Path| mark.file_name()?.to_str()?.parse::<BatchId>().ok();
    marks.iter().filter(|mark| batch(mark).is_some_and(&is_past)).try_for_each(|mark| world.disk().remove_file(mark))
}

fn is_told(folder: &Folder, batch: BatchId, world: &World) -> bool {
    world.disk().exists(&folder.told().join(batch.to_string()))
}

fn remember(folder: &Folder, batch: BatchId, world: &World) -> io::Result<()> {
    world.disk().create_dir_all(&folder.told())?;
    world.disk().write_atomic(&folder.told().join(batch.to_string()), b"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{StreamName, TenantId};

    #[test]
    fn a_batch_is_past_once_it_is_closed_and_old_or_not_kept() {
        let opened_at = Timestamp::from_seconds(1_800_000_000);
        let batch = |closed| KnownBatch { stream: StreamName::Transactional, tenant: TenantId(1), file_sha256: None, opened_at, closed };
        let later = opened_at + REMEMBERED;
        assert!(is_past(Some(&batch(true)), later) && is_past(None, opened_at));
        assert!(!is_past(Some(&batch(true)), opened_at + REMEMBERED / 2));
        assert!(!is_past(Some(&batch(false)), later), "it has not ended yet, however old");
    }

    #[test]
    fn marks_of_past_batches_go_and_nothing_else() {
        let (root, world) = (tempfile::tempdir().unwrap(), World::real());
        let folder = Folder::of(root.path(), "lakeside", StreamName::Transactional);
        forget(&folder, &world, |_| true).unwrap();
        let (past, present) = (BatchId::new(1, 1), BatchId::new(1, 2));
        [past, present].into_iter().for_each(|batch| remember(&folder, batch, &world).unwrap());
        std::fs::write(folder.told().join("somebody's note"), b"").unwrap();
        forget(&folder, &world, |batch| batch == past).unwrap();
        assert_eq!([past, present].map(|batch| is_told(&folder, batch, &world)), [false, true]);
        assert_eq!(std::fs::read_dir(folder.told()).unwrap().count(), 2);
    }

    #[test]
    fn a_sealed_source_names_its_batch() {
        let batch = BatchId::new(1, 42);
        assert_eq!(named(Path::new(&format!("done/night one.835.{batch}.sealed"))), Some(("night one.835".to_owned(), batch)));
        for other in ["members.csv.contacts.a1b2c3d4e5f6.sealed", "night.835", "x.sealed", ".sealed"] {
            assert_eq!(named(Path::new(other)), None, "{other}");
        }
    }
}
