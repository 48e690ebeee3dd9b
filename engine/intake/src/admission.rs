//! Admission: a row becomes a job, or is counted with the reason why not.
//!
//! In this order, so that each row has one disposition and the same one every time:
//! 1. rejected by its format, or in the wrong stream;
//! 2. no written authorization (marketing);
//! 3. never mailed: reversals, estimates, statements whose lines do not add up ([`crate::ReadStatement::not_mailable`]);
//! 4. the key was accepted before: duplicate, a correction ([`crate::correction`]), or rejected as a conflict;
//! 5. no address;
//! 6. accepted; held where the contact data has the id under another name, on paper where it must not go by e-mail
//!    ([`crate::addressing`]).
//!
//! Only accepted rows take their key: a row without an address can be handed in again with a better contact file.

mod known;

use crate::addressing::{self, Addressed, Addressing, MemberSettings, NoAddressRule};
use crate::again::Cancelled;
use crate::correction::{self, Earlier, Reversals};
use crate::duplicates::{Binding, Day, KeyEntry, KeyIndex, KeyIndexError, Known};
use crate::members::Contacts;
use crate::row::{InlineRecipient, ReadStatement, ReadTemplated};
use crate::{Row, content, presentation, reason};
use known::{Named, templated_key};
use model::limits::PAYLOAD_BYTES_MAX;
use model::record::{Head, Intake};
use model::reject::{Place, Reject};
use model::stage::{Job, JobData, Payload};
use model::state::{Disposition, HoldReason};
use model::statement::{Member, StatementKind};
use model::{
    BatchId, BundleId, Fingerprint, Mailbox, MoneySummary, PaperReason, Presentation, Private, Protection, Recipient, Statement, Stream,
    StreamName, TenantId, Timestamp,
};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Keyed hashes of lookup values under the tenant's index key (the journal's key ring).
pub trait Fingerprints {
    /// The hash of `parts` (each taken with its length) under `label`.
    fn fingerprint(&self, label: &str, parts: &[&[u8]]) -> Fingerprint;
}

/// What all rows of a batch share.
#[derive(Debug, Clone)]
pub struct AdmissionSettings {
    /// Whose batch it is.
    pub tenant: TenantId,
    /// The open batch.
    pub batch: BatchId,
    /// What decides the bytes of the messages.
    pub bundle: BundleId,
    /// What the messages require on their way.
    pub protection: Protection,
    /// How long a message may try before it expires.
    pub lifetime: Duration,
    /// The moment of admission: messages are due at once and expire `lifetime` later.
    pub now: Timestamp,
    /// 0 is the most urgent.
    pub priority: u8,
    /// The file's name without its folder, for rejects.
    pub file: String,
    /// How the keys of accepted rows come to bind.
    pub binding: Binding,
    /// Who may read, how much is said, and what becomes of statements without an address.
    pub members: Arc<MemberSettings>,
}

/// Admits the rows of one batch, and counts them.
pub struct Admission<S: Stream> {
    settings: AdmissionSettings,
    contacts: Option<Arc<Contacts>>,
    intake: Intake,
    /// Reused for every row's canonical bytes.
    bytes: Vec<u8>,
    reversals: Reversals,
    cancelled: Cancelled,
    /// The earlier version of the row that was admitted last.
    earlier: Option<Earlier>,
    stream: PhantomData<S>,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted<S: Stream> {
    /// A job, to be appended to the batch. Held from the start where `head.held` says so, on paper from the start where
    /// `head.presentation.paper` does.
    Job(Box<Job<S>>),
    /// No job.
    Not {
        /// Which part of the equation it counts in.
        disposition: Disposition,
        /// A code of [`crate::reason`].
        reason: String,
        /// The line for the reject file: where, what was expected, what to do.
        reject: Reject,
    },
}

/// Why a row is no job.
enum Stopped {
    /// It is counted with a reason.
    Refused(Refused),
    /// Whether it is a repeat is not known: it is not counted, and can be handed in again.
    Unknown(KeyIndexError),
}

impl From<Refused> for Stopped {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

struct Refused {
    disposition: Disposition,
    reason: &'static str,
    expected: String,
}

impl Refused {
    fn new(disposition: Disposition, reason: &'static str, expected: impl Into<String>) -> Self {
        Self { disposition, reason, expected: expected.into() }
    }
}

/// Where a row's message goes.
struct Route {
    recipient: Option<Recipient>,
    held: Option<HoldReason>,
    presentation: Presentation,
    protection: Protection,
}

impl<S: Stream> Admission<S> {
    /// Admission to one batch. `contacts` is the contact file; rows that name their recipient need none.
    pub fn new(settings: AdmissionSettings, contacts: Option<Arc<Contacts>>) -> Self {
        Self {
            settings,
            contacts,
            intake: Intake::default(),
            bytes: Vec::new(),
            reversals: Reversals::default(),
            cancelled: Cancelled::default(),
            earlier: None,
            stream: PhantomData,
        }
    }

