//! Opens all doors, runs them on one thread, and answers for what they counted.

use crate::books::SharedBooks;
use crate::certificates::{Certificates, acceptors};
use crate::config::SandboxConfig;
use crate::conversation::{Desk, SiteDesk, serve};
use crate::dns::{serve_datagrams, serve_streams};
use crate::error::SandboxError;
use crate::judgement::Judge;
use crate::keep::Keeper;
use crate::map::{Map, Site};
use crate::message_id::hash64;
use crate::report::Report;
use model::{Mailbox, Monotonic};
use smtp::{EhloName, ReceiverConfig};
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use world::channel::Signal;
use world::{Datagrams, Listener, ThreadHandle, World};

/// Tries for a free port that is free everywhere it is needed.
const PORT_TRIES: usize = 16;
/// After a failed accept (no file descriptors): time for a connection to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A message that a site took.
#[derive(Debug)]
pub struct Delivered<'m> {
    /// The site.
    pub site: &'m str,
    /// Where the connection came from.
    pub source: IpAddr,
    /// `None` is the null reverse-path.
    pub sender: Option<&'m Mailbox>,
    /// Whose RCPT was accepted; never empty.
    pub recipients: &'m [Mailbox],
    /// Its octets, dots undone.
    pub message: &'m [u8],
    /// Whether TLS was on.
    pub encrypted: bool,
    /// Whether the client is told so; otherwise the connection is lost now.
    pub answered: bool,
    /// When.
    pub at: Monotonic,
}

/// Called on the sandbox's thread for each message taken; keep it short.
pub type OnDelivery = Box<dyn FnMut(&Delivered<'_>) + Send>;

/// A running sandbox. Dropping it stops it.
pub struct Sandbox {
    world: World,
    map: Arc<Map>,
    books: SharedBooks,
    ca_pem: String,
    dns: SocketAddr,
    port: u16,
    stop: Signal,
    thread: Option<ThreadHandle>,
}

/// Everything that listens, before it moves to its thread.
struct Doors {
    sites: Vec<Box<dyn Listener>>,
    datagrams: Box<dyn Datagrams>,
    streams: Box<dyn Listener>,
}

impl Sandbox {
    /// Opens the doors and starts the thread `sink`.
    ///
    /// # Errors
    /// [`SandboxError`], with what to change.
    pub fn start(world: &World, config: SandboxConfig) -> Result<Self, SandboxError> {
        Self::start_with(world, config, None)
    }

    /// The same, with a function that is called for each message taken.
    ///
    /// # Errors
    /// As [`Sandbox::start`].
    pub fn start_with(world: &World, config: SandboxConfig, on_delivery: Option<OnDelivery>) -> Result<Self, SandboxError> {
        config.check()?;
        let map = Arc::new(Map::new(&config));
        let certificates = Arc::new(Certificates::new()?);
        let acceptors = acceptors(&certificates, &map)?;
        let keeper = config.keep.clone().map(|keep| Keeper::new(world, keep)).transpose().map_err(SandboxError::Keep)?;
        let (doors, port, dns) = open(world, &map, &config)?;
        let books = SharedBooks::new(&map, world.monotonic());
        let stop = Signal::new();
        let run = Run { world: world.clone(), map: map.clone(), books: books.clone(), config, acceptors, keeper, on_delivery, doors };
        let stopped = stop.clone();
        let thread = world.spawn_thread("sink", move || run.until(stopped));
        Ok(Self { world: world.clone(), map, books, ca_pem: certificates.ca_pem(), dns, port, stop, thread: Some(thread) })
    }

    /// The certificate to trust, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The name server, UDP and TCP.
    pub fn dns_address(&self) -> SocketAddr {
        self.dns
    }

    /// The SMTP port of all sites.
    pub fn smtp_port(&self) -> u16 {
        self.port
    }

    /// The names of all destinations, in order; those without a mail host included.
    pub fn destination_names(&self) -> Vec<String> {
        self.map.destination_names().collect()
    }

    /// The destinations of one site, by its name.
    pub fn destinations_at(&self, site: &str) -> Vec<String> {
        self.map.destinations_at(site)
    }

    /// Where a site listens.
    pub fn address_of(&self, site: &str) -> Option<SocketAddr> {
        let site = self.map.sites.iter().find(|candidate| candidate.name == site)?;
        Some(SocketAddr::from((site.address, self.port)))
    }

    /// How often a message with this Message-ID (with its angle brackets) was taken.
    pub fn acceptances(&self, message_id: &str) -> u32 {
        let hash = hash64(&[message_id.trim().as_bytes()]);
        self.books.with(|books| books.acceptances(hash))
    }

    /// What was counted so far.
    pub fn report(&self) -> Report {
        self.books.with(|books| books.report(self.world.monotonic()))
    }

    /// Closes all doors and connections; gives the last report.
    pub async fn stop(mut self) -> Report {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread went to the panic hook; the books are still true.
            let _ = thread.join().await;
        }
        self.report()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.set();
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("dns", &self.dns).field("port", &self.port).finish_non_exhaustive()
    }
}

