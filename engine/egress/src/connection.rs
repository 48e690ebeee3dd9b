//! One connection to a receiver, protected as required, for one message after the other.
//!
//! On the hot path a message costs two writes and two reads: MAIL, RCPT and DATA together; then the content with its final
//! dot. The dot is a promise that cannot be taken back, so it waits for the gate ([`Connection::deliver`]); the content need
//! not wait and goes out while the gate is pending.
//!
//! It promises: [`Delivery`] says whether the last byte was, even partly, handed to the network; plaintext never beyond
//! loopback; nothing is sent that is larger than the receiver takes or has a bare CR or LF; a connection in doubt is not
//! used again. It leaves time limits' values, retry and the meaning of replies to others.

use crate::config::Timeouts;
use crate::ending::{ConnectFailure, Delivery};
use crate::site::Target;
use crate::tls::TlsContext;
use crate::trouble::{Phase, TlsTrouble, Trouble};
use futures_util::poll;
use model::protection::ProtectionProof;
use model::stage::SealedMessage;
use model::{Monotonic, Protection, Reply, Stream};
use smtp::{Conversation, END_OF_DATA, EhloName, Next, StartTls, Stuffer};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use world::{BoxStream, ConnectRequest, World};

/// Replies are short; EHLO is the longest.
const READ_BUFFER_BYTES: usize = 4096;
/// A write buffer beyond this is given back after the message that needed it.
const KEPT_BUFFER_BYTES: usize = 256 * 1024;

/// What ends a step before its answer.
enum Stop {
    Trouble(Trouble),
    Reply(smtp::Phase, Reply),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// An open connection.
pub struct Connection {
    world: World,
    stream: BoxStream,
    conversation: Conversation,
    target: Target,
    source: Option<IpAddr>,
    timeouts: Timeouts,
    proof: ProtectionProof,
    input: Vec<u8>,
    /// Content of the present message, dot-stuffed.
    content: Vec<u8>,
    messages: u32,
    /// False while a message is under way and after a failure: a delivery that was dropped half-way leaves it false.
    sound: bool,
}

impl Connection {
    /// Connects from `source`, greets, and brings the connection to the protection that `required` and the target ask for.
    ///
    /// # Errors
    /// [`ConnectFailure`]. The protection is never lowered to get a connection.
    pub async fn open(
        world: &World,
        target: &Target,
        source: Option<IpAddr>,
        ehlo_name: &EhloName,
        required: Protection,
        tls: &TlsContext,
        timeouts: &Timeouts,
    ) -> Result<Self, ConnectFailure> {
        let protection = target.protection_for(required);
        let stream = connect(world, target, source, timeouts.connect).await.map_err(|trouble| ConnectFailure::Broken {
            target: target.clone(),
            phase: Phase::Connect,
            trouble,
        })?;
        let starttls = if protection == Protection::PlaintextLoopback { StartTls::Never } else { StartTls::Required };
        let mut connection = Self {
            world: world.clone(),
            stream,
            conversation: Conversation::new(ehlo_name.clone(), starttls),
            target: target.clone(),
            source,
            timeouts: *timeouts,
            proof: ProtectionProof { reached: Protection::PlaintextLoopback, tls_version: None, cipher: None, certificate_sha256: None },
            input: vec![0; READ_BUFFER_BYTES],
            content: Vec::new(),
            messages: 0,
            sound: true,
        };
        let opened = connection.greet(protection, tls).await;
        match opened {
            // Held in a pair with `Target::protection_for`: what was reached is what was asked for.
            Ok(()) if connection.proof.reached >= protection => Ok(connection),
            Ok(()) => Err(connection.failed(Phase::Tls, Trouble::ProtectionUnavailable)),
            Err((phase, Stop::Trouble(trouble))) => Err(connection.failed(phase, trouble)),
            Err((_, Stop::Reply(phase, reply))) => Err(ConnectFailure::Answered { target: connection.target, phase: phase.into(), reply }),
        }
    }

