//! What joined a statement later: limits of the plan year, what a correction changed, what makes it a bill.

use super::{cents, private};
use crate::datum::{Datum, Kind, Views};
use crate::words::Words;
use model::statement::{Accumulator, AmountChange, Bill, Correction};
use std::borrow::Cow;

/// Cells of a bar.
const CELLS: i64 = 20;

view!(
    /// How far a member is towards one limit: a sentence, and a bar of filled and empty cells, both none where it cannot be drawn.
    ProgressView { label, sentence, filled, empty }
);
view!(
    /// An amount that a correction changed.
    ChangeView { label, before, after }
);
view!(
    /// What makes a statement a bill.
    BillView { account, due_on, previous_balance, payments, new_charges, balance }
);

/// The limits, in the source's order; those of which nothing is stated are left out.
pub(super) fn progress(accumulators: &[Accumulator], words: &Words) -> Datum<'static> {
    let stated = accumulators.iter().filter(|accumulator| accumulator.limit.is_some() || accumulator.used.is_some());
    Datum::Many(Views::new(Kind::Progress, stated.flat_map(|accumulator| progress_view(accumulator, words).into_fields()).collect()))
}

fn progress_view(accumulator: &Accumulator, words: &Words) -> ProgressView<'static> {
    let (limit, used) = (accumulator.limit.map(|limit| limit.0), accumulator.used.map(|used| used.0));
    let mut label = words.progress.label(accumulator.kind, accumulator.scope, accumulator.network);
    if let (Some(from), Some(to)) = (accumulator.from, accumulator.to) {
        label.push_str(", ");
        words.dates.push_days(&mut label, from, Some(to));
    }
    let bar = |cells: i64| Datum::Cells(usize::try_from(cells).unwrap_or(0));
    let filled = filled_cells(limit, used);
    ProgressView {
        label: Datum::Text(Cow::Owned(label)),
        sentence: Datum::Text(Cow::Owned(sentence(limit, used, words))),
        filled: filled.map_or(Datum::None, bar),
        empty: filled.map_or(Datum::None, |filled| bar(CELLS - filled)),
    }
}

/// The whole of it in words, for whoever sees no bar.
fn sentence(limit: Option<i64>, used: Option<i64>, words: &Words) -> String {
    let progress = &words.progress;
    let left = limit.zip(used).map(|(limit, used)| limit.saturating_sub(used));
    let pattern = match (limit, used, left) {
        (_, _, Some(..=0)) => &progress.reached,
        (_, _, Some(_)) => &progress.left,
        (None, _, _) => &progress.used,
        _ => &progress.limit,
    };
    let say = |cents| words.amounts.text(cents);
    pattern.replace("USED", &say(used)).replace("LIMIT", &say(limit)).replace("LEFT", &say(left))
}

/// Filled cells of the bar: never all of them before the limit is reached, never none once something counts.
fn filled_cells(limit: Option<i64>, used: Option<i64>) -> Option<i64> {
    let (limit, used) = (limit.filter(|limit| *limit > 0)?, used?);
    if used <= 0 {
        return Some(0);
    }
    if used >= limit {
        return Some(CELLS);
    }
    let cells = i128::from(used) * i128::from(CELLS) / i128::from(limit);
    Some(i64::try_from(cells).unwrap_or(CELLS).clamp(1, CELLS - 1))
}

/// The amounts that a correction changed; none where none of the sums did.
pub(super) fn changes<'a>(correction: &Correction, words: &'a Words) -> Datum<'a> {
    let change = |change: &AmountChange| {
        let label = Datum::Text(Cow::Borrowed(words.changed(change.which)));
        ChangeView { label, before: cents(Some(change.before)), after: cents(Some(change.after)) }.into_fields()
    };
    if correction.changes.is_empty() {
        return Datum::None;
    }
    Datum::Many(Views::new(Kind::Change, correction.changes.iter().flat_map(change).collect()))
}

/// What makes it a bill; for a statement that is none, nothing is stated.
pub(super) fn bill(bill: Option<&Bill>) -> Datum<'_> {
    let view = BillView {
        account: bill.and_then(|bill| bill.account.as_ref()).map_or(Datum::None, private),
        due_on: bill.and_then(|bill| bill.due_on).map_or(Datum::None, Datum::Date),
        previous_balance: cents(bill.and_then(|bill| bill.previous_balance)),
        payments: cents(bill.and_then(|bill| bill.payments)),
        new_charges: cents(bill.and_then(|bill| bill.new_charges)),
        balance: cents(bill.and_then(|bill| bill.balance)),
    };
    Datum::One(Views::new(Kind::Bill, view.into_fields().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_only_when_the_limit_is_reached() {
        for (limit, used, cells) in [
            (Some(10_000), Some(0), Some(0)),
            (Some(10_000), Some(1), Some(1)),
            (Some(10_000), Some(5_000), Some(10)),
            (Some(10_000), Some(9_999), Some(19)),
            (Some(10_000), Some(10_000), Some(20)),
            (Some(10_000), Some(99_999), Some(20)),
            (Some(10_000), Some(-5), Some(0)),
            (Some(0), Some(5), None),
            (None, Some(5), None),
            (Some(5), None, None),
            (Some(i64::MAX), Some(i64::MAX - 1), Some(19)),
        ] {
            assert_eq!(filled_cells(limit, used), cells, "{limit:?} {used:?}");
        }
    }
}
