//! What a run stands on, and how it is played: lives of the engine's machine, with crashes between them, among receivers that go on.

use crate::books::Books;
use crate::checkers::Secrets;
use crate::crash::{CrashPlan, CrashPoint};
use crate::disk;
use crate::evidence::{Evidence, Finding};
use crate::installation::Installation;
use crate::life::{self, BatchFiles, LifeEnd, Milestones, Orders, Told};
use crate::record::RecordHistory;
use crate::scenario::{Format, Scenario, SiteKind};
use futures_util::future::{Either, select};
use ledger::BatchReport;
use model::Monotonic;
use serde::Serialize;
use sink::Sandbox;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;
use tempfile::TempDir;
use testkit::Batch;
use world::World;
use world::channel::{OneReceiver, Receiver, Signal};
use world::simulated::Simulation;

/// The engine's machine.
pub(crate) const ENGINE: &str = "engine";
/// The receivers' machine, which never crashes.
const RECEIVERS: &str = "receivers";
/// How long connections are reset in a life, where they are: a batch must come to its end.
const RESETS_FOR: Duration = Duration::from_secs(120);
/// A count of changes that no life reaches.
const NEVER: u64 = u64::MAX / 2;

/// Everything a run stands on.
pub(crate) struct Stage<'s> {
    installation: &'s Installation,
    simulation: &'s Simulation,
    engine: World,
    scenario: Scenario,
    batch: Batch,
    files: BatchFiles,
    /// Holds the files until the end.
    _folder: TempDir,
    pub(crate) sandbox: Sandbox,
    books: Books,
    secrets: Secrets,
    pub(crate) milestones: Milestones,
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
}

/// How a life went.
enum Fate {
    Crashed,
    Ended(LifeEnd),
}

