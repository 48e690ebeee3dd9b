//! The gates at work: what they remember lies sealed, what they find is written beside the batch.
//!
//! ```text
//! <gates>/<tenant>-<stream>.history     the last cycles: numbers, and pairs as keyed fingerprints; sealed under the tenant's key
//! <gates>/<batch>.pending               the same of a batch that is held: learned when somebody releases it; sealed
//! <gates>/<batch>.json                  what was found, for `batch show`; nobody's name
//! ```
//!
//! A history that is lost or cannot be read makes the next cycle the first one, and the log says so: deliveries do not stop for it.

use crate::settings::{ReleaseRule, TenantGates};
use intake::gates::{Cycle, Gate, GateFinding, GateSettings, History, Pairs, Present, cycle_of, judge};
use journal::KeyRing;
use journal::sealed::{SealedError, SealedFor, open_bytes, seal_bytes};
use model::{BatchId, StreamName, TenantId};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use world::World;

const PURPOSE: &str = "gate_history";
const HISTORY_BYTES_MAX: usize = 256 << 20;
const FOUND_BYTES_MAX: usize = 1 << 20;

/// Through which door a batch came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// `sealpost send`: an operator stands before it.
    Command,
    /// A drop folder: nobody does.
    Drop,
}

/// Where the gates of an installation keep what they know; shared by its doors.
#[derive(Clone)]
pub(crate) struct GateFolder {
    world: World,
    keys: KeyRing,
    dir: Option<PathBuf>,
    /// Two batches of a stream that end together learn one after the other.
    learning: Arc<Mutex<()>>,
}

/// What was found about a batch, as it lies in its file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Whether it was held for it.
    pub(crate) held: bool,
    /// The first so many messages go before it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) canary: Option<u64>,
    /// What speaks against sending it.
    pub(crate) findings: Vec<GateFinding>,
    /// Where its cycle belongs, for the release.
    tenant: u16,
    stream: Option<StreamName>,
}

/// The gates before one batch.
pub(crate) struct GateKeeper {
    folder: GateFolder,
    tenant: TenantId,
    stream: StreamName,
    gates: Arc<TenantGates>,
    door: Door,
}

impl Found {
    /// As `batch show` tells it.
    pub(crate) fn as_json(&self) -> serde_json::Value {
        serde_json::json!({ "held": self.held, "canary": self.canary, "findings": self.findings })
    }
}

