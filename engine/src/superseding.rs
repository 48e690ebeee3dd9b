//! A corrected statement and the version before it: never both, unless the older one has gone.
//!
//! ```text
//! a new version is admitted ─► how does the older one stand (ledger)?
//!   queued, no intent yet ─► the shard gives it up ─┐
//!   held                  ────────────────────────────┼─► head.supersedes; with the commit it is `superseded`, before the new one may leave
//!   gone, or on paper     ─► the new one says "corrected", and which sums changed; of paper, paper comes
//!   in a message of several, sent or not ─► the new one says "corrected" and goes as well
//!   never reached anybody ─► nothing to say
//! ```
//! **Messages of several statements.** One that was grouped is never withdrawn for one of its statements: the others would have to be mailed
//! by a job that stands in no row of any batch, and neither batch would balance any more. So it goes as it is, and the correction goes in a
//! message of its own that says that it corrects, and which sums changed where a reversal came with it. It is due when the group is, and behind
//! it: who reads both reads the right one last. Only where the group's batch is held, or its receiver puts it off, may it arrive first.
//! Only while the group's own file is still being read is the corrected row taken out of it ([`intake::grouping`]).
//!
//! The order is what makes it safe. The older one leaves the queue *before* the new one is appended, so it cannot go while nobody looks. It
//! becomes `superseded` in the record *after* the new batch is committed and *before* its jobs reach the shard. A batch that is given up
//! puts it back (invariant 2), unless its own batch was cancelled meanwhile: then it is cancelled; a crash before the commit leaves it as the
//! record has it, queued; a crash after the commit is seen to at the start, by `supersedes` in the committed heads ([`crate::pipeline`]).

use crate::accounts::Accounts;
use crate::claims::{Claimant, Claims};
use crate::engine::AcceptError;
use crate::projection::{Projection, ProjectionError};
use crate::shard::ToShard;
use intake::{Binding, Earlier, correction, presentation};
use journal::{Journal, JournalError};
use ledger::JobStanding;
use model::record::{FrameKey, Record, StateChange};
use model::stage::{Job, Payload};
use model::statement::{ChangedAmount, Correction};
use model::{BatchId, JobId, MessageVersion, MoneySummary, PaperReason, State, Stream};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use world::World;
use world::channel::Sender;

/// How long a correction waits before it asks again whether an order about the older version is carried out.
const CLAIM_PAUSE: Duration = Duration::from_millis(5);
/// So much later than the message with the older version is a correction due that cannot take its place.
const BEHIND: Duration = Duration::from_secs(1);
/// The cause in the record.
pub(crate) const CORRECTED: &str = "corrected";

/// What superseding works with.
pub(crate) struct Corrector<S: Stream> {
    pub(crate) world: World,
    pub(crate) journal: Journal<S>,
    pub(crate) projection: Projection,
    pub(crate) shard: Sender<ToShard<S>>,
    pub(crate) accounts: Accounts,
    pub(crate) claims: Claims,
}

/// The jobs that a batch supersedes when it is committed.
#[derive(Debug, Default)]
pub(crate) struct Superseded {
    /// Jobs of other batches, with their batch and the state they were in.
    others: BTreeMap<JobId, (BatchId, State)>,
    /// Jobs of the batch itself.
    own: BTreeSet<JobId>,
    /// Rows that correct, by what became of the version before: `supersedes`, `corrects`, or why they go on paper.
    pub(crate) reasons: BTreeMap<String, u64>,
}

impl Superseded {
    /// Whether a job of the batch itself was corrected further down in its file.
    pub(crate) fn has(&self, job: JobId) -> bool {
        self.own.contains(&job)
    }

    fn count(&mut self, reason: &str) {
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
    }
}

