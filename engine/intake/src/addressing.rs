//! Addressing: where a statement goes and how much it says, by everything a tenant decided. Pure.
//!
//! One function for the moment of admission and for each moment of delivery ([`address`]), so that both say the same.
//! Where a row names its recipient, its sender vouches for the address; what the contact data says against it (a consent
//! taken back, a death, a confidential address) goes before that all the same. A minority alone does not: whoever names the recipient of a
//! minor's statement knows the parent.

use crate::authority::{self, Asked, AuthoritySettings, Decision, Sending, Way};
use crate::members::Contacts;
use crate::presentation::{self, DetailSettings};
use crate::reason;
use model::statement::Member;
use model::{Detail, PaperReason, Presentation, Protection, Recipient, Statement, Timestamp};

/// What becomes of a statement that has nobody to go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoAddressRule {
    /// It is handed back: the row may come again with better contact data.
    #[default]
    HandBack,
    /// It goes on paper.
    ToPaper,
}

/// How a tenant's statements find their readers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberSettings {
    /// Who may read.
    pub authority: AuthoritySettings,
    /// How much is said.
    pub detail: DetailSettings,
    /// What becomes of statements without an address.
    pub no_address: NoAddressRule,
}

/// A statement to be addressed.
#[derive(Debug, Clone, Copy)]
pub struct Addressing<'a> {
    /// The statement.
    pub statement: &'a Statement,
    /// Its member under corrected ids or names.
    pub also_known_as: &'a [Member],
    /// The recipient that its row names, if it does.
    pub named: Option<&'a Recipient>,
    /// The moment.
    pub at: Timestamp,
}

/// Where a statement goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressed {
    /// By e-mail.
    Send {
        /// To whom.
        recipient: Recipient,
        /// Saying how much.
        presentation: Presentation,
        /// What the member requires on its way, beyond what the stream does.
        protection: Option<Protection>,
    },
    /// On paper.
    Paper(Presentation),
    /// To nobody: a code of [`crate::reason`].
    NoAddress(&'static str),
    /// A person must look: the id is there under another name, or rows say different things.
    Mismatch,
}

/// Decides where a statement goes. `contacts` is what the tenant goes by, or what came with the batch.
pub fn address(addressing: &Addressing<'_>, contacts: Option<&Contacts>, settings: &MemberSettings) -> Addressed {
    let Addressing { statement, also_known_as, named, at } = *addressing;
    let today = settings.authority.day_of(at);
    let asked = Asked { member: &statement.member, also_known_as, kind: statement.kind, today };
    let known = contacts.map(|contacts| authority::decide(contacts, &asked, &settings.authority));
    let decision = match named {
        None => known.unwrap_or(Decision::NoAddress(reason::CONTACT_MISSING)),
        Some(recipient) => known.and_then(goes_before).unwrap_or_else(|| Decision::Send(vouched(recipient, contacts))),
    };
    match decision {
        Decision::Send(sending) => sent(sending, statement, settings),
        Decision::Paper(paper) => Addressed::Paper(presentation::on_paper(paper)),
        Decision::Mismatch(_) => Addressed::Mismatch,
        // A forgotten contact file is an operator's mistake: it must not put a whole batch on paper.
        Decision::NoAddress(reason) if settings.no_address == NoAddressRule::HandBack || reason == reason::CONTACT_MISSING => {
            Addressed::NoAddress(reason)
        }
        Decision::NoAddress(_) => Addressed::Paper(presentation::on_paper(PaperReason::AddressMissing)),
    }
}

fn sent(sending: Sending, statement: &Statement, settings: &MemberSettings) -> Addressed {
    let presentation = presentation::present(&sending, statement.particulars.program, &settings.detail);
    match presentation.detail {
        Detail::Paper => Addressed::Paper(presentation),
        Detail::Full | Detail::Notice => Addressed::Send { recipient: sending.recipient, presentation, protection: sending.protection },
    }
}

/// What the contact data says against an address that a row names.
fn goes_before(decision: Decision) -> Option<Decision> {
    match &decision {
        Decision::Paper(PaperReason::NoConsent | PaperReason::Minor) => None,
        Decision::Paper(_) => Some(decision),
        Decision::Send(sending) => matches!(sending.way, Way::Alternative | Way::Sensitive).then_some(decision),
        Decision::NoAddress(_) | Decision::Mismatch(_) => None,
    }
}

fn vouched(recipient: &Recipient, contacts: Option<&Contacts>) -> Sending {
    let is_shared = contacts.is_some_and(|contacts| contacts.is_shared(&recipient.mailbox));
    Sending { recipient: recipient.clone(), way: Way::Ordinary, at_most: Detail::Full, protection: None, is_shared }
}
