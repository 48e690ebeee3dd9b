//! The seeded scheduler and the virtual clock.
//!
//! All tasks of all hosts run on one thread. Each step draws one of the tasks that are ready; only where none is does the clock
//! jump to the next timer. Every step goes into the trace, so that two runs of a seed can be compared.
//!
//! No lock here is held while a task is polled or dropped, or a waker is called.

use super::host::Host;
use super::random::{Purpose, Random};
use crate::channel::{Signal, oneshot};
use crate::clock::Sleep;
use crate::tasks::{SetOnDrop, Start, TaskControl, TaskHandle, ThreadHandle, ThreadPanicked};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use model::Monotonic;
use send_wrapper::SendWrapper;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Steps after which a run is taken to be going in circles.
const STEPS_MAX: u64 = 100_000_000;
/// Events kept for whoever looks into a failed run.
const LATEST_MAX: usize = 200;
/// Bytes of an event that are kept as text.
const EVENT_SHOWN_BYTES: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskId(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ThreadId(u64);

pub(super) struct Scheduler {
    state: Mutex<State>,
    ready: Arc<Ready>,
    /// Futures are not `Send`; the wrapper panics where another thread than the simulation's touches them.
    tasks: SendWrapper<RefCell<BTreeMap<TaskId, Task>>>,
}

struct State {
    now: Monotonic,
    timers: BTreeMap<(Monotonic, u64), Waker>,
    next_number: u64,
    steps: u64,
    steps_max: u64,
    trace: u64,
    latest: VecDeque<Event>,
    random: Random,
    /// Of the task that is being polled.
    current: Option<Current>,
}

/// Something that happened.
struct Event {
    step: u64,
    now: Monotonic,
    bytes: Vec<u8>,
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "step {}, {:?}: {}", self.step, Duration::from_nanos(self.now.0), self.bytes.escape_ascii())
    }
}

/// Where a task runs; what it spawns runs there too.
#[derive(Clone)]
struct Current {
    name: Arc<str>,
    host: Arc<Host>,
    thread: ThreadId,
}

struct Task {
    /// Of its thread.
    name: Arc<str>,
    host: Arc<Host>,
    thread: ThreadId,
    /// The thread ends with this task.
    is_thread: bool,
    /// Away while it is polled.
    future: Option<LocalBoxFuture<'static, ()>>,
    waker: Arc<TaskWaker>,
}

/// Tasks that are ready, in no order that matters: the next one is drawn.
#[derive(Default)]
struct Ready(Mutex<Vec<Arc<TaskWaker>>>);

pub(super) struct TaskWaker {
    id: TaskId,
    queued: AtomicBool,
    aborted: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            let ready = self.ready.clone();
            ready.0.lock().unwrap_or_else(PoisonError::into_inner).push(self);
        }
    }
}

impl TaskControl for TaskWaker {
    fn abort(self: Arc<Self>) {
        self.aborted.store(true, Ordering::SeqCst);
        self.wake();
    }
}

/// What a step of the scheduler found to do.
pub(super) enum Next {
    /// The task under `run`, which is polled by its caller.
    Root,
    /// Another task, which has been polled.
    Task,
    /// No task is ready and no timer is set.
    Nothing,
}

impl Scheduler {
    pub(super) fn new(seed: u64) -> Self {
        let state = State {
            now: Monotonic(0),
            timers: BTreeMap::new(),
            next_number: 0,
            steps: 0,
            steps_max: STEPS_MAX,
            trace: seed,
            latest: VecDeque::new(),
            random: Random::new(seed, Purpose::Schedule),
            current: None,
        };
        Self { state: Mutex::new(state), ready: Arc::default(), tasks: SendWrapper::new(RefCell::default()) }
    }

    pub(super) fn now(&self) -> Monotonic {
        self.lock().now
    }

    pub(super) fn steps(&self) -> u64 {
        self.lock().steps
    }

    pub(super) fn set_steps_max(&self, steps: u64) {
        self.lock().steps_max = steps;
    }

    pub(super) fn trace_hash(&self) -> u64 {
        self.lock().trace
    }