impl<S: Stream> Corrector<S> {
    /// Looks at the version before a job that was just admitted, and says in the job what follows from it.
    ///
    /// # Errors
    /// Where it cannot be known how that version stands: then the row must not be accepted.
    pub(crate) async fn weigh(
        &self,
        earlier: Earlier,
        job: &mut Job<S>,
        binding: Binding,
        superseded: &mut Superseded,
    ) -> Result<(), AcceptError> {
        let Some(known) = earlier.known else {
            self.follow(earlier, job, superseded);
            return Ok(());
        };
        let Some(id) = known.job else { return Ok(()) };
        if binding == Binding::WithBatch && known.batch == job.head.batch {
            job.head.supersedes = Some(id);
            superseded.own.insert(id);
            superseded.count("supersedes");
            return Ok(());
        }
        // Kept until the new batch is committed or given up, where the older one gives way.
        let is_ours = self.claim(id).await;
        let judged = self.give_up(id, is_ours).await;
        if is_ours
            && !matches!(judged, Ok(Some((_, true))))
            && self.claims.give_back(id)
            && let Ok(Some((standing, _))) = &judged
            && standing.state == State::Held
        {
            self.cancel_held(id, standing.batch).await;
        }
        let Some((standing, is_given_up)) = judged? else { return Ok(()) };
        if is_given_up {
            job.head.supersedes = Some(id);
            superseded.others.insert(id, (standing.batch, standing.state));
            superseded.count("supersedes");
            return Ok(());
        }
        if standing.statements > 1 && standing.state == State::Queued {
            self.put_behind(id, job).await;
        }
        after_it_went(&standing, earlier.reversed, job, superseded);
        Ok(())
    }

    /// Claims the older version. False where another correction has it: then it is that one's.
    async fn claim(&self, job: JobId) -> bool {
        loop {
            match self.claims.claim(job, Claimant::Correction { is_cancelled: false }) {
                Ok(()) => return true,
                Err(Claimant::Correction { .. }) => return false,
                // An order that is being carried out: over in a moment.
                Err(Claimant::Operator) => self.world.sleep(CLAIM_PAUSE).await,
            }
        }
    }

    /// How the older version stands, and whether it gives way. `None` where its batch is not committed: it may never be, corrects nothing
    /// and is not corrected.
    async fn give_up(&self, job: JobId, is_ours: bool) -> Result<Option<(JobStanding, bool)>, AcceptError> {
        let question = move |ledger: &mut ledger::Ledger| ledger.job_standing(job);
        let Some(standing) = self.projection.ask(self.journal.durable(), question).await? else { return Ok(None) };
        let is_given_up = match standing.state {
            // Nobody withdraws the other statements of a message.
            _ if standing.statements > 1 || !is_ours => false,
            State::Queued => self.withdraw(job).await,
            State::Held => true,
            _ => false,
        };
        Ok(Some((standing, is_given_up)))
    }

    /// The version before cannot be withdrawn, and is known by its reversal at most.
    pub(crate) fn follow(&self, earlier: Earlier, job: &mut Job<S>, superseded: &mut Superseded) {
        let told = of_reversal(earlier.reversed, job.head.money);
        superseded.count("corrects");
        tell(job, told);
    }

    async fn cancel_held(&self, job: JobId, batch: BatchId) {
        let at = self.world.wall();
        let change = StateChange { at, state: State::Cancelled, held: None, due: None, cause: "operator".to_owned() };
        // A journal that refuses stops the engine; the job stays held then.
        if self.journal.record(FrameKey { job: Some(job), message: MessageVersion(0), attempt: 0 }, Record::Change(change)).await.is_ok() {
            self.accounts.batch(batch).step(State::Held, State::Cancelled);
        }
    }

    /// The correction goes after the message that holds the older version, where that one waits.
    async fn put_behind(&self, older: JobId, job: &mut Job<S>) {
        let (done, answer) = world::channel::oneshot();
        if self.shard.send(ToShard::DueOf(older, done)).await.is_ok()
            && let Some(Some(due)) = answer.await
        {
            job.head.due = job.head.due.max(due + BEHIND).min(job.head.deadline);
        }
    }

    async fn withdraw(&self, job: JobId) -> bool {
        let (done, answer) = world::channel::oneshot();
        self.shard.send(ToShard::Withdraw(job, done)).await.is_ok() && answer.await == Some(true)
    }

