//! Where paper goes: the postal address of the member's rows, found by the same join as an e-mail address.
//!
//! ```text
//! the member's rows that hold today ─► alternative address? ─► postal: that one
//!                                          │                └ by e-mail: none; the ordinary one would undo what was asked for
//!                                          └ none ─► sensitive route by e-mail? ─► none, for the same reason
//!                                                         └ none, or paper ─► the ordinary postal address
//! ```
//! A member who asked to be reached at another place (45 CFR 164.522(b)) is never printed the ordinary one. Who died is written to at the
//! ordinary one, as in [`crate::authority`]. Rows that state different addresses are not weighed: there is none, and the word says so.
//! Only contact data counts: what a claim file states of an address (N3, N4 of an 835) is not where its member wants post.

use super::contact::{Contact, Postal, Route};
use super::{Contacts, Join};
use crate::reason;
use jiff::civil::Date;
use model::Private;
use model::statement::Member;
use serde::Serialize;

/// Nothing is stated.
const MISSING: &str = "postal_address_missing";
/// The member asked for another address, and it is no postal one.
const ELECTRONIC: &str = "alternative_address_is_electronic";
/// Several rows say different things.
const AMBIGUOUS: &str = "ambiguous";

/// A postal address for whoever prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PostalAddress {
    /// One or two lines.
    pub lines: Vec<Private>,
    /// The city; `None` where it is not stated by itself.
    pub city: Option<Private>,
    /// The state.
    pub state: Option<Private>,
    /// The ZIP or postal code.
    pub postal_code: Option<Private>,
    /// The country; `None` is the plan's own.
    pub country: Option<Private>,
    /// Which of the member's addresses it is.
    pub way: PostalWay,
}

/// Which of a member's postal addresses it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PostalWay {
    /// The ordinary one.
    Ordinary,
    /// The one the member asked to be used instead (45 CFR 164.522(b)).
    Alternative,
}

impl Contacts {
    /// Where a member's paper goes on a day.
    ///
    /// # Errors
    /// A stable word for why there is no address: `member_unknown`, `name_differs`, `birth_date_differs`, `contact_row_rejected`,
    /// `contact_not_effective`, `postal_address_missing`, `alternative_address_is_electronic`, `ambiguous`.
    pub fn postal_address(&self, member: &Member, today: Date) -> Result<PostalAddress, &'static str> {
        let rows = match self.join(member, &[]) {
            Join::Found(rows) => rows,
            Join::Unknown => return Err(reason::MEMBER_UNKNOWN),
            Join::Mismatch(how) => return Err(how),
        };
        if rows.iter().any(|row| row.is_damaged) {
            return Err(reason::CONTACT_ROW_REJECTED);
        }
        let mut holding = rows.iter().filter(|row| row.effective.holds_on(today)).peekable();
        if holding.peek().is_none() {
            return Err(reason::CONTACT_NOT_EFFECTIVE);
        }
        let mut found = Err(MISSING);
        for row in holding {
            match (of_row(row), &found) {
                (Err(MISSING), _) => {}
                (one, Err(MISSING)) => found = one,
                (one, known) if one == *known => {}
                _ => return Err(AMBIGUOUS),
            }
        }
        found.map(|(postal, way)| written(postal, way))
    }
}

fn of_row<'t>(row: &Contact<'t>) -> Result<(Postal<'t>, PostalWay), &'static str> {
    // What a person arranged while alive leads to their own place.
    if row.deceased_on.is_none() {
        match (row.alternative_postal, row.alternative_address, row.sensitive_route) {
            (Some(postal), _, _) => return Ok((postal, PostalWay::Alternative)),
            (None, Some(Route::Email(_)), _) | (None, None, Some(Route::Email(_))) => return Err(ELECTRONIC),
            (None, Some(Route::Paper), _) | (None, None, Some(Route::Paper) | None) => {}
        }
    }
    row.postal.map(|postal| (postal, PostalWay::Ordinary)).ok_or(MISSING)
}

fn written(postal: Postal<'_>, way: PostalWay) -> PostalAddress {
    let stated = |text: &str| (!text.is_empty()).then(|| Private::from(text));
    PostalAddress {
        lines: postal.lines.into_iter().filter_map(stated).collect(),
        city: stated(postal.city),
        state: stated(postal.state),
        postal_code: stated(postal.code),
        country: stated(postal.country),
        way,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "member_id,name,email,address1,city,state,zip,alternative_address,alternative_postal_line_1,sensitive_route,\
                          deceased_on,effective_until\n";

    fn found(rows: &str) -> Result<String, &'static str> {
        let contacts = Contacts::read(format!("{HEADER}{rows}").as_bytes(), "c.csv").unwrap();
        assert_eq!(contacts.rejected(), 0);
        let member = Member { id: "M1".into(), name: "Ada Example".into(), ..Member::default() };
        let address = contacts.postal_address(&member, Date::constant(2026, 11, 22))?;
        let parts = address.lines.iter().chain(&address.city).chain(&address.state).chain(&address.postal_code);
        Ok(parts.map(|part| part.reveal().to_owned()).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn what_the_member_asked_for_goes_first_and_nothing_stands_in_for_it() {
        let home = "M1,Ada Example,a@mail.example,1 Main St,Springfield,EX,00001";
        for (rest, expected) in [
            (",,,,", Ok("1 Main St|Springfield|EX|00001")),
            (",paper,,,,", Ok("1 Main St|Springfield|EX|00001")),
            (",PO Box 9 Shelby EX,,,,", Ok("PO Box 9 Shelby EX")),
            (",,PO Box 9,,,", Ok("PO Box 9")),
            (",b@mail.example,,,,", Err(ELECTRONIC)),
            (",b@mail.example,PO Box 9,,,", Ok("PO Box 9")),
            (",,,b@mail.example,,", Err(ELECTRONIC)),
            (",,,paper,,", Ok("1 Main St|Springfield|EX|00001")),
            (",b@mail.example,,,2026-01-01,", Ok("1 Main St|Springfield|EX|00001")),
            (",,,,,2026-11-21", Err(reason::CONTACT_NOT_EFFECTIVE)),
        ] {
            let rest = if rest.matches(',').count() == 4 { format!("{rest},") } else { rest.to_owned() };
            assert_eq!(found(&format!("{home}{rest}\n")).as_deref(), expected.as_ref().map(|text| *text), "{rest}");
        }
    }

    #[test]
    fn rows_are_not_weighed_against_each_other() {
        let row = |address: &str| format!("M1,Ada Example,a@mail.example,{address},,,,,,,,\n");
        assert_eq!(found(&[row("1 Main St"), row("")].concat()).as_deref(), Ok("1 Main St"));
        assert_eq!(found(&[row("1 Main St"), row("2 Oak St")].concat()), Err(AMBIGUOUS));
        assert_eq!(found(&row("")), Err(MISSING));
        assert_eq!(found("M2,Bo Example,a@mail.example,1 Main St,,,,,,,,\n"), Err(reason::MEMBER_UNKNOWN));
    }
}
