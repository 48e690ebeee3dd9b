//! What contact data amounts to: how many of its members could be written to today, by which way, and why the others not.
//!
//! Every row is asked as if an Explanation of Benefits of its own person came in, so that what is counted is what would happen.

use super::Contacts;
use crate::authority::{self, Asked, AuthoritySettings, Decision};
use jiff::civil::Date;
use model::Detail;
use model::statement::{Member, StatementKind};
use serde::Serialize;
use std::collections::BTreeMap;

/// Rows by what would become of a statement of their person. No value of a row stands here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Survey {
    /// Rows that can be read.
    pub rows: u64,
    /// Rows that were left out.
    pub rejected: u64,
    /// A statement would go by e-mail.
    pub by_email: u64,
    /// Of these: to a representative.
    pub to_representatives: u64,
    /// Of these: to an address that several members have.
    pub to_shared_addresses: u64,
    /// Of these: as a notice by the member's own wish or consent.
    pub as_notice: u64,
    /// It would go on paper, by reason.
    pub on_paper: BTreeMap<String, u64>,
    /// Nobody to send to, by reason.
    pub no_address: BTreeMap<String, u64>,
    /// A person would have to look, by what differs.
    pub held: BTreeMap<String, u64>,
    /// Languages asked for.
    pub languages: BTreeMap<String, u64>,
}

impl Contacts {
    /// Counts what would become of statements today.
    pub fn survey(&self, settings: &AuthoritySettings, today: Date) -> Survey {
        let mut survey = Survey { rows: self.len() as u64, rejected: self.rejected(), ..Survey::default() };
        for row in self.iter() {
            let member = Member {
                id: row.id.into(),
                name: row.shown_name(),
                given_name: row.given_name.into(),
                family_name: row.family_name.into(),
                birth_date: row.birth_date,
            };
            if let Some(language) = row.language {
                *survey.languages.entry(language.to_ascii_lowercase()).or_default() += 1;
            }
            let asked = Asked { member: &member, also_known_as: &[], kind: StatementKind::Eob, today };
            match authority::decide(self, &asked, settings) {
                Decision::Send(sending) => {
                    survey.by_email += 1;
                    survey.to_representatives += u64::from(sending.recipient.on_behalf_of);
                    survey.to_shared_addresses += u64::from(sending.is_shared);
                    survey.as_notice += u64::from(sending.at_most == Detail::Notice);
                }
                Decision::Paper(reason) => *survey.on_paper.entry(reason.to_string()).or_default() += 1,
                Decision::NoAddress(reason) => *survey.no_address.entry(reason.to_owned()).or_default() += 1,
                Decision::Mismatch(reason) => *survey.held.entry(reason.to_owned()).or_default() += 1,
            }
        }
        survey
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_counted_where_its_statement_would_go() {
        let text = "member_id,name,birth_date,email,deceased_on,consent_kinds,language,representative_email,representative_authority\n\
                    S1,Ada,1990-01-01,ada@mail.example,,eob,ES,,\n\
                    S2,Ben,1990-01-01,ben@mail.example,,,es,,\n\
                    S3,Cy,2020-01-01,,,eob,,cy@mail.example,parent\n\
                    S4,Di,1990-01-01,,,eob,,,\n\
                    S5,Ed,1990-01-01,ed@mail.example,2020-01-01,eob,,,\n\
                    S6,Flo,1990-01-01,ada@mail.example,,notice,,,\n\
                    S7,Gus,no date,gus@mail.example,,eob,,,\n";
        let contacts = Contacts::read(text.as_bytes(), "c.csv").unwrap();
        let survey = contacts.survey(&AuthoritySettings::default(), Date::constant(2026, 11, 22));
        assert_eq!((survey.rows, survey.rejected, survey.by_email), (6, 1, 3));
        assert_eq!((survey.to_representatives, survey.to_shared_addresses, survey.as_notice), (1, 2, 1));
        assert_eq!(survey.on_paper, BTreeMap::from([("deceased".to_owned(), 1), ("no_consent".to_owned(), 1)]));
        assert_eq!(survey.no_address, BTreeMap::from([("address_missing".to_owned(), 1)]));
        assert_eq!(survey.languages, BTreeMap::from([("es".to_owned(), 2)]));
    }
}
