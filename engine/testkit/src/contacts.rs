//! The contact file: `member_id,given_name,family_name,birth_date,email`, one row a member.
//!
//! Members without a contact are left out; mismatched ones stand there with somebody else's name, birth date and address.

use crate::{Batch, Person, RowKind};
use std::io::{self, Write};

const HEADER: &str = "member_id,given_name,family_name,birth_date,email\n";

impl Batch {
    /// Writes the contact file; gives the number of its rows, the header not counted.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_contacts(&self, into: &mut impl Write) -> io::Result<u64> {
        into.write_all(HEADER.as_bytes())?;
        let mut rows = 0;
        for member_index in 0..self.members() {
            let person = match self.member_kind(member_index) {
                RowKind::WithoutContact => continue,
                RowKind::Mismatched => Person::invent_other(self.options().seed, member_index, &self.options().destinations),
                _ => self.person(member_index),
            };
            write_row(into, &person)?;
            rows += 1;
        }
        Ok(rows)
    }
}

/// No field of an invented person needs quoting: letters, digits, dots, a hyphen and `@`.
fn write_row(into: &mut impl Write, person: &Person) -> io::Result<()> {
    writeln!(
        into,
        "{},{},{},{},{}",
        person.member_id.reveal(),
        person.given_name.reveal(),
        person.family_name.reveal(),
        person.birth_date,
        person.email.reveal()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn has_every_member_once_but_those_without_contact() {
        let batch = Batch::new(Options { rows: 500, without_contact_per_mille: 100, mismatched_per_mille: 100, ..Options::default() });
        let mut file = Vec::new();
        let rows = batch.write_contacts(&mut file).unwrap();
        let text = String::from_utf8(file).unwrap();
        assert_eq!(text.lines().count() as u64, rows + 1);
        let missing = batch.rows().filter(|row| row.kind == RowKind::WithoutContact).count() as u64;
        assert!(missing > 20);
        assert_eq!(rows + missing, 500);
        for row in batch.rows() {
            let line = text.lines().find(|line| line.starts_with(row.person.member_id.reveal()));
            let names_the_person = line.is_some_and(|line| line.ends_with(row.person.email.reveal()));
            assert_eq!(names_the_person, row.kind == RowKind::Plain, "row {}", row.number);
        }
    }
}