    /// Delivers one message. `gate` is awaited after 354 and before the final dot: true once the intent is durable and the
    /// limit is spent; false to stop, which ends the connection.
    ///
    /// Dropping the future half-way ends the connection too.
    pub async fn deliver<S: Stream>(&mut self, message: &SealedMessage<S>, gate: impl Future<Output = bool>) -> Delivery {
        let unsent = |trouble| Delivery::Broken { phase: Phase::Mail, trouble, last_byte_written: false };
        if !self.is_usable() {
            return unsent(Trouble::ConnectionLost);
        }
        // Invariant 7, a second time: the connection may have been opened for a message that requires less.
        if self.proof.reached < message.rendered.protection {
            return Delivery::Broken { phase: Phase::Tls, trouble: Trouble::ProtectionUnavailable, last_byte_written: false };
        }
        if let Err(trouble) = self.prepare(message) {
            return unsent(trouble);
        }
        self.messages = self.messages.saturating_add(1);
        self.sound = false;
        let mut dot_begun = false;
        let stop = match self.transact(gate, &mut dot_begun).await {
            Ok((phase, reply)) => {
                self.sound = self.conversation.is_usable();
                Stop::Reply(phase, reply)
            }
            // Lost while replies behind a negative one were outstanding: the negative one stands.
            Err(stop) => self.conversation.take_decided().map_or(stop, |(phase, reply)| Stop::Reply(phase, reply)),
        };
        self.release_buffers();
        match stop {
            Stop::Reply(phase, reply) => Delivery::Answered { phase: phase.into(), reply, last_byte_written: dot_begun },
            Stop::Trouble(trouble) => {
                let phase = if dot_begun { Phase::FinalDot } else { self.conversation.phase().into() };
                Delivery::Broken { phase, trouble, last_byte_written: dot_begun }
            }
        }
    }

    /// Looks, without waiting, whether an idle connection is still open: a receiver that hung up or said 421 is noticed here
    /// instead of by the next message. Ask before reuse.
    pub async fn is_still_open(&mut self) -> bool {
        self.sound = self.is_usable() && matches!(self.glance().await, Ok(false));
        self.sound
    }

    /// Says QUIT, waits shortly for its answer, and closes.
    pub async fn quit(mut self) {
        if self.is_usable() {
            self.conversation.quit();
            let limit = self.timeouts.quit;
            let world = self.world.clone();
            // A receiver that does not answer QUIT has lost nothing, and so have we.
            let _ = world.timeout(limit, self.converse()).await;
        }
        let _ = self.world.clone().timeout(self.timeouts.quit, self.stream.shutdown()).await;
    }

    /// How the connection is protected.
    pub fn proof(&self) -> &ProtectionProof {
        &self.proof
    }

    /// Whether it can take another message: sound, not closing, and below the receiver's own limit (RFC 9422 MAILMAX).
    pub fn is_usable(&self) -> bool {
        let below_limit = self.conversation.capabilities().messages_max.is_none_or(|messages_max| self.messages < messages_max);
        self.sound && below_limit && self.conversation.is_usable()
    }

    /// Transactions begun on it.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// The receiver's address.
    pub fn peer(&self) -> SocketAddr {
        self.target.address
    }

    /// What it was opened to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Our address; `None` where the kernel chose.
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    fn failed(&self, phase: Phase, trouble: Trouble) -> ConnectFailure {
        ConnectFailure::Broken { target: self.target.clone(), phase, trouble }
    }

    /// Greeting, EHLO, and TLS where it is required.
    async fn greet(&mut self, protection: Protection, tls: &TlsContext) -> Result<(), (Phase, Stop)> {
        loop {
            let step = self.converse().await.map_err(|stop| (self.conversation.phase().into(), stop))?;
            match step {
                Next::Ready => return Ok(()),
                Next::Handshake => self.handshake(protection, tls).await.map_err(|trouble| (Phase::Tls, trouble.into()))?,
                Next::NoStartTls => return Err((Phase::Tls, Trouble::ProtectionUnavailable.into())),
                Next::Refused { phase, reply } => return Err((phase.into(), Stop::Reply(phase, reply))),
                Next::Read | Next::SendContent | Next::Ended { .. } | Next::Closed => {
                    return Err((Phase::Greeting, Trouble::PeerMisbehaved.into()));
                }
            }
        }
    }

