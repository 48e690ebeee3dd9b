//! Corrections: the versions of a statement, and what the newer tells of the older. Pure but for the key index it asks.
//!
//! ```text
//! claim = (tenant, claim number, member id)          version n of a claim has the key H(claim ‖ n), n = 1, 2, …
//! same content as any version  → duplicate           else → the next version, which corrects the one before it
//! ```
//! So the index stays what it is: keys that join and never change. A file that is handed in again after its correction is a duplicate, not
//! a correction back. One whose batch was cancelled before it left is a version that nobody got ([`crate::again`]). Two different statements of one claim *in one batch* are versions only where a reversal of the claim stands
//! between them (835 CLP02 22); without one, claims that are parted over several loops would swallow each other, so both go. Statements
//! with a stated key and bills have no versions: there a key with other content is a conflict, and each bill is its own.

use crate::Fingerprints;
use crate::again::Cancelled;
use crate::duplicates::{KeyEntry, KeyIndex, KeyIndexError, Known, Repeat};
use model::statement::{AmountChange, ChangedAmount, Correction};
use model::{Fingerprint, MoneySummary, Statement};
use std::collections::BTreeMap;

/// Versions of a claim that are told apart; a claim corrected more often than that is a conflict.
const VERSIONS_MAX: u32 = 1_000;
/// Reversals of a batch that are remembered until their correction comes; further ones correct what the index knows.
const REVERSALS_MAX: usize = 1_000_000;

/// The earlier version of a statement that was just admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// What the index knows of it; `None` where only its reversal was seen.
    pub known: Option<Known>,
    /// What it added up to, where its reversal in this batch says so.
    pub reversed: Option<MoneySummary>,
}

/// What the versions of a claim say about a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A version has this content.
    Repeat(Known),
    /// A new version under this key, after the one that is known, if any.
    New(Fingerprint, Option<Known>),
    /// Other content under a key that has no versions, or more versions than are told apart.
    Conflict(Known),
}

/// The claim of a statement, as a keyed hash.
pub(crate) fn claim_of(statement: &Statement, fingerprints: &dyn Fingerprints) -> Fingerprint {
    let member = statement.member.id.reveal().trim().to_ascii_lowercase();
    fingerprints.fingerprint("claim", &[statement.claim_number.reveal().trim().as_bytes(), member.as_bytes()])
}

/// Looks for the versions of a claim. `candidate` gives a key its entry.
pub(crate) fn standing(
    claim: &Fingerprint,
    candidate: &dyn Fn(Fingerprint) -> KeyEntry,
    cancelled: &Cancelled,
    keys: &mut KeyIndex,
    fingerprints: &dyn Fingerprints,
) -> Result<Standing, KeyIndexError> {
    let mut latest = None;
    for version in 1..=VERSIONS_MAX {
        let of_version = key_of(claim, version, fingerprints);
        match cancelled.look_up(of_version, candidate, keys, fingerprints)? {
            (key, None) if key != of_version => {
                // Cancelled before it left: it may come again, but not behind a newer version.
                let newer = keys.look_up(&candidate(key_of(claim, version + 1, fingerprints)))?;
                return Ok(match newer {
                    Some(Repeat::Same(newer) | Repeat::Conflict(newer)) => Standing::Repeat(newer),
                    None => Standing::New(key, latest),
                });
            }
            (key, None) => return Ok(Standing::New(key, latest)),
            (_, Some(Repeat::Same(known))) => return Ok(Standing::Repeat(known)),
            (_, Some(Repeat::Conflict(known))) => latest = Some(known),
        }
    }
    Ok(Standing::Conflict(latest.expect("a thousand versions were looked at")))
}

/// The key of one version of a claim.
fn key_of(claim: &Fingerprint, version: u32, fingerprints: &dyn Fingerprints) -> Fingerprint {
    fingerprints.fingerprint("key.version", &[&claim.0, &version.to_le_bytes()])
}

