//! A shard: one thread that owns the queue and the lanes of its limit groups.
//!
//! It promises that nothing on the per-message path takes a lock or waits for another shard: jobs come
//! in by a channel, messages go to the prepare workers and come back by channels, connections are tasks of
//! this thread. A message leaves only through [`connection`], which writes the intent before the
//! final dot. What an attempt led to is settled in [`settle`]; destinations are resolved in [`resolve`].
//!
//! The state is behind a `RefCell` because connection tasks and the loop share one thread; no borrow is
//! held across an await.

mod address_file;
mod connection;
mod lane;
mod leases;
mod resolve;
mod settle;

use crate::accounts::Accounts;
use crate::narrowing::Lies;
use crate::prepare::{Frozen, Prepare, Prepared};
use crate::settings::DeliverySettings;
use crate::stages::StageTimes;
use egress::{SiteResolver, TlsContext};
use futures_util::future::{Either, select};
use journal::Journal;
use lane::{Group, LaneState, SiteState};
use leases::Leases;
use model::stage::{DueDelivery, JournaledJob};
use model::{BatchId, JobId, MessageVersion, Monotonic, State, Stream, Timestamp};
use outcome::Rules;
use queue::{PushError, Queue, QueueState, Scope, Waiting};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use throttle::Shaping;
use world::channel::{OneSender, Receiver, Sender};
use world::{Sleep, World};

/// Messages a slice carries to a worker at most.
const SLICE_MESSAGES_MAX: usize = 16;
/// Events taken in one step.
const EVENTS_MAX: usize = 64;
/// How long the loop sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(5);

/// A job on its way into the queue, fresh or recovered.
pub(crate) struct Arrival<S: Stream> {
    pub(crate) job: Waiting<S>,
    pub(crate) attempts: u16,
    pub(crate) due: Timestamp,
    pub(crate) message: MessageVersion,
    pub(crate) frozen: Option<Frozen>,
}

impl<S: Stream> Arrival<S> {
    /// A job that was just accepted. Its head stays where it was read: a million of them on their way would be memory that the shard's
    /// thread frees and the reader's thread never gets back.
    pub(crate) fn fresh(job: &JournaledJob<S>) -> Result<Self, PushError> {
        Ok(Self { job: Waiting::of(job)?, attempts: 0, due: job.head.due, message: MessageVersion(0), frozen: None })
    }
}

/// An operator's order to a shard; the answer is the number of jobs it touched.
pub(crate) struct Order {
    pub(crate) batch: BatchId,
    pub(crate) verb: model::record::BatchVerb,
    pub(crate) done: OneSender<u64>,
}

/// What reaches a shard from outside.
pub(crate) enum ToShard<S: Stream> {
    Jobs(Vec<Arrival<S>>),
    Prepared(Vec<Prepared<S>>),
    Order(Order),
    /// A newer version of a statement is being accepted: give the older one up, if nothing of it left.
    Withdraw(JobId, OneSender<GivenUp>),
    /// When is it due, where it waits? A newer version of one of its statements is to go after it.
    DueOf(JobId, OneSender<Option<Timestamp>>),
    /// What became of a withdrawal.
    Withdrawn(JobId, Withdrawal),
    Drain,
}

/// A job that is out of the queue for a while.
struct Withdrawn<S: Stream> {
    delivery: DueDelivery<S>,
    due: Timestamp,
    frozen: Option<Frozen>,
}

/// Whether a job was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// It was; its content lies there.
    Yes(Lies),
    /// It may have left, or is about to.
    No,
    /// It never came, or has gone.
    Unknown,
}

/// How a withdrawal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withdrawal {
    /// The newer version is on disk.
    Superseded,
    /// Newer versions of some of its statements are; the others wait again, and lie there.
    Narrowed(Lies),
    /// It waits again as before.
    GivenBack,
}

