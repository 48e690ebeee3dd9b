//! The client side: says what to write and what it waits for.
//!
//! ```text
//! greeting → EHLO → (STARTTLS → handshake → EHLO again) → Ready
//! Ready → begin: [RSET] MAIL RCPT DATA, in one write where PIPELINING is offered → SendContent → content, final dot → Ended → Ready
//! Ready → quit → Closed
//! ```
//!
//! The caller flushes [`Conversation::output`], reads, feeds [`Conversation::receive`], and asks [`Conversation::next_step`]. The
//! content itself goes past this machine (it may be large, and its last byte waits for the disk): after
//! [`Next::SendContent`] the caller writes it and says [`Conversation::content_sent`].
//!
//! It promises: nothing is believed that came before STARTTLS, and bytes that came with the answer to STARTTLS end the
//! connection (RFC 3207 section 4.2, CVE-2011-0411); a positive reply that came before the final dot is never taken for the
//! acceptance of the message; after a rejected MAIL, RCPT or DATA the next transaction begins with RSET.
//! It leaves to others: time, sockets, TLS, what a reply means.

use crate::step::{Next, PeerMisbehaved, Phase, StartTls, TooLarge};
use crate::{Capabilities, Command, END_OF_DATA, EhloName, ReplyParser};
use model::Reply;
use model::stage::Envelope;
use std::collections::VecDeque;

/// A command whose reply is outstanding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Reset,
    Mail,
    Rcpt,
    Data,
    FinalDot,
    /// The lone dot after DATA was accepted though the recipient was not.
    EmptyEnd,
    Quit,
}

impl Awaited {
    fn phase(self) -> Phase {
        match self {
            Self::Greeting => Phase::Greeting,
            Self::Ehlo | Self::Helo => Phase::Ehlo,
            Self::StartTls => Phase::StartTls,
            Self::Reset | Self::Mail => Phase::Mail,
            Self::Rcpt => Phase::Rcpt,
            Self::Data | Self::EmptyEnd => Phase::Data,
            Self::FinalDot => Phase::FinalDot,
            Self::Quit => Phase::Quit,
        }
    }
}

/// Where the machine stands between replies.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Opening,
    Handshake,
    NoStartTls,
    Refused(Phase, Reply),
    Ready,
    Transaction,
    Content,
    Quitting,
    Closed,
}

/// The client machine of one connection.
#[derive(Debug)]
pub struct Conversation {
    name: EhloName,
    starttls: StartTls,
    encrypted: bool,
    place: Place,
    awaited: VecDeque<Awaited>,
    parser: ReplyParser,
    output: Vec<u8>,
    capabilities: Capabilities,
    /// The reply that decides the transaction, once it is known.
    decided: Option<(Phase, Reply)>,
    /// RCPT and DATA of a transaction without pipelining, still to be written.
    unsent: VecDeque<(Awaited, Vec<u8>)>,
    needs_reset: bool,
    closing: bool,
    replies: u64,
}

impl Conversation {
    /// A machine for a fresh connection; it waits for the greeting.
    pub fn new(name: EhloName, starttls: StartTls) -> Self {
        Self {
            name,
            starttls,
            encrypted: false,
            place: Place::Opening,
            awaited: VecDeque::from([Awaited::Greeting]),
            parser: ReplyParser::new(),
            output: Vec::new(),
            capabilities: Capabilities::default(),
            decided: None,
            unsent: VecDeque::new(),
            needs_reset: false,
            closing: false,
            replies: 0,
        }
    }

