//! The renderer: one compiled bundle, many messages.
//!
//! `Send + Sync` and without inner state, so that workers share one. The order of a render is fixed: header templates
//! (which see no statement), page, text, MIME, hash.

use crate::datum::Views;
use crate::header_context::HeaderContext;
use crate::language::LanguageMatch;
use crate::mime::{self, MessageKey, Parts, Sender};
use crate::quoted_printable::decode;
use crate::template_set::{BILL_SET, EOB_SET, NOTICE_SET, Part, SetNames, TemplateSets};
use crate::tongue::{Root, Tongue};
use crate::view::Reader;
use crate::words::Words;
use crate::{Bundle, Preview, RenderError, TemplateError, Wording, clean, trial, view};
use aws_lc_rs::digest;
use jiff::civil::Date;
use model::limits::MESSAGE_BYTES_MAX;
use model::stage::{Envelope, JobData, Payload, PermittedDelivery, RenderedMessage};
use model::statement::{ClaimType, StatementKind};
use model::{BundleId, Detail, JobId, Mailbox, MessageVersion, Protection, Recipient, Statement, Stream, StreamName, Timestamp};
use std::fmt;
use std::sync::Arc;

/// A compiled bundle.
pub struct Renderer {
    bundle: BundleId,
    brand: String,
    bounce: Mailbox,
    sender: Sender,
    reply_to: Mailbox,
    sets: TemplateSets,
    wording: Wording,
}

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Renderer({:?})", self.bundle)
    }
}

/// A message before its parts are written.
struct Draft<'a> {
    tongue: &'a Tongue,
    set: &'a SetNames,
    root: Root<'a>,
    subject: &'a str,
    language: &'a str,
    unsubscribe: bool,
}

/// The parts of an invented message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialPage {
    /// The template set.
    pub set: String,
    /// The language.
    pub language: String,
    /// The page.
    pub html: String,
    /// The text part, not yet folded.
    pub text: String,
}