    async fn handshake(&mut self, protection: Protection, tls: &TlsContext) -> Result<(), Trouble> {
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let handshake = tls.handshake(&self.target.host, protection, plain);
        let timed_out = Trouble::TlsFailed(TlsTrouble::Handshake);
        let (stream, proof) = self.world.timeout(self.timeouts.tls, handshake).await.map_err(|_| timed_out)??;
        self.stream = stream;
        self.proof = proof;
        self.conversation.tls_established();
        Ok(())
    }

    /// Puts the content into its wire form and begins the transaction; nothing is written yet.
    fn prepare<S: Stream>(&mut self, message: &SealedMessage<S>) -> Result<(), Trouble> {
        self.content.clear();
        let mut stuffer = Stuffer::new();
        stuffer
            .push(&message.signatures, &mut self.content)
            .and_then(|()| stuffer.push(&message.rendered.bytes, &mut self.content))
            .and_then(|()| stuffer.finish(&mut self.content))
            .map_err(|_| Trouble::Malformed)?;
        let octets = message.wire_bytes() as u64;
        self.conversation.begin(&message.rendered.envelope, octets).map_err(|_| Trouble::TooLarge)
    }

    /// From MAIL to the reply that decides. `dot_begun` becomes true with the first octet of the final dot.
    async fn transact(&mut self, gate: impl Future<Output = bool>, dot_begun: &mut bool) -> Result<(smtp::Phase, Reply), Stop> {
        match self.converse().await? {
            Next::SendContent => {}
            next => return ended(next),
        }
        let mut gate = pin!(gate);
        let mut content_octets = self.content.len();
        match poll!(gate.as_mut()) {
            Poll::Ready(true) => {}
            Poll::Ready(false) => return Err(Trouble::Stopped.into()),
            Poll::Pending => {
                if let Err(trouble) = self.write_content(content_octets, &mut false).await {
                    return self.last_words(trouble).await;
                }
                if !gate.await {
                    return Err(Trouble::Stopped.into());
                }
                // The receiver may have left meanwhile: said now, it is not sent; said after the dot, it would be uncertain.
                if self.glance().await? {
                    return ended(self.conversation.next_step());
                }
                self.content.clear();
                content_octets = 0;
            }
        }
        self.conversation.content_sent().map_err(|_| Trouble::PeerMisbehaved)?;
        self.content.extend_from_slice(END_OF_DATA);
        match self.write_content(content_octets, dot_begun).await {
            Ok(()) => ended(self.converse().await?),
            Err(trouble) if *dot_begun => Err(trouble.into()),
            Err(trouble) => self.last_words(trouble).await,
        }
    }

