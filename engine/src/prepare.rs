//! The prepare workers: payload read, rendered, signed, in slices, off the shard's thread.
//!
//! A worker promises that a message it hands back is sealed, that a frozen message came out with the frozen hash, that a denial has words
//! for the member, that consent, authority and address were looked at again with the contact data in force, and that everything else comes
//! back with the reason why it does not go. It never writes.

use crate::contacts::ContactBook;
use crate::environment::Environment;
use crate::recheck::{Verdict, recheck};
use crate::renderers::Renderers;
use crate::stages::{self, StageTimes};
use crate::templates::TemplateShelves;
use journal::{PayloadError, Reader};
use model::record::Intent;
use model::stage::{DueDelivery, JobData, Payload, PermittedDelivery, SealedMessage};
use model::state::HoldReason;
use model::{BundleId, Destination, Detail, MessageVersion, Monotonic, PaperReason, Statement, Stream, TenantId, Timestamp};
use render::Wording;
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
    /// What decided the bytes.
    pub(crate) bundle: BundleId,
    pub(crate) date: Timestamp,
    pub(crate) sha256: [u8; 32],
    /// Version of the contact data.
    pub(crate) address_version: u32,
    /// The message may have arrived: only these bytes may go again.
    pub(crate) is_uncertain: bool,
}

/// Out of the record of a past life, where nobody knows any more whether it ended.
impl From<&Intent> for Frozen {
    fn from(intent: &Intent) -> Self {
        Self {
            bundle: intent.bundle,
            date: intent.date,
            sha256: intent.sha256,
            address_version: intent.address_version,
            is_uncertain: true,
        }
    }
}

/// Why a message is not prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unprepared {
    /// A person must look.
    Hold(HoldReason),
    /// It must not go by e-mail any more.
    Paper(PaperReason),
    /// Its address lies in another destination now.
    Elsewhere(Destination),
    /// What must be known of its reader cannot be read now.
    NotNow,
}

impl From<HoldReason> for Unprepared {
    fn from(reason: HoldReason) -> Self {
        Self::Hold(reason)
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
    /// The destination in whose line it waited.
    pub(crate) destination: Destination,
    pub(crate) receiver_on_loopback: bool,
    pub(crate) taken: Monotonic,
}

/// One message prepared, or why it is not.
pub(crate) struct Prepared<S: Stream> {
    pub(crate) lane: usize,
    pub(crate) site: usize,
    pub(crate) taken: Monotonic,
    pub(crate) result: Result<SealedMessage<S>, (DueDelivery<S>, Unprepared)>,
}

/// What a worker thread owns.
pub(crate) struct Preparer {
    pub(crate) world: World,
    pub(crate) reader: Reader,
    pub(crate) signers: Arc<BTreeMap<TenantId, Arc<Signer>>>,
    pub(crate) environment: Arc<Environment>,
    pub(crate) contacts: ContactBook,
    pub(crate) templates: TemplateShelves,
    pub(crate) times: Arc<StageTimes>,
    pub(crate) renderers: Renderers,
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

