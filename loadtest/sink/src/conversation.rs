//! One connection at one site: the SMTP machine between a stream, the site's judge and the books.

use crate::books::SharedBooks;
use crate::judgement::{FinalVerdict, Judge, answer};
use crate::keep::Keeper;
use crate::map::{Map, Meaning};
use crate::message_id::{hash64, message_id};
use crate::personality::StormAt;
use crate::report::SiteReport;
use crate::sandbox::{Delivered, OnDelivery};
use model::Mailbox;
use smtp::{Answer, Event, Receiver, ReceiverConfig};
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use world::{BoxStream, World};

/// Read at once: what a TLS record holds at most.
const READ_BYTES: usize = 16 * 1024;
/// A client that got its last answer has this long to close first, so that no reset takes the answer away.
const LINGER: Duration = Duration::from_secs(1);

/// What all sites share; lives on the sandbox's thread.
pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) map: Arc<Map>,
    pub(crate) books: SharedBooks,
    pub(crate) keeper: RefCell<Option<Keeper>>,
    pub(crate) on_delivery: RefCell<Option<OnDelivery>>,
    pub(crate) idle_max: Duration,
    pub(crate) connections_max: u32,
}

/// What the connections of one site share.
pub(crate) struct SiteDesk {
    pub(crate) desk: Rc<Desk>,
    pub(crate) index: usize,
    pub(crate) judge: RefCell<Judge>,
    pub(crate) acceptor: Option<TlsAcceptor>,
    pub(crate) config: ReceiverConfig,
}

impl SiteDesk {
    fn count(&self, change: impl FnOnce(&mut SiteReport)) {
        self.desk.books.with(|books| change(&mut books.sites[self.index].counts));
    }

    fn answered(&self, answer: &Answer) {
        self.desk.books.with(|books| books.sites[self.index].answered(answer.code()));
    }
}

/// How a turn of a conversation ended.
enum End {
    /// The client begins the handshake now.
    WantsTls,
    /// Everything was said.
    Finished,
    /// The connection is gone, or is to be lost.
    Lost,
}

/// Counts an open connection until it is dropped, also where its task is.
struct Open {
    site: Rc<SiteDesk>,
    source: IpAddr,
}

