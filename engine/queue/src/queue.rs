//! The queue of one shard and stream: what a caller can ask of it. How jobs and lines move inside is in `placing`.

mod placing;

use crate::batch::Batch;
use crate::destination::DestinationRecord;
use crate::entry::{Entry, Place, RING_DEADLINE, RING_WAIT};
use crate::error::PushError;
use crate::fairness::Group;
use crate::index::JobIndex;
use crate::line::{Line, LineKey};
use crate::slab::{Link, List, Slab, Slot};
use crate::view::{Standing, View};
use crate::wheel::Wheel;
use model::stage::{DueDelivery, JournaledJob, Locator};
use model::{BatchId, Destination, JobId, MessageVersion, Stream, TenantId, Timestamp};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::marker::PhantomData;

/// The wiring's number of a limit group: small and dense, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// Where a job stands when it enters the queue: fresh from intake, or recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Attempts that have ended so far.
    pub attempts: u16,
    /// Not before this moment.
    pub due: Timestamp,
    /// The message version.
    pub message: MessageVersion,
    /// An earlier attempt froze the bytes.
    pub frozen: bool,
}

/// What the queue keeps of a durable job. It is made of one and of nothing else; the head, four times as large, can go where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting<S: Stream> {
    job: JobId,
    locator: Locator,
    batch: BatchId,
    tenant: TenantId,
    destination: Destination,
    priority: u8,
    deadline: Timestamp,
    stream: PhantomData<S>,
}

impl<S: Stream> Waiting<S> {
    /// What is kept of this job.
    ///
    /// # Errors
    /// [`PushError::NoDestination`]
    pub fn of(job: &JournaledJob<S>) -> Result<Self, PushError> {
        let head = &job.head;
        let destination = head.destination.clone().ok_or(PushError::NoDestination(job.id))?;
        let (batch, tenant, priority, deadline) = (head.batch, head.tenant, head.priority, head.deadline);
        Ok(Self { job: job.id, locator: job.locator, batch, tenant, destination, priority, deadline, stream: PhantomData })
    }

    /// A job that was taken out, on its way back in.
    pub fn again(delivery: &DueDelivery<S>, destination: Destination) -> Self {
        let DueDelivery { job, locator, batch, tenant, priority, deadline, .. } = *delivery;
        Self { job, locator, batch, tenant, destination, priority, deadline, stream: PhantomData }
    }

    /// Which job.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// Its batch.
    pub fn batch(&self) -> BatchId {
        self.batch
    }
}

/// What can be stopped and let go on as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A batch: what an operator holds. May be named before its first job comes.
    Batch(BatchId),
    /// A destination, by the queue's number.
    Destination(u32),
}

/// Hash maps without a random seed: used for look-up only, never iterated.
type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// All jobs of one shard and stream that are not settled.
#[derive(Debug)]
pub struct Queue<S: Stream> {
    now: Timestamp,
    entries: Slab<Entry>,
    index: JobIndex,
    due: Wheel,
    deadlines: Wheel,
    lines: Slab<Line>,
    line_of: FixedMap<LineKey, Slot>,
    batches: Slab<Batch>,
    batch_of: FixedMap<BatchId, Slot>,
    /// Held batches, with jobs here or not yet.
    held: BTreeSet<BatchId>,
    destinations: Vec<DestinationRecord>,
    destination_of: FixedMap<Destination, u32>,
    groups: Vec<Group>,
    awakened: Vec<GroupId>,
    unresolved: VecDeque<u32>,
    ask_again: BTreeSet<(Timestamp, u32)>,
    late: VecDeque<Slot>,
    in_flight: usize,
    draining: bool,
    stream: PhantomData<S>,
}