    /// Admits a row. An accepted row's key is reserved in `keys`; call [`KeyIndex::commit`] or [`KeyIndex::discard`] with its batch, or
    /// [`KeyIndex::bind`] or [`KeyIndex::give_back`] with the key, as [`AdmissionSettings::binding`] says.
    ///
    /// # Errors
    /// [`KeyIndexError`]: whether the row is a repeat is not known. It was not counted.
    pub fn admit(&mut self, row: Row, keys: &mut KeyIndex, fingerprints: &dyn Fingerprints) -> Result<Admitted<S>, KeyIndexError> {
        let money = row.money();
        let place = row.place().clone();
        self.earlier = None;
        let admitted = match row {
            Row::Rejected { reject, .. } => {
                self.intake.count(Disposition::Rejected, money, Some(&reject.reason));
                return Ok(Admitted::Not { disposition: Disposition::Rejected, reason: reject.reason.clone(), reject });
            }
            Row::Statement(read) => self.admit_statement(*read, keys, fingerprints),
            Row::Templated(read) => self.admit_templated(*read, keys, fingerprints),
        };
        match admitted {
            Ok(job) => {
                let paper = job.head.presentation.paper.map(PaperReason::as_str);
                let reason = job.head.held.map(HoldReason::as_str).or(paper);
                self.intake.count(Disposition::Accepted, money, reason);
                Ok(Admitted::Job(Box::new(job)))
            }
            Err(Stopped::Unknown(error)) => Err(error),
            Err(Stopped::Refused(Refused { disposition, reason, expected })) => {
                self.intake.count(disposition, money, Some(reason));
                let action = reason::action(reason).to_owned();
                let reject = Reject { file: self.settings.file.clone(), place, reason: reason.to_owned(), expected, action };
                Ok(Admitted::Not { disposition, reason: reason.to_owned(), reject })
            }
        }
    }

    /// The earlier version of the statement that was admitted last, where it has one: its job may have to be superseded, or the new
    /// one to say that it corrects.
    pub fn earlier(&self) -> Option<Earlier> {
        self.earlier
    }

    /// The counts so far.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// The counts, with the number of records that the format found by itself ([`crate::Rows::source_records`]).
    /// Commit only what [`Intake::is_balanced`].
    pub fn finish(mut self, source_records: u64) -> Intake {
        self.intake.source_records = source_records;
        self.intake
    }

