//! The simulated network: one for all hosts, in memory.
//!
//! Every IP address is reachable from every host, and an address belongs to the host that listens on it. Unix sockets are of one host.
//! Delays are drawn from the [`Weather`]. Nobody listening is a refusal; a crash resets what it cuts.

mod datagrams;
mod stream;
mod trouble;

pub use trouble::NetworkTrouble;

use super::host::Host;
use super::random::Random;
use super::scheduler::{Scheduler, sleep_until};
use crate::net::{BoxStream, ConnectRequest, Datagrams, Listener, Net, UnixDoor};
use datagrams::{SimulatedDatagrams, Socket};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;
use stream::{Connection, End, Side};
use trouble::{Fate, Knock};

/// The first port given where 0 is asked for (RFC 6335 section 6: the dynamic ports).
const DYNAMIC_PORT_MIN: u16 = 49_152;

/// What the network does to what is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// The shortest time on the way.
    pub delay_min: Duration,
    /// The longest.
    pub delay_max: Duration,
    /// Datagrams lost of 100.
    pub datagrams_lost_percent: u8,
}

impl Default for Weather {
    /// A quiet network of a continent: 0.1 to 20 ms, nothing lost.
    fn default() -> Self {
        Self { delay_min: Duration::from_micros(100), delay_max: Duration::from_millis(20), datagrams_lost_percent: 0 }
    }
}

