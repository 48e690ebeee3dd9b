//! A simulated connection: two directions of segments that arrive after a while, and what each end has learnt of the other's end.
//!
//! What TCP does is kept where code depends on it: bytes arrive in order and in pieces cut anywhere; a full buffer makes the writer
//! wait; closing with unread bytes, or crashing, resets the other side, and what was on its way may or may not arrive before.

use super::Weather;
use super::trouble::{Cut, CutEnd};
use crate::clock::Sleep;
use crate::simulated::host::Host;
use crate::simulated::random::Random;
use crate::simulated::scheduler::{Scheduler, sleep_until};
use model::Monotonic;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes one direction holds before its writer waits: a socket's send and receive buffers.
const BUFFER_BYTES: usize = 64 * 1024;
/// Reads that give less than has arrived, of 100.
const SHORT_READS_PERCENT: u8 = 20;

/// Which of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client = 0,
    Server = 1,
}

impl Side {
    fn other(self) -> Self {
        if self == Self::Client { Self::Server } else { Self::Client }
    }
}

/// What both ends share.
pub(super) struct Connection {
    state: Mutex<State>,
    /// The hosts of the client and the server.
    hosts: [Arc<Host>; 2],
    scheduler: Arc<Scheduler>,
    random: Arc<Mutex<Random>>,
    weather: Weather,
}

struct State {
    /// Towards the client, towards the server.
    inbound: [Direction; 2],
}

/// The bytes on their way to one side, and what that side will learn.
#[derive(Default)]
struct Direction {
    segments: VecDeque<Segment>,
    /// Bytes in `segments`, and those that fell silent: the writer's buffer keeps them, for nobody will acknowledge them.
    bytes: usize,
    /// Bytes written so far.
    carried: u64,
    cut: Option<(u64, CutEnd)>,
    /// Nothing that is written arrives any more, neither bytes nor an end nor a reset.
    is_silent: bool,
    last_arrival: Monotonic,
    /// Nothing more will be written: no byte follows the last segment.
    ended: bool,
    /// When the side at which this arrives learns that the connection is reset.
    reset_at: Option<Monotonic>,
    /// The side at which this arrives is gone and reads no more.
    unread_for_ever: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Segment {
    arrives: Monotonic,
    /// Empty for the end.
    bytes: Vec<u8>,
    /// Bytes that were read already.
    taken: usize,
}

impl Segment {
    fn left(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }
}

impl Connection {
    pub(super) fn new(
        hosts: [Arc<Host>; 2],
        scheduler: Arc<Scheduler>,
        random: Arc<Mutex<Random>>,
        weather: Weather,
        cut: Option<Cut>,
    ) -> Arc<Self> {
        let mut state = State { inbound: Default::default() };
        if let Some(Cut { towards, byte, end }) = cut {
            state.inbound[towards as usize].cut = Some((byte, end));
        }
        Arc::new(Self { state: Mutex::new(state), hosts, scheduler, random, weather })
    }

    pub(super) fn end(self: &Arc<Self>, side: Side) -> End {
        End { connection: self.clone(), side, reading: None, writing: None }
    }

    /// A side's host has crashed: it will neither read nor write, and the other side is reset.
    pub(super) fn crash_host(&self, host: &str) {
        for side in [Side::Client, Side::Server] {
            if *self.hosts[side as usize].name == *host {
                self.reset_from(side);
            }
        }
    }

