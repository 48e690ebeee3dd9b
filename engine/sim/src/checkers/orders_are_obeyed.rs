//! Invariant 12: what an operator ordered stands in the record, and a start obeys it: nothing of a batch that is held or cancelled leaves.

use crate::evidence::{Evidence, Finding};

const NAME: &str = "orders_are_obeyed";

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let (disobeyed, orders) = (evidence.record.disobeyed, &evidence.record.orders);
    let what = || format!("{disobeyed} attempts began in a later life than the order against them; orders and lives: {orders:?}");
    (disobeyed > 0).then(|| Finding::new(NAME, what())).into_iter().collect()
}
