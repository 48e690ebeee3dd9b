//! How much of a statement the message says: the whole, a notice, or nothing by e-mail. Pure.
//!
//! Several things may ask for less; the strictest is done, and its reason recorded. Nothing asks for more than the tenant's default: a
//! wish for the whole statement does not undo what protects others at the same address.

use crate::authority::{Sending, Way};
use model::statement::Program;
use model::{Destination, Detail, DetailReason, PaperReason, Presentation};

/// What a tenant decided about detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetailSettings {
    /// For everybody.
    pub default: Detail,
    /// For members of Medicaid and of the Children's Health Insurance Program.
    pub medicaid: Detail,
    /// For addresses that several members have.
    pub shared_address: Detail,
    /// Domains of employers, with all below them: an employer may read what lies there. They get a notice.
    pub employer_domains: Vec<Destination>,
}

impl Default for DetailSettings {
    fn default() -> Self {
        Self { default: Detail::Full, medicaid: Detail::Notice, shared_address: Detail::Notice, employer_domains: Vec::new() }
    }
}

/// Decides about a message that may go by e-mail.
pub fn present(sending: &Sending, program: Option<Program>, settings: &DetailSettings) -> Presentation {
    let ordinary = if sending.way == Way::Sensitive { DetailReason::SensitiveRoute } else { DetailReason::Default };
    let asks = [
        (sending.at_most, DetailReason::MemberChoice),
        (if is_medicaid(program) { settings.medicaid } else { Detail::Full }, DetailReason::Program),
        (if sending.is_shared { settings.shared_address } else { Detail::Full }, DetailReason::SharedAddress),
        (if is_employers(sending, settings) { Detail::Notice } else { Detail::Full }, DetailReason::EmployerDomain),
        (settings.default, ordinary),
    ];
    // The last of equals wins in max_by_key, so the first is asked last.
    let (detail, reason) = asks.into_iter().rev().max_by_key(|(detail, _)| *detail).expect("there are five");
    let reason = if detail == Detail::Full { ordinary } else { reason };
    Presentation { detail, reason, paper: (detail == Detail::Paper).then_some(PaperReason::Setting) }
}

/// What is recorded of a statement that goes on paper.
pub fn on_paper(paper: PaperReason) -> Presentation {
    let reason = match paper {
        PaperReason::SensitiveRoute => DetailReason::SensitiveRoute,
        PaperReason::MemberChoice => DetailReason::MemberChoice,
        _ => DetailReason::Default,
    };
    Presentation { detail: Detail::Paper, reason, paper: Some(paper) }
}

fn is_medicaid(program: Option<Program>) -> bool {
    matches!(program, Some(Program::Medicaid | Program::Chip))
}

fn is_employers(sending: &Sending, settings: &DetailSettings) -> bool {
    let domain = sending.recipient.mailbox.destination().as_str();
    let lies_in =
        |employer: &Destination| domain.strip_suffix(employer.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    settings.employer_domains.iter().any(lies_in)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Mailbox, Recipient};

    fn sending(address: &str) -> Sending {
        let mailbox = Mailbox::parse(address).unwrap();
        let recipient = Recipient { mailbox, name: "Ada".into(), address_version: 1, language: None, on_behalf_of: false };
        Sending { recipient, way: Way::Ordinary, at_most: Detail::Full, protection: None, is_shared: false }
    }

    fn decided(presentation: Presentation) -> (Detail, DetailReason) {
        (presentation.detail, presentation.reason)
    }

    #[test]
    fn the_strictest_wins_and_says_why() {
        let plain = sending("ada@mail.example");
        let settings = DetailSettings { employer_domains: vec![Destination::parse("acme.example").unwrap()], ..DetailSettings::default() };
        let shared = Sending { is_shared: true, ..plain.clone() };
        let asked = Sending { at_most: Detail::Notice, ..shared.clone() };
        let sensitive = Sending { way: Way::Sensitive, ..plain.clone() };
        let medicaid = Some(Program::Medicaid);
        for (sending, program, expected) in [
            (&plain, None, (Detail::Full, DetailReason::Default)),
            (&plain, Some(Program::MedicareAdvantage), (Detail::Full, DetailReason::Default)),
            (&plain, medicaid, (Detail::Notice, DetailReason::Program)),
            (&plain, Some(Program::Chip), (Detail::Notice, DetailReason::Program)),
            (&shared, None, (Detail::Notice, DetailReason::SharedAddress)),
            (&asked, medicaid, (Detail::Notice, DetailReason::MemberChoice)),
            (&sensitive, None, (Detail::Full, DetailReason::SensitiveRoute)),
            (&sensitive, medicaid, (Detail::Notice, DetailReason::Program)),
            (&sending_to_work(), None, (Detail::Notice, DetailReason::EmployerDomain)),
            (&sending("ada@notacme.example"), None, (Detail::Full, DetailReason::Default)),
        ] {
            assert_eq!(decided(present(sending, program, &settings)), expected);
        }
        let notices = DetailSettings { default: Detail::Notice, medicaid: Detail::Full, ..DetailSettings::default() };
        assert_eq!(decided(present(&plain, medicaid, &notices)), (Detail::Notice, DetailReason::Default));
    }

    fn sending_to_work() -> Sending {
        sending("ada@claims.ACME.example")
    }

    #[test]
    fn paper_by_setting_is_paper_with_its_reason() {
        let settings = DetailSettings { medicaid: Detail::Paper, ..DetailSettings::default() };
        let presentation = present(&sending("ada@mail.example"), Some(Program::Medicaid), &settings);
        let expected = Presentation { detail: Detail::Paper, reason: DetailReason::Program, paper: Some(PaperReason::Setting) };
        assert_eq!(presentation, expected);
        assert_eq!(on_paper(PaperReason::Minor).reason, DetailReason::Default);
        assert_eq!(on_paper(PaperReason::SensitiveRoute).reason, DetailReason::SensitiveRoute);
    }
}
