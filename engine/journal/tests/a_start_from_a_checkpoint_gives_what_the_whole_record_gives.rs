//! Two journals live through the same history, one with checkpoints and one without: at each start both recover the same.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod support;

use journal::{Finding, RecoveredBatch, RecoveredJob};
use model::record::{BatchVerb, FrameKey, OperatorAction, Record, StateChange};
use model::stage::Job;
use model::state::HoldReason;
use model::{BatchId, JobId, MessageVersion, State, Timestamp, Transactional};
use proptest::prelude::*;
use std::path::PathBuf;
use std::time::Duration;
use support::{Open, Place, about_a_batch, commit, data_without, end, grouped_job, intent};
use world::simulated::Simulation;

/// What can happen. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    OpenFile,
    OpenRolling,
    Append {
        batch: usize,
        rows: u64,
    },
    Commit {
        batch: usize,
        held: bool,
    },
    Discard {
        batch: usize,
    },
    Close {
        batch: usize,
    },
    Order {
        batch: usize,
        verb: BatchVerb,
    },
    Intent {
        job: usize,
    },
    End {
        job: usize,
        state: State,
        is_answer: bool,
    },
    Change {
        job: usize,
        state: State,
    },
    NewMessage {
        job: usize,
    },
    /// A statement of a job gives way.
    Narrow {
        job: usize,
        row: usize,
    },
    DestroyKey {
        batch: usize,
    },
    /// Enough to fill some segments.
    Much,
    Restart,
}

fn states() -> impl Strategy<Value = State> {
    prop::sample::select(vec![
        State::Queued,
        State::InFlight,
        State::Uncertain,
        State::Held,
        State::Delivered,
        State::Bounced,
        State::Expired,
        State::Cancelled,
        State::Superseded,
        State::ToPaper,
    ])
}

fn steps() -> impl Strategy<Value = Step> {
    let verb = prop::sample::select(vec![BatchVerb::Hold, BatchVerb::Release, BatchVerb::Cancel]);
    prop_oneof![
        2 => Just(Step::OpenFile),
        1 => Just(Step::OpenRolling),
        6 => (any::<usize>(), 1..8u64).prop_map(|(batch, rows)| Step::Append { batch, rows }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(batch, held)| Step::Commit { batch, held }),
        1 => any::<usize>().prop_map(|batch| Step::Discard { batch }),
        1 => any::<usize>().prop_map(|batch| Step::Close { batch }),
        1 => (any::<usize>(), verb).prop_map(|(batch, verb)| Step::Order { batch, verb }),
        4 => any::<usize>().prop_map(|job| Step::Intent { job }),
        6 => (any::<usize>(), states(), any::<bool>()).prop_map(|(job, state, is_answer)| Step::End { job, state, is_answer }),
        3 => (any::<usize>(), states()).prop_map(|(job, state)| Step::Change { job, state }),
        2 => any::<usize>().prop_map(|job| Step::NewMessage { job }),
        4 => (any::<usize>(), any::<usize>()).prop_map(|(job, row)| Step::Narrow { job, row }),
        1 => any::<usize>().prop_map(|batch| Step::DestroyKey { batch }),
        3 => Just(Step::Much),
        1 => Just(Step::Restart),
    ]
}

/// One of the two journals, and what of it there is to choose from.
struct Life {
    place: Place,
    open: Option<Open>,
    batches: Vec<(BatchId, bool)>,
    jobs: Vec<(JobId, u16, u16)>,
    /// Those of several rows, as they are.
    grouped: Vec<(JobId, Job<Transactional>)>,
    row: u64,
}

/// Everything that a start gives, but for what it says of damage.
type Recovered = (Vec<RecoveredBatch>, Vec<RecoveredJob<Transactional>>, Vec<BatchId>);

impl Life {
    async fn new(mut place: Place, every: u32) -> Self {
        place.segment_bytes = 8 * 1024;
        place.checkpoint_every_segments = every;
        let open = Some(place.open().await);
        Self { place, open, batches: Vec::new(), jobs: Vec::new(), grouped: Vec::new(), row: 0 }
    }

