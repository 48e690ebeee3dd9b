//! Questions about batches while no engine runs: answered from the ledger, brought up to date from the record. Nothing is sent for it.

use super::Trouble;
use crate::assembly::key_source;
use crate::config::Config;
use crate::control::{Answer, Request, no_batch, page_of};
use crate::gating::found_in;
use journal::{JournalDir, JournalError, KeyRing, RecordPosition};
use ledger::Ledger;
use model::record::{FrameKey, Record};
use model::{BatchId, StreamName};
use world::World;

/// Frames applied in one transaction.
const FRAMES_MAX: usize = 4096;

/// The answer to a question; `None` where it is an order, or there is no journal yet: then an engine is needed.
///
/// # Errors
/// The key ring, the record or the ledger cannot be read; an engine is just starting.
pub(super) fn answer(world: &World, config: &Config, request: &Request) -> Result<Option<Answer>, Trouble> {
    if !matches!(request, Request::List | Request::Show { .. } | Request::Rows { .. }) {
        return Ok(None);
    }
    let mut ledgers = Vec::new();
    for stream in [StreamName::Transactional, StreamName::Marketing] {
        let dir = config.paths.journal.join(stream.as_str());
        let Some(journal) = JournalDir::look(world, &dir, stream).map_err(Trouble::failed)? else { continue };
        let keys = KeyRing::open_to_read(world, &config.paths.key_ring, &key_source(&config.keys)).map_err(Trouble::failed)?;
        ledgers.push((stream, up_to_date(config, &journal, keys)?));
    }
    if ledgers.is_empty() {
        return Ok(None);
    }
    let answer = match request {
        Request::List => {
            let mut all = Vec::new();
            for (_, ledger) in &ledgers {
                all.extend(ledger.batches().map_err(Trouble::failed)?);
            }
            Answer::Batches { batches: serde_json::to_value(all).map_err(Trouble::failed)? }
        }
        Request::Show { batch } => show(world, config, &ledgers, batch)?,
        Request::Rows { batch, filter } => {
            let Ok(id) = batch.parse::<BatchId>() else { return Ok(Some(no_batch(batch))) };
            let mut rows = Vec::new();
            for (_, ledger) in &ledgers {
                rows.extend(ledger.rows(id, filter).map_err(Trouble::failed)?);
            }
            page_of(rows, filter)
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

fn show(world: &World, config: &Config, ledgers: &[(StreamName, Ledger)], batch: &str) -> Result<Answer, Trouble> {
    let Ok(id) = batch.parse::<BatchId>() else { return Ok(no_batch(batch)) };
    for (stream, ledger) in ledgers {
        let Some(books) = ledger.batch_report(id).map_err(Trouble::failed)? else { continue };
        let needs_a_person = books.needs_a_person();
        let is_closed = books.active() == 0;
        let mut report = serde_json::to_value(&books).map_err(Trouble::failed)?;
        report["closed"] = is_closed.into();
        if let Some(found) = found_in(world, &config.paths.gates, id) {
            report["gates"] = found.as_json();
        }
        let environment = config.environment.name().to_owned();
        return Ok(Answer::Report { stream: *stream, report, needs_a_person, environment, elapsed_ms: 0 });
    }
    Ok(no_batch(batch))
}

/// The ledger with everything that the record has by now. The journal is locked meanwhile, so that no engine writes.
fn up_to_date(config: &Config, journal: &JournalDir, keys: KeyRing) -> Result<Ledger, Trouble> {
    let _lock = journal.lock().map_err(|error| match error {
        JournalError::Locked(dir) => Trouble::failed(format!(
            "an engine has {} and does not answer on its control socket: it is perhaps starting, ask again in a moment",
            dir.display()
        )),
        error => Trouble::failed(error),
    })?;
    let world = World::real();
    world.disk().create_dir_all(&config.paths.ledger).map_err(Trouble::failed)?;
    let mut ledger = Ledger::open(&config.paths.ledger.join(format!("{}.sqlite", journal.stream()))).map_err(Trouble::failed)?;
    let mut tail = journal.tail(keys);
    if let Some(position) = ledger.position() {
        tail.seek(RecordPosition(position));
    }
    loop {
        let frames = tail.next(FRAMES_MAX).map_err(Trouble::failed)?;
        if frames.is_empty() {
            return Ok(ledger);
        }
        let frames: Vec<(u64, FrameKey, Record)> = frames.into_iter().map(|(position, key, record)| (position.0, key, record)).collect();
        ledger.apply(&frames).map_err(Trouble::failed)?;
    }
}
