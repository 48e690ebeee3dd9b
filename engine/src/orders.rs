//! What an operator orders of a batch: hold, release, cancel; recorded before it is carried out.
//!
//! Without a running engine an order is carried out by one that rests: nothing leaves for it. What waits is cancelled then as what is held is, and
//! holds and releases are the next start's.
//!
//! The shard obeys for what is queued. Jobs that wait for a person are no shard's: a cancellation ends them here, and a release looks again
//! at those that were held because a denial had no words (`reason_unworded`). What the tenant's templates of now can say goes, with those
//! templates; what they still cannot say stays held, and is told by code. Nothing of a person stands in the answer.
//!
//! Jobs about which a correction is being decided are left to it ([`crate::claims`]).

use crate::claims::Claimant;
use crate::engine::{AcceptError, Engine, jobs_of, no_marketing};
use crate::pipeline::Pipeline;
use crate::shard::Arrival;
use crate::templates::Templates;
use journal::{JournalDir, JournalError, KeyRing, PlacedJob, Reader};
use ledger::JobFilter;
use model::record::{BatchVerb, FrameKey, OperatorAction, Record, StateChange};
use model::stage::{JobData, Payload};
use model::state::HoldReason;
use model::{BatchId, JobId, MessageVersion, State, Stream, StreamName};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use world::World;

/// Jobs that are named at once.
const PAGE: u32 = 1_000;
/// The cause in the record of a job that the templates can say now.
const WORDED: &str = "worded";

/// What an order touched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Obeyed {
    /// Waiting jobs.
    pub jobs: u64,
    /// Of a release: held jobs that were without words and go now. They are among `jobs`.
    pub worded: u64,
    /// Of a release: held jobs that are still without words, by the code that has none; empty for a claim denied without a reason.
    pub unworded: BTreeMap<String, u64>,
}

impl Engine {
    /// Carries out an operator's order and records it.
    ///
    /// # Errors
    /// Where the journal refuses, or this installation has no such stream; then nothing was done.
    pub async fn order(
        &self,
        stream: StreamName,
        batch: BatchId,
        verb: BatchVerb,
        by: String,
        reason: String,
    ) -> Result<Obeyed, AcceptError> {
        match (stream, self.marketing()) {
            (StreamName::Transactional, _) => Ok(self.order_in(self.transactional(), batch, verb, by, reason).await?),
            (StreamName::Marketing, Some(pipeline)) => Ok(self.order_in(pipeline, batch, verb, by, reason).await?),
            (StreamName::Marketing, None) => Err(no_marketing()),
        }
    }

    async fn order_in<S: Stream>(
        &self,
        pipeline: &Pipeline<S>,
        batch: BatchId,
        verb: BatchVerb,
        by: String,
        reason: String,
    ) -> Result<Obeyed, JournalError> {
        let action = OperatorAction { batch, verb, at: self.world().wall(), by, reason };
        let key = FrameKey { job: None, message: MessageVersion(0), attempt: 0 };
        pipeline.journal.record(key, Record::Operator(action)).await?.await?;
        match verb {
            BatchVerb::Release => {
                self.gates().released(batch);
                self.look_at_contacts();
            }
            BatchVerb::Cancel => {
                self.gates().forget(batch);
                self.note_cancelled(batch);
            }
            BatchVerb::Hold | BatchVerb::Paper => {}
        }
        let jobs = match (pipeline.is_resting, verb) {
            (false, _) => pipeline.order(batch, verb).await,
            (true, BatchVerb::Cancel) => self.cancel_in(pipeline, batch, State::Queued).await?,
            (true, _) => waiting(pipeline, batch).await,
        };
        let mut obeyed = Obeyed { jobs, ..Obeyed::default() };
        match verb {
            BatchVerb::Cancel => obeyed.jobs += self.cancel_in(pipeline, batch, State::Held).await?,
            BatchVerb::Release => self.let_go_what_is_worded(pipeline, batch, &mut obeyed).await?,
            BatchVerb::Hold | BatchVerb::Paper => {}
        }
        Ok(obeyed)
    }

    /// Cancels what stands in a state in which no shard has it.
    async fn cancel_in<S: Stream>(&self, pipeline: &Pipeline<S>, batch: BatchId, state: State) -> Result<u64, JournalError> {
        let progress = self.accounts().batch(batch);
        let mut filter = JobFilter { state: Some(state), limit: PAGE, ..JobFilter::default() };
        let mut count = 0;
        loop {
            let Some(page) = named(pipeline, batch, filter.clone()).await else { return Ok(count) };
            let claimed: Vec<JobId> = page.iter().copied().filter(|job| pipeline.claims.claim_to_cancel(*job)).collect();
            // Looked at again: what a correction took until now is not held any more.
            let still: BTreeSet<JobId> = named(pipeline, batch, filter.clone()).await.unwrap_or_default().into_iter().collect();
            let mut last = None;
            for job in claimed.iter().filter(|job| still.contains(job)) {
                let cause = "operator".to_owned();
                let change = StateChange { at: self.world().wall(), state: State::Cancelled, held: None, due: None, cause };
                last = Some(pipeline.journal.record(about(*job), Record::Change(change)).await?);
                progress.step(state, State::Cancelled);
                count += 1;
            }
            if let Some(last) = last {
                last.await?;
            }
            claimed.iter().for_each(|job| _ = pipeline.claims.give_back(*job));
            filter.after = page.last().copied();
            if u32::try_from(page.len()).is_ok_and(|lines| lines < PAGE) {
                return Ok(count);
            }
        }
    }

