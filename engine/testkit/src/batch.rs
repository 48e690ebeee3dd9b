//! A batch of invented rows, each of which can be asked for by its number.
//!
//! Row numbers are from 1, as in rejects and receipts. What goes wrong with a row is drawn once for its member
//! (no contact, another name under the id) and, where the member is in order, once for the row (a repeat, a claim that does not
//! balance, a reversal): so no row has two troubles, and where it must end is certain.

use crate::statement::{self, Claim};
use crate::{Person, Random};
use model::{Cents, Statement};
use std::ops::RangeInclusive;

const SORT_MEMBER: u64 = 10;
const SORT_ROW: u64 = 11;
const SORT_STATEMENT: u64 = 12;
/// How far back a repeat looks for a row to repeat.
const REPEAT_DISTANCE_MAX: u64 = 1_000;
/// What a claim that does not balance claims too much.
const IMBALANCE: Cents = Cents(100);

/// What a batch is to look like. Shares are per mille of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Two batches of one seed and the same options are the same to the byte.
    pub seed: u64,
    /// Rows (claims of the 835, lines of the NDJSON).
    pub rows: u64,
    /// Service lines of a statement: drawn from this range, within 1..=999.
    pub lines: RangeInclusive<u16>,
    /// Rows that belong to one member; 1 gives each row a member of its own.
    pub claims_per_member: u64,
    /// The rows of a member lie as far apart as they can, not beside each other.
    pub scattered: bool,
    /// Receiving domains of the members; use names in `example`, `.test` or the sandbox.
    pub destinations: Vec<String>,
    /// Claims in one transaction set (ST…SE) of the 835.
    pub claims_per_transaction: u32,
    /// Members that the contact file does not have.
    pub without_contact_per_mille: u32,
    /// Members whose id stands in the contact file under another name and birth date.
    pub mismatched_per_mille: u32,
    /// Rows that repeat an earlier row of the batch.
    pub duplicate_per_mille: u32,
    /// Rows whose amounts do not add up.
    pub unbalanced_per_mille: u32,
    /// Rows that take back an earlier payment, without a correction beside them.
    pub reversal_per_mille: u32,
    /// Rows in which the plan pays nothing. They are mailed like any other.
    pub denied_per_mille: u32,
    /// Members who have not authorized marketing. Concerns templated messages alone.
    pub without_authorization_per_mille: u32,
}

impl Default for Options {
    /// 1,000 rows of 15 lines, 2 % of them denied, nothing wrong with any.
    fn default() -> Self {
        Self {
            seed: 1,
            rows: 1_000,
            lines: 15..=15,
            claims_per_member: 1,
            scattered: false,
            destinations: vec!["mail.example".to_owned()],
            claims_per_transaction: 500,
            without_contact_per_mille: 0,
            mismatched_per_mille: 0,
            duplicate_per_mille: 0,
            unbalanced_per_mille: 0,
            reversal_per_mille: 0,
            denied_per_mille: 20,
            without_authorization_per_mille: 0,
        }
    }
}

/// What is the matter with a row, and so where it must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Nothing: accepted.
    Plain,
    /// The contact file has no such member: no address.
    WithoutContact,
    /// The contact file has the id under another name: accepted and held.
    Mismatched,
    /// Repeats the row with this number: duplicate.
    DuplicateOf(u64),
    /// Billed a dollar more than its adjustments explain: rejected.
    Unbalanced,
    /// A reversal alone: not mailable.
    Reversal,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// From 1.
    pub number: u64,
    /// What is the matter with it.
    pub kind: RowKind,
    /// Which of the batch's members it is about, from 0.
    pub member_index: u64,
    /// Who that is.
    pub person: Person,
    /// The statement as the file states it, trouble included.
    pub statement: Statement,
}

/// A batch that follows from its options.
#[derive(Debug, Clone)]
pub struct Batch {
    options: Options,
}

impl Batch {
    /// Takes the options as they are; sizes that make no sense (no lines, no member per claim) become the nearest that do.
    ///
    /// # Panics
    /// Where there is no destination, or the shares of one draw exceed 1000.
    pub fn new(mut options: Options) -> Self {
        assert!(!options.destinations.is_empty(), "a batch needs a destination");
        assert!(options.without_contact_per_mille + options.mismatched_per_mille <= 1000, "shares of members exceed 1000 per mille");
        let row_shares = options.duplicate_per_mille + options.unbalanced_per_mille + options.reversal_per_mille + options.denied_per_mille;
        assert!(row_shares <= 1000, "shares of rows exceed 1000 per mille");
        let lines_max = model::limits::SERVICE_LINES_MAX as u16;
        options.lines = (*options.lines.start()).clamp(1, lines_max)..=(*options.lines.end()).clamp(1, lines_max);
        options.claims_per_member = options.claims_per_member.max(1);
        options.claims_per_transaction = options.claims_per_transaction.max(1);
        Self { options }
    }

