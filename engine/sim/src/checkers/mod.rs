//! What must hold after every run, one promise a file.

mod deleted_keys_are_gone;
mod every_row_accounted_for;
mod limits_hold_at_the_receiver;
mod no_nonce_twice_under_one_key;
mod nothing_lost;
mod nothing_readable_on_disk;
mod nothing_sent_twice_unless_uncertain;
mod orders_are_obeyed;
mod right_content_to_right_address;

pub(crate) use no_nonce_twice_under_one_key::Nonces;
pub(crate) use nothing_readable_on_disk::Secrets;

use crate::evidence::{Evidence, Finding};

/// Asks all of them.
pub(crate) fn check(evidence: &Evidence) -> Vec<Finding> {
    [
        every_row_accounted_for::check,
        nothing_lost::check,
        nothing_sent_twice_unless_uncertain::check,
        right_content_to_right_address::check,
        limits_hold_at_the_receiver::check,
        deleted_keys_are_gone::check,
        orders_are_obeyed::check,
    ]
    .into_iter()
    .flat_map(|checker| checker(evidence))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::CrashPlan;
    use crate::installation::Installation;
    use crate::notes::{Answered, Obeyed};
    use crate::scenario::{Scenario, SiteKind};
    use crate::stage::Stage;
    use model::{JobId, Monotonic, State};
    use std::collections::BTreeSet;
    use world::simulated::Simulation;

    /// A run in which nothing is wrong, to be falsified.
    fn evidence() -> Evidence {
        evidence_of(5)
    }

    fn evidence_of(seed: u64) -> Evidence {
        let installation = Installation::new().unwrap();
        let simulation = Simulation::new(seed);
        let mut scenario = Scenario::new(seed, 120);
        // Without losses on the way no statement is uncertain, and each tampering stands alone.
        scenario.faults.clear();
        scenario.orders.clear();
        scenario.resets_every = None;
        scenario.sandbox.sites.iter_mut().for_each(|site| site.personality.drops = None);
        let evidence = Stage::set(&installation, &simulation, scenario).unwrap().play(&CrashPlan::default()).unwrap();
        assert_eq!(check(&evidence), []);
        evidence
    }

    fn names(evidence: &Evidence) -> BTreeSet<&'static str> {
        check(evidence).iter().map(|finding| finding.checker).collect()
    }

    #[test]
    fn each_checker_sees_what_it_is_for() {
        let mut lost = evidence();
        let last = lost.taken.iter().rposition(|taken| !taken.marks.is_empty()).unwrap();
        let gone = lost.taken.remove(last);
        assert_eq!(names(&lost), BTreeSet::from(["nothing_lost"]));

        lost.taken.extend([gone.clone(), gone.clone()]);
        assert_eq!(names(&lost), BTreeSet::from(["nothing_sent_twice_unless_uncertain"]));
        lost.taken.pop();

        let last = lost.taken.len() - 1;
        lost.taken[last].marks = vec![(1, 9_999)];
        assert_eq!(names(&lost), BTreeSet::from(["nothing_lost", "right_content_to_right_address"]));
        lost.taken[last].marks = gone.marks.clone();
        lost.taken[last].recipient = "somebody.else@d00001.example".to_owned();
        assert_eq!(names(&lost), BTreeSet::from(["nothing_lost", "right_content_to_right_address"]));
        lost.taken[last] = gone;

        lost.counted.sites[0].violations = 1;
        assert_eq!(names(&lost), BTreeSet::from(["limits_hold_at_the_receiver"]));
        lost.counted.sites[0].violations = 0;

        let first = *lost.reports.keys().next().unwrap();
        lost.reports.get_mut(&first).unwrap().1.statements.duplicate += 1;
        assert_eq!(names(&lost), BTreeSet::from(["every_row_accounted_for"]));
        lost.reports.get_mut(&first).unwrap().1.statements.duplicate -= 1;
        assert_eq!(names(&lost), BTreeSet::new());
    }

    #[test]
    fn what_was_promised_and_ordered_is_looked_after() {
        let mut evidence = evidence();
        let told = evidence.remembered.answers.clone();
        let line = *told.iter().find(|(_, answer)| matches!(answer, Answered::Job(_))).unwrap().0;
        evidence.remembered.answers.insert(line, Answered::Job(JobId::new(9, 9)));
        assert_eq!(names(&evidence), BTreeSet::from(["nothing_lost"]));
        evidence.remembered.answers = told;

        let parcel = 0;
        evidence.remembered.obeyed.push((parcel, Obeyed { from: Monotonic(0), until: None, is_cancel: false }));
        evidence.taken.iter_mut().for_each(|taken| taken.at = Monotonic(u64::MAX - 1));
        assert_eq!(names(&evidence), BTreeSet::from(["orders_are_obeyed"]));
        evidence.remembered.obeyed.clear();

        let (_, record) = evidence.records.iter_mut().next().unwrap();
        let jobs: Vec<JobId> = record.jobs.keys().copied().collect();
        record.jobs.get_mut(&jobs[0]).unwrap().frozen.extend([[1; 32], [2; 32]]);
        assert_eq!(names(&evidence), BTreeSet::from(["nothing_sent_twice_unless_uncertain"]));
    }

    #[test]
    fn a_message_of_several_statements_is_one_members_and_whole() {
        let seed = (0..).find(|seed| Scenario::new(*seed, 120).is_grouping).unwrap();
        let mut evidence = evidence_of(seed);
        let at = evidence.taken.iter().position(|taken| taken.marks.len() > 1).expect("some are grouped");
        let (right, recipient) = (evidence.taken[at].marks.clone(), evidence.taken[at].recipient.clone());
        let mut others = evidence.taken.iter().filter(|taken| taken.recipient != recipient).flat_map(|taken| &taken.marks);
        let stranger = *others.find(|mark| mark.0 == right[0].0).unwrap();

        evidence.taken[at].marks.push(stranger);
        assert_eq!(names(&evidence), BTreeSet::from(["right_content_to_right_address"]));
        evidence.taken[at].marks = right[1..].to_vec();
        assert_eq!(names(&evidence), BTreeSet::from(["nothing_lost"]));
        evidence.taken[at].marks = right;
        assert_eq!(names(&evidence), BTreeSet::new());

        let jobs = evidence.records.values_mut().flat_map(|record| record.jobs.values_mut());
        jobs.for_each(|job| job.further.truncate(job.further.len().saturating_sub(1)));
        assert_eq!(names(&evidence), BTreeSet::from(["nothing_lost", "every_row_accounted_for"]));
    }

    #[test]
    fn a_delivered_statement_must_not_be_called_bounced() {
        let mut evidence = evidence();
        let quick = evidence.cases().iter().find(|case| case.kind == SiteKind::Quick && case.parcel == 0).unwrap().line.number;
        let batch = evidence.remembered.batches[&0];
        let jobs = evidence.records.values_mut().flat_map(|record| record.jobs.values_mut());
        jobs.filter(|job| job.batch == batch && job.row == quick).for_each(|job| job.states.push(State::Bounced));
        assert_eq!(names(&evidence), BTreeSet::from(["nothing_lost", "every_row_accounted_for"]));
    }
}