/// What a shard works with. Cheap to clone; built once in `pipeline`.
pub(crate) struct ShardContext<S: Stream> {
    pub(crate) world: World,
    pub(crate) journal: Journal<S>,
    pub(crate) resolver: Arc<SiteResolver>,
    pub(crate) tls: Arc<TlsContext>,
    pub(crate) shaping: Arc<Shaping>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) settings: Arc<DeliverySettings>,
    /// Where leases of our addresses survive; `None` keeps them in memory.
    pub(crate) address_file: Option<PathBuf>,
    pub(crate) accounts: Accounts,
    pub(crate) times: Arc<StageTimes>,
    pub(crate) workers: Sender<Vec<Prepare<S>>>,
    /// Messages that may be with the workers at once; the worker channel has room for all of them.
    pub(crate) preparing_max: usize,
}

/// The shard's state. Shared by its loop and its connection tasks, all on one thread.
pub(crate) struct Shard<S: Stream> {
    context: ShardContext<S>,
    /// Lanes are kept from here on: before it, nothing was sent.
    started: Monotonic,
    queue: Queue<S>,
    /// The site of a destination, by the queue's number.
    site_of: BTreeMap<u32, usize>,
    sites: Vec<SiteState>,
    groups: Vec<Group>,
    lanes: Vec<LaneState<S>>,
    /// What our addresses may still send today.
    leases: Leases,
    /// Bytes frozen by a first intent, until the job is finished.
    frozen: BTreeMap<JobId, Frozen>,
    /// Jobs that wait, out of the queue, for a newer version of their statement.
    withdrawn: BTreeMap<JobId, Withdrawn<S>>,
    /// Groups that may be able to go on.
    dirty: VecDeque<usize>,
    wakes: BinaryHeap<Reverse<(Monotonic, usize)>>,
    /// Connections that a lane put off: when it may be asked again, lane, site.
    connects: BTreeSet<(Monotonic, usize, usize)>,
    /// By site name, by group name: how an answer finds what is known already.
    site_index: BTreeMap<String, usize>,
    group_index: BTreeMap<String, usize>,
    /// Failed look-ups in a row, by destination number.
    failures: BTreeMap<u32, u32>,
    resolving: usize,
    /// Sites that rest, and when they are tried again.
    rests: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// Batches that an operator holds or cancelled: what has no intent yet goes back to the queue.
    stopped: BTreeSet<BatchId>,
    /// Batches that an operator cancelled: what comes later, or comes back, ends here.
    cancelled: BTreeSet<BatchId>,
    /// Messages with the workers.
    preparing: usize,
    /// Messages taken from the queue and not settled.
    under_way: usize,
    draining: bool,
    nudge: Sender<()>,
}

/// The shard as its tasks hold it.
pub(crate) type Shared<S> = Rc<RefCell<Shard<S>>>;

/// Runs a shard until it is told to drain and nothing is under way.
pub(crate) async fn run<S: Stream>(context: ShardContext<S>, inbox: Receiver<ToShard<S>>) {
    let world = context.world.clone();
    let (nudge, nudged) = world::channel::bounded(1);
    let shard = Rc::new(RefCell::new(Shard::new(context, nudge)));
    let mut batch = Vec::new();
    loop {
        step(&shard).await;
        if shard.borrow().is_drained() {
            shard.borrow_mut().leases.close();
            return;
        }
        let wait = shard.borrow().next_wait();
        if next(&inbox, &mut batch, &nudged, world.sleep(wait)).await {
            lane::drain(&shard);
        }
        for event in batch.drain(..) {
            receive(&shard, event).await;
        }
    }
}

/// Waits for events, a nudge or the next moment; true where the inbox is closed.
async fn next<S: Stream>(inbox: &Receiver<ToShard<S>>, into: &mut Vec<ToShard<S>>, nudged: &Receiver<()>, pause: Sleep) -> bool {
    let events = pin!(inbox.recv_many(into, EVENTS_MAX));
    let nudge = pin!(nudged.recv());
    matches!(select(select(events, nudge), pause).await, Either::Left((Either::Left((0, _)), _)))
}