    fn open(&self) -> &Open {
        self.open.as_ref().unwrap()
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::OpenFile => self.begin(false).await,
            Step::OpenRolling => self.begin(true).await,
            Step::Append { batch, rows } => self.append(*batch, *rows).await,
            Step::Commit { batch, held } => {
                let Some((batch, _)) = choose(&self.batches, *batch) else { return };
                // What is refused is refused in both.
                let _ = self.open().journal().commit_batch(model::record::BatchCommit { held: *held, ..commit(batch, 1) }).await;
            }
            Step::Discard { batch } => {
                let Some((batch, _)) = choose(&self.batches, *batch) else { return };
                let _ = self.open().journal().discard_batch(batch, Timestamp(5), "refused").await;
            }
            Step::Close { batch } => {
                let Some((batch, _)) = choose(&self.batches, *batch) else { return };
                self.record(about_a_batch(), Record::BatchClose { batch, at: Timestamp(6) }).await;
            }
            Step::Order { batch, verb } => {
                let Some((batch, _)) = choose(&self.batches, *batch) else { return };
                let action = OperatorAction { batch, verb: *verb, at: Timestamp(7), by: "ops".to_owned(), reason: "a test".to_owned() };
                self.record(about_a_batch(), Record::Operator(action)).await;
            }
            Step::Intent { job } => {
                let Some(place) = place_of(&self.jobs, *job) else { return };
                self.jobs[place].2 += 1;
                let (key, attempt) = (self.key(place), self.jobs[place].2);
                self.record(key, Record::Intent(intent(attempt))).await;
            }
            Step::End { job, state, is_answer } => {
                let Some(place) = place_of(&self.jobs, *job) else { return };
                let mut end = end(*state);
                end.due = (*state == State::Queued).then_some(Timestamp(self.row));
                end.held = (*state == State::Held).then_some(HoldReason::OperatorHold);
                self.record(self.key(place), if *is_answer { Record::Outcome(end) } else { Record::NotSent(end) }).await;
            }
            Step::Change { job, state } => {
                let Some(place) = place_of(&self.jobs, *job) else { return };
                let held = (*state == State::Held).then_some(HoldReason::OperatorHold);
                let change = StateChange { at: Timestamp(8), state: *state, held, due: Some(Timestamp(9)), cause: "operator".to_owned() };
                self.record(self.key(place), Record::Change(change)).await;
            }
            Step::NewMessage { job } => {
                let Some(place) = place_of(&self.jobs, *job) else { return };
                self.jobs[place].1 += 1;
            }
            Step::Narrow { job, row } => self.narrow(*job, *row).await,
            Step::DestroyKey { batch } => {
                let Some((batch, _)) = choose(&self.batches, *batch) else { return };
                let _ = self.open().journal().destroy_batch_key(batch).await;
            }
            Step::Much => {
                self.begin(true).await;
                let last = self.batches.len() - 1;
                self.append(last, 30).await;
            }
            Step::Restart => self.restart(|_| {}).await,
        }
    }

    async fn begin(&mut self, rolling: bool) {
        let batch = self.open().open_batch(rolling).await;
        self.batches.push((batch, rolling));
    }

    async fn append(&mut self, batch: usize, rows: u64) {
        let Some((batch, rolling)) = choose(&self.batches, batch) else { return };
        for _ in 0..rows {
            self.row += 1;
            let first = self.row;
            // Every third is of two or three rows.
            self.row += if first.is_multiple_of(3) { first % 2 + 1 } else { 0 };
            let job = grouped_job(&self.open().keys, self.open().tenant, batch, first..=self.row);
            let kept = job.clone();
            let id = if rolling {
                self.open().journal().append_rolling(job).await.unwrap().await.ok().map(|job| job.id)
            } else {
                self.open().journal().append(job).await.ok()
            };
            self.jobs.extend(id.map(|id| (id, 0, 0)));
            self.grouped.extend(id.filter(|_| kept.head.statements > 1).map(|id| (id, kept)));
        }
    }

    async fn narrow(&mut self, job: usize, row: usize) {
        let Some(place) = place_of(&self.grouped, job) else { return };
        let (id, job) = &self.grouped[place];
        let row = job.head.rows().nth(row % usize::from(job.head.statements)).unwrap();
        let (data, head) = (data_without(job, row.row), job.head.without(&[row.row]));
        // Where it was settled, or does not bind yet, it is refused in both.
        if self.open().journal().narrow((*id, model::MessageVersion(0)), Timestamp(10), vec![row.row], &data).await.unwrap().await.is_ok() {
            let (id, head) = (*id, head.unwrap());
            match head.statements {
                1 => drop(self.grouped.remove(place)),
                _ => self.grouped[place] = (id, Job::new(head, data)),
            }
        }
    }

    fn key(&self, place: usize) -> FrameKey {
        let (job, message, attempt) = self.jobs[place];
        FrameKey { job: Some(job), message: MessageVersion(message), attempt }
    }

    async fn record(&self, key: FrameKey, record: Record) {
        let _ = self.open().journal().record(key, record).await.unwrap().await;
    }

    async fn restart(&mut self, between: impl Fn(&Place)) {
        // The archivist has all the time it wants.
        self.place.world.sleep(Duration::from_secs(60)).await;
        self.open.take().unwrap().close().await;
        between(&self.place);
        self.open = Some(self.place.open().await);
    }

    fn recovered(&self) -> Recovered {
        let recovered = &self.open().opened.recovered;
        (recovered.batches.clone(), recovered.jobs.clone(), recovered.discarded.clone())
    }

    fn findings(&self) -> &[Finding] {
        &self.open().opened.recovered.findings
    }
}