    fn admit_statement(&mut self, read: ReadStatement, keys: &mut KeyIndex, fingerprints: &dyn Fingerprints) -> Result<Job<S>, Stopped> {
        let ReadStatement { statement, place, not_mailable, also_known_as, recipient, key } = read;
        if S::NAME != StreamName::Transactional {
            return Err(Refused::new(Disposition::Rejected, reason::WRONG_STREAM, "a templated message in the marketing stream").into());
        }
        if not_mailable == Some(reason::REVERSAL) && key.is_none() && statement.kind == StatementKind::Eob {
            let taken_back = negated(statement.money());
            self.reversals.note(correction::claim_of(&statement, fingerprints), taken_back);
        }
        if let Some(reason) = not_mailable {
            return Err(Refused::new(Disposition::NotMailable, reason, "a statement that can be mailed").into());
        }
        content::of_statement(&statement, self.cleared());
        check_size(&self.bytes)?;
        let content = self.content(fingerprints);
        let of = self.named(&statement, key.as_ref(), fingerprints);
        let (identity, known) = self.new_key(of, content, keys, fingerprints)?;
        if let Named::Claim(claim) = of {
            let reversed = self.reversals.take(&claim);
            // In one file only a reversal makes two statements of a claim two versions of one; single jobs come one by one.
            let is_alone = self.settings.binding == Binding::ByItself;
            let known = known.filter(|known| is_alone || known.batch != self.settings.batch || reversed.is_some());
            self.earlier = (known.is_some() || reversed.is_some()).then_some(Earlier { known, reversed });
        }
        let route = self.route(&statement, &also_known_as, recipient)?;
        let money = statement.money();
        let payload = Payload::Statements(vec![statement]);
        Ok(self.job(identity, place, money, payload, route, keys, fingerprints))
    }

    fn route(&self, statement: &Statement, also_known_as: &[Member], inline: Option<InlineRecipient>) -> Result<Route, Refused> {
        let settings = &self.settings;
        let named = match inline {
            None => None,
            Some(inline) => match inline_recipient(inline, &statement.member.name) {
                Ok(recipient) => Some(recipient),
                Err(refused) if settings.members.no_address == NoAddressRule::HandBack => return Err(refused),
                Err(_) => return Ok(self.on_paper(presentation::on_paper(PaperReason::AddressMissing))),
            },
        };
        let addressing = Addressing { statement, also_known_as, named: named.as_ref(), at: settings.now };
        match addressing::address(&addressing, self.contacts.as_deref(), &settings.members) {
            Addressed::Send { recipient, presentation, protection } => {
                // Never downgraded (invariant 7): a member can ask for more than the stream requires, not for less.
                let protection = protection.map_or(settings.protection, |asked| asked.max(settings.protection));
                Ok(Route { recipient: Some(recipient), held: None, presentation, protection })
            }
            Addressed::Paper(presentation) => Ok(self.on_paper(presentation)),
            Addressed::Mismatch => Ok(Route { held: Some(HoldReason::MemberMismatch), ..self.on_paper(Presentation::default()) }),
            Addressed::NoAddress(reason @ reason::CONTACT_MISSING) => {
                Err(Refused::new(Disposition::NoAddress, reason, "a contact file, or a recipient in the row"))
            }
            Addressed::NoAddress(reason) => {
                Err(Refused::new(Disposition::NoAddress, reason, "an address for the member in the contact file"))
            }
        }
    }

    /// Without a recipient nothing can leave by e-mail, whatever happens to the job.
    fn on_paper(&self, presentation: Presentation) -> Route {
        Route { recipient: None, held: None, presentation, protection: self.settings.protection }
    }

    fn admit_templated(&mut self, read: ReadTemplated, keys: &mut KeyIndex, fingerprints: &dyn Fingerprints) -> Result<Job<S>, Stopped> {
        let ReadTemplated { template, variables, authorization, recipient, key, place } = read;
        if S::NAME != StreamName::Marketing {
            return Err(Refused::new(Disposition::Rejected, reason::WRONG_STREAM, "a statement in the transactional stream").into());
        }
        if authorization.reveal().trim().is_empty() {
            let expected = "a reference to the recipient's written authorization";
            return Err(Refused::new(Disposition::NoConsent, reason::AUTHORIZATION_MISSING, expected).into());
        }
        content::of_templated(&template, &variables, &authorization, self.cleared());
        check_size(&self.bytes)?;
        let content = self.content(fingerprints);
        let of = Named::Key(templated_key(&recipient, key.as_ref(), &content, fingerprints));
        let (identity, _) = self.new_key(of, content, keys, fingerprints)?;
        let recipient = inline_recipient(recipient, &Private::default())?;
        let payload = Payload::Templated { template, variables, authorization };
        let protection = self.settings.protection;
        let route = Route { recipient: Some(recipient), held: None, presentation: Presentation::default(), protection };
        Ok(self.job(identity, place, MoneySummary::default(), payload, route, keys, fingerprints))
    }