fn open(world: &World, map: &Map, config: &SandboxConfig) -> Result<(Doors, u16, SocketAddr), SandboxError> {
    let (sites, port) = with_port(config.port, |port| open_sites(world, map, port))?;
    let ((datagrams, streams), dns_port) = with_port(config.dns_port, |port| {
        let at = SocketAddr::from((map.dns, port));
        let datagrams = listening(at, world.net().bind_udp(at))?;
        let port = listening(at, datagrams.local_addr())?.port();
        let at = SocketAddr::from((map.dns, port));
        Ok(((datagrams, listening(at, world.net().listen(at))?), port))
    })?;
    Ok((Doors { sites, datagrams, streams }, port, SocketAddr::from((map.dns, dns_port))))
}

/// A door for each site that has a host, all on one port.
fn open_sites(world: &World, map: &Map, port: u16) -> Result<(Vec<Box<dyn Listener>>, u16), SandboxError> {
    let mut port = port;
    let mut doors = Vec::with_capacity(map.sites.len());
    for site in map.sites.iter().filter(|site| site.mx.has_host()) {
        let at = SocketAddr::from((site.address, port));
        let door = listening(at, world.net().listen(at))?;
        port = listening(at, door.local_addr())?.port();
        doors.push(door);
    }
    Ok((doors, port))
}

/// With port 0 the first door takes a free one, which may be taken at the others' addresses: then all begin again.
fn with_port<T>(port: u16, mut open: impl FnMut(u16) -> Result<(T, u16), SandboxError>) -> Result<(T, u16), SandboxError> {
    let mut tries = if port == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match open(port) {
            Err(SandboxError::Listen { error, .. }) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
}

fn listening<T>(at: SocketAddr, result: io::Result<T>) -> Result<T, SandboxError> {
    result.map_err(|error| SandboxError::Listen { at, error })
}

/// What moves to the thread.
struct Run {
    world: World,
    map: Arc<Map>,
    books: SharedBooks,
    config: SandboxConfig,
    acceptors: Vec<Option<TlsAcceptor>>,
    keeper: Option<Keeper>,
    on_delivery: Option<OnDelivery>,
    doors: Doors,
}

impl Run {
    async fn until(self, stop: Signal) {
        let Self { world, map, books, config, acceptors, keeper, on_delivery, doors } = self;
        world.spawn_local(serve_datagrams(doors.datagrams, world.clone(), map.clone(), books.clone()));
        world.spawn_local(serve_streams(doors.streams, world.clone(), map.clone(), books.clone()));
        let desk = Rc::new(Desk {
            world: world.clone(),
            map: map.clone(),
            books,
            keeper: RefCell::new(keeper),
            on_delivery: RefCell::new(on_delivery),
            idle_max: config.idle_max,
            connections_max: config.connections_max,
        });
        let with_host = map.sites.iter().zip(acceptors).enumerate().filter(|(_, (site, _))| site.mx.has_host());
        for ((index, (site, acceptor)), door) in with_host.zip(doors.sites) {
            let judge = RefCell::new(Judge::new(site.personality.clone(), config.seed));
            let config = receiver_config(site, acceptor.is_some());
            let site = Rc::new(SiteDesk { desk: desk.clone(), index, judge, acceptor, config });
            world.spawn_local(accept(door, site));
        }
        // The end of this future is the end of the thread, and with it of all tasks above and their connections.
        stop.wait().await;
    }
}

fn receiver_config(site: &Site, starttls: bool) -> ReceiverConfig {
    let mut config = ReceiverConfig::new(EhloName::parse(&site.host(1)).expect("a site's name is a DNS label"));
    config.offers.starttls = starttls;
    config
}

async fn accept(mut door: Box<dyn Listener>, site: Rc<SiteDesk>) {
    let world = site.desk.world.clone();
    loop {
        match door.accept().await {
            Ok((stream, peer)) => drop(world.spawn_local(serve(stream, peer.ip(), site.clone()))),
            Err(_) => world.sleep(ACCEPT_PAUSE).await,
        }
    }
}
