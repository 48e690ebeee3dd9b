//! One thread, a seeded scheduler, a virtual clock: a world that can be had again from its seed.
//!
//! A [`Simulation`] holds *hosts* by name, each with a disk of its own, on one network. Code under test gets a [`World`] that stands on a
//! host; the future given to [`Simulation::run`] stands outside all of them, watches, and may crash a host:
//!
//! ```
//! use std::time::Duration;
//! let simulation = world::simulated::Simulation::new(42);
//! let (engine, sink) = (simulation.world_of("engine"), simulation.world_of("sink"));
//! sink.spawn_thread("sink", || async { /* outlives the crash */ });
//! engine.spawn_thread("shard", { let world = engine.clone(); move || async move { world.sleep(Duration::from_secs(60)).await } });
//! simulation.run(async { engine.sleep(Duration::from_secs(1)).await; simulation.crash_host("engine") });
//! assert_eq!(simulation.now().0, 1_000_000_000);
//! ```
//!
//! What it promises: two runs of the same code with the same seed take the same steps ([`Simulation::trace_hash`]), as long as nothing
//! outside the world decides anything. A crash drops a host's tasks, resets its connections, releases its locks and leaves on its disk
//! what was synced, and of the rest what the seed says, torn at 512 bytes. A panic in any task is a finding: it ends the run.
//!
//! What it leaves out: work takes no virtual time (only waiting does), every address reaches every host, and memory is not lost.

mod crash_point;
mod disk;
mod host;
mod net;
mod random;
mod scheduler;

pub use crash_point::CrashPoint;
pub use disk::{DiskFailure, DiskWeather, WriteWatch, Written};
pub use net::{NetworkTrouble, Weather};

use crate::clock::{Clock, Sleep};
use crate::entropy::Entropy;
use crate::process::NoProcesses;
use crate::tasks::{Start, TaskHandle, Tasks, ThreadHandle};
use crate::{Hosts, Parts, World};
use disk::{DiskState, SimulatedDisk};
use futures_util::future::LocalBoxFuture;
use host::Host;
use model::{Monotonic, Timestamp};
use net::{Network, SimulatedNet};
use random::{Purpose, Random};
use scheduler::{Next, Scheduler};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The host of [`Simulation::world`].
const ENGINE: &str = "engine";
/// Where the virtual wall clock starts: 2026-01-05T00:00:00Z, a Monday.
const WALL_START: Timestamp = Timestamp::from_seconds(1_767_571_200);

/// A simulated world and the hand that steps it. It belongs to the thread that made it.
pub struct Simulation {
    universe: Arc<Universe>,
}

/// What all hosts share.
struct Universe {
    seed: u64,
    scheduler: Arc<Scheduler>,
    network: Arc<Network>,
    entropy: Mutex<Random>,
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
    /// Milliseconds since 1970 at the virtual clock's zero.
    wall_start: AtomicU64,
    /// Faults of the code under test that the simulator asked for, a bit each.
    #[cfg(feature = "planted")]
    planted: AtomicU64,
}

impl Simulation {
    /// A world in which everything left open is decided by `seed`.
    pub fn new(seed: u64) -> Self {
        let scheduler = Arc::new(Scheduler::new(seed));
        let network = Arc::new(Network::new(scheduler.clone(), Random::new(seed, Purpose::Network)));
        let universe = Universe {
            seed,
            scheduler,
            network,
            entropy: Mutex::new(Random::new(seed, Purpose::Entropy)),
            hosts: Mutex::new(BTreeMap::new()),
            wall_start: AtomicU64::new(WALL_START.0),
            #[cfg(feature = "planted")]
            planted: AtomicU64::new(0),
        };
        Self { universe: Arc::new(universe) }
    }

    /// The world as the host `engine` sees it.
    pub fn world(&self) -> World {
        self.world_of(ENGINE)
    }

    /// The world as a host sees it; the host is made on first sight. The handle stays good through crashes.
    pub fn world_of(&self, host: &str) -> World {
        world_of(&self.universe, host)
    }