async fn receive<S: Stream>(shard: &Shared<S>, event: ToShard<S>) {
    match event {
        ToShard::Jobs(arrivals) => {
            for arrival in arrivals {
                admit(shard, arrival).await;
            }
        }
        ToShard::Prepared(messages) => {
            for prepared in messages {
                lane::receive_prepared(shard, prepared).await;
            }
        }
        ToShard::Order(order) => settle::obey(shard, order).await,
        ToShard::Withdraw(job, done) => {
            let given_up = shard.borrow_mut().withdraw(job);
            // Whoever asked and went has given its batch up, and says so by itself no more.
            if done.send(given_up).is_err() && matches!(given_up, GivenUp::Yes(_)) {
                end_withdrawal(shard, job, Withdrawal::GivenBack).await;
            }
        }
        ToShard::DueOf(job, done) => drop(done.send(shard.borrow().queue.due_of(job))),
        ToShard::Withdrawn(job, end) => end_withdrawal(shard, job, end).await,
        ToShard::Drain => lane::drain(shard),
    }
}

/// Into the queue; or to its end, where its batch was cancelled before it came.
async fn admit<S: Stream>(shard: &Shared<S>, arrival: Arrival<S>) {
    let is_cancelled = shard.borrow().cancelled.contains(&arrival.job.batch());
    if is_cancelled {
        return settle::cancel_arrival(shard, &arrival).await;
    }
    shard.borrow_mut().enqueue(arrival);
}

async fn end_withdrawal<S: Stream>(shard: &Shared<S>, job: JobId, end: Withdrawal) {
    let again = shard.borrow_mut().end_withdrawal(job, end);
    if let Some(arrival) = again {
        admit(shard, arrival).await;
    }
}

/// Lets time pass in the queue, resolves what is new, and lets every lane take what it may.
async fn step<S: Stream>(shard: &Shared<S>) {
    let expired = shard.borrow_mut().advance();
    for due in expired {
        settle::expire(shard, due).await;
    }
    resolve::start(shard);
    connection::ensure_due(shard);
    pump(shard);
}

/// Hands permitted deliveries to the workers, as long as lanes and workers have room.
pub(crate) fn pump<S: Stream>(shard: &Shared<S>) {
    let slices = shard.borrow_mut().collect();
    let workers = shard.borrow().context.workers.clone();
    for slice in slices {
        // `preparing_max` bounds what is under way, and the channel has room for all of it.
        if let Err(refused) = workers.try_send(slice) {
            take_back(shard, refused.into_inner());
        }
    }
}

/// The workers are gone: the deliveries wait in the queue.
fn take_back<S: Stream>(shard: &Shared<S>, slice: Vec<Prepare<S>>) {
    for message in slice {
        {
            let mut state = shard.borrow_mut();
            state.preparing -= 1;
            state.give_back(message.lane);
        }
        settle::requeue(shard, message.delivery.due, None);
    }
}

impl<S: Stream> Shard<S> {
    fn new(context: ShardContext<S>, nudge: Sender<()>) -> Self {
        let queue = Queue::new(context.world.wall());
        let leases = Leases::open(context.world.clone(), S::NAME, &context.settings.sources, context.address_file.clone());
        Self {
            started: context.world.monotonic(),
            context,
            queue,
            site_of: BTreeMap::new(),
            sites: Vec::new(),
            groups: Vec::new(),
            lanes: Vec::new(),
            leases,
            frozen: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            dirty: VecDeque::new(),
            wakes: BinaryHeap::new(),
            connects: BTreeSet::new(),
            site_index: BTreeMap::new(),
            group_index: BTreeMap::new(),
            failures: BTreeMap::new(),
            resolving: 0,
            rests: BinaryHeap::new(),
            stopped: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            preparing: 0,
            under_way: 0,
            draining: false,
            nudge,
        }
    }

