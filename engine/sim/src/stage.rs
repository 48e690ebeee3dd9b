//! What a run stands on, and how it is played: lives of the engine's machine, with crashes between them, among receivers that go on.

use crate::books::Books;
use crate::checkers::{Nonces, Secrets};
use crate::crash::{CrashPlan, Ending};
use crate::disk;
use crate::evidence::{Evidence, Finding};
use crate::installation::Installation;
use crate::life::{self, BatchFiles, LifeEnd, Orders};
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
    nonces: Nonces,
    /// The batch was accepted in this life, or found accepted.
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
    /// Sets it: receivers open, a batch on the real disk, a key on the engine's.
    pub(crate) fn set(installation: &'s Installation, simulation: &'s Simulation, scenario: Scenario) -> Result<Self, String> {
        simulation.set_weather(scenario.weather);
        let (engine, receivers) = (simulation.world_of(ENGINE), simulation.world_of(RECEIVERS));
        let nonces = Nonces::default();
        let noting = nonces.clone();
        simulation.watch_writes(ENGINE, Box::new(move |written| noting.note(written)));
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
            nonces,
            is_accepted: false,
            phases: Vec::new(),
            findings: Vec::new(),
        })
    }

    /// Lives that end as planned, and a last one that ends by itself.
    pub(crate) fn play(&mut self, plan: &CrashPlan) -> Option<Evidence> {
        for (ending, down) in &plan.endings {
            let fate = self.one_life(Some(*ending));
            self.search_disk();
            match (fate, ending) {
                (Ok(Fate::Crashed), _)
                | (Ok(Fate::Ended(LifeEnd::Stopped)), Ending::Stop(_))
                | (Ok(Fate::Ended(LifeEnd::Poisoned)), Ending::SyncFails(_)) => {}
                // It was through before its time: the crash finds it at rest.
                (Ok(Fate::Ended(LifeEnd::Done(_))), ending) if ending.is_crash() => {
                    self.simulation.crash_host(ENGINE);
                    self.phases.push(Phase::Rest);
                }
                (Ok(Fate::Ended(LifeEnd::Done(_))), _) => {}
                (fate, _) => return self.give_up(fate),
            }
            self.simulation.run_for(*down);
        }
        let fate = self.one_life(None);
        self.search_disk();
        self.findings.extend(self.nonces.check());
        match fate {
            Ok(Fate::Ended(LifeEnd::Done(report))) => self.evidence(*report),
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

    fn one_life(&mut self, ending: Option<Ending>) -> Result<Fate, String> {
        let settings = self.installation.settings(&self.engine, &self.scenario, &self.sandbox).map_err(|error| error.to_string())?;
        let crashes_before = self.simulation.crashes_of(ENGINE);
        match ending {
            Some(Ending::Power(point)) => self.simulation.crash_host_at(ENGINE, point),
            Some(Ending::Taken(messages)) => self.books.crash_after(messages),
            _ => {}
        }
        let (answer, ended) = world::channel::oneshot();
        let (tell, told) = world::channel::bounded(4);
        let (world, files) = (self.engine.clone(), self.files.clone());
        let orders = Orders { longest: self.scenario.lifetime * 3, stop: Signal::new() };
        let stop = orders.stop.clone();
        self.engine.spawn_thread("operator", move || async move {
            // Dropped unsent where the machine crashes.
            let _ = answer.send(life::live(world, settings, files, orders, tell).await);
        });
        let was_accepted = std::mem::take(&mut self.is_accepted) || self.phases.iter().any(|phase| *phase != Phase::Intake);
        let end = self.watch(ended, told, ending, &stop);
        // What comes after the life is not part of it.
        self.simulation.forget_crash_points(ENGINE);
        self.simulation.fail_syncs(ENGINE, 0);
        self.books.crash_never();
        if self.simulation.crashes_of(ENGINE) > crashes_before {
            let starting = if was_accepted { Phase::Recovery } else { Phase::Intake };
            self.phases.push(if self.is_accepted { Phase::Delivery } else { starting });
            // Whatever the operator was told while the power went: only the disk knows.
            return Ok(Fate::Crashed);
        }
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
                            Some(Ending::SyncFails(_)) => simulation.fail_syncs(ENGINE, 1),
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
    fn evidence(&mut self, report: BatchReport) -> Option<Evidence> {
        let record = match self.simulation.run(RecordHistory::read(&self.engine, self.scenario.segment_bytes)) {
            Ok(record) => record,
            Err(error) => return self.give_up(Err(format!("the record cannot be read: {error}"))),
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