    /// Looks without waiting whether bytes came: true where they did and were taken.
    async fn glance(&mut self) -> Result<bool, Trouble> {
        let read = pin!(self.stream.read(&mut self.input));
        let octets = match poll!(read) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0) | Err(_)) => return Err(Trouble::ConnectionLost),
            Poll::Ready(Ok(octets)) => octets,
        };
        self.conversation.receive(&self.input[..octets]).map_err(|_| Trouble::PeerMisbehaved)?;
        Ok(true)
    }

    /// The content could not be written to its end: a receiver that gives up often says why before it closes.
    async fn last_words(&mut self, trouble: Trouble) -> Result<(smtp::Phase, Reply), Stop> {
        let limit = self.timeouts.quit;
        let octets = within(&self.world, limit, self.stream.read(&mut self.input)).await.unwrap_or(0);
        let said = self.conversation.receive(&self.input[..octets]);
        match (said, self.conversation.next_step()) {
            // Never a positive one: the final dot was not written.
            (Ok(()), Next::Ended { reply, .. }) if !reply.is_positive() => {
                self.conversation.abandon();
                Ok((smtp::Phase::Data, reply))
            }
            _ => Err(trouble.into()),
        }
    }

    /// Writes `self.content`; `dot_begun` becomes true once more than its first `before_dot` octets were taken.
    async fn write_content(&mut self, before_dot: usize, dot_begun: &mut bool) -> Result<(), Trouble> {
        let mut taken = 0;
        while taken < self.content.len() {
            // RFC 5321 section 4.5.3.2.5: "awaiting the completion of each TCP SEND call transmitting a chunk of data": 3 minutes.
            let write = self.stream.write(&self.content[taken..]);
            taken += match self.world.timeout(self.timeouts.block, write).await {
                Ok(Ok(0)) | Ok(Err(_)) => return Err(Trouble::ConnectionLost),
                Err(_) => return Err(Trouble::Timeout),
                Ok(Ok(octets)) => octets,
            };
            *dot_begun |= taken > before_dot;
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Trouble> {
        within(&self.world, self.timeouts.block, self.stream.flush()).await
    }

    /// Writes what the conversation has to say and reads until it wants something else.
    async fn converse(&mut self) -> Result<Next, Stop> {
        let mut waiting: Option<(u64, Monotonic)> = None;
        loop {
            self.write_commands().await?;
            let next = self.conversation.next_step();
            if next != Next::Read {
                return Ok(next);
            }
            // The limit is the reply's, not the read's: a receiver cannot stretch it by dripping bytes.
            let replies = self.conversation.replies();
            let deadline = match waiting {
                Some((before, deadline)) if before == replies => deadline,
                _ => self.world.monotonic() + self.timeouts.of(self.conversation.phase()),
            };
            waiting = Some((replies, deadline));
            self.read(deadline).await?;
        }
    }

    async fn write_commands(&mut self) -> Result<(), Trouble> {
        if self.conversation.output().is_empty() {
            return Ok(());
        }
        let written = within(&self.world, self.timeouts.block, self.stream.write_all(self.conversation.output())).await;
        self.conversation.output().clear();
        written?;
        self.flush().await
    }

    async fn read(&mut self, deadline: Monotonic) -> Result<(), Trouble> {
        let left = deadline.since(self.world.monotonic());
        let octets = within(&self.world, left, self.stream.read(&mut self.input)).await?;
        if octets == 0 {
            return Err(Trouble::ConnectionLost);
        }
        self.conversation.receive(&self.input[..octets]).map_err(|_| Trouble::PeerMisbehaved)
    }

    fn release_buffers(&mut self) {
        self.content.clear();
        self.content.shrink_to(KEPT_BUFFER_BYTES);
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("target", &self.target)
            .field("source", &self.source)
            .field("reached", &self.proof.reached)
            .field("messages", &self.messages)
            .field("usable", &self.is_usable())
            .finish_non_exhaustive()
    }
}

async fn connect(world: &World, target: &Target, source: Option<IpAddr>, limit: Duration) -> Result<BoxStream, Trouble> {
    if source.is_some_and(|source| source.is_ipv4() != target.address.is_ipv4()) {
        return Err(Trouble::SourceUnavailable);
    }
    let connecting = world.net().connect(ConnectRequest { target: target.address, source });
    match world.timeout(limit, connecting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Trouble::from_connect(&error)),
        Err(_) => Err(Trouble::Timeout),
    }
}

/// An operation of the stream within its time.
async fn within<T>(world: &World, limit: Duration, operation: impl Future<Output = io::Result<T>>) -> Result<T, Trouble> {
    match world.timeout(limit, operation).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(Trouble::ConnectionLost),
        Err(_) => Err(Trouble::Timeout),
    }
}

/// A transaction ends in a reply; anything else at this place is the peer's fault.
fn ended(next: Next) -> Result<(smtp::Phase, Reply), Stop> {
    match next {
        Next::Ended { phase, reply } => Ok((phase, reply)),
        _ => Err(Trouble::PeerMisbehaved.into()),
    }
}