    fn entry(&self, key: Fingerprint, content: Fingerprint) -> KeyEntry {
        let AdmissionSettings { tenant, batch, now, .. } = self.settings;
        KeyEntry { tenant, key, content, batch, day: Day::of(now), job: None, row: None }
    }

    #[allow(clippy::too_many_arguments, reason = "two call sites; the arguments are the parts of a job")]
    fn job(
        &self,
        identity: KeyEntry,
        place: Place,
        money: MoneySummary,
        payload: Payload,
        route: Route,
        keys: &mut KeyIndex,
        fingerprints: &dyn Fingerprints,
    ) -> Job<S> {
        let settings = &self.settings;
        let Route { recipient, held, presentation, protection } = route;
        let identity = KeyEntry { row: u32::try_from(place.row).ok(), ..identity };
        keys.reserve(&identity, settings.binding);
        let statements = match &payload {
            Payload::Statements(statements) => u16::try_from(statements.len()).unwrap_or(u16::MAX),
            Payload::Templated { .. } => 0,
        };
        let head = Head {
            batch: settings.batch,
            tenant: settings.tenant,
            row: place.row,
            key: identity.key,
            content: identity.content,
            recipient: recipient.as_ref().map(|found| address_fingerprint(&found.mailbox, fingerprints)),
            destination: recipient.as_ref().map(|found| found.mailbox.destination().clone()),
            bundle: settings.bundle,
            protection,
            priority: settings.priority,
            due: settings.now,
            deadline: settings.now + settings.lifetime,
            statements,
            money,
            held,
            presentation,
            supersedes: None,
            further: Vec::new(),
            language_unmet: false,
        };
        Job::new(head, JobData { recipient, payload, bundle: settings.bundle, protection, presentation })
    }
}

/// The canonical bytes stand for the payload, which is encoded about as tightly; half the limit leaves room for the difference.
fn check_size(canonical: &[u8]) -> Result<(), Refused> {
    let bytes_max = PAYLOAD_BYTES_MAX / 2;
    if canonical.len() <= bytes_max {
        return Ok(());
    }
    Err(Refused::new(Disposition::Rejected, reason::PAYLOAD_TOO_LARGE, format!("content of at most {bytes_max} bytes")))
}

/// Lower case: RFC 5321 section 2.4 lets local parts differ by case, but in practice no two people do.
fn address_fingerprint(mailbox: &Mailbox, fingerprints: &dyn Fingerprints) -> Fingerprint {
    fingerprints.fingerprint("address", &[mailbox.reveal().to_ascii_lowercase().as_bytes()])
}

fn duplicate(known: Known) -> Refused {
    let expected = format!("content that was not accepted before; batch {} has it", known.batch);
    Refused::new(Disposition::Duplicate, reason::DUPLICATE, expected)
}

fn conflict(known: Known) -> Refused {
    let expected = format!("the content that batch {} was given under this key", known.batch);
    Refused::new(Disposition::Rejected, reason::KEY_CONFLICT, expected)
}

fn negated(money: MoneySummary) -> MoneySummary {
    MoneySummary { billed: -money.billed, plan_paid: -money.plan_paid, member_owes: -money.member_owes }
}

fn inline_recipient(inline: InlineRecipient, member_name: &Private) -> Result<Recipient, Refused> {
    if inline.email.reveal().trim().is_empty() {
        return Err(Refused::new(Disposition::NoAddress, reason::ADDRESS_MISSING, "an address in recipient.email"));
    }
    let mailbox = Mailbox::parse(inline.email.reveal()).map_err(|error| {
        Refused::new(Disposition::NoAddress, reason::ADDRESS_MALFORMED, format!("an address, but recipient.email {error}"))
    })?;
    Ok(Recipient {
        mailbox,
        name: inline.name.unwrap_or_else(|| member_name.clone()),
        address_version: 0,
        language: inline.language,
        on_behalf_of: false,
    })
}
