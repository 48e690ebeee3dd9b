//! The prepare workers: payload read, rendered, signed, in slices, off the shard's thread.
//!
//! A worker promises that a message it hands back is sealed, that a frozen message came out with
//! the frozen hash, and that everything else comes back with the reason why it is held. It never writes.

use crate::environment::Environment;
use crate::stages::{self, StageTimes};
use journal::{PayloadError, Reader};
use model::record::Intent;
use model::stage::{DueDelivery, PermittedDelivery, SealedMessage};
use model::state::HoldReason;
use model::{BundleId, Monotonic, Stream, TenantId, Timestamp};
use render::Renderer;
use seal::Signer;
use std::collections::BTreeMap;
use std::sync::Arc;
use world::channel::{Receiver, Sender};
use world::{Plant, World};

use crate::plants;
use crate::shard::ToShard;

/// What a first intent froze (invariant 4): a later rendering must reproduce it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frozen {
    pub(crate) date: Timestamp,
    pub(crate) sha256: [u8; 32],
}

impl From<&Intent> for Frozen {
    fn from(intent: &Intent) -> Self {
        Self { date: intent.date, sha256: intent.sha256 }
    }
}

/// One message to prepare.
pub(crate) struct Prepare<S: Stream> {
    pub(crate) delivery: PermittedDelivery<S>,
    pub(crate) lane: usize,
    pub(crate) site: usize,
    /// The `Date` header of a first rendering; the moment the job was taken.
    pub(crate) now: Timestamp,
    pub(crate) frozen: Option<Frozen>,
    pub(crate) receiver_on_loopback: bool,
    pub(crate) taken: Monotonic,
}

/// One message prepared, or why it is not.
pub(crate) struct Prepared<S: Stream> {
    pub(crate) lane: usize,
    pub(crate) site: usize,
    pub(crate) taken: Monotonic,
    pub(crate) result: Result<SealedMessage<S>, (DueDelivery<S>, HoldReason)>,
}

/// What a worker thread owns.
pub(crate) struct Preparer {
    pub(crate) world: World,
    pub(crate) reader: Reader,
    pub(crate) signers: Arc<BTreeMap<TenantId, Arc<Signer>>>,
    pub(crate) environment: Arc<Environment>,
    pub(crate) times: Arc<StageTimes>,
    pub(crate) renderers: BTreeMap<BundleId, Arc<Renderer>>,
}

/// Serves slices until the shard is gone.
pub(crate) async fn run<S: Stream>(mut preparer: Preparer, slices: Receiver<Vec<Prepare<S>>>, shard: Sender<ToShard<S>>) {
    while let Some(slice) = slices.recv().await {
        let mut prepared: Vec<Prepared<S>> = slice.into_iter().map(|message| preparer.prepare(message)).collect();
        plants::swap_envelopes(&preparer.world, &mut prepared);
        if shard.send(ToShard::Prepared(prepared)).await.is_err() {
            return;
        }
    }
}

impl Preparer {
    fn prepare<S: Stream>(&mut self, message: Prepare<S>) -> Prepared<S> {
        let (lane, site, taken) = (message.lane, message.site, message.taken);
        let due = message.delivery.due.clone();
        let result = self.seal(message).map_err(|reason| (due, reason));
        Prepared { lane, site, taken, result }
    }

    fn seal<S: Stream>(&mut self, message: Prepare<S>) -> Result<SealedMessage<S>, HoldReason> {
        let Prepare { delivery, now, frozen, receiver_on_loopback, .. } = message;
        let started = self.world.monotonic();
        let due = &delivery.due;
        let (tenant, job) = (due.tenant, due.job);
        let data = self.reader.payload(job, due.locator).map_err(|error| unreadable(job, &error))?;
        let recipient = data.recipient.as_ref().ok_or(HoldReason::MemberMismatch)?;
        if !self.environment.allows(&recipient.mailbox, receiver_on_loopback) {
            return Err(HoldReason::NotAllowListed);
        }
        let read = self.world.monotonic();
        let frozen = frozen.filter(|_| !self.world.is_planted(Plant::FrozenIgnored));
        let date = frozen.map_or(now, |frozen| frozen.date);
        let rendered = self.renderer(data.bundle)?.render(delivery, &data, data.protection, date).map_err(|error| {
            tracing::warn!(target: "sealpost::render", %job, %error, "cannot be rendered; held");
            HoldReason::Unrenderable
        })?;
        if frozen.is_some_and(|frozen| frozen.sha256 != rendered.sha256) {
            return Err(HoldReason::FrozenHashDiffers);
        }
        plants::keep_copy(&self.world, &rendered);
        let drawn = self.world.monotonic();
        let signer = self.signers.get(&tenant).ok_or(HoldReason::Unrenderable)?;
        let sealed = signer.seal(rendered).map_err(|error| {
            tracing::warn!(target: "sealpost::seal", %job, %error, "cannot be sealed; held");
            HoldReason::Unrenderable
        })?;
        let done = self.world.monotonic();
        self.times.record(stages::READ, read - started);
        self.times.record(stages::RENDER, drawn - read);
        self.times.record(stages::SEAL, done - drawn);
        Ok(sealed)
    }

    fn renderer(&mut self, id: BundleId) -> Result<Arc<Renderer>, HoldReason> {
        if let Some(renderer) = self.renderers.get(&id) {
            return Ok(Arc::clone(renderer));
        }
        let renderer = self.load(id).map_err(|error| {
            tracing::error!(target: "sealpost::render", bundle = %id, error, "bundle cannot be used; its jobs are held");
            HoldReason::Unrenderable
        })?;
        self.renderers.insert(id, Arc::clone(&renderer));
        Ok(renderer)
    }

    fn load(&self, id: BundleId) -> Result<Arc<Renderer>, String> {
        let archive = self.reader.bundle(id).map_err(|error| error.to_string())?;
        let bundle = render::Bundle::from_archive(&archive).map_err(|error| error.to_string())?;
        // Asserted in a pair with `store_bundle`: what comes back is what its name says.
        if bundle.id() != id {
            return Err("its content does not give its name".to_owned());
        }
        Renderer::new(&bundle).map(Arc::new).map_err(|error| error.to_string())
    }
}

fn unreadable(job: model::JobId, error: &PayloadError) -> HoldReason {
    tracing::error!(target: "sealpost::journal", %job, %error, "payload cannot be read back; held");
    HoldReason::PayloadDamaged
}
