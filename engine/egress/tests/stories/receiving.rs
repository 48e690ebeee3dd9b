//! The other side of the stories: a server on loopback built on [`smtp::Receiver`], a scripted one, and messages to send.

use egress::{Connection, EhloName, Target, Timeouts, TlsContext};
use model::record::FrameKey;
use model::stage::{DueDelivery, Envelope, Locator, Permit, PermittedDelivery, RenderedMessage, Seal, SealedMessage};
use model::{BatchId, BundleId, JobId, Mailbox, MessageVersion, Protection, TenantId, Timestamp, Transactional};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use smtp::{Answer, Event, Receiver, ReceiverConfig};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use world::{BoxStream, World};

/// What the server does with an event.
pub(crate) enum Verdict {
    Accept,
    Answer(&'static str),
    /// Closes without a word.
    Drop,
}

/// What the server saw, in order.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) connections: u32,
    pub(crate) reads: u32,
    pub(crate) hellos: Vec<String>,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) resets: u32,
    pub(crate) quits: u32,
    pub(crate) faults: u32,
}

pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    pub(crate) seen: Rc<RefCell<Seen>>,
}

/// A server that decides by `decide`.
pub(crate) struct Setup {
    pub(crate) config: ReceiverConfig,
    pub(crate) acceptor: Option<TlsAcceptor>,
}

impl Setup {
    pub(crate) fn plain() -> Self {
        Self { config: ReceiverConfig::new(EhloName::parse("mx.test").unwrap()), acceptor: None }
    }

    pub(crate) fn tls(authority: &Authority, host: &str) -> Self {
        let mut setup = Self::plain();
        setup.config.offers.starttls = true;
        setup.config.requires_tls = true;
        setup.acceptor = Some(authority.acceptor(host));
        setup
    }

    pub(crate) fn start(self, world: &World, decide: impl FnMut(&Event) -> Verdict + 'static) -> Server {
        self.start_at(world, "127.0.0.1:0".parse().unwrap(), decide)
    }

    pub(crate) fn start_at(self, world: &World, at: SocketAddr, decide: impl FnMut(&Event) -> Verdict + 'static) -> Server {
        let mut listener = world.net().listen(at).unwrap();
        let at = listener.local_addr().unwrap();
        let seen = Rc::new(RefCell::new(Seen::default()));
        let server = Server { at, seen: Rc::clone(&seen) };
        let (decide, setup, world) = (Rc::new(RefCell::new(decide)), Rc::new(self), world.clone());
        let tasks = world.clone();
        world.spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.borrow_mut().connections += 1;
                tasks.spawn_local(serve(stream, Rc::clone(&setup), Rc::clone(&decide), Rc::clone(&seen)));
            }
        });
        server
    }
}

async fn serve(mut stream: BoxStream, setup: Rc<Setup>, decide: Rc<RefCell<impl FnMut(&Event) -> Verdict>>, seen: Rc<RefCell<Seen>>) {
    let mut receiver = Receiver::new(setup.config.clone());
    receiver.greet();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        while let Some(event) = receiver.next_event() {
            let verdict = decide.borrow_mut()(&event);
            match verdict {
                Verdict::Drop => return,
                _ if !event.needs_answer() => {}
                Verdict::Accept => receiver.accept(),
                Verdict::Answer(line) => receiver.answer(&Answer::parse(line).unwrap()),
            }
            note(&mut seen.borrow_mut(), event);
        }
        if stream.write_all(receiver.output()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        receiver.output_written(receiver.output().len());
        if receiver.is_finished() {
            let _ = stream.shutdown().await;
            return;
        }
        if receiver.wants_tls() {
            let Ok(encrypted) = setup.acceptor.as_ref().unwrap().accept(stream).await else { return };
            stream = Box::new(encrypted);
            receiver.tls_established();
        }
        match stream.read(&mut buffer).await {
            Ok(octets) if octets > 0 => receiver.receive(&buffer[..octets]),
            _ => return,
        }
        seen.borrow_mut().reads += 1;
    }
}

