//! Random steps on the queue and on a list that looks through everything: they must agree on every answer.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod story;

use model::{BatchId, JobId, Timestamp};
use proptest::prelude::*;
use queue::fairness::SKIPPED_MAX;
use queue::{GroupId, Queue, Scope, Standing};
use std::collections::BTreeMap;
use story::{Jobs, Said, at, number, push, said};

const DESTINATIONS: [&str; 4] = ["a.example", "b.example", "c.example", "d.example"];
const GROUPS: u32 = 2;

#[derive(Debug, Clone)]
enum Step {
    Push { batch: u64, destination: usize, priority: u8, due: u64, lifetime: u64 },
    Advance(u64),
    Take(u32),
    PutBack { which: usize, due: u64 },
    Finish(usize),
    Hold(u64, bool),
    Suspend(usize, bool),
    Home(usize, u32),
    Cancel(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let spans = prop_oneof![Just(0u64), 1u64..300, 1u64..400_000];
    prop_oneof![
        6 => (0u64..4, 0usize..4, 0u8..3, spans.clone(), 0u64..300_000)
            .prop_map(|(batch, destination, priority, due, lifetime)| Step::Push { batch, destination, priority, due, lifetime }),
        3 => spans.clone().prop_map(Step::Advance),
        5 => (0..GROUPS).prop_map(Step::Take),
        2 => (any::<usize>(), spans).prop_map(|(which, due)| Step::PutBack { which, due }),
        2 => any::<usize>().prop_map(Step::Finish),
        1 => (0u64..4, any::<bool>()).prop_map(|(batch, on)| Step::Hold(batch, on)),
        1 => (0usize..4, any::<bool>()).prop_map(|(destination, on)| Step::Suspend(destination, on)),
        2 => (0usize..4, 0..GROUPS).prop_map(|(destination, group)| Step::Home(destination, group)),
        1 => (0u64..4).prop_map(Step::Cancel),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Where {
    Scheduled,
    /// With the number of its arrival in the line.
    Waiting(u64),
    InFlight,
}

#[derive(Debug, Clone)]
struct NaiveJob {
    said: Said,
    place: Where,
    /// When it was set to its due time: jobs of the same millisecond fire in this order.
    set: u64,
}

#[derive(Default)]
struct Naive {
    jobs: BTreeMap<u64, NaiveJob>,
    held: [bool; 4],
    suspended: [bool; 4],
    homes: [Option<u32>; 4],
    cancelled: [bool; 4],
    clock: u64,
    /// Takes of a group since each priority was served while it had jobs.
    passed_over: BTreeMap<(u32, u8), u32>,
}

impl Naive {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn enter(&mut self, said: Said, now: Timestamp) {
        let tick = self.tick();
        let place = if said.due <= now { Where::Waiting(tick) } else { Where::Scheduled };
        self.jobs.insert(said.number, NaiveJob { said, place, set: tick });
    }

    fn advance(&mut self, now: Timestamp) -> Vec<u64> {
        let expired: Vec<u64> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.place != Where::InFlight && job.said.deadline < now)
            .map(|(number, _)| *number)
            .collect();
        for number in &expired {
            self.jobs.remove(number);
        }
        let mut due: Vec<(Timestamp, u64, u64)> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.place == Where::Scheduled && job.said.due <= now)
            .map(|(number, job)| (job.said.due, job.set, *number))
            .collect();
        due.sort();
        for (_, _, number) in due {
            let tick = self.tick();
            self.jobs.get_mut(&number).unwrap().place = Where::Waiting(tick);
        }
        expired
    }

    fn eligible(&self, group: u32) -> Vec<&NaiveJob> {
        self.jobs
            .values()
            .filter(|job| {
                let destination = DESTINATIONS.iter().position(|name| *name == job.said.destination).unwrap();
                matches!(job.place, Where::Waiting(_))
                    && self.homes[destination] == Some(group)
                    && !self.suspended[destination]
                    && !self.held[job.said.batch as usize]
            })
            .collect()
    }

    /// Checks that this job was a fair choice, and takes it.
    fn take(&mut self, group: u32, taken: u64) -> Result<(), String> {
        let eligible = self.eligible(group);
        let job = eligible.iter().find(|job| job.said.number == taken).ok_or("it was not eligible")?;
        let same_line = |other: &&&NaiveJob| {
            (&other.said.destination, other.said.batch, other.said.priority) == (&job.said.destination, job.said.batch, job.said.priority)
        };
        let arrival = |job: &NaiveJob| if let Where::Waiting(tick) = job.place { tick } else { 0 };
        if eligible.iter().filter(same_line).any(|other| arrival(other) < arrival(job)) {
            return Err("an earlier one of its line waits".to_owned());
        }
        let mut bands: Vec<u8> = eligible.iter().map(|job| job.said.priority).collect();
        bands.sort_unstable();
        bands.dedup();
        let priority = job.said.priority;
        if priority != bands[0] && self.passed_over.get(&(group, priority)).copied().unwrap_or(0) < SKIPPED_MAX {
            return Err(format!("{priority} before {}", bands[0]));
        }
        for band in bands {
            let passed = self.passed_over.entry((group, band)).or_default();
            *passed = if band == priority { 0 } else { *passed + 1 };
        }
        self.jobs.get_mut(&taken).unwrap().place = Where::InFlight;
        Ok(())
    }
}

fn check_standing(queue: &Jobs, naive: &Naive) -> Result<(), TestCaseError> {
    prop_assert_eq!(queue.len(), naive.jobs.len());
    for group in 0..GROUPS {
        prop_assert_eq!(queue.ready(GroupId(group)), naive.eligible(group).len() as u64);
    }
    for (number, job) in &naive.jobs {
        let view = queue.view(JobId::new(0, *number)).expect("it is in the queue");
        let destination = DESTINATIONS.iter().position(|name| *name == job.said.destination).unwrap();
        let fits = match job.place {
            Where::InFlight => view.standing == Standing::InFlight,
            // A deadline may have passed while it was in flight.
            _ if view.standing == Standing::Late => true,
            _ if naive.held[job.said.batch as usize] => view.standing == Standing::BatchHeld,
            Where::Scheduled => view.standing == Standing::Scheduled { due: job.said.due },
            Where::Waiting(_) if naive.suspended[destination] => view.standing == Standing::DestinationSuspended,
            Where::Waiting(_) if naive.homes[destination].is_none() => view.standing == Standing::Unresolved,
            Where::Waiting(_) => matches!(view.standing, Standing::WaitsForLane { .. }),
        };
        prop_assert!(fits, "{:?} but {:?}", job, view);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn every_answer_is_the_naive_one(steps in proptest::collection::vec(step(), 1..250)) {
        let mut now = at(0);
        let mut queue: Jobs = Queue::new(now);
        let mut naive = Naive::default();
        let numbers: Vec<u32> = DESTINATIONS.iter().map(|name| queue.destination(&model::Destination::parse(name).unwrap())).collect();
        let (mut flying, mut next) = (Vec::new(), 1u64);
        for step in steps {
            match step {
                Step::Push { batch, destination, priority, due, lifetime } => {
                    if naive.cancelled[batch as usize] { continue }
                    let mut job = said(next, DESTINATIONS[destination]);
                    next += 1;
                    (job.batch, job.tenant, job.priority) = (batch, u16::try_from(batch % 2).unwrap(), priority);
                    job.due = Timestamp(now.0 + due);
                    job.deadline = Timestamp(now.0 + lifetime);
                    push(&mut queue, &job);
                    naive.enter(job, now);
                }
                Step::Advance(span) => {
                    now = Timestamp(now.0 + span);
                    if let Some(wake) = queue.next_wake() {
                        let earliest = naive.jobs.values().filter(|job| job.place == Where::Scheduled).map(|job| job.said.due).min();
                        prop_assert!(earliest.is_none_or(|earliest| wake <= earliest), "woken too late");
                    }
                    let mut expired: Vec<u64> = queue.advance(now).iter().map(number).collect();
                    expired.sort_unstable();
                    prop_assert_eq!(expired, naive.advance(now));
                }
                Step::Take(group) => match queue.take(GroupId(group), now) {
                    Some(delivery) => {
                        let verdict = naive.take(group, number(&delivery));
                        prop_assert!(verdict.is_ok(), "{:?}", verdict);
                        flying.push(delivery);
                    }
                    None => prop_assert!(naive.eligible(group).is_empty()),
                },
                Step::PutBack { which, due } if !flying.is_empty() => {
                    let delivery = flying.swap_remove(which % flying.len());
                    let number = number(&delivery);
                    let mut job = naive.jobs.remove(&number).unwrap().said;
                    job.due = Timestamp(now.0 + due);
                    let attempts = delivery.attempts + 1;
                    let back = queue.put_back(delivery, job.due, attempts, true);
                    prop_assert_eq!(back.is_some(), naive.cancelled[job.batch as usize]);
                    if back.is_none() {
                        // One that flew past its deadline must not be taken again before it expires.
                        if job.deadline < now { job.due = Timestamp(u64::MAX) }
                        naive.enter(job, now);
                    }
                }
                Step::Finish(which) if !flying.is_empty() => {
                    let delivery = flying.swap_remove(which % flying.len());
                    naive.jobs.remove(&number(&delivery));
                    queue.finish(delivery);
                }
                Step::PutBack { .. } | Step::Finish(_) => {}
                Step::Hold(batch, on) => {
                    naive.held[batch as usize] = on;
                    let scope = Scope::Batch(BatchId::new(0, batch));
                    if on { queue.suspend(scope) } else { queue.resume(scope) }
                }
                Step::Suspend(destination, on) => {
                    naive.suspended[destination] = on;
                    let scope = Scope::Destination(numbers[destination]);
                    if on { queue.suspend(scope) } else { queue.resume(scope) }
                }
                Step::Home(destination, group) => {
                    naive.homes[destination] = Some(group);
                    queue.set_home(numbers[destination], GroupId(group));
                }
                Step::Cancel(batch) => {
                    let mut cancelled: Vec<u64> = queue.cancel(BatchId::new(0, batch)).iter().map(number).collect();
                    cancelled.sort_unstable();
                    let expected: Vec<u64> = naive
                        .jobs
                        .iter()
                        .filter(|(_, job)| job.said.batch == batch && job.place != Where::InFlight && job.said.due.0 != u64::MAX)
                        .map(|(number, _)| *number)
                        .collect();
                    prop_assert_eq!(&cancelled, &expected);
                    for number in expected {
                        naive.jobs.remove(&number);
                    }
                    // A batch is forgotten with its last job; while one flies, its return must be refused.
                    naive.cancelled[batch as usize] |= naive.jobs.values().any(|job| job.said.batch == batch);
                }
            }
            check_standing(&queue, &naive)?;
        }
    }
}
