//! What must hold after every run, one promise a file.

mod every_row_accounted_for;
mod limits_hold_at_the_receiver;
mod nothing_lost;
mod nothing_reaches_another_address;
mod nothing_readable_on_disk;
mod nothing_sent_twice_unless_uncertain;

pub(crate) use nothing_readable_on_disk::Secrets;

use crate::evidence::{Evidence, Finding};

/// Asks all of them.
pub(crate) fn check(evidence: &Evidence) -> Vec<Finding> {
    [
        every_row_accounted_for::check,
        nothing_lost::check,
        nothing_sent_twice_unless_uncertain::check,
        nothing_reaches_another_address::check,
        limits_hold_at_the_receiver::check,
    ]
    .into_iter()
    .flat_map(|checker| checker(evidence))
    .collect()
}