    /// Adds an event to the trace and to the latest events.
    pub(super) fn trace(&self, event: &[u8]) {
        self.trace_bytes(event);
        let mut state = self.lock();
        // Most events are never looked at: they are written out only when somebody does.
        let mut bytes =
            if state.latest.len() == LATEST_MAX { state.latest.pop_front().map(|event| event.bytes) } else { None }.unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(&event[..event.len().min(EVENT_SHOWN_BYTES)]);
        let (step, now) = (state.steps, state.now);
        state.latest.push_back(Event { step, now, bytes });
    }

    /// Adds bytes to the trace.
    pub(super) fn trace_bytes(&self, bytes: &[u8]) {
        let mut state = self.lock();
        mix(&mut state.trace, bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            mix(&mut state.trace, u64::from_le_bytes(word));
        }
    }

    /// The latest events, oldest first.
    pub(super) fn latest_events(&self) -> Vec<String> {
        self.lock().latest.iter().map(ToString::to_string).collect()
    }

    /// A waker for a future that its caller polls.
    pub(super) fn root(&self) -> Arc<TaskWaker> {
        let root = self.waker(TaskId(self.lock().number()));
        root.clone().wake();
        root
    }

    /// One step: draws a ready task and polls it, moving the clock first where nothing is ready.
    ///
    /// # Panics
    /// Where the steps allowed are used up, or the task panics.
    pub(super) fn step(&self, root: Option<&Arc<TaskWaker>>) -> Next {
        loop {
            let Some(drawn) = self.draw() else { return Next::Nothing };
            if root.is_some_and(|root| root.id == drawn.id) {
                return Next::Root;
            }
            if self.poll(&drawn) {
                return Next::Task;
            }
        }
    }

    /// Drops all tasks of a host.
    pub(super) fn drop_tasks_of(&self, host: &str) {
        self.drop_where(|task| &*task.host.name == host);
    }

    /// Drops all tasks.
    pub(super) fn drop_all(&self) {
        self.drop_where(|_| true);
    }

    pub(super) fn spawn_thread(&self, host: &Arc<Host>, name: &str, start: Start) -> ThreadHandle {
        let (ending, ended) = oneshot::<()>();
        let future = async move {
            start().await;
            // Dropped unsent where the host crashes.
            let _ = ending.send(());
        };
        let thread = ThreadId(self.lock().number());
        let current = Current { name: name.into(), host: host.clone(), thread };
        self.insert(Task { is_thread: true, ..self.task(current, future.boxed_local()) });
        let name = name.to_owned();
        ThreadHandle::new(&name.clone(), async move { ended.await.ok_or(ThreadPanicked { name }) }.boxed())
    }

    pub(super) fn spawn_local(&self, host: &Arc<Host>, future: LocalBoxFuture<'static, ()>) -> TaskHandle {
        let ended = Signal::new();
        let guard = SetOnDrop(ended.clone());
        let future = async move {
            let _guard = guard;
            future.await;
        };
        let current = self.lock().current.clone();
        let current = current.filter(|current| current.host.name == host.name);
        // Spawned from outside, or from another host: on a thread of its own.
        let apart = || Current { name: "task".into(), host: host.clone(), thread: ThreadId(self.lock().number()) };
        let task = self.task(current.unwrap_or_else(apart), future.boxed_local());
        let handle = TaskHandle::new(task.waker.clone(), ended);
        self.insert(task);
        handle
    }

    /// The tasks that wait, for the message about a standstill.
    pub(super) fn describe_tasks(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for task in self.tasks.borrow().values() {
            *counts.entry(format!("{} on {}", task.name, task.host.name)).or_default() += 1;
        }
        let lines: Vec<_> = counts.into_iter().map(|(what, count)| format!("{count} x {what}")).collect();
        if lines.is_empty() { "no other task is left".to_owned() } else { format!("waiting: {}", lines.join(", ")) }
    }

    /// Takes one ready task by lot. Moves the clock where there is none; `None` where no timer is set either.
    fn draw(&self) -> Option<Arc<TaskWaker>> {
        loop {
            let mut ready = self.ready.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !ready.is_empty() {
                let mut state = self.lock();
                let index = state.random.index(ready.len());
                let drawn = ready.swap_remove(index);
                state.count_step(drawn.id);
                drawn.queued.store(false, Ordering::SeqCst);
                return Some(drawn);
            }
            drop(ready);
            let due = self.lock().next_timers()?;
            for waker in due {
                waker.wake();
            }
        }
    }