    /// The options as they were understood.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Row `number`, from 1. A batch has no end of its own: numbers beyond `rows` continue it.
    ///
    /// # Panics
    /// Where `number` is 0.
    pub fn row(&self, number: u64) -> Row {
        assert!(number > 0, "rows count from 1");
        let (kind, _) = self.draw(number);
        if let RowKind::DuplicateOf(original) = kind {
            return Row { number, kind, ..self.row(original) };
        }
        let member_index = self.member_index(number);
        let person = self.person(member_index);
        let statement = self.statement(number, &person);
        Row { number, kind, member_index, person, statement }
    }

    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        (1..=self.options.rows).map(|number| self.row(number))
    }

    /// Member `member_index`, from 0.
    pub fn person(&self, member_index: u64) -> Person {
        Person::invent(self.options.seed, member_index, &self.options.destinations)
    }

    /// How many members the rows are about.
    pub fn members(&self) -> u64 {
        self.options.rows.div_ceil(self.options.claims_per_member)
    }

    /// What is the matter with a member: `Plain`, `WithoutContact` or `Mismatched`.
    pub(crate) fn member_kind(&self, member_index: u64) -> RowKind {
        let drawn = Random::of(self.options.seed, SORT_MEMBER, member_index).below(1000) as u32;
        let without_contact = self.options.without_contact_per_mille;
        if drawn < without_contact {
            RowKind::WithoutContact
        } else if drawn < without_contact + self.options.mismatched_per_mille {
            RowKind::Mismatched
        } else {
            RowKind::Plain
        }
    }

    fn member_index(&self, number: u64) -> u64 {
        let place = number - 1;
        if self.options.scattered { place % self.members().max(1) } else { place / self.options.claims_per_member }
    }

    fn draw(&self, number: u64) -> (RowKind, Claim) {
        let drawn = self.drawn_share(number);
        let paid_or_denied = if drawn.denied { Claim::Denied } else { Claim::Paid };
        match self.member_kind(self.member_index(number)) {
            RowKind::Plain => {}
            troubled => return (troubled, paid_or_denied),
        }
        if drawn.duplicate {
            let original = self.earlier_plain_row(number);
            return (original.map_or(RowKind::Plain, RowKind::DuplicateOf), Claim::Paid);
        }
        if drawn.unbalanced {
            return (RowKind::Unbalanced, Claim::Paid);
        }
        if drawn.reversal {
            return (RowKind::Reversal, Claim::Reversal);
        }
        (RowKind::Plain, paid_or_denied)
    }

    fn drawn_share(&self, number: u64) -> DrawnShare {
        let options = &self.options;
        let drawn = Random::of(options.seed, SORT_ROW, number).below(1000) as u32;
        let duplicate_end = options.duplicate_per_mille;
        let unbalanced_end = duplicate_end + options.unbalanced_per_mille;
        let reversal_end = unbalanced_end + options.reversal_per_mille;
        let denied_end = reversal_end + options.denied_per_mille;
        DrawnShare {
            duplicate: drawn < duplicate_end,
            unbalanced: (duplicate_end..unbalanced_end).contains(&drawn),
            reversal: (unbalanced_end..reversal_end).contains(&drawn),
            denied: (reversal_end..denied_end).contains(&drawn),
        }
    }

    fn earlier_plain_row(&self, number: u64) -> Option<u64> {
        (number.saturating_sub(REPEAT_DISTANCE_MAX).max(1)..number).rev().find(|earlier| {
            let drawn = self.drawn_share(*earlier);
            let row_is_plain = !(drawn.duplicate || drawn.unbalanced || drawn.reversal);
            row_is_plain && self.member_kind(self.member_index(*earlier)) == RowKind::Plain
        })
    }

    fn statement(&self, number: u64, person: &Person) -> Statement {
        let mut random = Random::of(self.options.seed, SORT_STATEMENT, number);
        let (kind, claim) = self.draw(number);
        let line_count = random.between(u64::from(*self.options.lines.start()), u64::from(*self.options.lines.end())) as u16;
        let mut statement =
            statement::invent(&mut random, claim, format!("{:04}CLM{number:010}", self.options.seed % 10_000), person, line_count);
        if kind == RowKind::Unbalanced {
            statement.totals.billed = statement.totals.billed.map(|billed| billed + IMBALANCE);
        }
        statement
    }
}

struct DrawnShare {
    duplicate: bool,
    unbalanced: bool,
    reversal: bool,
    denied: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn troubled() -> Batch {
        Batch::new(Options {
            rows: 2_000,
            without_contact_per_mille: 40,
            mismatched_per_mille: 30,
            duplicate_per_mille: 60,
            unbalanced_per_mille: 20,
            reversal_per_mille: 25,
            lines: 1..=5,
            ..Options::default()
        })
    }

    #[test]
    fn a_row_is_the_same_in_whatever_order_it_is_asked_for() {
        let batch = troubled();
        let backwards: Vec<Row> = (1..=50).rev().map(|number| batch.row(number)).collect();
        let forwards: Vec<Row> = batch.rows().take(50).collect();
        assert!(forwards.iter().eq(backwards.iter().rev()));
    }

    #[test]
    fn a_duplicate_repeats_an_earlier_plain_row_in_everything_but_its_number() {
        let batch = troubled();
        let mut seen = 0;
        for row in batch.rows() {
            if let RowKind::DuplicateOf(original) = row.kind {
                assert!(original < row.number);
                let original = batch.row(original);
                assert_eq!(original.kind, RowKind::Plain);
                assert_eq!(original.statement, row.statement);
                seen += 1;
            }
        }
        assert!((60..200).contains(&seen), "{seen}");
    }

    #[test]
    fn claim_numbers_of_different_rows_differ() {
        let batch = Batch::new(Options { rows: 1_000, lines: 1..=1, ..Options::default() });
        let numbers: std::collections::BTreeSet<String> = batch.rows().map(|row| row.statement.claim_number.reveal().to_owned()).collect();
        assert_eq!(numbers.len(), 1_000);
    }

    #[test]
    fn one_member_may_have_several_claims() {
        let batch = Batch::new(Options { rows: 10, claims_per_member: 4, ..Options::default() });
        assert_eq!(batch.members(), 3);
        assert_eq!(batch.row(1).person, batch.row(4).person);
        assert_ne!(batch.row(4).person, batch.row(5).person);
        let batch = Batch::new(Options { rows: 10, claims_per_member: 4, scattered: true, ..Options::default() });
        let members: Vec<u64> = batch.rows().map(|row| row.member_index).collect();
        assert_eq!(members, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    }
}
