//! The renderer: one compiled bundle, many messages.
//!
//! `Send + Sync` and without inner state, so that workers share one. The order of a render is fixed: header templates
//! (which see no statement), page, text, MIME, hash.

use crate::header_context::HeaderContext;
use crate::mime::{self, MessageKey, Parts, Sender};
use crate::template_set::{Part, TemplateSets};
use crate::{Bundle, Preview, RenderError, TemplateError, clean, text_fold, view};
use aws_lc_rs::digest;
use jiff::civil::Date;
use minijinja::Value;
use model::limits::MESSAGE_BYTES_MAX;
use model::stage::{Envelope, JobData, Payload, PermittedDelivery, RenderedMessage};
use model::statement::{Amounts, ClaimStatus, LiabilityRule, Member, Note, NoteKind, ServiceLine, StatementKind};
use model::{BundleId, Cents, JobId, Mailbox, MessageVersion, Protection, Recipient, Statement, Stream, StreamName, Timestamp};
use std::fmt;

/// The template set of Explanations of Benefits.
const EOB_SET: &str = "eob";

/// A compiled bundle.
pub struct Renderer {
    bundle: BundleId,
    brand: String,
    bounce: Mailbox,
    sender: Sender,
    reply_to: Mailbox,
    sets: TemplateSets,
}

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Renderer({:?})", self.bundle)
    }
}

/// The parts of one message before MIME.
struct Rendered {
    subject: String,
    html: String,
    text: String,
    unsubscribe: bool,
}

impl Renderer {
    /// Compiles a bundle and renders an invented job with it, so that a broken template is found now and not at delivery.
    ///
    /// # Errors
    /// [`TemplateError`] with file, line and what was expected.
    pub fn new(bundle: &Bundle) -> Result<Self, TemplateError> {
        let sets = TemplateSets::compile(bundle)?;
        let identity = bundle.identity();
        let renderer = Self {
            bundle: bundle.id(),
            brand: identity.brand.clone(),
            bounce: identity.bounce.clone(),
            sender: Sender::new(identity),
            reply_to: identity.reply_to.clone(),
            sets,
        };
        renderer.try_out()?;
        Ok(renderer)
    }

    /// The bundle this renderer was made of.
    pub fn bundle(&self) -> BundleId {
        self.bundle
    }

    /// Makes the message of a permitted delivery. `date` becomes the `Date` field: the moment of the first attempt of this
    /// message version, the same again for a resend.
    ///
    /// The delivery is taken; a caller that must settle a failure keeps a copy of `delivery.due`.
    ///
    /// # Errors
    /// [`RenderError`], which asks for the job to be held; it carries no value of the job.
    pub fn render<S: Stream>(
        &self,
        delivery: PermittedDelivery<S>,
        data: &JobData,
        protection: Protection,
        date: Timestamp,
    ) -> Result<RenderedMessage<S>, RenderError> {
        // A job is rendered with the bundle it was accepted with, whatever is current by now (invariant 4).
        if data.bundle != self.bundle {
            return Err(RenderError::OtherBundle);
        }
        let recipient = data.recipient.as_ref().ok_or(RenderError::NoRecipient)?;
        let rendered = self.parts(S::NAME, &data.payload, recipient, date)?;
        let key = MessageKey { job: delivery.due.job, version: delivery.due.message, date, bundle: self.bundle };
        let (bytes, body_offset) = self.assemble(recipient, key, &rendered)?;
        let hash = digest::digest(&digest::SHA256, &bytes);
        Ok(RenderedMessage {
            delivery,
            envelope: Envelope { sender: Some(self.bounce.clone()), recipient: recipient.mailbox.clone() },
            bundle: self.bundle,
            address_version: recipient.address_version,
            date,
            protection,
            sha256: hash.as_ref().try_into().expect("SHA-256 has 32 bytes"),
            bytes: bytes.into(),
            body_offset,
        })
    }

    /// Renders a job to look at it. A job without recipient is shown as to the tenant itself.
    ///
    /// # Errors
    /// [`RenderError`], as [`Renderer::render`].
    pub fn preview(&self, data: &JobData, date: Timestamp) -> Result<Preview, RenderError> {
        let nobody = Recipient { mailbox: self.reply_to.clone(), name: "".into(), address_version: 0, language: None, on_behalf_of: false };
        let recipient = data.recipient.as_ref().unwrap_or(&nobody);
        let stream = match data.payload {
            Payload::Statements(_) => StreamName::Transactional,
            Payload::Templated { .. } => StreamName::Marketing,
        };
        let rendered = self.parts(stream, &data.payload, recipient, date)?;
        let key = MessageKey { job: JobId::from_bits(0), version: MessageVersion(0), date, bundle: self.bundle };
        let (eml, _) = self.assemble(recipient, key, &rendered)?;
        Ok(Preview { eml, html: rendered.html, text: rendered.text })
    }

