//! A corrected statement and the version before it: never both, unless the older one has gone.
//!
//! ```text
//! a new version is admitted ─► how does the older one stand (ledger)?
//!   queued                ─► the shard gives it up ─┐
//!   held                  ──────────────────────────┼─► head.supersedes; with the commit it is `superseded`, before the new one may leave
//!   gone, or on paper     ─► the new one says "corrected", and which sums changed; of paper, paper comes
//!   it may have arrived, and waits to be sent again ─► the same, and the new one is due behind it
//!   never reached anybody ─► nothing to say
//! ```
//! **Messages of several statements.** The message gives up what was corrected and keeps the others ([`crate::narrowing`]); one of which all are
//! corrected is superseded as a whole. Several rows of one batch may each take theirs out of one message. While the group's own file is still
//! being read, the corrected row is taken out of it there ([`intake::grouping`]).
//!
//! The order is what makes it safe. The older one leaves the queue *before* the new one is appended, so it cannot go while nobody looks. It
//! becomes `superseded` in the record *after* the new batch is committed and *before* its jobs reach the shard. A batch that is given up
//! puts it back (invariant 2), unless its own batch was cancelled meanwhile: then it is cancelled; a crash before the commit leaves it as the
//! record has it, queued; a crash after the commit is seen to at the start, by `supersedes` in the committed heads ([`crate::pipeline`]).

