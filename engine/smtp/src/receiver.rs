//! The server side: bytes in, [`Event`]s out, answers in, bytes out.
//!
//! ```text
//! loop {
//!     while let Some(event) = receiver.next_event() { … receiver.accept() or receiver.answer(…) … }
//!     write receiver.output(), receiver.output_written(n)      // a delayed answer is just a later one
//!     if receiver.is_finished() { close }
//!     if receiver.wants_tls() { handshake; receiver.tls_established() }
//!     read bytes; receiver.receive(bytes)
//! }
//! ```
//!
//! The machine keeps the order of commands, answers what needs no decision (NOOP, RSET, QUIT, VRFY, errors), collects
//! pipelined commands, undoes dot-stuffing, and holds the limits. The caller decides about everything else, event by
//! event. [`Event::needs_answer`] events stop the machine until they are answered.
//!
//! Strict: a command ends in CRLF, data ends in `CRLF . CRLF`, content with a bare CR or LF is refused after its true end.
//! The one surprise: bytes that came together with STARTTLS are thrown away and reported as [`Fault::PipelinedStartTls`].

use crate::event::{Event, Fault};
use crate::offers::{ReceiverConfig, offered_lines};
use crate::request::COMMAND_LINE_BYTES_MAX;
use crate::{Answer, Request, Unstuffer};
use memchr::memchr;
use model::Mailbox;

/// Faults after which the machine closes the connection.
const FAULTS_MAX: u32 = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Unopened,
    Commands,
    Content,
    WantsTls,
    Finished,
}

/// What the machine waits to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Hello { extended: bool },
    Mail,
    Recipient,
    Data,
    Message,
    StartTls,
}

/// The server machine of one connection.
#[derive(Debug)]
pub struct Receiver {
    config: ReceiverConfig,
    place: Place,
    pending: Option<Pending>,
    noticed: Option<Fault>,
    input: Vec<u8>,
    input_taken: usize,
    output: Vec<u8>,
    output_taken: usize,
    content: Vec<u8>,
    unstuffer: Unstuffer,
    encrypted: bool,
    greeted: bool,
    mail_open: bool,
    recipients: u32,
    faults: u32,
    skipping_line: bool,
}

impl Receiver {
    /// A machine for a fresh connection. Begin with [`Receiver::greet`].
    pub fn new(config: ReceiverConfig) -> Self {
        Self {
            config,
            place: Place::Unopened,
            pending: None,
            noticed: None,
            input: Vec::new(),
            input_taken: 0,
            output: Vec::new(),
            output_taken: 0,
            content: Vec::new(),
            unstuffer: Unstuffer::new(),
            encrypted: false,
            greeted: false,
            mail_open: false,
            recipients: 0,
            faults: 0,
            skipping_line: false,
        }
    }

    /// Sends `220 name ESMTP`.
    pub fn greet(&mut self) {
        let line = format!("220 {} ESMTP\r\n", self.config.name);
        self.output.extend_from_slice(line.as_bytes());
        self.place = Place::Commands;
    }

    /// Greets otherwise: a 220 of one's own, or 421 / 554, after which the machine is finished.
    pub fn greet_with(&mut self, answer: &Answer) {
        answer.write_to(&mut self.output);
        self.place = if answer.is_positive() { Place::Commands } else { Place::Finished };
    }

    /// Takes bytes from the network.
    pub fn receive(&mut self, bytes: &[u8]) {
        if matches!(self.place, Place::Finished | Place::WantsTls) {
            return;
        }
        if self.input_taken == self.input.len() {
            self.input.clear();
            self.input_taken = 0;
        }
        self.input.extend_from_slice(bytes);
    }