/// Whether a statement and its key are the version right before another one: of the same claim, and under the key before. A key that is no
/// version's took the place of one whose batch was cancelled ([`crate::again`]); there is none other of its claim then.
pub fn is_before(older: (&Statement, &Fingerprint), newer: (&Statement, &Fingerprint), fingerprints: &dyn Fingerprints) -> bool {
    let claim = claim_of(newer.0, fingerprints);
    if claim_of(older.0, fingerprints) != claim {
        return false;
    }
    let version = |key: &Fingerprint| (1..=VERSIONS_MAX).find(|version| key_of(&claim, *version, fingerprints) == *key);
    version(older.1).is_none_or(|older| version(newer.1).is_none_or(|newer| older + 1 == newer))
}

/// The reversals of a batch that wait for their correction.
#[derive(Debug, Default)]
pub(crate) struct Reversals(BTreeMap<Fingerprint, MoneySummary>);

impl Reversals {
    /// Notes a reversal; its amounts are those of the version it takes back, negated.
    pub(crate) fn note(&mut self, claim: Fingerprint, money: MoneySummary) {
        if self.0.len() < REVERSALS_MAX {
            self.0.insert(claim, money);
        }
    }

    /// What was taken back of a claim, once.
    pub(crate) fn take(&mut self, claim: &Fingerprint) -> Option<MoneySummary> {
        self.0.remove(claim)
    }
}

/// What the member is told: the sums that are different.
pub fn correction(before: MoneySummary, after: MoneySummary) -> Correction {
    let sums = [
        (ChangedAmount::Billed, before.billed, after.billed),
        (ChangedAmount::PlanPaid, before.plan_paid, after.plan_paid),
        (ChangedAmount::MemberOwes, before.member_owes, after.member_owes),
    ];
    let changed = sums.into_iter().filter(|(_, before, after)| before != after);
    Correction { changes: changed.map(|(which, before, after)| AmountChange { which, before, after }).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Cents;

    struct Joined;

    impl Fingerprints for Joined {
        fn fingerprint(&self, label: &str, parts: &[&[u8]]) -> Fingerprint {
            let mut bytes = [0u8; 16];
            for (at, byte) in label.bytes().chain(parts.concat()).enumerate() {
                bytes[at % 16] = byte.wrapping_add(bytes[at % 16].rotate_left(3));
            }
            Fingerprint(bytes)
        }
    }

    #[test]
    fn the_version_right_before_is_found_again() {
        let invented = testkit::Batch::new(testkit::Options { rows: 2, ..Default::default() });
        let (one, two) = (invented.row(1).statement, invented.row(2).statement);
        let key = |of: &Statement, version| key_of(&claim_of(of, &Joined), version, &Joined);
        let is_before = |older: (&Statement, Fingerprint), newer: (&Statement, Fingerprint)| {
            super::is_before((older.0, &older.1), (newer.0, &newer.1), &Joined)
        };
        assert!(is_before((&one, key(&one, 1)), (&one, key(&one, 2))));
        assert!(!is_before((&one, key(&one, 1)), (&one, key(&one, 3))), "not two before");
        assert!(!is_before((&one, key(&one, 3)), (&one, key(&one, 2))), "not behind");
        assert!(!is_before((&two, key(&two, 1)), (&one, key(&one, 2))), "not another claim");
        let again = Joined.fingerprint("key.again", &[&key(&one, 1).0]);
        assert!(is_before((&one, again), (&one, key(&one, 2))) && !is_before((&two, again), (&one, key(&one, 2))));
    }

    #[test]
    fn a_correction_names_what_changed_and_nothing_else() {
        let sums = |billed, plan_paid, member_owes| MoneySummary {
            billed: Cents(billed),
            plan_paid: Cents(plan_paid),
            member_owes: Cents(member_owes),
        };
        let told = correction(sums(100, 80, 20), sums(100, 70, 30));
        let named: Vec<_> = told.changes.iter().map(|change| (change.which, change.before.0, change.after.0)).collect();
        assert_eq!(named, [(ChangedAmount::PlanPaid, 80, 70), (ChangedAmount::MemberOwes, 20, 30)]);
        assert!(correction(sums(1, 1, 1), sums(1, 1, 1)).changes.is_empty());
    }
}