fn checkpoints(place: &Place) -> Vec<PathBuf> {
    let all = place.world.disk().read_dir(&place.journal_dir().join("checkpoints")).unwrap();
    all.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "ckpt")).collect()
}

fn place_of<T>(all: &[T], number: usize) -> Option<usize> {
    number.checked_rem(all.len())
}

fn choose<T: Copy>(all: &[T], number: usize) -> Option<T> {
    place_of(all, number).map(|place| all[place])
}

async fn two_lives(world: world::World, every: u32) -> (Life, Life) {
    let first = Place::simulated(world.clone());
    first.ring().tenant("acme").unwrap();
    let second = Place::simulated_at(world, "/simulated/other");
    second.share_keys_of(&first);
    let with = Life::new(second, every).await;
    (Life::new(first, support::NO_CHECKPOINTS).await, with)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happened(seed in any::<u64>(), every in 1..4u32, history in prop::collection::vec(steps(), 1..80)) {
        let simulation = Simulation::new(seed);
        let world = simulation.world();
        simulation.run(async move {
            let (mut without, mut with) = two_lives(world, every).await;
            let at_last = [vec![Step::Much; 6], vec![Step::Restart], vec![Step::Much; 6], vec![Step::Restart]].concat();
            for step in history.iter().chain(&at_last) {
                without.step(step).await;
                with.step(step).await;
                if matches!(step, Step::Restart) {
                    assert_eq!(without.recovered(), with.recovered());
                    assert_eq!(with.findings(), without.findings());
                }
            }
            assert!(checkpoints(&without.place).is_empty());
            assert_eq!(checkpoints(&with.place).len(), 2, "the newest and the one before it");
            // Each file that is damaged or gone costs time alone.
            for damaged in [1, 2] {
                with.restart(|place| checkpoints(place).iter().rev().take(damaged).for_each(|path| spoil(place, path, seed.wrapping_add(damaged as u64)))).await;
                without.restart(|_| {}).await;
                assert_eq!(without.recovered(), with.recovered());
                assert_eq!(with.findings().len(), damaged, "{:?}", with.findings());
                assert!(with.findings().iter().all(|finding| matches!(finding, Finding::CheckpointDamaged { .. })));
            }
            without.open.take().unwrap().close().await;
            with.open.take().unwrap().close().await;
        });
    }
}

/// Cuts the file, or flips a bit in it.
fn spoil(place: &Place, path: &std::path::Path, seed: u64) {
    let disk = place.world.disk();
    let file = disk.open(path, world::OpenMode::ReadWrite).unwrap();
    let length = file.len().unwrap();
    let at = seed % length;
    if seed.is_multiple_of(3) {
        file.set_len(at).unwrap();
    } else {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1 << (seed % 8)], at).unwrap();
    }
    file.sync_all().unwrap();
}