    /// The new batch is committed: the older versions are superseded, durably, before this returns.
    ///
    /// # Errors
    /// Where the journal refuses; the next start does it.
    pub(crate) async fn settle(&self, superseded: &Superseded, batch: BatchId) -> Result<(), JournalError> {
        let at = self.world.wall();
        let change = || {
            let cause = CORRECTED.to_owned();
            Record::Change(StateChange { at, state: State::Superseded, held: None, due: None, cause })
        };
        let mut last = None;
        for job in superseded.others.keys().chain(&superseded.own) {
            last = Some(self.journal.record(FrameKey { job: Some(*job), message: MessageVersion(0), attempt: 0 }, change()).await?);
        }
        if let Some(last) = last {
            // Durable in order: the last covers those before it.
            last.await?;
        }
        for (job, (of_batch, state)) in &superseded.others {
            self.accounts.batch(*of_batch).step(*state, State::Superseded);
            let _ = self.shard.send(ToShard::Withdrawn { job: *job, is_superseded: true }).await;
            self.claims.give_back(*job);
        }
        superseded.own.iter().for_each(|_| self.accounts.batch(batch).enter(State::Superseded));
        Ok(())
    }

    /// The new batch is given up: the older versions wait again as before.
    pub(crate) async fn put_back(&self, superseded: &Superseded) {
        for (job, (batch, state)) in &superseded.others {
            let _ = self.shard.send(ToShard::Withdrawn { job: *job, is_superseded: false }).await;
            // What was queued is cancelled by the shard, which knows of the order too.
            if self.claims.give_back(*job) && *state == State::Held {
                self.cancel_held(*job, *batch).await;
            }
        }
    }
}

/// The older version cannot be stopped any more.
fn after_it_went<S: Stream>(standing: &JobStanding, reversed: Option<MoneySummary>, job: &mut Job<S>, superseded: &mut Superseded) {
    match standing.state {
        State::Cancelled | State::Superseded | State::Bounced | State::Expired | State::Suppressed => return,
        State::ToPaper if job.head.held.is_none() && job.head.presentation.paper.is_none() => {
            let why = PaperReason::ALL.iter().find(|reason| Some(reason.as_str()) == standing.cause.as_deref());
            let why = why.copied().unwrap_or(PaperReason::Setting);
            superseded.count(why.as_str());
            job.head.presentation = presentation::on_paper(why);
            (job.head.recipient, job.head.destination) = (None, None);
            (job.data.presentation, job.data.recipient) = (job.head.presentation, None);
        }
        _ => {}
    }
    superseded.count("corrects");
    tell(job, what_changed(standing, reversed, job.head.money));
}

/// What changed since the version before. What that one said, of several in a message, is known by its reversal alone.
fn what_changed(before: &JobStanding, reversed: Option<MoneySummary>, now: MoneySummary) -> Correction {
    if before.statements == 1 { correction::correction(before.money, now) } else { of_reversal(reversed, now) }
}

/// What changed since the version that was taken back. The member's share does not stand in a reversal, so nothing is said of it.
fn of_reversal(reversed: Option<MoneySummary>, now: MoneySummary) -> Correction {
    let mut told = reversed.map(|before| correction::correction(before, now)).unwrap_or_default();
    told.changes.retain(|change| change.which != ChangedAmount::MemberOwes);
    told
}

fn tell<S: Stream>(job: &mut Job<S>, told: Correction) {
    if let Payload::Statements(statements) = &mut job.data.payload
        && let [statement] = statements.as_mut_slice()
    {
        statement.particulars.correction = Some(told);
    }
}

impl From<ProjectionError> for AcceptError {
    fn from(error: ProjectionError) -> Self {
        Self::Standing(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Cents;
    use model::statement::AmountChange;

    #[test]
    fn of_a_statement_in_a_message_of_several_the_reversal_says_what_changed() {
        let money = |billed, plan_paid, member_owes| MoneySummary {
            billed: Cents(billed),
            plan_paid: Cents(plan_paid),
            member_owes: Cents(member_owes),
        };
        let before = |statements| JobStanding {
            batch: BatchId::new(1, 1),
            state: State::Delivered,
            money: money(900, 500, 40),
            statements,
            cause: None,
        };
        let (reversed, now) = (Some(money(100, 60, 0)), money(120, 60, 30));
        let changed = AmountChange { which: ChangedAmount::Billed, before: Cents(100), after: Cents(120) };
        assert_eq!(what_changed(&before(3), reversed, now).changes, [changed]);
        assert_eq!(what_changed(&before(3), None, now), Correction::default());
        assert_eq!(what_changed(&before(1), reversed, now).changes.len(), 3, "alone in its message, the ledger knows all of it");
    }
}
