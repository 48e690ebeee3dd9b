//! What a run stands on, and how it is played: lives of the engine's machine, with crashes between them, among receivers that go on.

use crate::books::Books;
use crate::checkers::{Nonces, Secrets};
use crate::crash::{CrashPlan, Ending};
use crate::disk;
use crate::evidence::{Evidence, Finding};
use crate::fault::Fault;
use crate::installation::{Installation, key_source, places};
use crate::life::{self, Errand, LifeEnd, Orders, Reports};
use crate::notes::Notes;
use crate::parcel::{Door, Parcel};
use crate::record::{RecordHistory, fingerprints};
use crate::said::Said;
use crate::scenario::{CLAIMS_PER_MEMBER_MAX, Scenario, SiteKind};
use futures_util::future::{Either, select};
use journal::KeyRing;
use model::{Fingerprint, Marketing, Monotonic, StreamName, Timestamp, Transactional};
use serde::Serialize;
use sink::Sandbox;
use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use world::World;
use world::channel::{OneReceiver, Receiver, Signal};
use world::simulated::{DiskWeather, Simulation};

/// The engine's machine.
pub(crate) const ENGINE: &str = "engine";
/// The receivers' machine, which never crashes.
const RECEIVERS: &str = "receivers";
/// The engine's disk, where nobody makes it smaller.
const DISK_BYTES: u64 = 1 << 40;
/// How long connections are reset in a life, where they are: a batch must come to its end.
const RESETS_FOR: Duration = Duration::from_secs(120);

/// What the records say, by stream, and how many jobs each idempotency key made.
type RecordsRead = (BTreeMap<StreamName, RecordHistory>, BTreeMap<Fingerprint, usize>);

/// Everything a run stands on.
pub(crate) struct Stage<'s> {
    installation: &'s Installation,
    simulation: &'s Simulation,
    engine: World,
    scenario: Scenario,
    errands: Arc<Vec<Errand>>,
    /// Holds the files until the end.
    _folder: TempDir,
    pub(crate) sandbox: Sandbox,
    books: Books,
    secrets: Secrets,
    nonces: Nonces,
    said: Said,
    notes: Notes,
    /// Reads that fail at most.
    unreadable_max: u64,
    /// Lives so far.
    lives: usize,
    /// Something was accepted in this life, or found accepted.
    is_accepted: bool,
    /// What the engine was at when its machine crashed.
    pub(crate) phases: Vec<Phase>,
    pub(crate) findings: Vec<Finding>,
}

/// What the engine is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its first start, or the batch is not accepted yet.
    Intake,
    /// The batch is accepted.
    Delivery,
    /// A start after a crash that came later than the acceptance.
    Recovery,
    /// Nothing: everything is delivered, and it has stopped.
    Rest,
}

/// How a life went.
enum Fate {
    Crashed,
    Ended(LifeEnd),
}