impl<'s> Stage<'s> {
    /// Sets it: receivers open, a batch on the real disk, a key on the engine's.
    pub(crate) fn set(installation: &'s Installation, simulation: &'s Simulation, scenario: Scenario) -> Result<Self, String> {
        simulation.set_weather(scenario.weather);
        let (engine, receivers) = (simulation.world_of(ENGINE), simulation.world_of(RECEIVERS));
        installation.prepare(&engine).map_err(|error| error.to_string())?;
        let books = Books::default();
        let on_delivery = {
            let (books, world) = (books.clone(), receivers.clone());
            Box::new(move |delivered: &sink::Delivered<'_>| books.note(&world, delivered))
        };
        let sandbox = Sandbox::start_with(&receivers, scenario.sandbox.clone(), Some(on_delivery)).map_err(|error| error.to_string())?;
        let batch = Batch::new(scenario.options.clone());
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let files = write_files(&batch, scenario.format, folder.path()).map_err(|error| error.to_string())?;
        let secrets = Secrets::of(&batch);
        Ok(Self {
            installation,
            simulation,
            engine,
            scenario,
            batch,
            files,
            _folder: folder,
            sandbox,
            books,
            secrets,
            milestones: Milestones::default(),
            phases: Vec::new(),
            findings: Vec::new(),
        })
    }

    /// Lives and crashes, until a life ends by itself.
    pub(crate) fn play(&mut self, plan: &CrashPlan) -> Option<Evidence> {
        let mut crashes = plan.crashes.iter();
        loop {
            let next = crashes.next();
            let fate = self.one_life(next.map(|(point, _)| *point));
            self.search_disk();
            match (fate, next) {
                (Ok(Fate::Crashed), Some((_, down))) => self.simulation.run_for(*down),
                (Ok(Fate::Crashed), None) => return self.give_up("the engine's machine crashed without a plan".to_owned()),
                (Ok(Fate::Ended(LifeEnd::Stopped)), Some((CrashPoint::Stop(_), down)))
                | (Ok(Fate::Ended(LifeEnd::Poisoned)), Some((CrashPoint::SyncFails(_), down))) => self.simulation.run_for(*down),
                (Ok(Fate::Ended(LifeEnd::Stopped)), _) => return self.give_up("the engine stopped without an order".to_owned()),
                (Ok(Fate::Ended(LifeEnd::Poisoned)), _) => return self.give_up("the journal was poisoned by a disk that works".to_owned()),
                (Ok(Fate::Ended(LifeEnd::Failed(error))), _) | (Err(error), _) => return self.give_up(error),
                (Ok(Fate::Ended(LifeEnd::Done(report))), _) => return self.evidence(*report),
            }
        }
    }

    fn give_up(&mut self, error: String) -> Option<Evidence> {
        self.findings.push(Finding::new("a_life_comes_to_its_end", error));
        None
    }

    fn one_life(&mut self, crash: Option<CrashPoint>) -> Result<Fate, String> {
        let settings = self.installation.settings(&self.engine, &self.scenario, &self.sandbox).map_err(|error| error.to_string())?;
        let crashes_before = self.simulation.crashes_of(ENGINE);
        let change = if let Some(CrashPoint::DiskChange(change)) = crash { change } else { NEVER };
        self.simulation.crash_host_in_disk_change(ENGINE, change);
        let (answer, ended) = world::channel::oneshot();
        let (tell, told) = world::channel::bounded(4);
        let (world, files) = (self.engine.clone(), self.files.clone());
        let orders = Orders { longest: self.scenario.lifetime * 3, stop: Signal::new() };
        let stop = orders.stop.clone();
        self.engine.spawn_thread("operator", move || async move {
            // Dropped unsent where the machine crashes.
            let _ = answer.send(life::live(world, settings, files, orders, tell).await);
        });
        let end = self.watch(ended, told, crash, &stop);
        if self.simulation.crashes_of(ENGINE) > crashes_before {
            let was_accepted = self.phases.iter().any(|phase| *phase != Phase::Intake);
            let starting = if was_accepted { Phase::Recovery } else { Phase::Intake };
            self.phases.push(if self.milestones.is_accepted { Phase::Delivery } else { starting });
            // Whatever the operator was told while the power went: only the disk knows.
            return Ok(Fate::Crashed);
        }
        end.map(Fate::Ended).ok_or_else(|| "the operator's thread ended without a word".to_owned())
    }

    /// Lets the world run until the life has ended; resets connections and pulls the plug where the scenario and the plan say so.
    fn watch(
        &mut self,
        mut ended: OneReceiver<LifeEnd>,
        told: Receiver<Told>,
        crash: Option<CrashPoint>,
        stop: &Signal,
    ) -> Option<LifeEnd> {
        let (simulation, engine, milestones) = (self.simulation, &self.engine, &mut self.milestones);
        let (started, changes_before) = (simulation.now(), simulation.disk_changes(ENGINE));
        milestones.is_accepted = false;
        let changes = || simulation.disk_changes(ENGINE) - changes_before;
        let mut crash_at = crash.and_then(CrashPoint::after).map(|span| started + span);
        let resets = self.scenario.resets_every;
        let mut reset_at = resets.map(|every| started + every);
        let end = simulation.run(async {
            loop {
                let wake = [crash_at, reset_at].into_iter().flatten().min().unwrap_or(Monotonic(u64::MAX));
                match select(&mut ended, select(pin!(told.recv()), engine.sleep_until(wake))).await {
                    Either::Left((end, _)) => return end,
                    Either::Right((Either::Left((None, _)), _)) => return (&mut ended).await,
                    Either::Right((Either::Left((Some(what), _)), _)) => milestones.note(what, changes(), simulation.now().since(started)),
                    Either::Right((Either::Right(((), _)), _)) if crash_at.is_some_and(|at| simulation.now() >= at) => {
                        crash_at = None;
                        match crash {
                            Some(CrashPoint::Stop(_)) => stop.set(),
                            Some(CrashPoint::SyncFails(_)) => simulation.fail_syncs(ENGINE, 1),
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
        });
        milestones.ended_changes = changes();
        // What comes after the life is not part of it.
        simulation.crash_host_in_disk_change(ENGINE, NEVER);
        simulation.fail_syncs(ENGINE, 0);
        end
    }

    fn search_disk(&mut self) {
        let readable = self.secrets.check(&disk::files(&self.engine));
        self.findings.extend(readable);
    }

    /// Everything the run left behind.
    fn evidence(&mut self, report: BatchReport) -> Option<Evidence> {
        let record = match self.simulation.run(RecordHistory::read(&self.engine, self.scenario.segment_bytes)) {
            Ok(record) => record,
            Err(error) => return self.give_up(format!("the record cannot be read: {error}")),
        };
        let destinations = |kind: SiteKind| self.sandbox.destinations_at(kind.name()).into_iter().map(move |name| (name, kind));
        let kinds: BTreeMap<String, SiteKind> = SiteKind::ALL.into_iter().flat_map(destinations).collect();
        Some(Evidence {
            scenario: self.scenario.clone(),
            batch: self.batch.clone(),
            kinds,
            report,
            record,
            taken: self.books.all(),
            counted: self.sandbox.report(),
        })
    }
}

fn write_files(batch: &Batch, format: Format, folder: &Path) -> io::Result<BatchFiles> {
    // The name reaches rejects; the folder reaches nothing.
    let files = BatchFiles { batch: folder.join("batch"), contacts: folder.join("contacts.csv") };
    let mut into = BufWriter::new(File::create(&files.batch)?);
    match format {
        Format::X12835 => batch.write_x12_835(&mut into)?,
        Format::Ndjson => batch.write_ndjson(&mut into)?,
    };
    into.flush()?;
    let mut into = BufWriter::new(File::create(&files.contacts)?);
    batch.write_contacts(&mut into)?;
    into.flush()?;
    Ok(files)
}
