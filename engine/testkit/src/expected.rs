//! What a batch must add up to at the door: the other side of the reconciliation.

use crate::{Batch, Row, RowKind};
use model::record::{Intake, Part};

/// Rows and money by where each row must end. Reversals state no member share, so they add nothing to `member_owes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expected {
    /// Rows of the file.
    pub source_records: u64,
    /// All rows.
    pub read: Part,
    /// Rows that do not balance.
    pub rejected: Part,
    /// Repeats.
    pub duplicate: Part,
    /// Reversals alone.
    pub not_mailable: Part,
    /// Members without a contact.
    pub no_address: Part,
    /// Members who have not authorized marketing.
    pub no_consent: Part,
    /// Rows that become (part of) a job, the held ones included.
    pub accepted: Part,
    /// Of the accepted: those held because the contact file has the id under another name.
    pub held: Part,
}

impl Expected {
    /// Counts one row.
    pub fn count(&mut self, row: &Row) {
        let money = row.statement.money();
        self.source_records += 1;
        self.read.add(money);
        match row.kind {
            RowKind::Plain => self.accepted.add(money),
            RowKind::Mismatched => {
                self.accepted.add(money);
                self.held.add(money);
            }
            RowKind::WithoutContact => self.no_address.add(money),
            RowKind::DuplicateOf(_) => self.duplicate.add(money),
            RowKind::Unbalanced => self.rejected.add(money),
            RowKind::Reversal => self.not_mailable.add(money),
        }
    }

    /// Compares with what intake counted, in rows and in money.
    ///
    /// # Errors
    /// One sentence for each part that differs, without anything of a person.
    pub fn reconcile(&self, intake: &Intake) -> Result<(), Vec<String>> {
        let parts = [
            ("read", self.read, intake.read),
            ("rejected", self.rejected, intake.rejected),
            ("duplicate", self.duplicate, intake.duplicate),
            ("merged", Part::default(), intake.merged),
            ("not_mailable", self.not_mailable, intake.not_mailable),
            ("no_address", self.no_address, intake.no_address),
            ("no_consent", self.no_consent, intake.no_consent),
            ("accepted", self.accepted, intake.accepted),
        ];
        let mut differences: Vec<String> = parts
            .into_iter()
            .filter(|(_, expected, counted)| expected != counted)
            .map(|(name, expected, counted)| format!("{name}: expected {expected:?}, counted {counted:?}"))
            .collect();
        if self.source_records != intake.source_records {
            differences.push(format!("source_records: expected {}, counted {}", self.source_records, intake.source_records));
        }
        if differences.is_empty() { Ok(()) } else { Err(differences) }
    }
}

impl Batch {
    /// What the batch must add up to. Walks all rows; the writers give the same as they write.
    pub fn expected(&self) -> Expected {
        let mut expected = Expected::default();
        self.rows().for_each(|row| expected.count(&row));
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use model::state::Disposition;

    #[test]
    fn agrees_with_an_intake_that_does_right_and_not_with_one_that_loses_a_row() {
        let batch =
            Batch::new(Options { rows: 300, duplicate_per_mille: 100, unbalanced_per_mille: 50, lines: 1..=3, ..Options::default() });
        let expected = batch.expected();
        let mut intake = Intake { source_records: 300, ..Intake::default() };
        for row in batch.rows() {
            let disposition = match row.kind {
                RowKind::DuplicateOf(_) => Disposition::Duplicate,
                RowKind::Unbalanced => Disposition::Rejected,
                _ => Disposition::Accepted,
            };
            intake.count(disposition, row.statement.money(), None);
        }
        assert!(intake.is_balanced());
        assert_eq!(expected.reconcile(&intake), Ok(()));
        intake.accepted.money.billed += model::Cents(1);
        assert_eq!(expected.reconcile(&intake).unwrap_err().len(), 1);
    }
}
