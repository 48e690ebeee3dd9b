//! The one message that all benches work on, at every step of its way. Invented, and the same in every run.

use model::stage::{DueDelivery, Envelope, JobData, Locator, Payload, PermittedDelivery};
use model::{BatchId, JobId, Mailbox, MessageVersion, Monotonic, Protection, Recipient, Stream, TenantId, Timestamp, Transactional};
use render::{Bundle, Identity, Renderer};
use std::path::Path;
use testkit::{Batch, Options};
use throttle::Lane;
use throttle::limits::Limits;

/// Rows of a batch: what a file's envelope costs is shared by so many.
pub const ROWS: u64 = 256;

/// The domain of `From`, which signs.
pub const FROM_DOMAIN: &str = "mail.lakeside.example";

const IDENTITY: &str = r#"{
    "tenant": "lakeside",
    "brand": "Lakeside Health Plan",
    "from": "statements@mail.lakeside.example",
    "reply_to": "service@lakeside.example",
    "bounce": "bounce@mail.lakeside.example",
    "message_id_domain": "mail.lakeside.example",
    "phone": "1-800-555-0142",
    "tty": "711",
    "hours": "Monday to Friday, 8 a.m. to 8 p.m.",
    "portal_url": "https://members.lakeside.example/statements",
    "postal_address": "Lakeside Health Plan, Appeals, PO Box 100, Springfield, EX 00001",
    "consumer_assistance": "Example Office of the Insurance Commissioner, 1-800-555-0199"
}"#;

/// The moment of all messages: Sunday, 22 November 2026.
pub const fn now() -> Timestamp {
    Timestamp::from_seconds(1_795_315_507)
}

/// [`ROWS`] statements of 15 service lines, nothing wrong with any.
pub fn batch() -> Batch {
    Batch::new(Options { rows: ROWS, lines: 15..=15, denied_per_mille: 0, ..Options::default() })
}

/// The shipped templates for an invented plan.
///
/// # Panics
/// Where the shipped templates are broken; their own tests say how.
pub fn bundle() -> Bundle {
    let identity: Identity = serde_json::from_str(IDENTITY).expect("the identity above is one");
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/templates");
    Bundle::from_dir(&templates, &identity).expect("the shipped templates make a bundle")
}

/// What the journal holds of row `number`, from 1.
///
/// # Panics
/// Where `number` is 0.
pub fn job_data(number: u64, bundle: &Bundle) -> JobData {
    let row = batch().row(number);
    let mailbox = Mailbox::parse(row.person.email.reveal()).expect("invented addresses are addresses");
    JobData {
        recipient: Some(Recipient {
            mailbox,
            name: row.statement.member.name.clone(),
            address_version: 0,
            language: None,
            on_behalf_of: false,
        }),
        payload: Payload::Statements(vec![row.statement]),
        bundle: bundle.id(),
        protection: Protection::TlsVerified,
        presentation: model::Presentation::default(),
    }
}

/// Job `number` on its way, with the permit of a lane without limits.
///
/// # Panics
/// Never: such a lane permits.
pub fn delivery<S: Stream>(number: u64) -> PermittedDelivery<S> {
    let (locator, version) = (Locator { segment: 0, offset: 0 }, MessageVersion(0));
    let (job, batch) = (JobId::new(1, number), BatchId::new(1, 1));
    let due = DueDelivery::new(job, locator, version, 0, TenantId(1), batch, 1, 0, Timestamp(u64::MAX), false, 0);
    let permit = Lane::new(Limits::default(), Monotonic(0)).permit(Monotonic(0)).expect("a fresh lane permits");
    PermittedDelivery::new(due, permit)
}

/// A message as it was rendered.
#[derive(Debug, Clone)]
pub struct Message {
    /// Header and body.
    pub bytes: Vec<u8>,
    /// Where the body begins.
    pub body_offset: usize,
}

/// The message of the batch's first row.
///
/// # Panics
/// Where the shipped templates do not render.
pub fn message() -> Message {
    let bundle = bundle();
    let renderer = Renderer::new(&bundle).expect("the shipped templates compile");
    let rendered = renderer
        .render::<Transactional>(delivery(1), &job_data(1, &bundle), Protection::TlsVerified, now())
        .expect("the shipped templates render");
    Message { bytes: rendered.bytes.to_vec(), body_offset: rendered.body_offset }
}

/// From the plan to an invented member.
///
/// # Panics
/// Never: both are addresses.
pub fn mx_envelope() -> Envelope {
    let mailbox = |text| Mailbox::parse(text).expect("it is an address");
    Envelope { sender: Some(mailbox("bounce@mail.lakeside.example")), recipient: mailbox("ada.invented@mail.example") }
}
