//! Marketing as NDJSON: one templated message a member, with the reference of their authorization.
//!
//! A member without an authorization is written all the same: intake must count them as `no_consent` and send nothing.

use crate::{Batch, Expected, Random};
use model::MoneySummary;
use serde::Serialize;
use std::io::{self, Write};

const SORT_AUTHORIZATION: u64 = 13;

#[derive(Serialize)]
struct Line<'a> {
    key: String,
    kind: &'static str,
    template: &'a str,
    variables: Variables,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<String>,
    recipient: Recipient<'a>,
}

#[derive(Serialize)]
struct Variables {
    headline: &'static str,
    body: &'static str,
}

#[derive(Serialize)]
struct Recipient<'a> {
    email: &'a str,
    name: &'a str,
}

impl Batch {
    /// Writes one message of `template` for each member (not each row), with the variables `headline` and `body`, and gives what
    /// the file must add up to. Only `without_authorization_per_mille` of the shares applies; there is no money in it.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_templated_ndjson(&self, into: &mut impl Write, template: &str) -> io::Result<Expected> {
        let mut expected = Expected::default();
        for member_index in 0..self.members() {
            let person = self.person(member_index);
            let without =
                Random::of(self.options().seed, SORT_AUTHORIZATION, member_index).chance(self.options().without_authorization_per_mille);
            let member = person.as_member(false);
            let line = Line {
                key: format!("news-{}-{member_index}", self.options().seed),
                kind: "templated",
                template,
                variables: Variables {
                    headline: "Your invented check-up",
                    body: "It is time to invent a check-up with your invented doctor.",
                },
                authorization: (!without).then(|| format!("AUTH-TEST-{member_index}")),
                recipient: Recipient { email: person.email.reveal(), name: member.name.reveal() },
            };
            serde_json::to_writer(&mut *into, &line)?;
            into.write_all(b"\n")?;
            expected.source_records += 1;
            expected.read.add(MoneySummary::default());
            let part = if without { &mut expected.no_consent } else { &mut expected.accepted };
            part.add(MoneySummary::default());
        }
        Ok(expected)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Batch, Options};

    #[test]
    fn who_has_not_agreed_has_no_authorization() {
        let batch = Batch::new(Options { rows: 400, without_authorization_per_mille: 250, ..Options::default() });
        let mut file = Vec::new();
        let expected = batch.write_templated_ndjson(&mut file, "announcement").unwrap();
        let text = String::from_utf8(file).unwrap();
        let without = text.lines().filter(|line| !line.contains("\"authorization\"")).count() as u64;
        assert!((60..140).contains(&without), "{without}");
        assert_eq!((expected.no_consent.rows, expected.accepted.rows), (without, 400 - without));
        assert_eq!(text.lines().count(), 400);
    }
}