    /// Looks again at what was held because a denial had no words.
    async fn let_go_what_is_worded<S: Stream>(
        &self,
        pipeline: &Pipeline<S>,
        batch: BatchId,
        obeyed: &mut Obeyed,
    ) -> Result<(), JournalError> {
        let reason = Some(HoldReason::ReasonUnworded.as_str().to_owned());
        let mut filter = JobFilter { state: Some(State::Held), reason, limit: PAGE, ..JobFilter::default() };
        let mut claimed = BTreeSet::new();
        loop {
            let Some(page) = named(pipeline, batch, filter.clone()).await else { break };
            claimed.extend(page.iter().copied().filter(|job| pipeline.claims.claim(*job, Claimant::Operator).is_ok()));
            filter.after = page.last().copied();
            if u32::try_from(page.len()).is_ok_and(|lines| lines < PAGE) {
                break;
            }
        }
        if claimed.is_empty() {
            return Ok(());
        }
        let looked = self.look_at_wording(pipeline, batch, &claimed, obeyed).await;
        claimed.iter().for_each(|job| _ = pipeline.claims.give_back(*job));
        looked
    }

    async fn look_at_wording<S: Stream>(
        &self,
        pipeline: &Pipeline<S>,
        batch: BatchId,
        claimed: &BTreeSet<JobId>,
        obeyed: &mut Obeyed,
    ) -> Result<(), JournalError> {
        let Some(tenant) = self.tenant_of(batch) else { return Ok(()) };
        if let Err(error) = self.look_at_templates(Some(tenant.id)).await {
            tracing::error!(target: "sealpost::render", %error, "templates that were activated cannot be used; those of before stay");
        }
        let look = Look {
            world: self.world().clone(),
            dir: self.kept_in().0.join(S::NAME.as_str()),
            stream: S::NAME,
            keys: self.keys().clone(),
            reader: pipeline.reader.clone(),
            batch,
            claimed: claimed.clone(),
            templates: tenant.templates_at(self.world().wall()),
        };
        // It may read for seconds: not on the thread that answers everybody.
        let looked = self.world().apart("wording", move || async move { look.run() }).await;
        let Some(looked) = looked.transpose()? else { return Ok(()) };
        let mut arrivals = Vec::new();
        let mut last = None;
        let at = self.world().wall();
        for job in &looked.worded {
            // One without a destination cannot wait; it stays held.
            let Ok(arrival) = Arrival::fresh(&job.journaled::<S>()) else { continue };
            let change = StateChange { at, state: State::Queued, held: None, due: Some(at), cause: WORDED.to_owned() };
            let key = FrameKey { job: Some(job.id), message: job.message, attempt: job.attempts };
            last = Some(pipeline.journal.record(key, Record::Change(change)).await?);
            arrivals.push(Arrival { attempts: job.attempts, due: at, message: job.message, ..arrival });
        }
        if let Some(last) = last {
            // Durable before anything of it may leave.
            last.await?;
        }
        let progress = self.accounts().batch(batch);
        arrivals.iter().for_each(|_| progress.step(State::Held, State::Queued));
        (obeyed.worded, obeyed.unworded) = (arrivals.len() as u64, looked.unworded);
        obeyed.jobs += obeyed.worded;
        if !pipeline.is_resting {
            pipeline.arrive(arrivals).await;
        }
        Ok(())
    }
}

/// Messages of a batch that wait, by the books.
async fn waiting<S: Stream>(pipeline: &Pipeline<S>, batch: BatchId) -> u64 {
    let mut filter = JobFilter { state: Some(State::Queued), limit: PAGE, ..JobFilter::default() };
    let mut count = 0;
    while let Some(page) = named(pipeline, batch, filter.clone()).await.filter(|page| !page.is_empty()) {
        count += page.len() as u64;
        filter.after = page.last().copied();
    }
    count
}

/// Jobs of a batch that no shard has, a page; `None` where the ledger does not answer.
async fn named<S: Stream>(pipeline: &Pipeline<S>, batch: BatchId, filter: JobFilter) -> Option<Vec<JobId>> {
    match jobs_of(pipeline, batch, filter).await {
        Ok(page) => Some(page.iter().filter_map(|line| line.job_id.parse().ok()).collect()),
        Err(error) => {
            tracing::error!(target: "sealpost::ledger", %batch, %error, "jobs of the batch cannot be named; give the order again");
            None
        }
    }
}

fn about(job: JobId) -> FrameKey {
    FrameKey { job: Some(job), message: MessageVersion(0), attempt: 0 }
}

/// One look at the contents of held jobs.
struct Look {
    world: World,
    dir: PathBuf,
    stream: StreamName,
    keys: KeyRing,
    reader: Reader,
    batch: BatchId,
    claimed: BTreeSet<JobId>,
    templates: Templates,
}

#[derive(Default)]
struct Looked {
    worded: Vec<PlacedJob>,
    unworded: BTreeMap<String, u64>,
}

impl Look {
    fn run(self) -> Result<Looked, JournalError> {
        let mut looked = Looked::default();
        let Some(dir) = JournalDir::look(&self.world, &self.dir, self.stream)? else { return Ok(looked) };
        // Read after the claims: what was settled meanwhile is not held any more.
        let held = dir.jobs_in(&self.keys, self.batch, State::Held)?;
        for job in held.into_iter().filter(|job| self.claimed.contains(&job.id)) {
            match self.reader.payload(job.id, job.locator) {
                Ok(JobData { payload: Payload::Statements(statements), .. }) => {
                    match statements.iter().find_map(|statement| self.templates.wording.unworded(statement)) {
                        Some(code) => *looked.unworded.entry(code.to_owned()).or_default() += 1,
                        None => looked.worded.push(job),
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(target: "sealpost::journal", job = %job.id, %error, "content of a held job cannot be read; it stays held");
                }
            }
        }
        Ok(looked)
    }
}