    /// Polls a task; false where it is gone already.
    fn poll(&self, drawn: &Arc<TaskWaker>) -> bool {
        let taken = self.tasks.borrow_mut().get_mut(&drawn.id).and_then(|task| {
            let future = task.future.take()?;
            let current = Current { name: task.name.clone(), host: task.host.clone(), thread: task.thread };
            Some((future, current, task.waker.clone()))
        });
        let Some((mut future, current, own)) = taken else { return false };
        let (thread, host) = (current.thread, current.host.clone());
        let done = own.aborted.load(Ordering::SeqCst) || {
            self.lock().current = Some(current);
            let poll = future.as_mut().poll(&mut Context::from_waker(&Waker::from(own)));
            self.lock().current = None;
            poll.is_ready()
        };
        if done {
            drop(future);
            self.finish(drawn.id, thread);
        } else if let Some(task) = self.tasks.borrow_mut().get_mut(&drawn.id) {
            task.future = Some(future);
        }
        // Where its host crashed meanwhile, the future went out of scope with its entry.
        if host.polls.count(1).is_some() {
            host.go_down();
        }
        true
    }

    fn finish(&self, id: TaskId, thread: ThreadId) {
        let task = self.tasks.borrow_mut().remove(&id);
        if task.is_some_and(|task| task.is_thread) {
            self.drop_where(|task| task.thread == thread);
        }
    }

    fn drop_where(&self, goes: impl Fn(&Task) -> bool) {
        let mut tasks = self.tasks.borrow_mut();
        let ids: Vec<_> = tasks.iter().filter(|(_, task)| goes(task)).map(|(id, _)| *id).collect();
        let gone: Vec<_> = ids.iter().filter_map(|id| tasks.remove(id)).collect();
        drop(tasks);
        // What they drop may wake and spawn.
        drop(gone);
    }

    fn task(&self, current: Current, future: LocalBoxFuture<'static, ()>) -> Task {
        let waker = self.waker(TaskId(self.lock().number()));
        let Current { name, host, thread } = current;
        Task { name, host, thread, is_thread: false, future: Some(future), waker }
    }

    fn insert(&self, task: Task) {
        // A host that goes down starts nothing: the task is dropped here.
        if task.host.is_down() {
            return;
        }
        let waker = task.waker.clone();
        self.tasks.borrow_mut().insert(waker.id, task);
        waker.wake();
    }

    fn waker(&self, id: TaskId) -> Arc<TaskWaker> {
        Arc::new(TaskWaker { id, queued: AtomicBool::new(false), aborted: AtomicBool::new(false), ready: self.ready.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn count_step(&mut self, id: TaskId) {
        self.steps += 1;
        assert!(self.steps <= self.steps_max, "the simulation made {} steps: some task wakes itself for ever", self.steps_max);
        for word in [self.steps, id.0, self.now.0] {
            mix(&mut self.trace, word);
        }
    }

    /// Moves the clock to the next moment for which timers are set, and gives their wakers.
    fn next_timers(&mut self) -> Option<Vec<Waker>> {
        let ((at, _), _) = self.timers.first_key_value()?;
        self.now = self.now.max(*at);
        let later = self.timers.split_off(&(self.now, u64::MAX));
        Some(std::mem::replace(&mut self.timers, later).into_values().collect())
    }
}

fn mix(hash: &mut u64, word: u64) {
    *hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    *hash ^= *hash >> 32;
}

/// A timer of the virtual clock.
pub(super) fn sleep_until(scheduler: &Arc<Scheduler>, at: Monotonic) -> Sleep {
    Sleep::new(Timer { scheduler: scheduler.clone(), at, number: None })
}

struct Timer {
    scheduler: Arc<Scheduler>,
    at: Monotonic,
    number: Option<u64>,
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.scheduler.lock();
        if state.now >= this.at {
            return Poll::Ready(());
        }
        let number = *this.number.get_or_insert_with(|| state.number());
        state.timers.insert((this.at, number), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.scheduler.lock().timers.remove(&(self.at, number));
            drop(waker);
        }
    }
}