    /// What happened next; `None` where more bytes, an answer or the handshake is needed first.
    pub fn next_event(&mut self) -> Option<Event> {
        if let Some(fault) = self.noticed.take() {
            return Some(Event::Fault(fault));
        }
        while self.pending.is_none() {
            let event = match self.place {
                Place::Commands => self.next_command()?,
                Place::Content => self.next_content()?,
                Place::Unopened | Place::WantsTls | Place::Finished => return None,
            };
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// Gives the pending event the answer that lets the client go on.
    pub fn accept(&mut self) {
        let answer = match self.pending {
            None => return,
            Some(Pending::Hello { .. }) => return self.accept_hello(),
            Some(Pending::Mail) => Answer::constant(250, (2, 1, 0), "Ok"),
            Some(Pending::Recipient) => Answer::constant(250, (2, 1, 5), "Ok"),
            Some(Pending::Data) => {
                self.output.extend_from_slice(b"354 End data with <CR><LF>.<CR><LF>\r\n");
                return self.open_content();
            }
            Some(Pending::Message) => Answer::constant(250, (2, 0, 0), "Ok"),
            Some(Pending::StartTls) => Answer::constant(220, (2, 0, 0), "Ready to start TLS"),
        };
        self.answer(&answer);
    }

    /// Gives the pending event this answer. 421 finishes the machine; a negative one undoes what was asked.
    pub fn answer(&mut self, answer: &Answer) {
        let Some(pending) = self.pending else { return };
        let positive = answer.is_positive();
        match pending {
            Pending::Hello { .. } if positive => return self.accept_hello(),
            Pending::Data if positive => {
                answer.write_to(&mut self.output);
                return self.open_content();
            }
            Pending::StartTls if positive => self.open_tls(),
            Pending::Mail => self.mail_open = positive,
            Pending::Recipient => self.recipients += u32::from(positive),
            // RFC 5321 section 4.1.1.4: after the reply to the end of data "the buffers are cleared".
            Pending::Message => self.reset(),
            Pending::Hello { .. } | Pending::Data | Pending::StartTls => {}
        }
        self.pending = None;
        answer.write_to(&mut self.output);
        // RFC 5321 section 3.8: 421 is the one reply after which the server may close.
        if answer.code() == 421 {
            self.place = Place::Finished;
        }
    }

    /// Answers out of turn and finishes: `421` on shutdown or idle time.
    pub fn shut(&mut self, answer: &Answer) {
        answer.write_to(&mut self.output);
        self.pending = None;
        self.place = Place::Finished;
    }

    /// Bytes to be written to the network.
    pub fn output(&self) -> &[u8] {
        &self.output[self.output_taken..]
    }

    /// Says that this many octets of [`Receiver::output`] were written.
    pub fn output_written(&mut self, octets: usize) {
        self.output_taken = (self.output_taken + octets).min(self.output.len());
        if self.output_taken == self.output.len() {
            self.output.clear();
            self.output_taken = 0;
        }
    }

    /// True once the connection is to be closed, after the rest of the output.
    pub fn is_finished(&self) -> bool {
        self.place == Place::Finished
    }

    /// True once the output is written and the caller is to do the TLS handshake.
    pub fn wants_tls(&self) -> bool {
        self.place == Place::WantsTls && self.output().is_empty()
    }

    /// The handshake is done: the client begins again with EHLO.
    pub fn tls_established(&mut self) {
        self.encrypted = true;
        // RFC 3207 section 4.2: "The server MUST discard any knowledge obtained from the client […] which was not obtained
        // from the TLS negotiation itself."
        self.greeted = false;
        self.reset();
        self.input.clear();
        self.input_taken = 0;
        self.place = Place::Commands;
    }

    /// Whether TLS is on.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Gives the buffer of a message back for the next one.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.content = buffer;
    }

    fn reset(&mut self) {
        self.mail_open = false;
        self.recipients = 0;
    }

    fn accept_hello(&mut self) {
        let Some(Pending::Hello { extended }) = self.pending.take() else { return };
        self.greeted = true;
        self.reset();
        let mut lines = vec![self.config.name.to_string()];
        if extended {
            lines.extend(offered_lines(&self.config, self.encrypted));
        }
        let last = lines.len() - 1;
        for (index, line) in lines.iter().enumerate() {
            let separator = if index == last { ' ' } else { '-' };
            self.output.extend_from_slice(format!("250{separator}{line}\r\n").as_bytes());
        }
    }

    fn open_content(&mut self) {
        self.pending = None;
        self.unstuffer = Unstuffer::new();
        self.content.clear();
        self.place = Place::Content;
    }

    fn open_tls(&mut self) {
        // RFC 3207 section 4: "the client MUST […] not attempt to pipeline commands"; what came before the handshake must
        // not be taken for something that came through it (CVE-2011-0411).
        if self.input_taken < self.input.len() {
            self.noticed = Some(Fault::PipelinedStartTls);
        }
        self.input.clear();
        self.input_taken = 0;
        self.place = Place::WantsTls;
    }

    /// One step in command mode. `None`: needs bytes. `Some(None)`: a command was answered silently.
    fn next_command(&mut self) -> Option<Option<Event>> {
        let waiting = &self.input[self.input_taken..];
        let Some(end) = memchr(b'\n', waiting) else {
            if waiting.len() <= COMMAND_LINE_BYTES_MAX + 1 {
                return None;
            }
            self.input.clear();
            self.input_taken = 0;
            if std::mem::replace(&mut self.skipping_line, true) {
                return None;
            }
            return Some(Some(self.line_too_long()));
        };
        // The CR may count on top, so that a line is judged alike whether its LF has arrived or not.
        let verdict = match &waiting[..end] {
            line if line.len() > COMMAND_LINE_BYTES_MAX + 1 => Err(Fault::LineTooLong),
            line => match line.strip_suffix(b"\r") {
                // RFC 5321 section 2.3.8: a line ends in CRLF and in nothing else.
                None => Err(Fault::BareLineFeed),
                Some(line) => Request::parse(line).map_err(Fault::Request),
            },
        };
        self.input_taken += end + 1;
        if std::mem::take(&mut self.skipping_line) {
            return Some(None);
        }
        Some(match verdict {
            Ok(request) => self.take(request),
            Err(Fault::Request(error)) => Some(self.fault(Fault::Request(error), error.answer())),
            Err(Fault::LineTooLong) => Some(self.line_too_long()),
            Err(fault) => Some(self.fault(fault, Answer::constant(500, (5, 5, 2), "Bare <LF> received"))),
        })
    }

    fn line_too_long(&mut self) -> Event {
        self.fault(Fault::LineTooLong, Answer::constant(500, (5, 5, 2), "Line too long"))
    }

    /// Puts a request in order: gives the event, or answers itself.
    fn take(&mut self, request: Request) -> Option<Event> {
        match request {
            Request::Hello { name, extended } => {
                self.pending = Some(Pending::Hello { extended });
                Some(Event::Hello { name, extended })
            }
            Request::Mail { sender, size } => Some(self.take_mail(sender, size)),
            Request::Recipient { .. } if !self.mail_open => Some(self.out_of_order("Send MAIL first")),
            Request::Recipient { mailbox } => {
                self.pending = Some(Pending::Recipient);
                Some(Event::Recipient { mailbox })
            }
            Request::Data if !self.mail_open => Some(self.out_of_order("Send MAIL first")),
            Request::Data if self.recipients == 0 => {
                // RFC 5321 section 3.3: "the server MAY return a 'no valid recipients' (554) reply".
                Some(self.fault(Fault::Sequence, Answer::constant(554, (5, 5, 1), "No valid recipients")))
            }
            Request::Data => {
                self.pending = Some(Pending::Data);
                Some(Event::Data)
            }
            Request::StartTls if !self.config.offers.starttls || self.encrypted => Some(self.out_of_order("TLS not available")),
            Request::StartTls => {
                self.pending = Some(Pending::StartTls);
                Some(Event::StartTls)
            }
            Request::Reset => {
                self.reset();
                self.reply(&Answer::constant(250, (2, 0, 0), "Ok"));
                Some(Event::Reset)
            }
            Request::Noop => self.reply(&Answer::constant(250, (2, 0, 0), "Ok")),
            // RFC 5321 section 7.3: 252 tells nothing about who has a mailbox.
            Request::Verify => self.reply(&Answer::constant(252, (2, 5, 0), "Cannot verify, send some mail")),
            Request::Quit => {
                self.reply(&Answer::constant(221, (2, 0, 0), "Bye"));
                self.place = Place::Finished;
                Some(Event::Quit)
            }
        }
    }

    fn take_mail(&mut self, sender: Option<Mailbox>, size: Option<u64>) -> Event {
        if !self.greeted {
            return self.out_of_order("Send EHLO first");
        }
        if self.config.requires_tls && !self.encrypted {
            // RFC 3207 section 4: "530 Must issue a STARTTLS command first".
            return self.fault(Fault::TlsRequired, Answer::constant(530, (5, 7, 0), "Must issue a STARTTLS command first"));
        }
        if self.mail_open {
            return self.out_of_order("Nested MAIL");
        }
        if size.is_some_and(|size| size > self.config.octets_max as u64) {
            // RFC 1870 section 6.1: 552 where the declared size exceeds the maximum.
            return self.fault(Fault::Oversized, Answer::constant(552, (5, 3, 4), "Message size exceeds fixed limit"));
        }
        self.pending = Some(Pending::Mail);
        Event::Mail { sender, size }
    }

    fn next_content(&mut self) -> Option<Option<Event>> {
        let waiting = &self.input[self.input_taken..];
        let (taken, ended) = self.unstuffer.push(waiting, &mut self.content, self.config.octets_max);
        self.input_taken += taken;
        if !ended {
            return None;
        }
        self.place = Place::Commands;
        if self.unstuffer.is_oversized() {
            self.reset();
            return Some(Some(self.fault(Fault::Oversized, Answer::constant(552, (5, 3, 4), "Message size exceeds fixed limit"))));
        }
        if self.unstuffer.had_bare_line_end() {
            self.reset();
            return Some(Some(self.fault(Fault::BareLineEndInContent, Answer::constant(550, (5, 6, 0), "Bare <CR> or <LF> in message"))));
        }
        self.pending = Some(Pending::Message);
        Some(Some(Event::Message(std::mem::take(&mut self.content))))
    }

    fn reply(&mut self, answer: &Answer) -> Option<Event> {
        answer.write_to(&mut self.output);
        None
    }

    fn out_of_order(&mut self, text: &'static str) -> Event {
        self.fault(Fault::Sequence, Answer::constant(503, (5, 5, 1), text))
    }

    fn fault(&mut self, fault: Fault, answer: Answer) -> Event {
        answer.write_to(&mut self.output);
        self.faults += 1;
        if self.faults >= FAULTS_MAX {
            Answer::constant(421, (4, 7, 0), "Too many errors").write_to(&mut self.output);
            self.place = Place::Finished;
        }
        Event::Fault(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EhloName;

    fn opened() -> Receiver {
        let mut config = ReceiverConfig::new(EhloName::parse("mx.sink.example").unwrap());
        config.offers.starttls = true;
        config.octets_max = 1000;
        let mut receiver = Receiver::new(config);
        receiver.greet();
        receiver
    }

    fn written(receiver: &mut Receiver) -> String {
        let text = String::from_utf8(receiver.output().to_vec()).unwrap();
        receiver.output_written(text.len());
        text
    }

    /// Feeds bytes, accepts everything; gives the events.
    fn run(receiver: &mut Receiver, bytes: &[u8], chunk: usize) -> Vec<Event> {
        let mut events = Vec::new();
        for part in bytes.chunks(chunk.max(1)) {
            receiver.receive(part);
            while let Some(event) = receiver.next_event() {
                if event.needs_answer() {
                    receiver.accept();
                }
                events.push(event);
            }
        }
        events
    }

    const DELIVERY: &[u8] =
        b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<ada@b.example>\r\nDATA\r\nA: b\r\n\r\n..x\r\n.\r\nNOOP\r\nRSET\r\nQUIT\r\n";

    #[test]
    fn a_pipelined_delivery_is_the_same_in_any_split() {
        let mut whole = opened();
        let events = run(&mut whole, DELIVERY, DELIVERY.len());
        let output = written(&mut whole);
        assert!(events.contains(&Event::Message(b"A: b\r\n\r\n.x\r\n".to_vec())));
        assert!(output.ends_with("221 2.0.0 Bye\r\n") && whole.is_finished());
        for chunk in 1..40 {
            let mut split = opened();
            assert_eq!(run(&mut split, DELIVERY, chunk), events);
            assert_eq!(written(&mut split), output);
        }
    }

    #[test]
    fn lists_what_it_offers() {
        let mut receiver = opened();
        run(&mut receiver, b"EHLO a.example\r\n", 100);
        assert_eq!(
            written(&mut receiver),
            "220 mx.sink.example ESMTP\r\n250-mx.sink.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-STARTTLS\r\n250 ENHANCEDSTATUSCODES\r\n"
        );
    }

    #[test]
    fn keeps_the_order_of_commands() {
        for (input, code) in [
            ("MAIL FROM:<>\r\n", "503"),
            ("EHLO a.example\r\nRCPT TO:<a@b.example>\r\n", "503"),
            ("EHLO a.example\r\nDATA\r\n", "503"),
            ("EHLO a.example\r\nMAIL FROM:<>\r\nDATA\r\n", "554"),
            ("EHLO a.example\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\n", "503"),
            ("EHLO a.example\r\nMAIL FROM:<> SIZE=1001\r\n", "552"),
            ("NOOP\n", "500"),
        ] {
            let mut receiver = opened();
            let events = run(&mut receiver, input.as_bytes(), 7);
            assert!(matches!(events.last(), Some(Event::Fault(_))), "{input}");
            assert!(written(&mut receiver).lines().last().unwrap().starts_with(code), "{input}");
        }
    }

    #[test]
    fn refuses_smuggling_at_the_true_end_of_data() {
        let mut receiver = opened();
        run(&mut receiver, b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n", 1000);
        written(&mut receiver);
        let events = run(&mut receiver, b"x\r\n\n.\r\nMAIL FROM:<evil@x.example>\r\n.\r\n", 1000);
        assert_eq!(events, [Event::Fault(Fault::BareLineEndInContent)]);
        assert!(written(&mut receiver).starts_with("550 5.6.0"));
    }

    #[test]
    fn throws_away_what_came_behind_starttls() {
        let mut receiver = opened();
        let events = run(&mut receiver, b"EHLO a.example\r\nSTARTTLS\r\nMAIL FROM:<evil@x.example>\r\n", 1000);
        assert_eq!(events[1..], [Event::StartTls, Event::Fault(Fault::PipelinedStartTls)]);
        assert!(!receiver.wants_tls());
        written(&mut receiver);
        assert!(receiver.wants_tls());
        receiver.tls_established();
        assert_eq!(run(&mut receiver, b"MAIL FROM:<>\r\n", 100), [Event::Fault(Fault::Sequence)]);
        run(&mut receiver, b"EHLO a.example\r\n", 100);
        assert!(!written(&mut receiver).contains("STARTTLS"));
    }

    #[test]
    fn oversized_content_is_dropped_and_refused() {
        let mut receiver = opened();
        run(&mut receiver, b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n", 1000);
        let mut content = b"x".repeat(3000);
        content.extend_from_slice(b"\r\n.\r\n");
        assert_eq!(run(&mut receiver, &content, 100), [Event::Fault(Fault::Oversized)]);
        assert!(receiver.content.len() <= 1000);
    }

    #[test]
    fn endless_lines_and_endless_errors_end() {
        let mut receiver = opened();
        let events = run(&mut receiver, &b"x".repeat(10_000), 1000);
        assert_eq!(events, [Event::Fault(Fault::LineTooLong)]);
        run(&mut receiver, b"\r\n", 10);
        assert_eq!(run(&mut receiver, b"NOOP\r\n", 10), []);
        run(&mut receiver, &b"XYZZY\r\n".repeat(60), 1000);
        assert!(receiver.is_finished());
    }

    #[test]
    fn an_answer_of_421_finishes() {
        let mut receiver = opened();
        receiver.receive(b"EHLO a.example\r\n");
        assert!(receiver.next_event().unwrap().needs_answer());
        assert_eq!(receiver.next_event(), None);
        receiver.answer(&Answer::parse("421 4.3.2 Try later").unwrap());
        assert!(receiver.is_finished() && written(&mut receiver).ends_with("421 4.3.2 Try later\r\n"));
    }
}