    /// Runs all tasks until `future` is done. It is polled as one of them, but belongs to no host.
    ///
    /// # Panics
    /// Where nothing is ready and no timer is set, so that the future can never be done; where the steps allowed are used up;
    /// where a task panics.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let root = self.universe.scheduler.root();
        let waker = Waker::from(root.clone());
        loop {
            match self.universe.scheduler.step(Some(&root)) {
                Next::Root => {
                    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return output;
                    }
                }
                Next::Task => {}
                Next::Nothing => self.stand_still(),
            }
            self.finish_crashes();
        }
    }

    /// Runs all tasks for a span of virtual time.
    ///
    /// # Panics
    /// As [`Simulation::run`].
    pub fn run_for(&self, span: Duration) {
        self.run(scheduler::sleep_until(&self.universe.scheduler, self.now() + span));
    }

    /// Makes one step: polls one task, moving the clock first where none is ready. False where nothing is left to do.
    ///
    /// # Panics
    /// Where the task panics or the steps allowed are used up.
    pub fn step(&self) -> bool {
        let found = !matches!(self.universe.scheduler.step(None), Next::Nothing);
        self.finish_crashes();
        found
    }

    /// Crashes every host.
    pub fn crash(&self) {
        let names: Vec<_> = self.hosts().keys().cloned().collect();
        names.iter().for_each(|name| self.crash_host(name));
    }

    /// Crashes a host: its tasks are dropped without a last word, its connections are reset, its disk keeps what was synced.
    /// It is up again, empty of tasks, when this returns.
    pub fn crash_host(&self, host: &str) {
        let host = host_of(&self.universe, host);
        host.go_down();
        self.universe.network.crash(&host.name);
        self.universe.scheduler.drop_tasks_of(&host.name);
        host.disk().crash();
        host.count_crash();
        host.come_up();
        self.universe.scheduler.trace(format!("{}: crash", host.name).as_bytes());
    }

    /// Lets a host crash in the middle of the `later`th change of its disk from now (1 is the next one): a write, sync, create, rename,
    /// removal or directory sync. Whether that change still took effect is drawn by lot.
    pub fn crash_host_in_disk_change(&self, host: &str, later: u64) {
        let host = host_of(&self.universe, host);
        let mut disk = host.disk();
        let at = disk.operations() + later.max(1);
        disk.crash_at(at);
    }

    /// Lets a host crash at a point that lies ahead of it; several may be set, the first one reached counts and clears the others.
    pub fn crash_host_at(&self, host: &str, point: CrashPoint) {
        match point {
            CrashPoint::DiskChange(later) => self.crash_host_in_disk_change(host, later),
            CrashPoint::Poll(later) => host_of(&self.universe, host).polls.set(later),
            CrashPoint::NetworkByte(later) => host_of(&self.universe, host).network_bytes.set(later),
        }
    }

    /// Forgets every crash point set for a host and not reached.
    pub fn forget_crash_points(&self, host: &str) {
        let host = host_of(&self.universe, host);
        host.polls.clear();
        host.network_bytes.clear();
        host.disk().forget_crash();
    }

    /// Lets `watch` see all bytes that are written to a host's disk from now on, those that a crash loses included.
    /// It must not use the disk.
    pub fn watch_writes(&self, host: &str, watch: WriteWatch) {
        host_of(&self.universe, host).disk().watch_writes(watch);
    }

    /// A switch that crashes a host from within a task of any host, in the middle of what that task is at.
    pub fn power_switch(&self, host: &str) -> PowerSwitch {
        PowerSwitch { host: host_of(&self.universe, host) }
    }

    /// Changes of a host's disk so far, for choosing where to crash.
    pub fn disk_changes(&self, host: &str) -> u64 {
        host_of(&self.universe, host).disk().operations()
    }

    /// How often a host has crashed.
    pub fn crashes_of(&self, host: &str) -> u64 {
        host_of(&self.universe, host).crashes()
    }

    /// Ends everything that runs on a host, as `kill -9` does: its tasks are dropped, its connections reset, its locks released. What was
    /// written stays in the machine's memory, synced or not, and is read as it was.
    pub fn kill_processes(&self, host: &str) {
        let host = host_of(&self.universe, host);
        host.go_down();
        self.universe.network.crash(&host.name);
        self.universe.scheduler.drop_tasks_of(&host.name);
        host.disk().release_locks();
        host.come_up();
        self.universe.scheduler.trace(format!("{}: killed", host.name).as_bytes());
    }

    /// Lets the next `count` syncs of files on a host's disk fail. What they should have written is lost, as Linux loses it.
    pub fn fail_syncs(&self, host: &str, count: u32) {
        self.fail_disk(host, DiskFailure::Sync, 1, count);
    }

    /// Lets the `later`th read, write or sync of a host's disk from now (1 is the next one) and those after it fail with `EIO`, `times` in
    /// all. A write that fails may have written its beginning; what a failed sync should have written is lost, as Linux loses it.
    pub fn fail_disk(&self, host: &str, what: DiskFailure, later: u64, times: u32) {
        host_of(&self.universe, host).disk().fail(what, later, times);
    }

    /// Forgets every failure set for a host's disk and not reached.
    pub fn forget_disk_failures(&self, host: &str) {
        host_of(&self.universe, host).disk().forget_failures();
    }

    /// Changes what a host's disk does all the time.
    pub fn set_disk_weather(&self, host: &str, weather: DiskWeather) {
        host_of(&self.universe, host).disk().set_weather(weather);
    }

    /// Bytes on a host's disk.
    pub fn disk_used(&self, host: &str) -> u64 {
        host_of(&self.universe, host).disk().used()
    }

    /// Lets a host's disk be busy for up to this long before each group of writes ([`World::disk_turn`]); zero, as it begins, is never.
    pub fn set_disk_delay(&self, host: &str, longest: Duration) {
        host_of(&self.universe, host).disk().set_delay(longest);
    }

    /// Makes a host's disk as large as this.
    pub fn set_disk_capacity(&self, host: &str, bytes: u64) {
        host_of(&self.universe, host).disk().set_capacity(bytes);
    }

    /// Turns one bit (0 to 7) of a file, as a bad disk would.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn flip_bit(&self, host: &str, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        host_of(&self.universe, host).disk().flip_bit(path, offset, bit)
    }

    /// Resets one open connection, drawn by lot; false where none is open.
    pub fn reset_a_connection(&self) -> bool {
        self.universe.network.reset_one()
    }

    /// Changes what the network does; connections that are open keep what they have.
    pub fn set_weather(&self, weather: Weather) {
        self.universe.network.set_weather(weather);
    }

    /// Changes what connections that are opened from now on meet.
    pub fn set_network_trouble(&self, trouble: NetworkTrouble) {
        self.universe.network.set_trouble(trouble);
    }

    /// Sets the wall clock of all hosts, as an operator or NTP would; timers are not touched.
    pub fn set_wall(&self, now: Timestamp) {
        let since = u64::try_from(self.now().since(Monotonic(0)).as_millis()).unwrap_or(u64::MAX);
        self.universe.wall_start.store(now.0.saturating_sub(since), Ordering::SeqCst);
    }

    /// Breaks the code under test on purpose: from now on [`World::is_planted`] says yes to this plant, in this simulation alone.
    #[cfg(feature = "planted")]
    pub fn plant(&self, plant: crate::Plant) {
        self.universe.planted.fetch_or(plant.bit(), Ordering::SeqCst);
    }

    /// The virtual clock.
    pub fn now(&self) -> Monotonic {
        self.universe.scheduler.now()
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.universe.scheduler.steps()
    }

    /// Lets a run panic after this many steps (100 million unless set): some task wakes itself for ever.
    pub fn set_step_limit(&self, steps: u64) {
        self.universe.scheduler.set_steps_max(steps);
    }

    /// A running hash over every step (its number, its task, the virtual time), every change of a disk and every
    /// [`World::trace`]. Two runs that did the same have the same.
    pub fn trace_hash(&self) -> u64 {
        self.universe.scheduler.trace_hash()
    }

    /// The latest 200 events, oldest first: changes of disks, crashes, and what [`World::trace`] added.
    /// For whoever looks into a failed run.
    pub fn latest_events(&self) -> Vec<String> {
        self.universe.scheduler.latest_events()
    }

    /// Finishes the crash of hosts that went down in the last step.
    fn finish_crashes(&self) {
        if !self.hosts().values().any(|host| host.is_down()) {
            return;
        }
        let down: Vec<_> = self.hosts().values().filter(|host| host.is_down()).map(|host| host.name.clone()).collect();
        down.iter().for_each(|name| self.crash_host(name));
    }

    fn stand_still(&self) -> ! {
        let Universe { seed, scheduler, .. } = &*self.universe;
        let (steps, tasks) = (scheduler.steps(), scheduler.describe_tasks());
        let last = scheduler.latest_events().pop().unwrap_or_default();
        panic!(
            "the simulation of seed {seed} stands still after {steps} steps: nothing is ready and no timer is set; {tasks}; last event: {last}"
        )
    }

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Host>>> {
        self.universe.hosts()
    }
}