fn note(seen: &mut Seen, event: Event) {
    match event {
        Event::Hello { name, .. } => seen.hellos.push(name.to_string()),
        Event::Message(content) => seen.messages.push(content),
        Event::Reset => seen.resets += 1,
        Event::Quit => seen.quits += 1,
        Event::Fault(_) => seen.faults += 1,
        Event::Mail { .. } | Event::Recipient { .. } | Event::Data | Event::StartTls => {}
    }
}

/// A step of a scripted server.
#[derive(Clone)]
pub(crate) enum Step {
    Say(&'static str),
    /// Reads until this text has come.
    Await(&'static str),
    /// Lets this much time pass.
    Pause(Duration),
    /// Keeps the connection open and says nothing more.
    Hang,
}

/// A server that follows a script on its only connection, then closes.
pub(crate) fn scripted(world: &World, steps: &[Step]) -> SocketAddr {
    let mut listener = world.net().listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = listener.local_addr().unwrap();
    let (steps, world) = (steps.to_vec(), world.clone());
    let clock = world.clone();
    world.spawn_local(async move {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let (mut came, mut buffer) = (Vec::new(), [0; 4096]);
        for step in steps {
            match step {
                Step::Say(text) => {
                    if stream.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
                Step::Pause(span) => clock.sleep(span).await,
                Step::Hang => clock.sleep(Duration::from_secs(60)).await,
                Step::Await(text) => {
                    while !came.windows(text.len()).any(|window| window == text.as_bytes()) {
                        match stream.read(&mut buffer).await {
                            Ok(octets) if octets > 0 => came.extend_from_slice(&buffer[..octets]),
                            _ => return,
                        }
                    }
                    came.clear();
                }
            }
        }
    });
    at
}

/// A certificate authority of the test.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn trusted(&self, world: &World) -> TlsContext {
        TlsContext::with_roots(world, self.issuer.pem().as_bytes()).unwrap()
    }

    fn acceptor(&self, host: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

pub(crate) fn plain_target(at: SocketAddr) -> Target {
    Target { plaintext: true, ..Target::new("mx.test", at) }
}

pub(crate) fn short() -> Timeouts {
    Timeouts::all(Duration::from_secs(5))
}

pub(crate) fn our_name() -> EhloName {
    EhloName::parse("out1.plan.example").unwrap()
}

/// A plaintext connection to a loopback server.
pub(crate) async fn connected(world: &World, at: SocketAddr, timeouts: &Timeouts) -> Connection {
    let tls = Authority::new().trusted(world);
    let opened = Connection::open(world, &plain_target(at), None, &our_name(), Protection::PlaintextLoopback, &tls, timeouts).await;
    opened.unwrap()
}

pub(crate) const SIGNATURES: &str = "DKIM-Signature: v=1; b=x\r\n";

/// A sealed message that requires `protection`.
pub(crate) fn message(protection: Protection, body: &str) -> SealedMessage<Transactional> {
    let key = FrameKey { job: Some(JobId::new(1, 1)), message: MessageVersion(0), attempt: 1 };
    let due = DueDelivery::new(
        key.job.unwrap(),
        Locator { segment: 0, offset: 0 },
        key.message,
        0,
        TenantId(1),
        BatchId::new(1, 1),
        0,
        0,
        Timestamp(u64::MAX),
        false,
        0,
    );
    let rendered = RenderedMessage {
        delivery: PermittedDelivery::new(due, Permit::attest()),
        envelope: Envelope {
            sender: Some(Mailbox::parse("bounce@plan.example").unwrap()),
            recipient: Mailbox::parse("ada@mx.test").unwrap(),
        },
        bundle: BundleId([0; 32]),
        address_version: 1,
        date: Timestamp(0),
        protection,
        sha256: [0; 32],
        body_offset: 27,
        bytes: format!("Subject: Your statement\r\n\r\n{body}").into_bytes().into(),
    };
    SealedMessage::new(rendered, SIGNATURES.as_bytes().into(), Seal::attest())
}

pub(crate) fn plain_message(body: &str) -> SealedMessage<Transactional> {
    message(Protection::PlaintextLoopback, body)
}

/// What the receiver has of a message.
pub(crate) fn arrived(body: &str) -> Vec<u8> {
    format!("{SIGNATURES}Subject: Your statement\r\n\r\n{body}").into_bytes()
}

/// A gate that is open.
pub(crate) async fn open_gate() -> bool {
    true
}