/// What kind of message a job is.
enum Kind<'a> {
    Statements(&'a [Statement]),
    Bills(&'a [Statement]),
    Notice,
    Templated(&'a str),
}

impl Renderer {
    /// Compiles a bundle and renders an invented job with it, so that a broken template is found now and not at delivery.
    ///
    /// # Errors
    /// [`TemplateError`] with file, line and what was expected.
    pub fn new(bundle: &Bundle) -> Result<Self, TemplateError> {
        let sets = TemplateSets::compile(bundle)?;
        let identity = bundle.identity();
        let mut renderer = Self {
            bundle: bundle.id(),
            brand: identity.brand.clone(),
            bounce: identity.bounce.clone(),
            sender: Sender::new(identity),
            reply_to: identity.reply_to.clone(),
            sets,
            wording: Wording::of(bundle)?,
        };
        renderer.try_out()?;
        Ok(renderer)
    }

    /// The languages that messages can be written in.
    pub fn languages(&self) -> Vec<&str> {
        self.sets.languages().map(|(language, _)| language).collect()
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
        let key = MessageKey { job: delivery.due.job, version: delivery.due.message, date, bundle: self.bundle };
        let (bytes, body_offset) = self.draft(S::NAME, data, recipient, date, |draft| self.assemble(recipient, key, draft))?;
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
        let nobody = nobody(self.reply_to.clone());
        let recipient = data.recipient.as_ref().unwrap_or(&nobody);
        let stream = match data.payload {
            Payload::Statements(_) => StreamName::Transactional,
            Payload::Templated { .. } => StreamName::Marketing,
        };
        let key = MessageKey { job: JobId::from_bits(0), version: MessageVersion(0), date, bundle: self.bundle };
        self.draft(stream, data, recipient, date, |draft| {
            let (eml, _) = self.assemble(recipient, key, draft)?;
            let (mut html, mut text) = (Vec::new(), Vec::new());
            draft.write(Part::Html, &mut html)?;
            draft.write(Part::Text, &mut text)?;
            Ok(Preview { eml, subject: draft.subject.to_owned(), html: decode(&html), text: decode(&text) })
        })
    }

    /// What becomes of the language that a person asked for.
    pub fn language(&self, recipient: &Recipient) -> LanguageMatch {
        self.wording.language(recipient)
    }

    /// The first code of a denial that nothing explains to the member; see [`Wording::unworded`].
    pub fn unworded<'a>(&self, statement: &'a Statement) -> Option<&'a str> {
        self.wording.unworded(statement)
    }

    /// Takes what decides a message: its templates, their language, what they see.
    fn draft<T>(
        &self,
        stream: StreamName,
        data: &JobData,
        recipient: &Recipient,
        date: Timestamp,
        then: impl FnOnce(&Draft<'_>) -> Result<T, RenderError>,
    ) -> Result<T, RenderError> {
        let kind = kind(stream, data)?;
        let language = self.language(recipient);
        let tongue = self.sets.tongue(language.written(), kind.claim_type());
        let set = self.sets.set(kind.set()).ok_or(RenderError::NoTemplate)?;
        let (day, words) = (civil_date(date), &tongue.words);
        let month = words.dates.month(day);
        let header = HeaderContext { brand: &self.brand, kind: kind.words(words), month: &month }.fields();
        let subject = tongue.line(set, Part::Subject, &header)?;
        let preheader = tongue.line(set, Part::Preheader, &header)?;
        let unmet = if let LanguageMatch::Unmet(language) = &language { Some(language.as_str()) } else { None };
        // A template's file ends with a line end; a header field must not.
        let (subject, preheader) = (&*clean::clean(&subject), &*clean::clean(&preheader));
        let root = root(&kind, data, tongue, Reader { recipient, unmet, date: day, preheader });
        then(&Draft { tongue, set, root, subject, language: language.written(), unsubscribe: stream == StreamName::Marketing })
    }

    fn assemble(&self, recipient: &Recipient, key: MessageKey, draft: &Draft<'_>) -> Result<(Vec<u8>, usize), RenderError> {
        let parts = Parts {
            subject: draft.subject,
            language: draft.language,
            unsubscribe: draft.unsubscribe,
            text: |out: &mut Vec<u8>| draft.write(Part::Text, out),
            html: |out: &mut Vec<u8>| draft.write(Part::Html, out),
        };
        let (bytes, body_offset) = mime::assemble(&self.sender, recipient, key, parts)?;
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(RenderError::TooLarge(MESSAGE_BYTES_MAX));
        }
        Ok((bytes, body_offset))
    }

    #[cfg(test)]
    pub(crate) fn sets_mut(&mut self) -> &mut TemplateSets {
        &mut self.sets
    }

    /// Renders invented jobs in every language: what a check of the finished pages looks at.
    ///
    /// # Errors
    /// [`TemplateError::Trial`] where one does not render.
    pub fn trial_pages(&self) -> Result<Vec<TrialPage>, TemplateError> {
        let mut pages = Vec::new();
        let [(_, recipient), _] = trial::recipients(&self.reply_to);
        for (language, tongue) in self.sets.languages() {
            let reader = Reader { recipient: &recipient, unmet: None, date: trial::DAY, preheader: "trial" };
            let mut add = |set: &str, views: Views<'_>| -> Result<(), TemplateError> {
                let Some(names) = self.sets.set(set) else { return Ok(()) };
                let context = views.to_value(&tongue.words);
                let html = tongue.try_out(names, Part::Html, context.clone())?;
                let text = tongue.try_out(names, Part::Text, context)?;
                pages.push(TrialPage { set: set.to_owned(), language: language.to_owned(), html, text });
                Ok(())
            };
            for job in trial::statements() {
                add(EOB_SET, view::statements(&job, &tongue.words, reader))?;
            }
            for job in trial::bills() {
                add(BILL_SET, view::statements(&job, &tongue.words, reader))?;
            }
            add(NOTICE_SET, view::notice(reader))?;
        }
        Ok(pages)
    }

    /// Renders the header templates of all sets, and invented statements that reach every branch, in every language and for every
    /// type of claim. What a templated message is made of is not known here.
    fn try_out(&mut self) -> Result<(), TemplateError> {
        let day = trial::DAY;
        let (brand, mailbox) = (&self.brand, &self.reply_to);
        let (sets, tongues) = self.sets.for_trial();
        let set = |name: &str| sets.iter().find(|set| set.is(name));
        let eob = set(EOB_SET).ok_or_else(|| TemplateError::Missing(EOB_SET.to_owned()))?;
        for tongue in tongues {
            let words = Arc::clone(&tongue.words);
            let month = words.dates.month(day);
            let header = HeaderContext { brand, kind: &words.kinds.eob, month: &month }.fields();
            for set in sets {
                tongue.try_line(set, Part::Subject, &header)?;
                tongue.try_line(set, Part::Preheader, &header)?;
            }
            for (unmet, recipient) in trial::recipients(mailbox) {
                let reader = Reader { recipient: &recipient, unmet, date: day, preheader: "trial" };
                let statements = [(Some(eob), trial::statements()), (set(BILL_SET), trial::bills())];
                for (set, jobs) in statements.into_iter().filter_map(|(set, jobs)| Some((set?, jobs))) {
                    for job in jobs {
                        let views = view::statements(&job, &words, reader);
                        tongue.try_body(set, Part::Html, &views)?;
                        tongue.try_body(set, Part::Text, &views)?;
                    }
                }
                if let Some(notice) = set(NOTICE_SET) {
                    tongue.try_body(notice, Part::Html, &view::notice(reader))?;
                    tongue.try_body(notice, Part::Text, &view::notice(reader))?;
                }
            }
        }
        Ok(())
    }
}

