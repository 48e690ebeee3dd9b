//! The look before each attempt: may this statement still go where it was going? (invariant 4)
//!
//! Pure: what the job was accepted with, the contact data in force, a moment. Addresses that came from the tenant's own data follow it.
//! Those that came with the batch, or stood in the row, are not in the tenant's data to follow: against them counts only what it says
//! *against* (a consent taken back, a death, a confidential address), and detail only ever becomes less.

use intake::addressing::{self, Addressed, Addressing};
use intake::{Contacts, Join, MemberSettings};
use model::stage::{JobData, Payload};
use model::state::HoldReason;
use model::{PaperReason, Presentation, Protection, Recipient, Statement, Timestamp};

/// What is to be done with the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing changed.
    AsItWas,
    /// It goes, to this recipient and saying as much.
    Goes(Box<Going>),
    /// It goes on paper.
    Paper(PaperReason),
    /// A person must look.
    Hold(HoldReason),
}

/// A message as it goes now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Going {
    pub(crate) recipient: Recipient,
    pub(crate) presentation: Presentation,
    pub(crate) protection: Protection,
}

/// Decides about an attempt.
pub(crate) fn recheck(data: &JobData, contacts: &Contacts, settings: &MemberSettings, at: Timestamp) -> Verdict {
    let (Payload::Statements(statements), Some(recipient)) = (&data.payload, &data.recipient) else { return Verdict::AsItWas };
    let mut verdict = None;
    for statement in statements {
        let one = of_statement(data, recipient, statement, contacts, settings, at);
        match &verdict {
            // One message, one way: statements that part now are for a person.
            Some(known) if *known != one => return Verdict::Hold(HoldReason::ContactChanged),
            Some(_) => {}
            None => verdict = Some(one),
        }
    }
    verdict.unwrap_or(Verdict::AsItWas)
}

fn of_statement(
    data: &JobData,
    recipient: &Recipient,
    statement: &Statement,
    contacts: &Contacts,
    settings: &MemberSettings,
    at: Timestamp,
) -> Verdict {
    let is_vouched = recipient.address_version == 0 || Contacts::is_one_off(recipient.address_version);
    // Found under a corrected id, which the job does not keep: in the same data that is no change.
    let is_same_data = recipient.address_version == contacts.version();
    if is_same_data && !matches!(contacts.join(&statement.member, &[]), Join::Found(_)) {
        return Verdict::AsItWas;
    }
    let addressing = Addressing { statement, also_known_as: &[], named: is_vouched.then_some(recipient), at };
    match addressing::address(&addressing, Some(contacts), settings) {
        Addressed::Send { recipient: now, presentation, protection } => {
            let is_less = presentation.detail > data.presentation.detail;
            let presentation = if is_vouched && !is_less { data.presentation } else { presentation };
            let protection = protection.map_or(data.protection, |asked| asked.max(data.protection));
            let going = Going { recipient: now, presentation, protection };
            if going.is_as(data, recipient) { Verdict::AsItWas } else { Verdict::Goes(Box::new(going)) }
        }
        Addressed::Paper(presentation) => Verdict::Paper(presentation.paper.unwrap_or(PaperReason::Setting)),
        Addressed::NoAddress(_) => Verdict::Hold(HoldReason::ContactChanged),
        Addressed::Mismatch => Verdict::Hold(HoldReason::MemberMismatch),
    }
}

impl Going {
    /// Whether the message would be the one that was accepted. The version of the contact data alone changes nothing of it.
    fn is_as(&self, data: &JobData, before: &Recipient) -> bool {
        let same_reader = Recipient { address_version: before.address_version, ..self.recipient.clone() } == *before;
        same_reader && self.presentation == data.presentation && self.protection == data.protection
    }
}