    fn enqueue(&mut self, arrival: Arrival<S>) {
        let Arrival { job, attempts, due, message, frozen } = arrival;
        if let Err(error) = self.queue.admit(&job, QueueState { attempts, due, message, frozen: frozen.is_some() }) {
            tracing::error!(target: "sealpost::queue", %error, "a job did not enter the queue; the next start brings it back");
            return;
        }
        if let Some(frozen) = frozen {
            self.frozen.insert(job.job(), frozen);
        }
    }

    /// What a receiver put off is given up too; what may have arrived is not.
    fn withdraw(&mut self, job: JobId) -> GivenUp {
        if self.frozen.get(&job).is_some_and(|frozen| frozen.is_uncertain) {
            return GivenUp::No;
        }
        let Some((delivery, due)) = self.queue.withdraw(job) else {
            return if self.queue.view(job).is_some() { GivenUp::No } else { GivenUp::Unknown };
        };
        let frozen = self.frozen.remove(&job);
        let lies = (delivery.locator, MessageVersion(delivery.message.0 + u16::from(frozen.is_some())));
        self.withdrawn.insert(job, Withdrawn { delivery, due, frozen });
        GivenUp::Yes(lies)
    }

    /// What was withdrawn, where it comes back.
    fn end_withdrawal(&mut self, job: JobId, end: Withdrawal) -> Option<Arrival<S>> {
        let Withdrawn { mut delivery, due, mut frozen } = self.withdrawn.remove(&job)?;
        match end {
            Withdrawal::Superseded => return None,
            Withdrawal::Narrowed((locator, message)) => (delivery.locator, delivery.message, frozen) = (locator, message, None),
            Withdrawal::GivenBack => {}
        }
        let destination = self.queue.destination_name(delivery.destination).cloned()?;
        let (attempts, message) = (delivery.attempts, delivery.message);
        Some(Arrival { job: Waiting::again(&delivery, destination), attempts, due, message, frozen })
    }

    /// Lets the queue's clock run; gives back what expired, and marks the groups that have something due.
    fn advance(&mut self) -> Vec<DueDelivery<S>> {
        let now = self.context.world.wall();
        while self.rests.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            if let Some(Reverse((_, site))) = self.rests.pop() {
                self.end_rest(site);
            }
        }
        let expired = self.queue.advance(now);
        for group in self.queue.newly_ready() {
            self.mark(group.0 as usize);
        }
        expired
    }

    /// Lets a site rest: its destinations hand out nothing until then.
    fn rest(&mut self, site: usize, until: Timestamp) {
        self.sites[site].not_before = Some(until);
        for destination in self.sites[site].destinations.clone() {
            self.queue.suspend(Scope::Destination(destination));
        }
        self.rests.push(Reverse((until, site)));
    }

    fn end_rest(&mut self, site: usize) {
        self.sites[site].not_before = None;
        for destination in self.sites[site].destinations.clone() {
            self.queue.resume(Scope::Destination(destination));
        }
        let group = self.sites[site].group;
        self.mark(group);
    }

    fn next_wait(&self) -> Duration {
        let (now, wall) = (self.context.world.monotonic(), self.context.world.wall());
        let lane = self.wakes.peek().map(|Reverse((at, _))| at.since(now));
        let connect = self.connects.first().map(|(at, _, _)| at.since(now));
        let rest = self.rests.peek().map(|Reverse((at, _))| at.since(wall));
        let queue = self.queue.next_wake().map(|at| at.since(wall));
        [lane, connect, rest, queue].into_iter().flatten().fold(IDLE, Duration::min)
    }

    fn is_drained(&self) -> bool {
        self.draining && self.under_way == 0 && self.lanes.iter().all(|lane| lane.outlets.values().all(|outlet| outlet.connections == 0))
    }

    fn step_progress(&self, batch: BatchId, from: State, to: State) {
        self.context.accounts.batch(batch).step(from, to);
    }

    /// Wakes the loop, so that it sees new times and new orders.
    fn wake(&self) {
        // A full channel means that a nudge waits already.
        let _ = self.nudge.try_send(());
    }
}