impl Weather {
    fn delay(&self, random: &mut Random) -> Duration {
        let spread = self.delay_max.saturating_sub(self.delay_min).as_nanos();
        self.delay_min + Duration::from_nanos(random.below(u64::try_from(spread).unwrap_or(u64::MAX - 1) + 1))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Address {
    Inet(SocketAddr),
    Unix(Arc<str>, PathBuf),
}

pub(super) struct Network {
    scheduler: Arc<Scheduler>,
    random: Arc<Mutex<Random>>,
    state: Mutex<State>,
}

struct State {
    weather: Weather,
    trouble: NetworkTrouble,
    doors: BTreeMap<Address, Door>,
    sockets: BTreeMap<SocketAddr, Socket>,
    connections: Vec<Weak<Connection>>,
    next_port: u16,
}

struct Door {
    host: Arc<Host>,
    waiting: VecDeque<(End, SocketAddr)>,
    accepting: Option<Waker>,
}

impl Network {
    pub(super) fn new(scheduler: Arc<Scheduler>, random: Random) -> Self {
        let state = State {
            weather: Weather::default(),
            trouble: NetworkTrouble::default(),
            doors: BTreeMap::new(),
            sockets: BTreeMap::new(),
            connections: Vec::new(),
            next_port: DYNAMIC_PORT_MIN,
        };
        Self { scheduler, random: Arc::new(Mutex::new(random)), state: Mutex::new(state) }
    }

    pub(super) fn set_weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    pub(super) fn set_trouble(&self, trouble: NetworkTrouble) {
        self.lock().trouble = trouble;
    }

    /// Closes the doors of a host and resets its connections.
    pub(super) fn crash(&self, host: &str) {
        let mut state = self.lock();
        let connections: Vec<_> = state.connections.iter().filter_map(Weak::upgrade).collect();
        let doors = state.doors.extract_if(.., |_, door| *door.host.name == *host).collect::<Vec<_>>();
        let sockets = state.sockets.extract_if(.., |_, socket| *socket.host().name == *host).collect::<Vec<_>>();
        drop(state);
        connections.iter().for_each(|connection| connection.crash_host(host));
        drop((doors, sockets));
    }

    /// Resets one open connection, drawn by lot; false where none is open.
    pub(super) fn reset_one(&self) -> bool {
        let connections: Vec<_> = self.lock().connections.iter().filter_map(Weak::upgrade).collect();
        if connections.is_empty() {
            return false;
        }
        let (index, client) = {
            let mut random = self.random();
            (random.index(connections.len()), random.chance(50))
        };
        connections[index].reset_from(if client { Side::Client } else { Side::Server });
        true
    }

    async fn travel(&self) {
        let weather = self.lock().weather;
        let delay = weather.delay(&mut self.random());
        sleep_until(&self.scheduler, self.scheduler.now() + delay).await;
    }

    async fn connect(self: Arc<Self>, host: Arc<Host>, address: Address, source: Option<IpAddr>) -> Result<BoxStream> {
        let incarnation = host.incarnation();
        self.travel().await;
        host.check(incarnation)?;
        let fate = match &address {
            Address::Inet(target) => self.lock().trouble.draw(*target, &mut self.random()),
            // What stays within a machine does not get lost.
            Address::Unix(..) => Fate::default(),
        };
        match fate.knock {
            Knock::Answered => {}
            Knock::Refused => return Err(ErrorKind::ConnectionRefused.into()),
            Knock::Unanswered => return std::future::pending().await,
        }
        let end = self.knock(&host, &address, source, &fate);
        self.travel().await;
        Ok(Box::new(end?))
    }

    /// Puts a connection before a door and gives the client's end.
    fn knock(&self, client: &Arc<Host>, address: &Address, source: Option<IpAddr>, fate: &Fate) -> Result<End> {
        let mut state = self.lock();
        let peer = SocketAddr::new(source.unwrap_or_else(|| loopback_like(address)), state.port());
        let weather = fate.slowed(state.weather);
        let door = state.door(address).ok_or(ErrorKind::ConnectionRefused)?;
        let hosts = [client.clone(), door.host.clone()];
        let connection = Connection::new(hosts, self.scheduler.clone(), self.random.clone(), weather, fate.cut);
        door.waiting.push_back((connection.end(Side::Server), peer));
        let accepting = door.accepting.take();
        state.connections.retain(|connection| connection.strong_count() > 0);
        state.connections.push(Arc::downgrade(&connection));
        drop(state);
        accepting.into_iter().for_each(Waker::wake);
        Ok(connection.end(Side::Client))
    }

    fn open(self: &Arc<Self>, host: &Arc<Host>, address: Address) -> Result<SimulatedDoor> {
        host.check(host.incarnation())?;
        let mut state = self.lock();
        let address = match address {
            Address::Inet(at) if at.port() == 0 => Address::Inet(SocketAddr::new(at.ip(), state.port())),
            other => other,
        };
        if state.doors.contains_key(&address) {
            return Err(ErrorKind::AddrInUse.into());
        }
        state.doors.insert(address.clone(), Door { host: host.clone(), waiting: VecDeque::new(), accepting: None });
        let incarnation = host.incarnation();
        Ok(SimulatedDoor { network: self.clone(), host: host.clone(), incarnation, address })
    }

    fn random(&self) -> MutexGuard<'_, Random> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(DYNAMIC_PORT_MIN);
        port
    }

    /// The door at an address, or the one that listens on all addresses of its family.
    fn door(&mut self, address: &Address) -> Option<&mut Door> {
        let found = match address {
            Address::Inet(at) if !self.doors.contains_key(address) => Address::Inet(SocketAddr::new(unspecified_like(at.ip()), at.port())),
            other => other.clone(),
        };
        self.doors.get_mut(&found)
    }

    fn socket(&mut self, at: SocketAddr) -> Option<&mut Socket> {
        let found = if self.sockets.contains_key(&at) { at } else { SocketAddr::new(unspecified_like(at.ip()), at.port()) };
        self.sockets.get_mut(&found)
    }
}

fn unspecified_like(ip: IpAddr) -> IpAddr {
    if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

fn loopback_like(address: &Address) -> IpAddr {
    match address {
        Address::Inet(SocketAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
        Address::Inet(SocketAddr::V4(_)) | Address::Unix(..) => Ipv4Addr::LOCALHOST.into(),
    }
}

/// The network as a host's tasks use it.
pub(super) struct SimulatedNet {
    pub(super) host: Arc<Host>,
    pub(super) network: Arc<Network>,
}

impl Net for SimulatedNet {
    fn connect(&self, request: ConnectRequest) -> BoxFuture<'static, Result<BoxStream>> {
        if request.source.is_some_and(|source| source.is_ipv4() != request.target.is_ipv4()) {
            return async { Err(Error::new(ErrorKind::InvalidInput, "source and target are of different families")) }.boxed();
        }
        self.network.clone().connect(self.host.clone(), Address::Inet(request.target), request.source).boxed()
    }

    fn listen(&self, at: SocketAddr) -> Result<Box<dyn Listener>> {
        Ok(Box::new(self.network.open(&self.host, Address::Inet(at))?))
    }

    fn listen_unix(&self, path: &Path) -> Result<Box<dyn UnixDoor>> {
        Ok(Box::new(self.network.open(&self.host, Address::Unix(self.host.name.clone(), path.to_owned()))?))
    }

    fn connect_unix(&self, path: &Path) -> BoxFuture<'static, Result<BoxStream>> {
        self.network.clone().connect(self.host.clone(), Address::Unix(self.host.name.clone(), path.to_owned()), None).boxed()
    }

    fn bind_udp(&self, at: SocketAddr) -> Result<Box<dyn Datagrams>> {
        let incarnation = self.host.incarnation();
        self.host.check(incarnation)?;
        let mut state = self.network.lock();
        let at = if at.port() == 0 { SocketAddr::new(at.ip(), state.port()) } else { at };
        if state.sockets.contains_key(&at) {
            return Err(ErrorKind::AddrInUse.into());
        }
        state.sockets.insert(at, Socket::new(self.host.clone()));
        Ok(Box::new(SimulatedDatagrams { network: self.network.clone(), host: self.host.clone(), incarnation, at }))
    }
}

struct SimulatedDoor {
    network: Arc<Network>,
    host: Arc<Host>,
    incarnation: u64,
    address: Address,
}

impl SimulatedDoor {
    async fn next(&self) -> Result<(End, SocketAddr)> {
        poll_fn(|context| {
            self.host.check(self.incarnation)?;
            let mut state = self.network.lock();
            let door = state.doors.get_mut(&self.address).ok_or_else(|| Error::other("the door is closed"))?;
            if let Some(accepted) = door.waiting.pop_front() {
                return Poll::Ready(Ok(accepted));
            }
            door.accepting = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Listener for SimulatedDoor {
    fn accept(&mut self) -> BoxFuture<'_, Result<(BoxStream, SocketAddr)>> {
        async move { self.next().await.map(|(end, peer)| (Box::new(end) as BoxStream, peer)) }.boxed()
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        match &self.address {
            Address::Inet(at) => Ok(*at),
            Address::Unix(..) => Err(ErrorKind::InvalidInput.into()),
        }
    }
}

impl UnixDoor for SimulatedDoor {
    fn accept(&mut self) -> BoxFuture<'_, Result<BoxStream>> {
        async move { Ok(Box::new(self.next().await?.0) as BoxStream) }.boxed()
    }
}

impl Drop for SimulatedDoor {
    fn drop(&mut self) {
        // After a crash the address may belong to a new door.
        if self.host.check(self.incarnation).is_ok() {
            let door = self.network.lock().doors.remove(&self.address);
            drop(door);
        }
    }
}
