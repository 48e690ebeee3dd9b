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

#[cfg(test)]
mod tests {
    use super::*;
    use model::{BundleId, Detail, DetailReason, Mailbox};

    /// 22 November 2026, 12:00 UTC.
    const NOON: Timestamp = Timestamp(1_795_348_800_000);
    const HEADER: &str = "member_id,given_name,family_name,email,consent_withdrawn_on,representative_name,representative_email,\
                          representative_authority,representative_until,birth_date\n";

    fn statement() -> Statement {
        let mut statement = testkit::Batch::new(testkit::Options { rows: 1, ..testkit::Options::default() }).row(1).statement;
        statement.member.id = "M1".into();
        (statement.member.given_name, statement.member.family_name) = ("Ada".into(), "Example".into());
        statement.member.name = "Ada Example".into();
        statement.member.birth_date = None;
        statement
    }

    fn contacts(row: &str) -> Contacts {
        Contacts::read(format!("{HEADER}M1,Ada,Example,{row}\n").as_bytes(), "c.csv").unwrap()
    }

    /// A job as it was accepted with this contact data.
    fn accepted(contacts: &Contacts, at: Timestamp) -> JobData {
        let statement = statement();
        let addressing = Addressing { statement: &statement, also_known_as: &[], named: None, at };
        let Addressed::Send { recipient, presentation, .. } = addressing::address(&addressing, Some(contacts), &MemberSettings::default())
        else {
            panic!("it may go");
        };
        let payload = Payload::Statements(vec![statement]);
        JobData { recipient: Some(recipient), payload, bundle: BundleId([0; 32]), protection: Protection::TlsVerified, presentation }
    }

    fn verdict(data: &JobData, now: &Contacts) -> Verdict {
        recheck(data, now, &MemberSettings::default(), NOON)
    }

    #[test]
    fn the_data_in_force_decides_and_the_same_data_changes_nothing() {
        let before = contacts("ada@mail.example,,,,,,1990-01-01");
        let data = accepted(&before, NOON);
        assert_eq!(verdict(&data, &before), Verdict::AsItWas);
        assert_eq!(
            verdict(&data, &contacts("ada@mail.example,,,,,,1990-01-01\nM2,Bo,Sample,bo@mail.example,,,,,,1991-01-01")),
            Verdict::AsItWas
        );
        let Verdict::Goes(going) = verdict(&data, &contacts("new@mail.example,,,,,,1990-01-01")) else { panic!("to the new address") };
        assert_eq!(going.recipient.mailbox, Mailbox::parse("new@mail.example").unwrap());
        assert_eq!(verdict(&data, &contacts("ada@mail.example,2026-11-22,,,,,1990-01-01")), Verdict::Paper(PaperReason::ConsentWithdrawn));
        assert_eq!(verdict(&data, &contacts(",,,,,,1990-01-01")), Verdict::Hold(HoldReason::ContactChanged));
        let stranger = Contacts::read(format!("{HEADER}M1,Bea,Other,bea@mail.example,,,,,,\n").as_bytes(), "c.csv").unwrap();
        assert_eq!(verdict(&data, &stranger), Verdict::Hold(HoldReason::MemberMismatch), "never to the other person");
        let shared = contacts("ada@mail.example,,,,,,1990-01-01\nM2,Bo,Sample,ada@mail.example,,,,,,1991-01-01");
        let Verdict::Goes(going) = verdict(&data, &shared) else { panic!("as a notice") };
        assert_eq!((going.presentation.detail, going.presentation.reason), (Detail::Notice, DetailReason::SharedAddress));
    }

    #[test]
    fn a_representative_who_expired_while_it_waited_receives_nothing() {
        let data_of = contacts("kid@mail.example,,Pat,pat@mail.example,parent,2026-11-21,2015-01-01");
        let yesterday = Timestamp(NOON.0 - 86_400_000);
        let data = accepted(&data_of, yesterday);
        assert!(data.recipient.as_ref().unwrap().on_behalf_of);
        assert_eq!(recheck(&data, &data_of, &MemberSettings::default(), yesterday), Verdict::AsItWas);
        assert_eq!(verdict(&data, &data_of), Verdict::Paper(PaperReason::Minor), "the same data, a day later");
    }

    #[test]
    fn what_came_with_the_batch_is_only_ever_restricted() {
        let own = contacts("own@mail.example,,,,,,1990-01-01").for_one_batch();
        let data = accepted(&own, NOON);
        assert_eq!(verdict(&data, &contacts("other@mail.example,,,,,,1990-01-01")), Verdict::AsItWas, "the batch knew better");
        assert_eq!(
            verdict(&data, &contacts("other@mail.example,2026-01-01,,,,,1990-01-01")),
            Verdict::Paper(PaperReason::ConsentWithdrawn)
        );
    }
}
