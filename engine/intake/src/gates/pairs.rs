//! Who got which address in this batch, as keyed fingerprints, and how names and addresses go together.
//!
//! Bounded: of a very large batch a sample by member is kept, the same members each cycle.

use super::history::Short;
use super::resemblance::{Folded, Neighbours};
use crate::admission::Fingerprints;
use crate::row::ReadStatement;
use model::statement::Member;
use model::{Fingerprint, Mailbox, Private};

/// Rows kept of a batch; about 60 bytes each.
const ROWS_MAX: usize = 1_000_000;

/// A statement before it is admitted: who, which claim, with which provider.
#[derive(Debug)]
pub struct Subject {
    member: Short,
    /// The member id alone: names change between two versions of a claim.
    id: Short,
    family: u64,
    claim: Short,
    habit: Option<Short>,
    name: Folded,
}

impl Subject {
    /// Takes what is compared of a statement, under the tenant's index key.
    pub fn of(read: &ReadStatement, fingerprints: &dyn Fingerprints) -> Self {
        let statement = &read.statement;
        let provider = statement.provider.as_ref().map(Private::reveal);
        Self::new(&statement.member, statement.claim_number.reveal(), provider, fingerprints)
    }

    /// As [`Subject::of`], of the parts.
    pub fn new(member: &Member, claim: &str, provider: Option<&str>, fingerprints: &dyn Fingerprints) -> Self {
        let name = Folded::of_name(member.given_name.reveal(), member.family_name.reveal(), member.name.reveal());
        let id = member.id.reveal().trim().to_uppercase();
        // The id alone may be a whole family's, and a numbering that began anew gives it to somebody else.
        // Who marries is new here for one cycle.
        let member = short(fingerprints.fingerprint("gate.member", &[id.as_bytes(), name.ends().as_bytes()]));
        let id = short(fingerprints.fingerprint("gate.id", &[id.as_bytes()]));
        let family = name.family();
        let claim = short(fingerprints.fingerprint("gate.claim", &[claim.trim().as_bytes()]));
        let habit = provider.map(|provider| {
            let provider = provider.trim().to_uppercase();
            short(fingerprints.fingerprint("gate.habit", &[&member, provider.as_bytes()]))
        });
        Self { member, id, family, claim, habit, name }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PairRow {
    pub(super) member: Short,
    pub(super) id: Short,
    /// Their family name. Never kept beyond the batch.
    pub(super) family: u64,
    pub(super) claim: Short,
    pub(super) address: Option<Short>,
    pub(super) habit: Option<Short>,
}

/// The pairs of one batch, in its order.
#[derive(Debug, Default)]
pub struct Pairs {
    rows: Vec<PairRow>,
    /// Of so many members (a power of two) one is kept; 0 and 1 keep all.
    one_of: u64,
    neighbours: Neighbours,
}

impl Pairs {
    /// Adds a row: where it goes, with the address's keyed hash as the job has it; `None` where it goes nowhere.
    pub fn add(&mut self, subject: Subject, to: Option<(&Mailbox, Fingerprint)>) {
        let Subject { member, id, family, claim, habit, name } = subject;
        if let Some((mailbox, fingerprint)) = to {
            self.neighbours.add(member, name, Folded::of_address(&mailbox.reveal()), short(fingerprint));
        }
        if !self.keeps(&member) {
            return;
        }
        self.rows.push(PairRow { member, id, family, claim, address: to.map(|(_, fingerprint)| short(fingerprint)), habit });
        if self.rows.len() > ROWS_MAX {
            self.one_of = self.one_of.max(1) * 2;
            let one_of = self.one_of;
            self.rows.retain(|row| u64::from_le_bytes(row.member).is_multiple_of(one_of));
        }
    }

    fn keeps(&self, member: &Short) -> bool {
        self.one_of <= 1 || u64::from_le_bytes(*member).is_multiple_of(self.one_of)
    }

    pub(super) fn rows(&self) -> &[PairRow] {
        &self.rows
    }

    pub(super) fn neighbours(&self) -> &Neighbours {
        &self.neighbours
    }

    /// How many addresses resemble their member's name, of how many.
    pub(super) fn resemblance(&self) -> (u64, u64) {
        self.neighbours.own()
    }
}

fn short(fingerprint: Fingerprint) -> Short {
    let mut short = [0; 8];
    short.copy_from_slice(&fingerprint.0[..8]);
    short
}