/// What was found about a batch; `None` where nothing was written.
pub(crate) fn found_in(world: &World, dir: &Path, batch: BatchId) -> Option<Found> {
    let bytes = world.disk().read_to_vec(&dir.join(format!("{batch}.json")), FOUND_BYTES_MAX).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// What is remembered of a tenant's stream, read beside a running engine or without one; nothing where there is nothing readable.
pub(crate) fn read_history(dir: &Path, keys: &KeyRing, tenant: TenantId, stream: StreamName) -> History {
    let what = SealedFor { tenant, purpose: PURPOSE, name: stream.as_str() };
    let bytes = open_bytes(keys, &history_path(dir, tenant, stream), what, HISTORY_BYTES_MAX).ok();
    bytes.and_then(|bytes| History::decode(&bytes).ok()).unwrap_or_default()
}

impl GateFolder {
    pub(crate) fn new(world: World, keys: KeyRing, dir: Option<PathBuf>) -> Self {
        Self { world, keys, dir, learning: Arc::default() }
    }

    /// The gates of a tenant's stream.
    pub(crate) fn keeper(&self, tenant: TenantId, stream: StreamName, gates: Arc<TenantGates>, door: Door) -> GateKeeper {
        GateKeeper { folder: self.clone(), tenant, stream, gates, door }
    }

    /// What was found about a batch; `None` where nothing was written.
    pub(crate) fn found(&self, batch: BatchId) -> Option<Found> {
        found_in(&self.world, self.dir.as_ref()?, batch)
    }

    /// Somebody released the batch: its cycle counts from now on.
    pub(crate) fn released(&self, batch: BatchId) {
        let (Some(dir), Some(found)) = (&self.dir, self.found(batch)) else { return };
        let (tenant, Some(stream)) = (TenantId(found.tenant), found.stream) else { return };
        let path = pending_path(dir, batch);
        if !self.world.disk().exists(&path) {
            return;
        }
        let _learning = self.learning.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read(&path, tenant, &batch.to_string()) {
            Ok(pending) => {
                let mut history = self.history(tenant, stream);
                history.absorb(pending);
                self.keep(tenant, stream, &history);
            }
            Err(error) => tracing::warn!(target: "sealpost::gates", %batch, %error, "what the gates had kept of it cannot be read"),
        }
        self.forget(batch);
    }

    /// The batch is cancelled: nothing of it is learned.
    pub(crate) fn forget(&self, batch: BatchId) {
        let Some(dir) = &self.dir else { return };
        let path = pending_path(dir, batch);
        if self.world.disk().exists(&path)
            && let Err(error) = self.world.disk().remove_file(&path)
        {
            tracing::warn!(target: "sealpost::gates", %batch, %error, "what the gates had kept of it cannot be removed");
        }
    }

    fn history(&self, tenant: TenantId, stream: StreamName) -> History {
        let Some(dir) = &self.dir else { return History::default() };
        let path = history_path(dir, tenant, stream);
        if !self.world.disk().exists(&path) {
            return History::default();
        }
        self.read(&path, tenant, stream.as_str()).unwrap_or_else(|error| {
            tracing::warn!(target: "sealpost::gates", %error, "the gates forgot the last cycles: this one counts as the first");
            History::default()
        })
    }

    fn read(&self, path: &Path, tenant: TenantId, name: &str) -> Result<History, String> {
        let bytes = open_bytes(&self.keys, path, SealedFor { tenant, purpose: PURPOSE, name }, HISTORY_BYTES_MAX);
        let bytes = bytes.map_err(|error: SealedError| error.to_string())?;
        History::decode(&bytes).map_err(|error| error.to_string())
    }

    fn keep(&self, tenant: TenantId, stream: StreamName, history: &History) {
        let Some(dir) = &self.dir else { return };
        let what = SealedFor { tenant, purpose: PURPOSE, name: stream.as_str() };
        if let Err(error) = seal_bytes(&self.keys, &history_path(dir, tenant, stream), what, &history.encode()) {
            tracing::error!(target: "sealpost::gates", %error, "this cycle cannot be remembered; the next one is compared with those before it");
        }
    }
}

impl GateKeeper {
    /// Judges a batch before its commit.
    pub(crate) fn judge(&self, present: &Present<'_>) -> Verdict {
        let history = self.folder.history(self.tenant, self.stream);
        let settings = self.settings();
        let mut findings = judge(&settings, present, &history);
        if self.door == Door::Drop && self.gates.release == ReleaseRule::AfterProof {
            findings.push(GateFinding {
                gate: Gate::Proof,
                found: "release = \"after_proof\": nobody has looked at it yet".to_owned(),
                expected: "a person's release after looking at rendered rows".to_owned(),
                action: "look at some rows (`sealpost preview`), then `sealpost batch release`".to_owned(),
            });
        }
        let canary = self.gates.canary.filter(|_| self.door == Door::Drop && findings.is_empty());
        if let Some(first) = canary {
            findings.push(GateFinding {
                gate: Gate::Canary,
                found: format!("canary = {first}: the first {first} messages go, the rest waits"),
                expected: "a person's release after looking at what became of them".to_owned(),
                action: "see `sealpost batch show`, then `sealpost batch release` or `cancel`".to_owned(),
            });
        }
        Verdict { cycle: cycle_of(present, &history), held: !findings.is_empty(), findings, canary }
    }

    /// Remembers a batch that was committed: what it was, and what was found.
    pub(crate) fn committed(&self, batch: BatchId, verdict: &Verdict, pairs: &Pairs, results: Option<&Path>) {
        let Some(dir) = &self.folder.dir else { return };
        let is_suspicious = verdict.findings.iter().any(|finding| !matches!(finding.gate, Gate::Canary | Gate::Proof));
        if is_suspicious {
            let mut apart = History::default();
            apart.learn(verdict.cycle.clone(), pairs);
            let name = batch.to_string();
            let what = SealedFor { tenant: self.tenant, purpose: PURPOSE, name: &name };
            if let Err(error) = seal_bytes(&self.folder.keys, &pending_path(dir, batch), what, &apart.encode()) {
                tracing::error!(target: "sealpost::gates", %batch, %error, "this cycle cannot be remembered");
            }
        } else {
            let _learning = self.folder.learning.lock().unwrap_or_else(PoisonError::into_inner);
            let mut history = self.folder.history(self.tenant, self.stream);
            history.learn(verdict.cycle.clone(), pairs);
            self.folder.keep(self.tenant, self.stream, &history);
        }
        let found = Found {
            held: verdict.held,
            canary: verdict.canary,
            findings: verdict.findings.clone(),
            tenant: self.tenant.0,
            stream: Some(self.stream),
        };
        let Ok(text) = serde_json::to_string_pretty(&found) else { return };
        let places = [Some(dir.join(format!("{batch}.json"))), results.map(|results| results.join(format!("{batch}.gates.json")))];
        for path in places.into_iter().flatten() {
            if let Err(error) = self.folder.world.disk().write_atomic(&path, text.as_bytes()) {
                tracing::error!(target: "sealpost::gates", %batch, %error, "the findings of the gates cannot be written; the batch is held all the same");
            }
        }
        for finding in &verdict.findings {
            tracing::warn!(target: "sealpost::gates", %batch, gate = finding.gate.as_str(), found = %finding.found, expected = %finding.expected, "held before its first message");
        }
    }

    fn settings(&self) -> GateSettings {
        match self.door {
            Door::Drop => self.gates.dropped.clone(),
            Door::Command => self.gates.sent.clone(),
        }
    }
}

/// What the gates say of a batch.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) findings: Vec<GateFinding>,
    pub(crate) held: bool,
    /// So many messages go before it is held.
    pub(crate) canary: Option<u64>,
    cycle: Cycle,
}

fn history_path(dir: &Path, tenant: TenantId, stream: StreamName) -> PathBuf {
    dir.join(format!("{}-{}.history", tenant.0, stream.as_str()))
}

fn pending_path(dir: &Path, batch: BatchId) -> PathBuf {
    dir.join(format!("{batch}.pending"))
}