/// Turns a host's power off.
#[derive(Clone)]
pub struct PowerSwitch {
    host: Arc<Host>,
}

impl PowerSwitch {
    /// From now on nothing the host does has effect; its tasks are dropped after this step.
    pub fn off(&self) {
        self.host.go_down();
    }
}

impl std::fmt::Debug for PowerSwitch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PowerSwitch").field("host", &self.host.name).finish()
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // Tasks hold the world and the world holds the tasks; nothing they do on their way out has effect.
        let hosts: Vec<_> = self.hosts().values().cloned().collect();
        hosts.iter().for_each(|host| host.go_down());
        self.universe.scheduler.drop_all();
    }
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("seed", &self.universe.seed).field("steps", &self.steps()).field("now", &self.now()).finish()
    }
}

impl Universe {
    fn hosts(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Host>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn host_of(universe: &Universe, name: &str) -> Arc<Host> {
    let mut hosts = universe.hosts();
    // Each disk has randomness of its own, so that hosts may be made in any order.
    let seed = name.bytes().fold(universe.seed, |seed, byte| seed.rotate_left(8) ^ u64::from(byte));
    hosts.entry(name.to_owned()).or_insert_with(|| Arc::new(Host::new(name, DiskState::new(Random::new(seed, Purpose::Disk))))).clone()
}

fn world_of(universe: &Arc<Universe>, name: &str) -> World {
    let host = host_of(universe, name);
    let part = Arc::new(Part { universe: universe.clone(), host: host.clone() });
    World::from_parts(Parts {
        clock: part.clone(),
        disk: Arc::new(SimulatedDisk { host: host.clone(), scheduler: universe.scheduler.clone() }),
        net: Arc::new(SimulatedNet { host, network: universe.network.clone() }),
        entropy: part.clone(),
        tasks: part.clone(),
        processes: Arc::new(NoProcesses),
        hosts: part,
    })
}

/// A host's view of what all hosts share.
struct Part {
    universe: Arc<Universe>,
    host: Arc<Host>,
}

impl Clock for Part {
    fn monotonic(&self) -> Monotonic {
        self.universe.scheduler.now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.universe.wall_start.load(Ordering::SeqCst)) + self.monotonic().since(Monotonic(0))
    }

    fn sleep_until(&self, at: Monotonic) -> Sleep {
        scheduler::sleep_until(&self.universe.scheduler, at)
    }
}

impl Entropy for Part {
    fn fill(&self, bytes: &mut [u8]) {
        self.universe.entropy.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    }
}

impl Tasks for Part {
    fn spawn_thread(&self, name: &str, start: Start) -> ThreadHandle {
        self.universe.scheduler.spawn_thread(&self.host, name, start)
    }

    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) -> TaskHandle {
        self.universe.scheduler.spawn_local(&self.host, task)
    }
}

impl Hosts for Part {
    fn on(&self, host: &str) -> Option<World> {
        Some(world_of(&self.universe, host))
    }

    fn trace(&self, event: &[u8]) {
        self.universe.scheduler.trace(event);
    }

    fn disk_delay(&self) -> Option<Duration> {
        self.host.disk().delay()
    }

    #[cfg(feature = "planted")]
    fn is_planted(&self, plant: crate::Plant) -> bool {
        self.universe.planted.load(Ordering::SeqCst) & plant.bit() != 0
    }
}