impl<'s> Stage<'s> {
    /// Sets it: receivers open, parcels on the real disk, a key on the engine's.
    pub(crate) fn set(installation: &'s Installation, simulation: &'s Simulation, scenario: Scenario) -> Result<Self, String> {
        let (engine, receivers) = (simulation.world_of(ENGINE), simulation.world_of(RECEIVERS));
        let nonces = Nonces::default();
        let noting = nonces.clone();
        let said = Said::default();
        let hearing = said.clone();
        simulation.watch_writes(ENGINE, Box::new(move |written| hearing.hear(&noting.note(written))));
        installation.prepare(&engine).map_err(|error| error.to_string())?;
        let books = Books::default();
        let on_delivery = {
            let (books, world, power) = (books.clone(), receivers.clone(), simulation.power_switch(ENGINE));
            Box::new(move |delivered: &sink::Delivered<'_>| {
                if books.note(&world, delivered) {
                    power.off();
                }
            })
        };
        let sandbox = Sandbox::start_with(&receivers, scenario.sandbox.clone(), Some(on_delivery)).map_err(|error| error.to_string())?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let errand = |parcel: &Parcel| -> io::Result<Errand> {
            let lines = if parcel.door == Door::Socket { parcel.socket_lines() } else { Vec::new() };
            Ok(Errand {
                door: parcel.door,
                after: parcel.after,
                files: parcel.write(folder.path())?,
                is_growing: parcel.is_growing,
                lines: Arc::new(lines),
            })
        };
        let errands = scenario.parcels.iter().map(errand).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let secrets = Secrets::of(&scenario.parcels);
        let stage = Self {
            installation,
            simulation,
            engine,
            scenario,
            errands: Arc::new(errands),
            _folder: folder,
            sandbox,
            books,
            secrets,
            nonces,
            said,
            notes: Notes::default(),
            unreadable_max: 0,
            lives: 0,
            is_accepted: false,
            phases: Vec::new(),
            findings: Vec::new(),
        };
        stage.set_weather()?;
        Ok(stage)
    }

    fn set_weather(&self) -> Result<(), String> {
        let (simulation, scenario) = (self.simulation, &self.scenario);
        let counting = SiteKind::ALL.into_iter().filter(|kind| kind.is_counting());
        let prompt = counting.filter_map(|kind| self.sandbox.address_of(kind.name())).collect();
        simulation.set_weather(scenario.weather);
        simulation.set_network_trouble(scenario.network_trouble(prompt));
        simulation.set_disk_delay(ENGINE, scenario.disk_busy_max);
        let short_reads_percent = if scenario.has(Fault::ShortReads) { 30 } else { 0 };
        simulation.set_disk_weather(ENGINE, DiskWeather { short_reads_percent });
        Ok(())
    }

    /// Lives that end as planned, and a last one that ends by itself.
    pub(crate) fn play(&mut self, plan: &CrashPlan) -> Option<Evidence> {
        self.unreadable_max = plan.endings.iter().map(|(ending, _)| ending.failed_reads_max()).sum();
        for (ending, down) in &plan.endings {
            let fate = self.one_life(Some(*ending));
            self.search_disk();
            match (fate, ending) {
                (Ok(Fate::Crashed), _) | (Ok(Fate::Ended(LifeEnd::Stopped)), Ending::Stop(_)) => {}
                (Ok(Fate::Ended(LifeEnd::Poisoned | LifeEnd::Failed(_))), ending) if ending.is_of_disk() => {}
                // It was through before its time: the crash finds it at rest.
                (Ok(Fate::Ended(LifeEnd::Done(_))), ending) if ending.is_crash() => {
                    self.simulation.crash_host(ENGINE);
                    self.phases.push(Phase::Rest);
                }
                (Ok(Fate::Ended(LifeEnd::Done(_))), _) => {}
                (fate, _) => return self.give_up(fate),
            }
            self.simulation.run_for(*down);
            self.jump();
        }
        let fate = self.one_life(None);
        self.search_disk();
        self.findings.extend(self.nonces.check());
        match fate {
            Ok(Fate::Ended(LifeEnd::Done(reports))) => self.evidence(reports),
            fate => self.give_up(fate),
        }
    }

    fn give_up(&mut self, fate: Result<Fate, String>) -> Option<Evidence> {
        let why = match fate {
            Ok(Fate::Crashed) => "the engine's machine crashed without a plan".to_owned(),
            Ok(Fate::Ended(LifeEnd::Stopped)) => "the engine stopped without an order".to_owned(),
            Ok(Fate::Ended(LifeEnd::Poisoned)) => "the journal was poisoned by a disk that works".to_owned(),
            Ok(Fate::Ended(LifeEnd::Done(_))) => "a life ended without its report".to_owned(),
            Ok(Fate::Ended(LifeEnd::Failed(error))) | Err(error) => error,
        };
        self.findings.push(Finding::new("a_life_comes_to_its_end", why));
        None
    }

    /// The wall clock is wrong after a start, or was before.
    fn jump(&self) {
        let wall = self.engine.wall();
        match self.scenario.clock_jump(self.lives) {
            Some((true, span)) => self.simulation.set_wall(wall + span),
            Some((false, span)) => self.simulation.set_wall(Timestamp(wall.0.saturating_sub(span.as_millis() as u64))),
            None => {}
        }
    }

    fn one_life(&mut self, ending: Option<Ending>) -> Result<Fate, String> {
        let setup = self.scenario.setup(self.lives);
        let settings = self.installation.settings(&self.engine, &self.scenario, setup, &self.sandbox).map_err(|error| error.to_string())?;
        let crashes_before = self.simulation.crashes_of(ENGINE);
        match ending {
            Some(Ending::Power(point)) => self.simulation.crash_host_at(ENGINE, point),
            Some(Ending::Taken(messages)) => self.books.crash_after(messages),
            Some(Ending::Said(saying)) => self.said.wait_for(Some(saying)),
            Some(Ending::DiskFails { what, later, times }) => self.simulation.fail_disk(ENGINE, what, later, times),
            _ => {}
        }
        let (answer, ended) = world::channel::oneshot();
        let (tell, told) = world::channel::bounded(4);
        let world = self.engine.clone();
        let orders = Orders {
            seed: self.scenario.seed,
            errands: Arc::clone(&self.errands),
            orders: self.scenario.orders.iter().filter(|order| order.life == self.lives).copied().collect(),
            longest: self.scenario.lifetime * 3,
            stop: Signal::new(),
            notes: self.notes.clone(),
            tell,
        };
        self.lives += 1;
        let stop = orders.stop.clone();
        self.engine.spawn_thread("operator", move || async move {
            // Dropped unsent where the machine crashes.
            let _ = answer.send(life::live(world, settings, orders).await);
        });
        let was_accepted = std::mem::take(&mut self.is_accepted) || self.phases.iter().any(|phase| *phase != Phase::Intake);
        let end = self.watch(ended, told, ending, &stop);
        // What comes after the life is not part of it.
        self.simulation.forget_crash_points(ENGINE);
        self.simulation.forget_disk_failures(ENGINE);
        self.simulation.set_disk_capacity(ENGINE, DISK_BYTES);
        self.books.crash_never();
        self.said.wait_for(None);
        if self.simulation.crashes_of(ENGINE) > crashes_before {
            let starting = if was_accepted { Phase::Recovery } else { Phase::Intake };
            self.phases.push(if self.is_accepted { Phase::Delivery } else { starting });
            // Whatever the operator was told while the power went: only the disk knows.
            return Ok(Fate::Crashed);
        }
        // The process ends, with what drains too long; the machine, and what it remembers of its files, stays.
        self.simulation.kill_processes(ENGINE);
        end.map(Fate::Ended).ok_or_else(|| "the operator's thread ended without a word".to_owned())
    }

    /// Lets the world run until the life has ended; resets connections and pulls the plug where the scenario and the plan say so.
    fn watch(&mut self, mut ended: OneReceiver<LifeEnd>, told: Receiver<()>, ending: Option<Ending>, stop: &Signal) -> Option<LifeEnd> {
        let (simulation, engine, is_accepted) = (self.simulation, &self.engine, &mut self.is_accepted);
        let started = simulation.now();
        let mut end_at = ending.and_then(Ending::after).map(|span| started + span);
        let resets = self.scenario.resets_every;
        let mut reset_at = resets.map(|every| started + every);
        simulation.run(async {
            loop {
                let wake = [end_at, reset_at].into_iter().flatten().min().unwrap_or(Monotonic(u64::MAX));
                match select(&mut ended, select(pin!(told.recv()), engine.sleep_until(wake))).await {
                    Either::Left((end, _)) => return end,
                    Either::Right((Either::Left((None, _)), _)) => return (&mut ended).await,
                    Either::Right((Either::Left((Some(()), _)), _)) => *is_accepted = true,
                    Either::Right((Either::Right(((), _)), _)) if end_at.is_some_and(|at| simulation.now() >= at) => {
                        end_at = None;
                        match ending {
                            Some(Ending::Stop(_)) => stop.set(),
                            Some(Ending::DiskFull { room, .. }) => {
                                simulation.set_disk_capacity(ENGINE, simulation.disk_used(ENGINE) + room)
                            }
                            _ => {
                                simulation.crash_host(ENGINE);
                                return None;
                            }
                        }
                    }
                    Either::Right((Either::Right(((), _)), _)) => {
                        simulation.reset_a_connection();
                        let again = resets.filter(|_| simulation.now().since(started) < RESETS_FOR);
                        reset_at = again.map(|every| simulation.now() + every);
                    }
                }
            }
        })
    }

    fn search_disk(&mut self) {
        let readable = self.secrets.check(&disk::files(&self.engine));
        self.findings.extend(readable);
    }

    /// Everything the run left behind.
    fn evidence(&mut self, reports: Reports) -> Option<Evidence> {
        let (records, socket_keys) = match self.read_records() {
            Ok(read) => read,
            Err(error) => return self.give_up(Err(format!("the record cannot be read: {error}"))),
        };
        let destinations = |kind: SiteKind| self.sandbox.destinations_at(kind.name()).into_iter().map(move |name| (name, kind));
        Some(Evidence {
            scenario: self.scenario.clone(),
            kinds: SiteKind::ALL.into_iter().flat_map(destinations).collect(),
            reports,
            records,
            socket_keys,
            taken: self.books.all(),
            counted: self.sandbox.report(),
            remembered: self.notes.all(),
            // A payload that cannot be read costs every statement in it.
            unreadable_max: self.unreadable_max * if self.scenario.is_grouping { CLAIMS_PER_MEMBER_MAX } else { 1 },
        })
    }

    fn read_records(&self) -> Result<RecordsRead, String> {
        let keys = KeyRing::open(&self.engine, &places().key_ring, &key_source()).map_err(|error| error.to_string())?;
        let streamed = self.scenario.parcels.iter().filter(|parcel| parcel.door == Door::Socket);
        let stated = fingerprints(&keys, streamed.flat_map(|parcel| &parcel.lines).map(|line| line.key.as_str()))?;
        let segment_bytes = self.scenario.setup(self.lives).segment_bytes;
        let records = self.simulation.run(async {
            let transactional = RecordHistory::read::<Transactional>(&self.engine, &keys, segment_bytes).await?;
            let marketing = RecordHistory::read::<Marketing>(&self.engine, &keys, segment_bytes).await?;
            Ok::<_, String>([(StreamName::Transactional, transactional), (StreamName::Marketing, marketing)])
        })?;
        Ok((records.into(), stated))
    }
}