impl Draft<'_> {
    /// Gives how many octets were quoted.
    fn write(&self, part: Part, out: &mut Vec<u8>) -> Result<usize, RenderError> {
        self.tongue.write(self.set, part, &self.root, out)
    }
}

// Workers share one renderer.
const fn is_shared<T: Send + Sync>() {}
const _: () = is_shared::<Renderer>();

impl<'a> Kind<'a> {
    fn set(&self) -> &'a str {
        match self {
            Self::Statements(_) => EOB_SET,
            Self::Bills(_) => BILL_SET,
            Self::Notice => NOTICE_SET,
            Self::Templated(template) => template,
        }
    }

    /// The type of claim whose words are used: that of all its statements, or none.
    fn claim_type(&self) -> Option<ClaimType> {
        let (Self::Statements(statements) | Self::Bills(statements)) = self else { return None };
        let first = statements.first()?.particulars.claim_type;
        first.filter(|_| statements.iter().all(|statement| statement.particulars.claim_type == first))
    }

    /// In a subject line. Nothing but the kind of mail: it is chosen among four texts of the bundle.
    fn words<'w>(&self, words: &'w Words) -> &'w str {
        let kinds = &words.kinds;
        match self {
            Self::Statements([one]) if one.particulars.correction.is_some() => &kinds.corrected,
            Self::Statements([_]) => &kinds.eob,
            Self::Statements(_) => &kinds.monthly,
            Self::Bills(_) => &kinds.bill,
            Self::Notice => &kinds.notice,
            Self::Templated(_) => &kinds.templated,
        }
    }
}

fn kind(stream: StreamName, data: &JobData) -> Result<Kind<'_>, RenderError> {
    match &data.payload {
        Payload::Templated { template, .. } => Ok(Kind::Templated(template)),
        Payload::Statements(_) if stream == StreamName::Marketing => Err(RenderError::StatementOnMarketing),
        Payload::Statements(statements) if statements.is_empty() => Err(RenderError::NoStatement),
        Payload::Statements(_) if data.presentation.detail == Detail::Paper => Err(RenderError::PaperOnly),
        Payload::Statements(_) if data.presentation.detail == Detail::Notice => Ok(Kind::Notice),
        Payload::Statements(statements) => {
            let bills = statements.iter().filter(|statement| statement.kind == StatementKind::Bill).count();
            match bills {
                0 => Ok(Kind::Statements(statements)),
                _ if bills == statements.len() => Ok(Kind::Bills(statements)),
                _ => Err(RenderError::MixedKinds),
            }
        }
    }
}

fn root<'a>(kind: &Kind<'a>, data: &'a JobData, tongue: &'a Tongue, reader: Reader<'a>) -> Root<'a> {
    match (kind, &data.payload) {
        (Kind::Statements(statements) | Kind::Bills(statements), _) => Root::Views(view::statements(statements, &tongue.words, reader)),
        (_, Payload::Templated { variables, .. }) => Root::Value(view::templated(variables.iter(), &tongue.words, reader)),
        _ => Root::Views(view::notice(reader)),
    }
}

fn nobody(mailbox: Mailbox) -> Recipient {
    Recipient { mailbox, name: "".into(), address_version: 0, language: None, on_behalf_of: false }
}

fn civil_date(moment: Timestamp) -> Date {
    moment.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date()
}
