//! The journey as types: each stage takes one and gives the next (DESIGN "The journey").
//!
//! ```text
//! Job<S> → JournaledJob<S> → DueDelivery<S> → PermittedDelivery<S> → RenderedMessage<S> → SealedMessage<S> → Attempt<S> → Outcome<S>
//! ```
//!
//! A job that is not durable cannot be queued; a message that is not sealed cannot be sent; `Marketing`
//! cannot be put where `Transactional` goes. Three witnesses guard the steps that matter: [`Durable`] is
//! minted by the journal, [`Permit`] by the lane, [`Seal`] by the seal stage, and by nobody else (a test of the
//! workspace looks for who calls `attest`).

use crate::record::{AttemptEnd, Head};
use crate::statement::Statement;
use crate::stream::Stream;
use crate::{BatchId, BundleId, JobId, Mailbox, MessageVersion, Presentation, Private, Protection, Recipient, TenantId, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

/// What a job is made of. Kinds join at the end: the position is the stored kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Statements of exactly one member (invariant 13). Never empty.
    Statements(Vec<Statement>),
    /// A named template with text variables: what the marketing stream carries.
    Templated {
        /// Name of the template in the bundle.
        template: String,
        /// Its variables.
        variables: BTreeMap<String, Private>,
        /// Reference of the recipient's written authorization (45 CFR 164.508).
        authorization: Private,
    },
}

/// The content of a job: what the work log keeps, encrypted, until it is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobData {
    /// Who receives it; `None` while a person must find out (held).
    pub recipient: Option<Recipient>,
    /// What is sent.
    pub payload: Payload,
    /// What decides the bytes. Equals the head's; stands here too so that a worker needs the payload alone.
    pub bundle: BundleId,
    /// What it requires on its way. Equals the head's.
    pub protection: Protection,
    /// How much it says. Equals the head's.
    pub presentation: Presentation,
}

/// What intake makes of a row. Not durable yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job<S: Stream> {
    /// What the record keeps.
    pub head: Head,
    /// What the work log keeps.
    pub data: JobData,
    stream: PhantomData<S>,
}

impl<S: Stream> Job<S> {
    /// Joins head and content.
    pub fn new(head: Head, data: JobData) -> Self {
        Self { head, data, stream: PhantomData }
    }
}

/// Where a payload lies in the work log. May change, never an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Locator {
    /// The segment's number.
    pub segment: u32,
    /// The frame's offset in it, in bytes.
    pub offset: u32,
}

macro_rules! witness {
    ($(#[$doc:meta])* $name:ident, $crate_name:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(());

        impl $name {
            #[doc = concat!("Says that it is so. Only `", $crate_name, "` may.")]
            pub const fn attest() -> Self {
                Self(())
            }
        }
    };
}

witness!(
    /// Proof that the frames of a job were synced.
    Durable, "journal"
);
witness!(
    /// The throttle's yes: this lane may begin one more delivery. The limit itself is spent at the final dot.
    Permit, "throttle"
);
witness!(
    /// Proof that a message carries its signatures.
    Seal, "seal"
);

/// A job that is on disk: may be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournaledJob<S: Stream> {
    /// Its id.
    pub id: JobId,
    /// Where its payload lies.
    pub locator: Locator,
    /// What the queue needs to know of it.
    pub head: Arc<Head>,
    _durable: Durable,
    stream: PhantomData<S>,
}

impl<S: Stream> JournaledJob<S> {
    /// Made by the journal after the sync.
    pub fn new(id: JobId, locator: Locator, head: Arc<Head>, durable: Durable) -> Self {
        Self { id, locator, head, _durable: durable, stream: PhantomData }
    }
}

/// A delivery whose time has come, as the queue hands it out. Small and without content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery<S: Stream> {
    /// The job.
    pub job: JobId,
    /// Where its payload lies.
    pub locator: Locator,
    /// The message version.
    pub message: MessageVersion,
    /// The queue's number of the destination.
    pub destination: u32,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its batch.
    pub batch: BatchId,
    /// 0 is the most urgent.
    pub priority: u8,
    /// Attempts that have ended so far.
    pub attempts: u16,
    /// Expires after this moment.
    pub deadline: Timestamp,
    /// An earlier attempt froze the bytes: rendering must reproduce them.
    pub frozen: bool,
    /// The queue's slot of the entry, to be given back with it.
    pub slot: u32,
    stream: PhantomData<S>,
}