    fn seal<S: Stream>(&mut self, message: Prepare<S>) -> Result<SealedMessage<S>, Unprepared> {
        let Prepare { mut delivery, now, frozen, receiver_on_loopback, destination, .. } = message;
        let started = self.world.monotonic();
        let due = &delivery.due;
        let (tenant, job) = (due.tenant, due.job);
        let mut data = self.reader.payload(job, due.locator).map_err(|error| unreadable(job, &error))?;
        let frozen = frozen.filter(|_| !self.world.is_planted(Plant::FrozenIgnored));
        let is_readdressed = self.readdress(tenant, &mut data, now, frozen)?;
        let recipient = data.recipient.as_ref().ok_or(HoldReason::MemberMismatch)?;
        if *recipient.mailbox.destination() != destination {
            return Err(Unprepared::Elsewhere(recipient.mailbox.destination().clone()));
        }
        if !self.environment.allows(&recipient.mailbox, receiver_on_loopback) {
            return Err(HoldReason::NotAllowListed.into());
        }
        let read = self.world.monotonic();
        data.bundle = self.worded(tenant, &data, now, frozen)?;
        let ready = self.renderers.get(data.bundle)?;
        let renderer = &ready.renderer;
        let render = |delivery, date| {
            renderer.render(delivery, &data, data.protection, date).map_err(|error| {
                tracing::warn!(target: "sealpost::render", %job, %error, "cannot be rendered; held");
                HoldReason::Unrenderable
            })
        };
        let mut rendered = render(delivery.clone(), frozen.map_or(now, |frozen| frozen.date))?;
        match frozen {
            Some(frozen) if frozen.sha256 == rendered.sha256 => {}
            // Perhaps it arrived: nobody gets another version of it unasked (invariant 4).
            Some(frozen) if frozen.is_uncertain && is_readdressed => return Err(HoldReason::ContactChanged.into()),
            Some(frozen) if is_readdressed || frozen.address_version != rendered.address_version => {
                delivery.due.message = MessageVersion(delivery.due.message.0 + 1);
                rendered = render(delivery, now)?;
            }
            Some(_) => return Err(HoldReason::FrozenHashDiffers.into()),
            None => {}
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

    /// The templates it goes out with: those it was accepted with, unless they have no words for a denial. Then those in force now, where
    /// they have them: a member must be told the specific reason (29 CFR 2560.503-1(g)(1)(i)). Of a message that was frozen, what froze it.
    fn worded(&mut self, tenant: TenantId, data: &JobData, now: Timestamp, frozen: Option<Frozen>) -> Result<BundleId, Unprepared> {
        if let Some(frozen) = frozen {
            return Ok(frozen.bundle);
        }
        let Payload::Statements(statements) = &data.payload else { return Ok(data.bundle) };
        let own = self.renderers.get(data.bundle)?;
        if data.presentation.detail != Detail::Full || is_worded(&own.wording, statements) {
            return Ok(data.bundle);
        }
        let shelf = self.templates.get(&tenant).ok_or(HoldReason::ReasonUnworded)?;
        let templates = shelf.at(now);
        if is_worded(&templates.wording, statements) { Ok(templates.bundle) } else { Err(HoldReason::ReasonUnworded.into()) }
    }

    /// Looks again whether it may go, and to whom; true where that is another way than the one it was accepted for.
    fn readdress(&self, tenant: TenantId, data: &mut JobData, now: Timestamp, frozen: Option<Frozen>) -> Result<bool, Unprepared> {
        let contacts = self.contacts.in_force(tenant).map_err(|error| {
            tracing::error!(target: "sealpost::intake", %error, "contact data cannot be read; its tenant's messages wait");
            Unprepared::NotNow
        })?;
        let (Some(contacts), Some(settings)) = (contacts, self.contacts.settings(tenant)) else { return Ok(false) };
        let is_uncertain = frozen.is_some_and(|frozen| frozen.is_uncertain);
        match recheck(data, &contacts.contacts, settings, now) {
            Verdict::AsItWas => Ok(false),
            Verdict::Goes(going) => {
                data.recipient = Some(going.recipient);
                (data.presentation, data.protection) = (going.presentation, going.protection);
                Ok(true)
            }
            Verdict::Paper(_) if is_uncertain => Err(HoldReason::ContactChanged.into()),
            Verdict::Paper(reason) => Err(Unprepared::Paper(reason)),
            Verdict::Hold(reason) => Err(reason.into()),
        }
    }
}

fn is_worded(wording: &Wording, statements: &[Statement]) -> bool {
    statements.iter().all(|statement| wording.unworded(statement).is_none())
}

fn unreadable(job: model::JobId, error: &PayloadError) -> HoldReason {
    tracing::error!(target: "sealpost::journal", %job, %error, "payload cannot be read back; held");
    HoldReason::PayloadDamaged
}
