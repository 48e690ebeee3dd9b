//! Record-shear: do these addresses, claims and providers belong to these members?
//!
//! Compared with the last cycles, for members who were in them:
//! * *displaced*: a member gets an address that was another member's, who is in this batch with yet another one. A shifted column does
//!   nothing else. Families share addresses and grow into shared ones; so where one of them gets an address of their own, whoever else of
//!   that name comes for the first time, with the address that they shared, displaces nobody.
//! * *foreign*: the address was another member's, and only theirs.
//! * *shared*: the address is another member's, who still has it: a list filled down, or joined with the wrong row here and there. Families
//!   do that too; so of people with another family name fewer are enough.
//! * *changed*: any other address than before. One to three in a hundred are usual.
//! * a claim that was another member's; providers that were theirs before and suddenly are not.
//!
//! And within the batch: names against addresses ([`super::resemblance`]), and one address for many ([`super::crowd`]).

use super::crowd;
use super::history::Short;
use super::pairs::PairRow;
use super::volume::percent;
use super::{Gate, GateFinding, GateSettings, History, Pairs, PerMille};

/// So few may be chance: two members who got each other's address by mistake last time, and now have their own.
const DISPLACED_MIN: u64 = 3;
const DISPLACED: PerMille = PerMille(2);
const FOREIGN_MIN: u64 = 6;
const SHARED_MIN: u64 = 8;
const SHARED: PerMille = PerMille(20);
const STRANGERS_MIN: u64 = 4;
const STRANGERS: PerMille = PerMille(10);
const CHANGED_MIN: u64 = 10;
const CLAIMS_MIN: u64 = 3;
const CLAIMS: PerMille = PerMille(5);
/// Fewer say nothing about a share.
const SHARE_ROWS_MIN: u64 = 50;

pub(super) fn judge(settings: &GateSettings, pairs: &Pairs, history: &History) -> Vec<GateFinding> {
    if !settings.shear {
        return Vec::new();
    }
    let moves = Moves::of(pairs, history);
    let mut findings = Vec::new();
    let known = moves.known;
    if moves.displaced >= DISPLACED_MIN.max(DISPLACED.of(known) + 1) {
        findings.push(shear(
            format!(
                "{} members would get an address whose own member is in this batch with another one ({known} members are known)",
                moves.displaced
            ),
            format!("at most {}", DISPLACED_MIN.max(DISPLACED.of(known) + 1) - 1),
        ));
    }
    let limit = settings.foreign_addresses;
    if moves.foreign >= FOREIGN_MIN.max(limit.of(known) + 1) {
        findings.push(shear(
            format!(
                "{} of {known} known members would get an address that was only another member's ({})",
                moves.foreign,
                percent(moves.foreign, known)
            ),
            format!("at most {limit}"),
        ));
    }
    if moves.shared >= SHARED_MIN.max(SHARED.of(known) + 1) {
        findings.push(shear(
            format!(
                "{} of {known} known members would share the address of another member from now on ({})",
                moves.shared,
                percent(moves.shared, known)
            ),
            format!("at most {SHARED}"),
        ));
    }
    if moves.strangers >= STRANGERS_MIN.max(STRANGERS.of(known) + 1) {
        findings.push(shear(
            format!(
                "{} of {known} known members would share the address of a member with another family name from now on ({})",
                moves.strangers,
                percent(moves.strangers, known)
            ),
            format!("at most {STRANGERS}"),
        ));
    }
    let limit = settings.changed_addresses;
    if moves.changed >= CHANGED_MIN.max(limit.of(known) + 1) {
        findings.push(shear(
            format!(
                "{} of {known} known members would get another address than last time ({})",
                moves.changed,
                percent(moves.changed, known)
            ),
            format!("at most {limit}"),
        ));
    }
    let (moved, of) = claims(pairs, history);
    if moved >= CLAIMS_MIN.max(CLAIMS.of(of) + 1) {
        findings.push(shear(
            format!("{moved} of {of} claims that were seen before are another member's now ({})", percent(moved, of)),
            format!("at most {CLAIMS}"),
        ));
    }
    let habits = usual(history, |cycle| cycle.habit);
    if is_far_below(habit(pairs, history), habits) {
        let (hits, of) = habit(pairs, history);
        findings.push(shear(
            format!("{} of known members come with a provider that was theirs before", percent(hits, of)),
            format!("about {} as in the last cycles", percent(habits.0, habits.1)),
        ));
    }
    findings.extend(names(pairs, history));
    findings.extend(crowd::largest(pairs, history).map(|crowd| {
        shear(
            format!("one address would get the statements of people of {} family names who did not have it before", crowd.families),
            format!("fewer, or no more than the {} members who had it", crowd.before),
        )
    }));
    findings
}

fn names(pairs: &Pairs, history: &History) -> Option<GateFinding> {
    let stretches = pairs.neighbours().shifted_stretches();
    if stretches > 0 {
        return Some(shear(
            format!("in {stretches} stretches of 64 rows the addresses resemble the names of the rows beside them"),
            "addresses that resemble their own member's name".to_owned(),
        ));
    }
    let (present, usual) = (pairs.resemblance(), usual(history, |cycle| cycle.resemblance));
    is_far_below(present, usual).then(|| {
        shear(
            format!("{} of the addresses resemble their member's name", percent(present.0, present.1)),
            format!("about {} as in the last cycles", percent(usual.0, usual.1)),
        )
    })
}