impl<S: Stream> DueDelivery<S> {
    /// Made by the queue out of its entry.
    #[allow(clippy::too_many_arguments, reason = "one call site; the fields are the queue entry's")]
    pub fn new(
        job: JobId,
        locator: Locator,
        message: MessageVersion,
        destination: u32,
        tenant: TenantId,
        batch: BatchId,
        priority: u8,
        attempts: u16,
        deadline: Timestamp,
        frozen: bool,
        slot: u32,
    ) -> Self {
        Self { job, locator, message, destination, tenant, batch, priority, attempts, deadline, frozen, slot, stream: PhantomData }
    }
}

/// A delivery that its lane may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermittedDelivery<S: Stream> {
    /// The delivery.
    pub due: DueDelivery<S>,
    _permit: Permit,
}

impl<S: Stream> PermittedDelivery<S> {
    /// Joins a delivery with its permit.
    pub fn new(due: DueDelivery<S>, permit: Permit) -> Self {
        Self { due, _permit: permit }
    }
}

/// Sender and recipient of the SMTP envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// `MAIL FROM`: where bounces go. `None` is the null reverse-path.
    pub sender: Option<Mailbox>,
    /// `RCPT TO`.
    pub recipient: Mailbox,
}

/// A message as the render stage made it: CRLF line ends, no line over 998 octets, not signed. Its `Debug` shows how long it is,
/// no byte of it.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedMessage<S: Stream> {
    /// The delivery it is for.
    pub delivery: PermittedDelivery<S>,
    /// The envelope.
    pub envelope: Envelope,
    /// What decided the bytes.
    pub bundle: BundleId,
    /// Version of the contact data.
    pub address_version: u32,
    /// The `Date` header.
    pub date: Timestamp,
    /// What it requires on its way.
    pub protection: Protection,
    /// SHA-256 of `bytes`.
    pub sha256: [u8; 32],
    /// Header and body: made once, shared by all attempts.
    pub bytes: Bytes,
    /// Where the body begins in `bytes`.
    pub body_offset: usize,
}

impl<S: Stream> fmt::Debug for RenderedMessage<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderedMessage").field("job", &self.delivery.due.job).field("octets", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// A message that may be sent: rendered, and sealed as its recipient needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedMessage<S: Stream> {
    /// The message under the seal.
    pub rendered: RenderedMessage<S>,
    /// Header fields that go before `rendered.bytes`: the signatures, each ending in CRLF.
    pub signatures: Arc<[u8]>,
    _seal: Seal,
}

impl<S: Stream> SealedMessage<S> {
    /// Joins a message with its signatures.
    pub fn new(rendered: RenderedMessage<S>, signatures: Arc<[u8]>, seal: Seal) -> Self {
        Self { rendered, signatures, _seal: seal }
    }

    /// Octets on the wire before dot-stuffing.
    pub fn wire_bytes(&self) -> usize {
        self.signatures.len() + self.rendered.bytes.len()
    }
}

/// One try to hand a sealed message to a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt<S: Stream> {
    /// What is sent.
    pub message: SealedMessage<S>,
    /// Counts from 1.
    pub number: u16,
    /// Our address; `None` lets the kernel choose.
    pub source: Option<IpAddr>,
}

/// What an attempt led to; goes to the record, then back to the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<S: Stream> {
    /// The delivery it ends.
    pub due: DueDelivery<S>,
    /// What the record learns.
    pub end: AttemptEnd,
    /// Whether the last byte was written: `Record::Outcome`, else `Record::NotSent`.
    pub last_byte_written: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Destination, Transactional};

    #[test]
    fn a_message_prints_without_its_content() {
        let job = JobId::from_bits(7);
        let due = DueDelivery::<Transactional>::new(
            job,
            Locator { segment: 1, offset: 8 },
            MessageVersion(0),
            0,
            TenantId(1),
            BatchId::new(1, 1),
            1,
            0,
            Timestamp(9),
            false,
            0,
        );
        let mailbox = Mailbox::parse("wilhelmina@mail.example").expect("an address");
        assert_eq!(mailbox.destination(), &Destination::parse("mail.example").expect("a name"));
        let message = RenderedMessage {
            delivery: PermittedDelivery::new(due, Permit::attest()),
            envelope: Envelope { sender: None, recipient: mailbox },
            bundle: BundleId([1; 32]),
            address_version: 0,
            date: Timestamp(5),
            protection: Protection::TlsVerified,
            sha256: [2; 32],
            bytes: Bytes::from_static(b"Subject: x\r\n\r\nWilhelmina owes 61.00"),
            body_offset: 14,
        };
        let sealed = SealedMessage::new(message, Arc::from(&b""[..]), Seal::attest());
        let printed = format!("{sealed:?}");
        assert!(!printed.contains("87") && !printed.contains("ilhelmina") && printed.contains("octets"), "{printed}");
    }
}
