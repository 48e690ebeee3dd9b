//! UDP sockets of the simulated network: datagrams that are delayed, overtake each other and get lost.

use super::Network;
use crate::clock::Sleep;
use crate::net::Datagrams;
use crate::simulated::host::Host;
use crate::simulated::scheduler::sleep_until;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::Monotonic;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Datagrams that wait at one socket; more are lost.
const DATAGRAMS_MAX: usize = 1024;

/// What the network keeps for a bound address.
pub(super) struct Socket {
    host: Arc<Host>,
    /// By arrival: datagrams overtake each other.
    arriving: BTreeMap<(Monotonic, u64), (Vec<u8>, SocketAddr)>,
    next: u64,
    receiving: Option<Waker>,
}

impl Socket {
    pub(super) fn new(host: Arc<Host>) -> Self {
        Self { host, arriving: BTreeMap::new(), next: 0, receiving: None }
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }
}

/// What a look at a socket found.
enum Inbox {
    Datagram(Vec<u8>, SocketAddr),
    /// Nothing has arrived; the next datagram does at `next`, where one is on its way.
    Empty {
        next: Option<Monotonic>,
    },
}

/// A bound socket as a task holds it.
pub(super) struct SimulatedDatagrams {
    pub(super) network: Arc<Network>,
    pub(super) host: Arc<Host>,
    pub(super) incarnation: u64,
    pub(super) at: SocketAddr,
}

impl SimulatedDatagrams {
    fn send(&self, bytes: &[u8], target: SocketAddr) -> Result<usize> {
        self.host.check(self.incarnation)?;
        let mut state = self.network.lock();
        let weather = state.weather;
        let (lost, delay) = {
            let mut random = self.network.random();
            (random.chance(weather.datagrams_lost_percent), weather.delay(&mut random))
        };
        let Some(socket) = state.socket(target).filter(|socket| !lost && socket.arriving.len() < DATAGRAMS_MAX) else {
            return Ok(bytes.len());
        };
        socket.next += 1;
        socket.arriving.insert((self.network.scheduler.now() + delay, socket.next), (bytes.to_vec(), self.at));
        let receiving = socket.receiving.take();
        drop(state);
        receiving.into_iter().for_each(Waker::wake);
        Ok(bytes.len())
    }

    /// Takes the first datagram that has arrived, or says when the next one does.
    fn take(&self, waker: &Waker) -> Result<Inbox> {
        self.host.check(self.incarnation)?;
        let now = self.network.scheduler.now();
        let mut state = self.network.lock();
        let socket = state.sockets.get_mut(&self.at).ok_or_else(|| Error::other("the socket is closed"))?;
        let next = socket.arriving.first_key_value().map(|((arrives, _), _)| *arrives);
        if next.is_some_and(|arrives| arrives <= now)
            && let Some((_, (bytes, from))) = socket.arriving.pop_first()
        {
            return Ok(Inbox::Datagram(bytes, from));
        }
        socket.receiving = Some(waker.clone());
        Ok(Inbox::Empty { next })
    }

    /// Waits for a datagram; `timer` must live as long as the waiting.
    fn poll_take(&self, timer: &mut Option<Sleep>, context: &mut Context<'_>) -> Poll<Result<(Vec<u8>, SocketAddr)>> {
        loop {
            let next = match self.take(context.waker())? {
                Inbox::Datagram(bytes, from) => return Poll::Ready(Ok((bytes, from))),
                Inbox::Empty { next } => next,
            };
            *timer = next.map(|at| sleep_until(&self.network.scheduler, at));
            let Some(timer) = timer else { return Poll::Pending };
            if Pin::new(timer).poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Datagrams for SimulatedDatagrams {
    fn send_to<'a>(&'a self, bytes: &'a [u8], target: SocketAddr) -> BoxFuture<'a, Result<usize>> {
        async move { self.send(bytes, target) }.boxed()
    }

    fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> BoxFuture<'a, Result<(usize, SocketAddr)>> {
        async move {
            let mut timer = None;
            let (bytes, from) = poll_fn(|context| self.poll_take(&mut timer, context)).await?;
            let len = bytes.len().min(buf.len());
            buf[..len].copy_from_slice(&bytes[..len]);
            Ok((len, from))
        }
        .boxed()
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.at)
    }
}

impl Drop for SimulatedDatagrams {
    fn drop(&mut self) {
        if self.host.check(self.incarnation).is_ok() {
            self.network.lock().sockets.remove(&self.at);
        }
    }
}