    /// Bytes to be written. The caller writes them and clears the vector, or writes them together with content.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Takes bytes from the network, as many as came.
    ///
    /// # Errors
    /// [`PeerMisbehaved`]: the connection must be closed.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<(), PeerMisbehaved> {
        while !bytes.is_empty() {
            if self.place == Place::Handshake {
                return Err(PeerMisbehaved::BytesBeforeTls);
            }
            let (taken, reply) = self.parser.push(bytes)?;
            bytes = &bytes[taken..];
            if let Some(reply) = reply {
                self.take(reply)?;
            }
        }
        Ok(())
    }

    /// What comes next. [`Next::Ended`] is given once; the others stand until something happens.
    pub fn next_step(&mut self) -> Next {
        if self.awaited.is_empty()
            && let Some((phase, reply)) = self.decided.take()
        {
            self.place = if self.closing { Place::Closed } else { Place::Ready };
            return Next::Ended { phase, reply };
        }
        match &self.place {
            Place::Handshake => Next::Handshake,
            Place::NoStartTls => Next::NoStartTls,
            Place::Refused(phase, reply) => Next::Refused { phase: *phase, reply: reply.clone() },
            Place::Ready => Next::Ready,
            Place::Content => Next::SendContent,
            Place::Closed => Next::Closed,
            Place::Opening | Place::Transaction | Place::Quitting => Next::Read,
        }
    }

    /// The handshake is done: begins again with EHLO, and forgets what was learned before.
    pub fn tls_established(&mut self) {
        // RFC 3207 section 4.2: "The client MUST discard any knowledge obtained from the server, such as the list of SMTP
        // service extensions, which was not obtained from the TLS negotiation itself."
        self.capabilities = Capabilities::default();
        self.parser = ReplyParser::new();
        self.encrypted = true;
        self.place = Place::Opening;
        self.ask(Awaited::Ehlo, Command::Ehlo(&self.name.clone()));
    }

    /// Begins a transaction: one message to one recipient. `octets` is the length before dot-stuffing.
    ///
    /// # Errors
    /// [`TooLarge`] where the server announced a smaller limit; nothing is sent, the connection stays usable.
    ///
    /// # Panics
    /// Where the conversation is not [`Next::Ready`].
    pub fn begin(&mut self, envelope: &Envelope, octets: u64) -> Result<(), TooLarge> {
        assert!(self.place == Place::Ready, "a transaction begins only where the conversation is ready");
        if let Some(octets_max) = self.capabilities.size_max.filter(|&octets_max| octets > octets_max) {
            return Err(TooLarge { octets, octets_max });
        }
        self.place = Place::Transaction;
        if std::mem::take(&mut self.needs_reset) {
            self.ask(Awaited::Reset, Command::Reset);
        }
        let size = self.capabilities.size.then_some(octets);
        self.ask(Awaited::Mail, Command::Mail { sender: envelope.sender.as_ref(), size });
        if self.capabilities.pipelining {
            // RFC 2920 section 3.1: MAIL, RCPT and DATA may be sent together, DATA last.
            self.ask(Awaited::Rcpt, Command::Recipient(&envelope.recipient));
            self.ask(Awaited::Data, Command::Data);
        } else {
            self.ask_later(Awaited::Rcpt, Command::Recipient(&envelope.recipient));
            self.ask_later(Awaited::Data, Command::Data);
        }
        Ok(())
    }

    /// Says that the content with its final dot is written, or about to be.
    ///
    /// # Errors
    /// [`PeerMisbehaved::Unsolicited`] where part of a reply came before the dot: it cannot be the answer to it.
    pub fn content_sent(&mut self) -> Result<(), PeerMisbehaved> {
        if !self.parser.is_idle() || self.place != Place::Content {
            return Err(PeerMisbehaved::Unsolicited);
        }
        self.place = Place::Transaction;
        self.awaited.push_back(Awaited::FinalDot);
        Ok(())
    }

    /// Says QUIT, where there is nothing outstanding.
    pub fn quit(&mut self) {
        if self.place == Place::Ready {
            self.ask(Awaited::Quit, Command::Quit);
            self.place = Place::Quitting;
        } else {
            self.place = Place::Closed;
        }
    }

    /// Gives the connection up, as after content whose final dot was never written.
    pub fn abandon(&mut self) {
        self.closing = true;
        self.place = Place::Closed;
    }

    /// What the server offers, as of the last EHLO.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The command whose reply is waited for, or the phase the conversation stands in.
    pub fn phase(&self) -> Phase {
        match (&self.place, self.awaited.front()) {
            (_, Some(awaited)) => awaited.phase(),
            (Place::Handshake | Place::NoStartTls, None) => Phase::StartTls,
            (Place::Content, None) => Phase::Data,
            (Place::Refused(phase, _), None) => *phase,
            (Place::Opening, None) => Phase::Ehlo,
            (Place::Ready | Place::Transaction, None) => Phase::Mail,
            (Place::Quitting | Place::Closed, None) => Phase::Quit,
        }
    }

    /// Whole replies taken so far: a time limit holds for a reply, however slowly its bytes drip in.
    pub fn replies(&self) -> u64 {
        self.replies
    }

    /// The reply that already decided the transaction, while others are still outstanding: what counts if the connection is
    /// lost now.
    pub fn take_decided(&mut self) -> Option<(Phase, Reply)> {
        self.decided.take()
    }

    /// Whether another transaction may begin, now or once the present one has ended.
    pub fn is_usable(&self) -> bool {
        !self.closing && matches!(self.place, Place::Ready | Place::Transaction | Place::Content)
    }

    fn ask(&mut self, awaited: Awaited, command: Command<'_>) {
        command.write_to(&mut self.output);
        self.awaited.push_back(awaited);
    }

    fn ask_later(&mut self, awaited: Awaited, command: Command<'_>) {
        let mut line = Vec::new();
        command.write_to(&mut line);
        self.unsent.push_back((awaited, line));
    }

    /// Without pipelining: the next command, now that the one before it was answered well.
    fn ask_next(&mut self) {
        if !self.awaited.is_empty() {
            return;
        }
        if let Some((awaited, line)) = self.unsent.pop_front() {
            self.output.extend_from_slice(&line);
            self.awaited.push_back(awaited);
        }
    }

    fn take(&mut self, reply: Reply) -> Result<(), PeerMisbehaved> {
        self.replies += 1;
        let Some(awaited) = self.awaited.pop_front() else { return self.take_unasked(reply) };
        let unexpected = PeerMisbehaved::UnexpectedCode { phase: awaited.phase(), code: reply.code };
        // RFC 5321 section 3.8: 421 may answer any command; the server closes.
        if reply.code == 421 && awaited != Awaited::Quit {
            self.close_with(awaited.phase(), reply);
            return Ok(());
        }
        if (300..400).contains(&reply.code) && awaited != Awaited::Data {
            self.awaited.push_front(awaited);
            return Err(unexpected);
        }
        match awaited {
            Awaited::Greeting | Awaited::Ehlo | Awaited::Helo | Awaited::StartTls => self.take_opening(awaited, reply),
            Awaited::Data => {
                return self.take_data(reply).ok_or_else(|| {
                    self.awaited.push_front(awaited);
                    unexpected
                });
            }
            Awaited::Reset | Awaited::Mail | Awaited::Rcpt if reply.is_positive() => self.ask_next(),
            Awaited::Reset | Awaited::Mail | Awaited::Rcpt => self.reject(awaited.phase(), reply),
            Awaited::FinalDot => self.decided = Some((Phase::FinalDot, reply)),
            Awaited::EmptyEnd => self.needs_reset = true,
            Awaited::Quit => self.place = Place::Closed,
        }
        Ok(())
    }

    /// A reply while nothing is outstanding.
    fn take_unasked(&mut self, reply: Reply) -> Result<(), PeerMisbehaved> {
        match self.place {
            // The server gives up in the middle of the content; it has not seen the final dot.
            Place::Content if reply.is_transient() || reply.is_permanent() => {
                self.close_with(Phase::Data, reply);
                Ok(())
            }
            // Idle for too long, or shutting down.
            Place::Ready if reply.code == 421 => {
                self.closing = true;
                self.place = Place::Refused(Phase::Ehlo, reply);
                Ok(())
            }
            _ => Err(PeerMisbehaved::Unsolicited),
        }
    }

    fn take_opening(&mut self, awaited: Awaited, reply: Reply) {
        let name = self.name.clone();
        match awaited {
            // RFC 5321 section 3.1: 220 opens; 554 says that there is no service here.
            Awaited::Greeting if reply.code == 220 => self.ask(Awaited::Ehlo, Command::Ehlo(&name)),
            Awaited::Ehlo if reply.is_positive() => {
                self.capabilities = Capabilities::from_reply(&reply);
                match self.starttls {
                    StartTls::Required if self.encrypted => self.place = Place::Ready,
                    StartTls::Required if self.capabilities.starttls => self.ask(Awaited::StartTls, Command::StartTls),
                    StartTls::Required => self.place = Place::NoStartTls,
                    StartTls::Never => self.place = Place::Ready,
                }
            }
            // RFC 5321 section 3.2: a server that does not know EHLO answers 500 or 502, and the client says HELO. Then there
            // is no STARTTLS, so this is a way for plaintext alone, or inside TLS.
            Awaited::Ehlo if matches!(reply.code, 500 | 502) && (self.encrypted || self.starttls == StartTls::Never) => {
                self.ask(Awaited::Helo, Command::Helo(&name));
            }
            Awaited::Ehlo if matches!(reply.code, 500 | 502) => self.place = Place::NoStartTls,
            Awaited::Helo if reply.is_positive() => self.place = Place::Ready,
            Awaited::StartTls if reply.code == 220 => self.place = Place::Handshake,
            _ => self.place = Place::Refused(awaited.phase(), reply),
        }
    }

    /// The reply to DATA; `None` where its code has no meaning here.
    fn take_data(&mut self, reply: Reply) -> Option<()> {
        match reply.code {
            354 if self.decided.is_none() => self.place = Place::Content,
            // RFC 2920 section 3.1: "if the DATA command was accepted the client SMTP should send a single dot."
            354 => {
                self.output.extend_from_slice(END_OF_DATA);
                self.awaited.push_back(Awaited::EmptyEnd);
            }
            400..600 => self.reject(Phase::Data, reply),
            _ => return None,
        }
        Some(())
    }

    /// The first negative reply decides the transaction; the ones behind it follow from it.
    fn reject(&mut self, phase: Phase, reply: Reply) {
        self.needs_reset = true;
        self.unsent.clear();
        if self.decided.is_none() {
            self.decided = Some((phase, reply));
        }
    }

    fn close_with(&mut self, phase: Phase, reply: Reply) {
        self.closing = true;
        self.awaited.clear();
        self.unsent.clear();
        if phase < Phase::Mail {
            self.place = Place::Refused(phase, reply);
            return;
        }
        self.place = Place::Transaction;
        self.reject(phase, reply);
    }
}