use crate::accounts::Accounts;
use crate::claims::{Claimant, Claims};
use crate::engine::AcceptError;
use crate::files::TenantFingerprints;
use crate::narrowing::{self, Lies, NarrowingError};
use crate::projection::{Projection, ProjectionError};
use crate::repeats::Repeats;
use crate::shard::{GivenUp, ToShard, Withdrawal};
use intake::{Admission, Binding, Earlier, Row, correction, presentation};
use journal::{Journal, JournalError, KeyRing, PlacedJob, Reader};
use ledger::JobStanding;
use model::record::{FrameKey, Record, StateChange};
use model::stage::{Job, Payload};
use model::statement::{ChangedAmount, Correction};
use model::{BatchId, JobId, MessageVersion, MoneySummary, PaperReason, State, Stream, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use world::World;
use world::channel::Sender;

/// How long a correction waits before it asks again whether an order about the older version is carried out.
const CLAIM_PAUSE: Duration = Duration::from_millis(5);
/// Messages that are narrowed before their syncs are waited for.
const NARROWED_AT_ONCE: usize = 256;
/// How long a correction waits for the older version to come to its queue, where its batch was just committed.
const HAND_OVER_MAX: Duration = Duration::from_secs(10);
/// So much later than the message with the older version is a correction due that cannot take its place.
const BEHIND: Duration = Duration::from_secs(1);
/// The cause in the record.
pub(crate) const CORRECTED: &str = "corrected";

/// What superseding works with.
pub(crate) struct Corrector<S: Stream> {
    pub(crate) world: World,
    pub(crate) journal: Journal<S>,
    pub(crate) reader: Reader,
    pub(crate) keys: KeyRing,
    pub(crate) projection: Projection,
    pub(crate) shard: Sender<ToShard<S>>,
    pub(crate) accounts: Accounts,
    pub(crate) claims: Claims,
}

/// The jobs that a batch supersedes when it is committed.
#[derive(Debug, Default)]
pub(crate) struct Superseded {
    /// Jobs of other batches.
    others: BTreeMap<JobId, Older>,
    /// Jobs of the batch itself.
    own: BTreeSet<JobId>,
    /// Rows that correct, by what became of the version before: `supersedes`, `corrects`, or why they go on paper.
    pub(crate) reasons: BTreeMap<String, u64>,
}

/// A job that gives way, or some of whose statements do.
#[derive(Debug)]
struct Older {
    batch: BatchId,
    /// The state it was in.
    state: State,
    statements: u16,
    /// Where its content lies; `None` where it is in no queue.
    lies: Option<Lies>,
    /// The rows that give way, with their places in the payload.
    rows: BTreeMap<u64, usize>,
}

impl Older {
    fn of(standing: &JobStanding, lies: Option<Lies>) -> Self {
        let JobStanding { batch, state, statements, .. } = *standing;
        Self { batch, state, statements, lies, rows: BTreeMap::new() }
    }

    /// Nothing of it stays.
    fn is_whole(&self) -> bool {
        self.statements <= 1 || self.rows.len() >= usize::from(self.statements)
    }
}

impl Superseded {
    /// Whether a job of the batch itself was corrected further down in its file.
    pub(crate) fn has(&self, job: JobId) -> bool {
        self.own.contains(&job)
    }

    pub(crate) fn count(&mut self, reason: &str) {
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
    }
}

impl<S: Stream> Corrector<S> {
    /// Asks of each job that a row repeats, and whose batch was cancelled, whether anything of it may have left: the rest may be handed in again.
    ///
    /// # Errors
    /// Where it cannot be known: then the row must not be accepted.
    pub(crate) async fn judge_cancelled(
        &self,
        admission: &mut Admission<S>,
        row: &Row,
        repeats: &Repeats,
        fingerprints: &TenantFingerprints,
    ) -> Result<(), AcceptError> {
        loop {
            let in_doubt = admission.in_doubt(row, &mut repeats.lock(), fingerprints)?;
            let Some(job) = in_doubt else { return Ok(()) };
            let question = move |ledger: &mut ledger::Ledger| ledger.job_standing(job, 0);
            let standing = self.projection.ask(self.journal.durable(), question).await?;
            let may_have_left = standing.is_none_or(|standing| standing.state != State::Cancelled || standing.uncertain);
            admission.judge(job, may_have_left);
        }
    }

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
        let row = known.row.map_or(0, u64::from);
        // Another row of this batch has taken a statement out of the same message.
        let is_again = superseded.others.contains_key(&id);
        // Kept until the new batch is committed or given up, where the older one gives way.
        let is_ours = is_again || self.claim(id).await;
        let judged = self.judge(id, row, is_ours, is_again).await;
        if is_ours
            && !is_again
            && !matches!(judged, Ok(Some((_, GivesWay::Yes(_)))))
            && self.claims.give_back(id)
            && let Ok(Some((standing, _))) = &judged
            && standing.state == State::Held
        {
            self.cancel_held(id, standing.batch).await;
        }
        let Some((standing, gives_way)) = judged? else { return Ok(()) };
        if let GivesWay::Yes(lies) = gives_way {
            job.head.supersedes = Some(id);
            let older = superseded.others.entry(id).or_insert_with(|| Older::of(&standing, lies));
            older.rows.extend(standing.statement.map(|statement| (row, statement.place)));
            superseded.count("supersedes");
            return Ok(());
        }
        if standing.state == State::Queued {
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
    async fn judge(&self, job: JobId, row: u64, is_ours: bool, is_again: bool) -> Result<Option<(JobStanding, GivesWay)>, AcceptError> {
        let patience_ends = self.world.monotonic() + HAND_OVER_MAX;
        loop {
            let question = move |ledger: &mut ledger::Ledger| ledger.job_standing(job, row);
            let Some(standing) = self.projection.ask(self.journal.durable(), question).await? else { return Ok(None) };
            let is_known = standing.statements <= 1 || standing.statement.is_some();
            let gives_way = match standing.state {
                _ if !is_ours || !is_known => GivesWay::No,
                State::Queued | State::Held if is_again => GivesWay::Yes(None),
                State::Queued => match self.withdraw(job).await {
                    GivenUp::Yes(lies) => GivesWay::Yes(Some(lies)),
                    // Its batch is committed, and the job on its way to the queue.
                    GivenUp::Unknown if self.world.monotonic() < patience_ends => {
                        self.world.sleep(CLAIM_PAUSE).await;
                        continue;
                    }
                    GivenUp::No | GivenUp::Unknown => GivesWay::No,
                },
                State::Held if !standing.uncertain => GivesWay::Yes(None),
                _ => GivesWay::No,
            };
            return Ok(Some((standing, gives_way)));
        }
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

    /// A shard that is gone is stopping: nothing is given up any more.
    async fn withdraw(&self, job: JobId) -> GivenUp {
        let (done, answer) = world::channel::oneshot();
        match self.shard.send(ToShard::Withdraw(job, done)).await {
            Ok(()) => answer.await.unwrap_or(GivenUp::No),
            Err(_) => GivenUp::No,
        }
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
        let whole = superseded.others.iter().filter(|(_, older)| older.is_whole()).map(|(job, _)| job);
        let mut last = None;
        for job in whole.chain(&superseded.own) {
            last = Some(self.journal.record(FrameKey { job: Some(*job), message: MessageVersion(0), attempt: 0 }, change()).await?);
        }
        if let Some(last) = last {
            // Durable in order: the last covers those before it.
            last.await?;
        }
        for (job, older) in superseded.others.iter().filter(|(_, older)| older.is_whole()) {
            self.accounts.batch(older.batch).step(older.state, State::Superseded);
            self.end(*job, older, Withdrawal::Superseded).await;
        }
        self.narrow_others(superseded, at).await?;
        superseded.own.iter().for_each(|_| self.accounts.batch(batch).enter(State::Superseded));
        Ok(())
    }

    /// Messages of which a part gives way keep the others, some at a time. One with which that cannot be done stays as it is.
    async fn narrow_others(&self, superseded: &Superseded, at: Timestamp) -> Result<(), JournalError> {
        let held = self.places_of_held(superseded).await;
        let parted: Vec<(&JobId, &Older)> = superseded.others.iter().filter(|(_, older)| !older.is_whole()).collect();
        for some in parted.chunks(NARROWED_AT_ONCE) {
            let mut tickets = Vec::with_capacity(some.len());
            for (job, older) in some {
                let ticket = match older.lies.or_else(|| held.get(job).copied()) {
                    Some(lies) => {
                        let begun = narrowing::narrow(&self.journal, &self.reader, at, **job, lies, &older.rows).await;
                        begun.map(|ticket| (ticket, lies.1))
                    }
                    None => Err(NarrowingError::Content),
                };
                tickets.push(ticket);
            }
            for ((job, older), ticket) in some.iter().zip(tickets) {
                let narrowed = match ticket {
                    Ok((ticket, message)) => ticket.await.map(|locator| (locator, message)).map_err(NarrowingError::Journal),
                    Err(error) => Err(error),
                };
                let end = match narrowed {
                    Ok(lies) => Withdrawal::Narrowed(lies),
                    Err(NarrowingError::Journal(error)) if self.journal.is_poisoned() => return Err(error),
                    Err(error) => {
                        tracing::error!(target: "sealpost::journal", %job, %error, "a message keeps a statement that was corrected");
                        Withdrawal::GivenBack
                    }
                };
                self.end(**job, older, end).await;
            }
        }
        Ok(())
    }

    /// Where the payloads of those lie that are in no queue. It may read for seconds: not on the thread that answers everybody.
    async fn places_of_held(&self, superseded: &Superseded) -> BTreeMap<JobId, Lies> {
        let is_lacking = |older: &&Older| !older.is_whole() && older.lies.is_none();
        let batches: BTreeSet<BatchId> = superseded.others.values().filter(is_lacking).map(|older| older.batch).collect();
        if batches.is_empty() {
            return BTreeMap::new();
        }
        let (place, keys) = (self.journal.place(), self.keys.clone());
        let held = move || async move {
            batches.into_iter().filter_map(|batch| place.jobs_in(&keys, batch, State::Held).ok()).flatten().collect()
        };
        let held: Vec<PlacedJob> = self.world.apart("held", held).await.unwrap_or_default();
        // Whether an intent froze its bytes is not told; a newer version of what was never offered does no harm.
        held.into_iter().map(|held| (held.id, (held.locator, MessageVersion(held.message.0 + 1)))).collect()
    }

    /// The older version is nobody's to decide about any more. What its batch was cancelled for meanwhile is cancelled.
    async fn end(&self, job: JobId, older: &Older, end: Withdrawal) {
        let _ = self.shard.send(ToShard::Withdrawn(job, end)).await;
        // What was queued is cancelled by the shard, which knows of the order too.
        if self.claims.give_back(job) && older.state == State::Held && end != Withdrawal::Superseded {
            self.cancel_held(job, older.batch).await;
        }
    }

    /// The new batch is given up: the older versions wait again as before.
    pub(crate) async fn put_back(&self, superseded: &Superseded) {
        for (job, older) in &superseded.others {
            self.end(*job, older, Withdrawal::GivenBack).await;
        }
    }
}

/// Whether an older version gives way to a newer one.
enum GivesWay {
    No,
    /// Where its content lies, where it was taken out of its queue.
    Yes(Option<Lies>),
}

/// The older version cannot be stopped any more.
pub(crate) fn after_it_went<S: Stream>(
    standing: &JobStanding,
    reversed: Option<MoneySummary>,
    job: &mut Job<S>,
    superseded: &mut Superseded,
) {
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

/// What changed since the version before. What that one said, where the books do not have it by itself, is known by its reversal alone.
fn what_changed(before: &JobStanding, reversed: Option<MoneySummary>, now: MoneySummary) -> Correction {
    let money = if before.statements == 1 { Some(before.money) } else { before.statement.map(|statement| statement.money) };
    money.map_or_else(|| of_reversal(reversed, now), |money| correction::correction(money, now))
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
    use ledger::StatementPlace;
    use model::Cents;
    use model::statement::AmountChange;

    #[test]
    fn of_a_statement_in_a_message_of_several_the_books_say_what_changed_or_else_the_reversal() {
        let money = |billed, plan_paid, member_owes| MoneySummary {
            billed: Cents(billed),
            plan_paid: Cents(plan_paid),
            member_owes: Cents(member_owes),
        };
        let before = |statements, statement| JobStanding {
            batch: BatchId::new(1, 1),
            state: State::Delivered,
            money: money(900, 500, 40),
            statements,
            statement,
            uncertain: false,
            cause: None,
        };
        let (reversed, now) = (Some(money(100, 60, 0)), money(120, 60, 30));
        let billed = AmountChange { which: ChangedAmount::Billed, before: Cents(100), after: Cents(120) };
        assert_eq!(what_changed(&before(3, None), reversed, now).changes, [billed]);
        assert_eq!(what_changed(&before(3, None), None, now), Correction::default());
        let owes = AmountChange { which: ChangedAmount::MemberOwes, before: Cents(20), after: Cents(30) };
        let known = Some(StatementPlace { place: 1, money: money(100, 60, 20) });
        assert_eq!(what_changed(&before(3, known), None, now).changes, [billed, owes]);
        assert_eq!(what_changed(&before(1, None), reversed, now).changes.len(), 3, "alone in its message, the ledger knows all of it");
    }
}