fn shear(found: String, expected: String) -> GateFinding {
    let action = "a column is perhaps shifted, or a list sorted apart from its rows, in the batch or in the contact file: compare both with their source \
                  before anything leaves; cancel the batch if so, release it only if it is right";
    GateFinding { gate: Gate::RecordShear, found, expected, action: action.to_owned() }
}

/// Known members, and what became of their addresses.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Moves {
    known: u64,
    changed: u64,
    foreign: u64,
    /// Of the changed ones: into an address that another member has and had.
    shared: u64,
    /// Of the shared ones: with people of other family names only.
    strangers: u64,
    /// Of all members of the batch; of those who are not known, by people of other family names only.
    displaced: u64,
}

/// Somebody in the batch, with an address. Sorted by member, then address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Here {
    member: Short,
    address: Short,
    family: u64,
}

impl Moves {
    fn of(pairs: &Pairs, history: &History) -> Self {
        let here = |row: &PairRow| row.address.map(|address| Here { member: row.member, address, family: row.family });
        let mut present: Vec<Here> = pairs.rows().iter().filter_map(here).collect();
        present.sort_unstable();
        present.dedup();
        let mut owners: Vec<(Short, Short)> = history.addresses.iter().map(|entry| (entry.1, entry.0)).collect();
        owners.sort_unstable();
        let mut moves = Self::default();
        for one in &present {
            let start = owners.partition_point(|entry| entry.0 < one.address);
            let owners = owners[start..].iter().take_while(|entry| entry.0 == one.address).map(|entry| entry.1);
            moves.count(one, history.address_of(&one.member), owners, &present);
        }
        moves
    }

    /// Counts one of the batch, by the address they had and by those who had the one they get.
    fn count(&mut self, one: &Here, before: Option<&Short>, owners: impl Iterator<Item = Short> + Clone, present: &[Here]) {
        let is_known = before.is_some();
        self.known += u64::from(is_known);
        if before == Some(&one.address) {
            return;
        }
        self.changed += u64::from(is_known);
        if owners.clone().next().is_none() {
            return;
        }
        // Whoever had it and has it still shares it: a family, where it happens now and then.
        let mut keepers = owners.clone().flat_map(|owner| rows_of(present, owner)).filter(|row| row.address == one.address).peekable();
        if keepers.peek().is_some() {
            self.shared += u64::from(is_known);
            self.strangers += u64::from(is_known && keepers.all(|keeper| keeper.family != one.family));
            return;
        }
        self.foreign += u64::from(is_known);
        let mut moved_on = owners.flat_map(|owner| rows_of(present, owner));
        self.displaced += u64::from(moved_on.any(|owner| is_known || owner.family != one.family));
    }
}

/// What the batch has of a member.
fn rows_of(present: &[Here], member: Short) -> impl Iterator<Item = &Here> {
    let start = present.partition_point(|row| row.member < member);
    present[start..].iter().take_while(move |row| row.member == member)
}

/// Claims that were seen before: how many are another member's now, of how many.
fn claims(pairs: &Pairs, history: &History) -> (u64, u64) {
    let known = pairs.rows().iter().filter_map(|row| history.id_of(&row.claim).map(|before| *before != row.id));
    known.fold((0, 0), |(moved, of), is_moved| (moved + u64::from(is_moved), of + 1))
}

/// Known members with something that was theirs before, of how many.
pub(super) fn habit(pairs: &Pairs, history: &History) -> (u64, u64) {
    let rows = pairs.rows().iter().filter(|row| history.address_of(&row.member).is_some());
    let hits = rows.filter_map(|row| row.habit.map(|habit| history.has_habit(&habit)));
    hits.fold((0, 0), |(hits, of), is_hit| (hits + u64::from(is_hit), of + 1))
}

fn usual(history: &History, of: impl Fn(&super::Cycle) -> (u64, u64)) -> (u64, u64) {
    history.cycles().iter().map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Less than half of what is usual, and further from it than chance goes: five standard deviations.
fn is_far_below(present: (u64, u64), usual: (u64, u64)) -> bool {
    let ((hits, of), (usual_hits, usual_of)) = (present, usual);
    if of < SHARE_ROWS_MIN || usual_of < SHARE_ROWS_MIN {
        return false;
    }
    let (hits, of, usual_hits, usual_of) = (i128::from(hits), i128::from(of), i128::from(usual_hits), i128::from(usual_of));
    // hits/of < usual/2
    if 2 * hits * usual_of >= usual_hits * of {
        return false;
    }
    // (of·p − hits)² > 25 · of · p · (1 − p) with p = usual_hits / usual_of, both sides times usual_of².
    let missing = of * usual_hits - hits * usual_of;
    missing > 0 && missing * missing > 25 * of * usual_hits * (usual_of - usual_hits)
}