    /// Ends the connection from one side at once. What it sent and has not arrived is kept or lost by lot.
    pub(super) fn reset_from(&self, side: Side) {
        let (now, delay) = (self.scheduler.now(), self.delay());
        let keeps_sent = self.random().chance(50);
        let mut state = self.lock();
        let own = &mut state.inbound[side as usize];
        own.unread_for_ever = true;
        own.reset_at.get_or_insert(now);
        let mut wakers = own.take_wakers();
        let other = &mut state.inbound[side.other() as usize];
        if !other.unread_for_ever && !other.is_silent && other.reset_at.is_none() {
            if !keeps_sent {
                other.segments.retain(|segment| segment.arrives <= now);
                other.bytes = other.segments.iter().map(|segment| segment.left().len()).sum();
            }
            other.reset_at = Some((now + delay).max(other.last_arrival));
            wakers.extend(other.take_wakers());
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn delay(&self) -> std::time::Duration {
        self.weather.delay(&mut self.random())
    }

    fn random(&self) -> MutexGuard<'_, Random> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Direction {
    fn take_wakers(&mut self) -> Vec<Waker> {
        self.reader.take().into_iter().chain(self.writer.take()).collect()
    }

    fn is_reset(&self, now: Monotonic) -> bool {
        self.reset_at.is_some_and(|at| at <= now)
    }

    /// Carries `len` bytes more: how many of them pass, and what happens with the last one that does.
    fn pass(&mut self, len: usize) -> (usize, Option<CutEnd>) {
        let before = self.carried;
        self.carried += len as u64;
        if self.is_silent {
            return (0, None);
        }
        let Some((byte, end)) = self.cut.filter(|(byte, _)| self.carried >= *byte) else { return (len, None) };
        self.cut = None;
        self.is_silent = end != CutEnd::Reset;
        (usize::try_from(byte - before).map_or(len, |left| left.min(len)), Some(end))
    }

    /// Puts a segment behind those on their way; it overtakes none.
    fn push(&mut self, arrives: Monotonic, bytes: Vec<u8>) -> Option<Waker> {
        self.last_arrival = self.last_arrival.max(arrives);
        self.bytes += bytes.len();
        self.segments.push_back(Segment { arrives: self.last_arrival, bytes, taken: 0 });
        self.reader.take()
    }

    /// When the reader has something to learn: the next segment, or the reset.
    fn next_event(&self) -> Option<Monotonic> {
        let segment = self.segments.front().map(|segment| segment.arrives);
        [segment, self.reset_at].into_iter().flatten().min()
    }
}

/// One end of a connection, as a task holds it.
pub(super) struct End {
    connection: Arc<Connection>,
    side: Side,
    /// Rings when what the reader waits for arrives.
    reading: Option<Sleep>,
    /// Rings when the writer learns of a reset.
    writing: Option<Sleep>,
}

impl End {
    fn read(&self, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let now = self.connection.scheduler.now();
        let mut state = self.connection.lock();
        let inbound = &mut state.inbound[self.side as usize];
        let Some(segment) = inbound.segments.front_mut().filter(|segment| segment.arrives <= now) else {
            let reset = inbound.is_reset(now);
            return if reset { Poll::Ready(Err(ErrorKind::ConnectionReset.into())) } else { Poll::Pending };
        };
        if segment.bytes.is_empty() {
            // The end stays where it is: every further read finds it again.
            return Poll::Ready(Ok(()));
        }
        let mut len = segment.left().len().min(buf.remaining());
        let mut random = self.connection.random();
        if random.chance(SHORT_READS_PERCENT) {
            len = 1 + random.index(len);
        }
        drop(random);
        len = self.counted(len);
        buf.put_slice(&segment.left()[..len]);
        segment.taken += len;
        if segment.left().is_empty() {
            inbound.segments.pop_front();
        }
        inbound.bytes -= len;
        let writer = inbound.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }

    fn write(&self, bytes: &[u8]) -> Poll<Result<usize>> {
        let now = self.connection.scheduler.now();
        let (there, back) = (self.connection.delay(), self.connection.delay());
        let mut state = self.connection.lock();
        let inbound = &mut state.inbound[self.side as usize];
        if inbound.is_reset(now) {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        let outbound = &mut state.inbound[self.side.other() as usize];
        if outbound.ended {
            return Poll::Ready(Err(Error::new(ErrorKind::BrokenPipe, "this side was shut down")));
        }
        if outbound.unread_for_ever {
            // RFC 1122 section 4.2.2.13: "if new data is received after CLOSE is called,
            // its TCP SHOULD send a RST to show that data was lost."
            state.inbound[self.side as usize].reset_at.get_or_insert(now + there + back);
            return Poll::Ready(Ok(bytes.len()));
        }
        let len = bytes.len().min(BUFFER_BYTES.saturating_sub(outbound.bytes));
        if len == 0 {
            return if bytes.is_empty() { Poll::Ready(Ok(0)) } else { Poll::Pending };
        }
        let len = self.counted(len);
        let (passing, cut) = outbound.pass(len);
        let reader = if passing > 0 { outbound.push(now + there, bytes[..passing].to_vec()) } else { None };
        outbound.bytes += len - passing;
        if cut == Some(CutEnd::SilenceBothWays) {
            state.inbound[self.side as usize].is_silent = true;
        }
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        if cut == Some(CutEnd::Reset) {
            let client = self.connection.random().chance(50);
            self.connection.reset_from(if client { Side::Client } else { Side::Server });
        }
        Poll::Ready(Ok(len))
    }

    /// Tells the other side that no more bytes follow.
    fn finish(&self) {
        let arrives = self.connection.scheduler.now() + self.connection.delay();
        let mut state = self.connection.lock();
        let outbound = &mut state.inbound[self.side.other() as usize];
        let is_unheard = outbound.ended || outbound.unread_for_ever || outbound.is_silent;
        let reader = if is_unheard { None } else { outbound.push(arrives, Vec::new()) };
        outbound.ended = true;
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// Counts bytes towards the crash of this end's host; those up to the crash still pass.
    fn counted(&self, len: usize) -> usize {
        let host = &self.connection.hosts[self.side as usize];
        match host.network_bytes.count(len as u64) {
            Some(left) => {
                host.go_down();
                usize::try_from(left).map_or(len, |left| left.min(len))
            }
            None => len,
        }
    }

    fn check_host(&self) -> Result<()> {
        if self.connection.hosts[self.side as usize].is_down() {
            return Err(Error::other("the simulated host crashed"));
        }
        Ok(())
    }

    /// A timer for `at` that has been polled. Where the moment is now, the task is woken at once.
    fn timer(&self, at: Option<Monotonic>, context: &mut Context<'_>) -> Option<Sleep> {
        let mut timer = sleep_until(&self.connection.scheduler, at?);
        if Pin::new(&mut timer).poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        Some(timer)
    }
}

impl AsyncRead for End {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        self.check_host()?;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let read = self.read(buf);
        self.reading = None;
        if read.is_pending() {
            let mut state = self.connection.lock();
            let inbound = &mut state.inbound[self.side as usize];
            inbound.reader = Some(context.waker().clone());
            let next = inbound.next_event();
            drop(state);
            self.reading = self.timer(next, context);
        }
        read
    }
}

impl AsyncWrite for End {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.check_host()?;
        let written = self.write(bytes);
        self.writing = None;
        if written.is_pending() {
            let mut state = self.connection.lock();
            state.inbound[self.side.other() as usize].writer = Some(context.waker().clone());
            let reset_at = state.inbound[self.side as usize].reset_at;
            drop(state);
            self.writing = self.timer(reset_at, context);
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(self.check_host())
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Result<()>> {
        self.check_host()?;
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.connection.lock();
        let inbound = &mut state.inbound[self.side as usize];
        let crashed = inbound.unread_for_ever || self.check_host().is_err();
        let unread = inbound.bytes > 0;
        inbound.unread_for_ever = true;
        drop(state);
        // RFC 1122 section 4.2.2.13: "If such a host issues a CLOSE call while received data is still pending in TCP, or if new data is
        // received after CLOSE is called, its TCP SHOULD send a RST to show that data was lost."
        match (crashed, unread) {
            (true, _) => {}
            (false, true) => self.connection.reset_from(self.side),
            (false, false) => self.finish(),
        }
    }
}