impl Open {
    fn new(site: &Rc<SiteDesk>, source: IpAddr) -> Self {
        site.desk.books.with(|books| {
            books.open += 1;
            books.sites[site.index].open(source);
        });
        Self { site: site.clone(), source }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.site.desk.books.with(|books| {
            books.open = books.open.saturating_sub(1);
            books.sites[self.site.index].close(self.source);
        });
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve(stream: BoxStream, source: IpAddr, site: Rc<SiteDesk>) {
    let mut stream = stream;
    let mut conversation = Conversation::new(site.clone(), source);
    let open = conversation.greet().await;
    loop {
        match conversation.turn(&mut stream).await {
            End::WantsTls => match handshake(stream, &site).await {
                Some(encrypted) => stream = encrypted,
                None => return,
            },
            End::Finished => break,
            End::Lost => return,
        }
        conversation.receiver.tls_established();
    }
    drop(open);
    linger(&mut stream, &site.desk.world).await;
}

async fn handshake(stream: BoxStream, site: &SiteDesk) -> Option<BoxStream> {
    let acceptor = site.acceptor.as_ref()?;
    match site.desk.world.timeout(site.desk.idle_max, acceptor.accept(stream)).await {
        Ok(Ok(encrypted)) => {
            site.count(|counts| counts.tls_handshakes += 1);
            Some(Box::new(encrypted))
        }
        Ok(Err(_)) | Err(_) => {
            site.count(|counts| counts.tls_failures += 1);
            None
        }
    }
}

/// Says that nothing more comes and waits for the client to go. It may be gone already: no error matters here.
async fn linger(stream: &mut BoxStream, world: &World) {
    let mut rest = [0; 512];
    let goodbye = async {
        stream.shutdown().await?;
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = world.timeout(LINGER, goodbye).await;
}

struct Conversation {
    site: Rc<SiteDesk>,
    source: IpAddr,
    receiver: Receiver,
    buffer: Vec<u8>,
    sender: Option<Mailbox>,
    recipients: Vec<Mailbox>,
    final_dots: u32,
}

impl Conversation {
    fn new(site: Rc<SiteDesk>, source: IpAddr) -> Self {
        let receiver = Receiver::new(site.config.clone());
        Self { site, source, receiver, buffer: Vec::new(), sender: None, recipients: Vec::new(), final_dots: 0 }
    }

    /// Greets, or refuses the connection; gives what keeps it counted as open.
    async fn greet(&mut self) -> Option<Open> {
        let site = self.site.clone();
        let (open, all) = site.desk.books.with(|books| {
            books.sites[site.index].counts.connections += 1;
            (books.sites[site.index].open_from(self.source), books.open)
        });
        if all >= site.desk.connections_max {
            self.refuse(&answer("421 4.3.2 The sandbox has too many connections open"), 0);
            return None;
        }
        if let Some(refusal) = self.storm(StormAt::Greeting) {
            self.refuse(&refusal, 0);
            return None;
        }
        if let Some(refusal) = site.judge.borrow().connection(open) {
            self.refuse(&refusal, 1);
            return None;
        }
        let counted = Open::new(&site, self.source);
        self.wait().await;
        self.receiver.greet();
        Some(counted)
    }

    fn refuse(&mut self, refusal: &Answer, violations: u64) {
        self.site.answered(refusal);
        self.site.count(|counts| {
            counts.connections_refused += 1;
            counts.violations += violations;
        });
        self.receiver.greet_with(refusal);
    }

    fn storm(&self, at: StormAt) -> Option<Answer> {
        self.site.judge.borrow().storm(at, self.site.desk.world.monotonic())
    }

    async fn wait(&self) {
        let delay = self.site.judge.borrow().delay();
        if !delay.is_zero() {
            self.site.desk.world.sleep(delay).await;
        }
    }

    /// Reads, answers and writes until the connection ends or TLS begins.
    async fn turn(&mut self, stream: &mut BoxStream) -> End {
        self.buffer.resize(READ_BYTES, 0);
        loop {
            while let Some(event) = self.receiver.next_event() {
                if let Event::Message(content) = event {
                    if !self.message(content, stream).await {
                        return End::Lost;
                    }
                } else {
                    self.take(event);
                }
            }
            if !self.write(stream).await {
                return End::Lost;
            }
            if self.receiver.is_finished() {
                return End::Finished;
            }
            if self.receiver.wants_tls() {
                return End::WantsTls;
            }
            let desk = &self.site.desk;
            match desk.world.timeout(desk.idle_max, stream.read(&mut self.buffer)).await {
                Ok(Ok(0) | Err(_)) => return End::Lost,
                Ok(Ok(length)) => self.receiver.receive(&self.buffer[..length]),
                Err(_) => self.receiver.shut(&answer("421 4.4.2 Idle for too long")),
            }
        }
    }

    async fn write(&mut self, stream: &mut BoxStream) -> bool {
        let output = self.receiver.output();
        if output.is_empty() {
            return true;
        }
        let writing = async {
            stream.write_all(output).await?;
            stream.flush().await
        };
        let length = output.len();
        let written = matches!(self.site.desk.world.timeout(self.site.desk.idle_max, writing).await, Ok(Ok(())));
        self.receiver.output_written(length);
        written
    }

    /// Answers everything but a message.
    fn take(&mut self, event: Event) {
        let refusal = match event {
            Event::Mail { sender, .. } => {
                self.sender = sender;
                self.recipients.clear();
                self.storm(StormAt::Mail).or_else(|| self.site.judge.borrow().mail(self.final_dots))
            }
            Event::Recipient { mailbox } => self.recipient(mailbox),
            Event::Fault(_) => {
                self.site.count(|counts| counts.faults += 1);
                None
            }
            Event::Hello { .. } | Event::Data | Event::StartTls | Event::Message(_) | Event::Reset | Event::Quit => None,
        };
        match refusal {
            // Events that need no answer ignore this.
            None => self.receiver.accept(),
            Some(refusal) => {
                self.site.answered(&refusal);
                self.receiver.answer(&refusal);
            }
        }
    }

    fn recipient(&mut self, mailbox: Mailbox) -> Option<Answer> {
        let desk = &self.site.desk;
        if desk.map.meaning(mailbox.destination().as_str()) != Some(Meaning::Destination { site: self.site.index }) {
            self.site.count(|counts| counts.misrouted += 1);
            return Some(answer("550 5.7.1 Relaying denied"));
        }
        let now = desk.world.monotonic();
        let storm = self.storm(StormAt::Recipient);
        let refusal = storm.or_else(|| self.site.judge.borrow_mut().recipient(self.sender.as_ref(), &mailbox, now));
        if refusal.is_none() {
            self.recipients.push(mailbox);
        }
        refusal
    }

    /// Judges a message, books it, answers it; false where the connection is to be lost.
    async fn message(&mut self, content: Vec<u8>, stream: &mut BoxStream) -> bool {
        self.final_dots += 1;
        let verdict = self.judge(&content);
        self.receiver.recycle(content);
        if !self.site.judge.borrow().delay().is_zero() {
            // Earlier answers do not wait for this one.
            if !self.write(stream).await {
                return false;
            }
            self.wait().await;
        }
        match verdict {
            FinalVerdict::Accept => self.receiver.accept(),
            FinalVerdict::Answer(refusal) => self.receiver.answer(&refusal),
            FinalVerdict::Drop { .. } => return false,
        }
        true
    }

    /// The books know the verdict before the client does, as with a real receiver that dies in between.
    fn judge(&mut self, content: &[u8]) -> FinalVerdict {
        let site = self.site.clone();
        let id = message_id(content).map(|id| hash64(&[id]));
        let now = site.desk.world.monotonic();
        let in_window = site.desk.books.with(|books| books.sites[site.index].final_dot(self.source, now));
        if let Some(refusal) = self.storm(StormAt::FinalDot) {
            // It counts in the window, and breaks no limit.
            site.answered(&refusal);
            return FinalVerdict::Answer(refusal);
        }
        let verdict = site.judge.borrow_mut().final_dot(in_window, id);
        match &verdict {
            FinalVerdict::Accept => self.book(content, id, true),
            FinalVerdict::Answer(refusal) => {
                site.answered(refusal);
                site.count(|counts| counts.violations += 1);
            }
            FinalVerdict::Drop { accepted: true } => {
                site.count(|counts| counts.dropped_accepted += 1);
                self.book(content, id, false);
            }
            FinalVerdict::Drop { accepted: false } => site.count(|counts| counts.dropped_unaccepted += 1),
        }
        verdict
    }

    fn book(&self, content: &[u8], id: Option<u64>, answered: bool) {
        let (site, desk) = (&self.site, &self.site.desk);
        let encrypted = self.receiver.is_encrypted();
        desk.books.with(|books| books.accept(site.index, id, content.len(), encrypted));
        let name = &desk.map.sites[site.index].name;
        if let Some(keeper) = desk.keeper.borrow_mut().as_mut()
            && keeper.keep(&desk.world, name, content).is_err()
        {
            desk.books.with(|books| books.not_kept += 1);
        }
        if let Some(on_delivery) = desk.on_delivery.borrow_mut().as_mut() {
            on_delivery(&Delivered {
                site: name,
                source: self.source,
                sender: self.sender.as_ref(),
                recipients: &self.recipients,
                message: content,
                encrypted,
                answered,
                at: desk.world.monotonic(),
            });
        }
    }
}
