//! What must hold after every run, one promise a file.

mod every_row_accounted_for;
mod limits_hold_at_the_receiver;
mod no_nonce_twice_under_one_key;
mod nothing_lost;
mod nothing_readable_on_disk;
mod nothing_sent_twice_unless_uncertain;
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
    use crate::scenario::{Scenario, SiteKind};
    use crate::stage::Stage;
    use model::State;
    use std::collections::BTreeSet;
    use world::simulated::Simulation;

    /// A run in which nothing is wrong, to be falsified.
    fn evidence() -> Evidence {
        let installation = Installation::new().unwrap();
        let simulation = Simulation::new(5);
        let mut scenario = Scenario::new(5, 40);
        // Without losses on the way no statement is uncertain, and each tampering stands alone.
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
        let gone = lost.taken.pop().unwrap();
        assert_eq!(names(&lost), BTreeSet::from(["nothing_lost"]));

        lost.taken.extend([gone.clone(), gone.clone()]);
        assert_eq!(names(&lost), BTreeSet::from(["nothing_sent_twice_unless_uncertain"]));
        lost.taken.pop();

        let last = lost.taken.len() - 1;
        lost.taken[last].rows = vec![9_999];
        assert_eq!(names(&lost), BTreeSet::from(["right_content_to_right_address"]));
        lost.taken[last].rows = gone.rows.clone();
        lost.taken[last].recipient = "somebody.else@d00001.example".to_owned();
        assert_eq!(names(&lost), BTreeSet::from(["nothing_lost", "right_content_to_right_address"]));
        lost.taken[last] = gone;

        lost.counted.sites[0].violations = 1;
        assert_eq!(names(&lost), BTreeSet::from(["limits_hold_at_the_receiver"]));
        lost.counted.sites[0].violations = 0;

        lost.report.statements.duplicate += 1;
        assert_eq!(names(&lost), BTreeSet::from(["every_row_accounted_for"]));
        lost.report.statements.duplicate -= 1;

        let quick: Vec<u64> = lost.cases().filter(|case| case.kind == SiteKind::Quick).map(|case| case.row.number).collect();
        let job = lost.record.jobs.values_mut().find(|job| quick.contains(&job.row)).unwrap();
        job.states.push(State::Bounced);
        assert_eq!(names(&lost), BTreeSet::from(["nothing_lost", "every_row_accounted_for"]));
        job_back(&mut lost);
        let first = *lost.record.jobs.keys().next().unwrap();
        lost.record.jobs.get_mut(&first).unwrap().frozen.extend([[1; 32], [2; 32]]);
        assert_eq!(names(&lost), BTreeSet::from(["nothing_sent_twice_unless_uncertain"]));
    }

    fn job_back(evidence: &mut Evidence) {
        for job in evidence.record.jobs.values_mut() {
            if job.states.ends_with(&[State::Delivered, State::Bounced]) {
                job.states.pop();
            }
        }
    }
}