    fn parts(&self, stream: StreamName, payload: &Payload, recipient: &Recipient, date: Timestamp) -> Result<Rendered, RenderError> {
        let (set, kind) = match payload {
            Payload::Statements(_) if stream == StreamName::Marketing => return Err(RenderError::StatementOnMarketing),
            Payload::Statements(statements) if statements.is_empty() => return Err(RenderError::NoStatement),
            Payload::Statements(_) => (EOB_SET, &self.sets.words.kind_eob),
            Payload::Templated { template, .. } => (template.as_str(), &self.sets.words.kind_templated),
        };
        let set = self.sets.set(set).ok_or(RenderError::NoTemplate)?;
        let header = HeaderContext { brand: &self.brand, kind, sent: date }.to_value();
        let subject = one_line(&self.sets.render(set, Part::Subject, header.clone())?);
        let preheader = one_line(&self.sets.render(set, Part::Preheader, header)?);
        let context = self.body_context(payload, recipient, date, &preheader);
        let html = self.sets.render(set, Part::Html, context.clone())?;
        let text = text_fold::fold(&self.sets.render(set, Part::Text, context)?);
        Ok(Rendered { subject, html, text, unsubscribe: stream == StreamName::Marketing })
    }

    fn body_context(&self, payload: &Payload, recipient: &Recipient, date: Timestamp, preheader: &str) -> Value {
        let (name, day) = (recipient.name.reveal(), civil_date(date));
        match payload {
            Payload::Statements(statements) => view::eob(statements, &self.sets.words, name, day, preheader),
            Payload::Templated { variables, .. } => view::templated(variables.iter(), name, day, preheader),
        }
    }

    fn assemble(&self, recipient: &Recipient, key: MessageKey, rendered: &Rendered) -> Result<(Vec<u8>, usize), RenderError> {
        let Rendered { subject, html, text, unsubscribe } = rendered;
        let parts = Parts { subject, text, html, unsubscribe: *unsubscribe };
        let (bytes, body_offset) = mime::assemble(&self.sender, recipient, key, &parts);
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(RenderError::TooLarge(MESSAGE_BYTES_MAX));
        }
        Ok((bytes, body_offset))
    }

    /// Renders the header templates of all sets, and invented statements that reach every branch: a denied and a zero one,
    /// stated and unstated amounts, a long one. What a templated message is made of is not known here.
    fn try_out(&self) -> Result<(), TemplateError> {
        let date = Timestamp::from_seconds(1_767_225_600);
        let header = HeaderContext { brand: &self.brand, kind: &self.sets.words.kind_eob, sent: date }.to_value();
        for set in self.sets.all() {
            for part in [Part::Subject, Part::Preheader] {
                self.sets.try_out(set, part, header.clone())?;
            }
        }
        let set = self.sets.set(EOB_SET).ok_or_else(|| TemplateError::Missing(EOB_SET.to_owned()))?;
        for statements in trial_jobs() {
            let context = view::eob(&statements, &self.sets.words, "Trial Recipient", civil_date(date), "trial");
            self.sets.try_out(set, Part::Html, context.clone())?;
            self.sets.try_out(set, Part::Text, context)?;
        }
        Ok(())
    }
}

// Workers share one renderer.
const fn is_shared<T: Send + Sync>() {}
const _: () = is_shared::<Renderer>();

fn civil_date(moment: Timestamp) -> Date {
    moment.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// A template's file ends with a line end; a header field must not.
fn one_line(text: &str) -> String {
    clean::clean(text).into_owned()
}

fn trial_jobs() -> [Vec<Statement>; 4] {
    let stated = |cents| trial_statement(ClaimStatus::ProcessedPrimary, Some(Cents(cents)), 3);
    [
        vec![stated(12_345)],
        vec![stated(0), stated(-500), trial_statement(ClaimStatus::Denied, Some(Cents(1)), 1)],
        vec![trial_statement(ClaimStatus::Unknown, None, 0)],
        vec![trial_statement(ClaimStatus::Forwarded, None, model::limits::SERVICE_LINES_MAX)],
    ]
}

fn trial_statement(status: ClaimStatus, amount: Option<Cents>, lines: usize) -> Statement {
    let amounts = Amounts { billed: amount, other_insurance: amount, member_owes: amount, ..Amounts::default() };
    let day = amount.map(|_| Date::constant(2026, 1, 2));
    let line = ServiceLine {
        service_from: day,
        code: amount.map(|_| "HC:00000".into()),
        description: amount.map(|_| "Trial service".into()),
        amounts,
        notes: vec![0, 1],
        ..ServiceLine::default()
    };
    let note = |kind, code: &str| Note { kind, code: code.into(), text: None };
    Statement {
        kind: StatementKind::Eob,
        claim_number: "TRIAL".into(),
        member: Member { name: "Trial Member".into(), id: "TRIAL".into(), ..Member::default() },
        status,
        payer: amount.map(|_| "Trial Plan".into()),
        provider: amount.map(|_| "Trial Provider".into()),
        service_from: day,
        service_to: None,
        totals: amounts,
        liability_rule: if amount.is_some() { LiabilityRule::Stated } else { LiabilityRule::Unknown },
        lines: vec![line; lines],
        notes: vec![note(NoteKind::Adjustment, "CO-45"), note(NoteKind::Message, "")],
        particulars: model::statement::Particulars::default(),
    }
}