impl<S: Stream> Queue<S> {
    /// An empty queue at this moment.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            entries: Slab::new(),
            index: JobIndex::new(),
            due: Wheel::new(RING_WAIT, now.0),
            deadlines: Wheel::new(RING_DEADLINE, now.0),
            lines: Slab::new(),
            line_of: FixedMap::default(),
            batches: Slab::new(),
            batch_of: FixedMap::default(),
            held: BTreeSet::new(),
            destinations: Vec::new(),
            destination_of: FixedMap::default(),
            groups: Vec::new(),
            awakened: Vec::new(),
            unresolved: VecDeque::new(),
            ask_again: BTreeSet::new(),
            late: VecDeque::new(),
            in_flight: 0,
            draining: false,
            stream: PhantomData,
        }
    }

    /// The queue's number of a destination, given on first sight.
    pub fn destination(&mut self, name: &Destination) -> u32 {
        if let Some(number) = self.destination_of.get(name) {
            return *number;
        }
        let number = u32::try_from(self.destinations.len()).expect("there are not four billion domains");
        self.destinations.push(DestinationRecord {
            name: name.clone(),
            home: None,
            suspended: false,
            asked: false,
            lines: List::default(),
        });
        self.destination_of.insert(name.clone(), number);
        number
    }

    /// The name behind a number.
    pub fn destination_name(&self, destination: u32) -> Option<&Destination> {
        self.destinations.get(destination as usize).map(|record| &record.name)
    }

    /// Takes in a durable job.
    ///
    /// # Errors
    /// [`PushError`] where it is here already or has no destination.
    pub fn push(&mut self, job: &JournaledJob<S>, state: QueueState) -> Result<(), PushError> {
        self.admit(&Waiting::of(job)?, state)
    }

    /// Takes in what is kept of a durable job.
    ///
    /// # Errors
    /// [`PushError::AlreadyQueued`]
    pub fn admit(&mut self, job: &Waiting<S>, state: QueueState) -> Result<(), PushError> {
        if self.index.find(&self.entries, job.job).is_some() {
            return Err(PushError::AlreadyQueued(job.job));
        }
        let destination = self.destination(&job.destination);
        let batch = self.batch(job.batch, job.tenant);
        let slot = self.entries.insert(Entry {
            job: job.job,
            locator: job.locator,
            due: state.due,
            deadline: job.deadline,
            destination,
            batch,
            links: [Link::default(); 2],
            attempts: state.attempts,
            message: state.message,
            priority: job.priority,
            place: Place::InFlight,
            frozen: state.frozen,
            overdue: false,
        });
        self.index.insert(job.job, slot);
        self.batches[batch].jobs += 1;
        if job.deadline < self.now {
            self.entries[slot].overdue = true;
        } else {
            self.deadlines.insert(&mut self.entries, slot);
        }
        self.place(slot);
        Ok(())
    }

    /// Says where a destination's mail goes, or goes now: its jobs wait in that group from here on.
    pub fn set_home(&mut self, destination: u32, group: GroupId) {
        let Some(record) = self.destinations.get_mut(destination as usize) else { return };
        record.home = Some(group.0);
        record.asked = false;
        while self.groups.len() <= group.0 as usize {
            self.groups.push(Group::default());
        }
        self.settle_lines_of_destination(destination);
    }

    /// Destinations with due jobs and no home, each told once: resolve them and call [`Self::set_home`], or
    /// [`Self::resolve_later`] where that fails for now.
    pub fn unresolved(&mut self, max: usize) -> Vec<u32> {
        let count = max.min(self.unresolved.len());
        self.unresolved.drain(..count).collect()
    }

    /// Tells [`Self::unresolved`] to name this destination again then. Until then its jobs wait and may expire.
    pub fn resolve_later(&mut self, destination: u32, at: Timestamp) {
        if let Some(record) = self.destinations.get_mut(destination as usize) {
            record.asked = true;
            record.home = None;
            self.ask_again.insert((at, destination));
            self.settle_lines_of_destination(destination);
        }
    }

    /// Moves to `now`: what is due joins its line; what is past its deadline leaves the queue and is returned, to be
    /// recorded as expired. Going back in time does nothing.
    pub fn advance(&mut self, now: Timestamp) -> Vec<DueDelivery<S>> {
        self.now = self.now.max(now);
        let mut fired = Vec::new();
        self.deadlines.advance(&mut self.entries, self.now.0, &mut fired);
        for slot in fired.drain(..) {
            self.entries[slot].overdue = true;
            if self.entries[slot].place != Place::InFlight {
                self.detach(slot);
                self.late.push_back(slot);
            }
        }
        let late = std::mem::take(&mut self.late);
        let expired = late.into_iter().map(|slot| self.leave(slot)).collect();
        self.due.advance(&mut self.entries, self.now.0, &mut fired);
        for slot in fired {
            self.join_line(slot);
        }
        self.ask_again_by_now();
        expired
    }

    /// The next job of a limit group, which a lane with a permit asks for. It is in flight until it is finished or put back.
    pub fn take(&mut self, group: GroupId, now: Timestamp) -> Option<DueDelivery<S>> {
        if self.draining {
            return None;
        }
        loop {
            let line = self.groups.get_mut(group.0 as usize)?.next(&mut self.lines)?;
            let slot = self.lines[line].jobs.front().expect("a line with a turn has jobs");
            self.leave_line(slot, line);
            if self.entries[slot].deadline < now {
                self.entries[slot].place = Place::Late;
                self.deadlines.remove(&mut self.entries, slot);
                self.entries[slot].overdue = true;
                self.late.push_back(slot);
                continue;
            }
            self.entries[slot].place = Place::InFlight;
            self.in_flight += 1;
            return Some(self.delivery(slot));
        }
    }

    /// A job that was handed out waits for another destination when it comes back. False where it has left the queue.
    pub fn redirect(&mut self, delivery: &DueDelivery<S>, destination: &Destination) -> bool {
        let Some(slot) = self.in_flight_slot(delivery) else { return false };
        let destination = self.destination(destination);
        self.entries[slot].destination = destination;
        true
    }

    /// Gives back a job that is to be tried again. `Some` where its batch was cancelled meanwhile: then it has left the
    /// queue and the caller records the cancellation.
    #[must_use = "a job of a cancelled batch comes back to be recorded"]
    pub fn put_back(&mut self, delivery: DueDelivery<S>, due: Timestamp, attempts: u16, frozen: bool) -> Option<DueDelivery<S>> {
        let slot = self.in_flight_slot(&delivery)?;
        self.in_flight -= 1;
        let entry = &mut self.entries[slot];
        (entry.due, entry.attempts, entry.frozen) = (due, attempts, frozen);
        (entry.locator, entry.message) = (delivery.locator, delivery.message);
        let batch = entry.batch;
        if self.batches[batch].cancelled {
            return Some(self.leave(slot));
        }
        self.place(slot);
        None
    }

    /// A job is settled, held or otherwise no longer ours to send. Harmless for one that has left already.
    pub fn finish(&mut self, delivery: DueDelivery<S>) {
        if let Some(slot) = self.in_flight_slot(&delivery) {
            self.in_flight -= 1;
            self.leave(slot);
        }
    }

    /// When to call [`Self::advance`] next; may be early, never late.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let asked = self.ask_again.first().map(|(at, _)| at.0);
        let late = (!self.late.is_empty()).then_some(self.now.0);
        [self.due.next_wake(), self.deadlines.next_wake(), asked, late].into_iter().flatten().min().map(Timestamp)
    }

    /// Stops handing out what belongs to it. What is in flight goes on; deadlines go on.
    pub fn suspend(&mut self, scope: Scope) {
        self.set_stopped(scope, true);
    }

    /// Lets it go on, in the order it had.
    pub fn resume(&mut self, scope: Scope) {
        self.set_stopped(scope, false);
    }

    /// Takes out one job that waits, and when it was due; `None` where it is in flight or not here.
    pub fn withdraw(&mut self, job: JobId) -> Option<(DueDelivery<S>, Timestamp)> {
        let slot = self.index.find(&self.entries, job)?;
        let entry = &self.entries[slot];
        if !matches!(entry.place, Place::Scheduled | Place::Waiting) {
            return None;
        }
        let due = entry.due;
        self.detach(slot);
        Some((self.leave(slot), due))
    }

    /// When a job that is not in flight is due; `None` where it is in flight or not here.
    pub fn due_of(&self, job: JobId) -> Option<Timestamp> {
        let entry = &self.entries[self.index.find(&self.entries, job)?];
        matches!(entry.place, Place::Scheduled | Place::Waiting).then_some(entry.due)
    }

    /// Takes out all jobs of a batch that are not in flight, to be recorded as cancelled. One in flight that is put back
    /// later comes back from [`Self::put_back`].
    pub fn cancel(&mut self, batch: BatchId) -> Vec<DueDelivery<S>> {
        let Some(batch_slot) = self.batch_of.get(&batch).copied() else { return Vec::new() };
        self.batches[batch_slot].cancelled = true;
        let queued: Vec<Slot> = self
            .entries
            .slots()
            .filter(|slot| {
                let entry = &self.entries[*slot];
                entry.batch == batch_slot && matches!(entry.place, Place::Scheduled | Place::Waiting)
            })
            .collect();
        queued
            .into_iter()
            .map(|slot| {
                self.detach(slot);
                self.leave(slot)
            })
            .collect()
    }

    /// Hands out nothing more: shutdown waits for [`Self::in_flight`] to reach 0. What is queued is in the journal.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Groups in which a line of jobs got its turns since the last call; each is named once. Wake their lanes.
    pub fn newly_ready(&mut self) -> Vec<GroupId> {
        let awakened = std::mem::take(&mut self.awakened);
        for group in &awakened {
            self.groups[group.0 as usize].announced = false;
        }
        awakened
    }

    /// Jobs here, in flight included.
    pub fn len(&self) -> usize {
        self.entries.used()
    }

    /// True where there is no job.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Jobs handed out.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Jobs a lane of this group could take now.
    pub fn ready(&self, group: GroupId) -> u64 {
        self.groups.get(group.0 as usize).map_or(0, |group| group.ready)
    }

    /// Where a job stands and why; `None` where it is not here.
    pub fn view(&self, job: JobId) -> Option<View> {
        let entry = &self.entries[self.index.find(&self.entries, job)?];
        let record = &self.destinations[entry.destination as usize];
        let batch = &self.batches[entry.batch];
        let standing = match (entry.place, record.home) {
            (Place::InFlight, _) => Standing::InFlight,
            (Place::Late | Place::Nowhere, _) => Standing::Late,
            _ if batch.held => Standing::BatchHeld,
            (Place::Scheduled, _) => Standing::Scheduled { due: entry.due },
            _ if record.suspended => Standing::DestinationSuspended,
            (Place::Waiting, None) => Standing::Unresolved,
            (Place::Waiting, Some(group)) => Standing::WaitsForLane { group, ready: self.ready(GroupId(group)) },
        };
        Some(View {
            job,
            batch: batch.id,
            destination: record.name.clone(),
            priority: entry.priority,
            attempts: entry.attempts,
            deadline: entry.deadline,
            standing,
        })
    }

    /// Bytes held for jobs, lines, batches and wheels, by capacity; names of destinations are not in it.
    pub fn memory_bytes(&self) -> usize {
        let maps = self.line_of.capacity() * (size_of::<(LineKey, Slot)>() + 1) * 8 / 7
            + self.batch_of.capacity() * (size_of::<(BatchId, Slot)>() + 1) * 8 / 7;
        self.entries.memory_bytes()
            + self.index.memory_bytes()
            + self.due.memory_bytes()
            + self.deadlines.memory_bytes()
            + self.lines.memory_bytes()
            + self.batches.memory_bytes()
            + maps
    }
}
