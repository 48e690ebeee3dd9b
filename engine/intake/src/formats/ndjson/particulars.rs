//! What only some lines state: kind of service, network, programme, accumulators, and what makes a statement a bill.

use super::amounts::Reading;
use super::diagnosis::Wrong;
use super::raw::RawAmount;
use super::strict::{Object, Word};
use super::text::{Day, Text, text};
use crate::reason;
use model::Cents;
use model::limits::ACCUMULATORS_MAX;
use model::statement::{
    Accumulator, AccumulatorKind, AccumulatorScope, Bill, ClaimType, LiabilityRule, Network, PaidTo, Particulars, Program,
};
use serde::Deserialize;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "A: Deserialize<'de> + Default"))]
pub(super) struct LineAccumulator<A> {
    kind: Word<AccumulatorKind>,
    scope: Word<AccumulatorScope>,
    network: Option<Word<Network>>,
    #[serde(default)]
    limit: A,
    #[serde(default)]
    used: A,
    from: Option<Day>,
    to: Option<Day>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "A: Deserialize<'de> + Default"))]
pub(super) struct LineBill<A> {
    account: Option<Text>,
    due_on: Option<Day>,
    #[serde(default)]
    previous_balance: A,
    #[serde(default)]
    payments: A,
    #[serde(default)]
    new_charges: A,
    #[serde(default)]
    balance: A,
}

/// The fields as they stand in a line.
pub(super) struct Stated<A> {
    pub(super) claim_type: Option<ClaimType>,
    pub(super) network: Option<Network>,
    pub(super) program: Option<Program>,
    pub(super) paid_to: Option<PaidTo>,
    pub(super) accumulators: Option<Vec<Object<LineAccumulator<A>>>>,
    pub(super) bill: Option<Object<LineBill<A>>>,
}

impl<A: RawAmount> Stated<A> {
    /// `None` where an amount is none.
    pub(super) fn into_particulars(self, amounts: &mut Reading) -> Option<Particulars> {
        let Self { claim_type, network, program, paid_to, accumulators, bill } = self;
        let accumulators = accumulators.unwrap_or_default().into_iter().map(|one| one.0.into_accumulator(amounts)).collect();
        let bill = bill.map(|bill| bill.0.into_bill(amounts));
        (!amounts.is_unreadable).then_some(Particulars { claim_type, network, program, paid_to, accumulators, bill, correction: None })
    }

    /// More accumulators than a statement takes.
    pub(super) fn beyond_limit(&self) -> Option<Wrong> {
        let too_many = self.accumulators.as_ref().is_some_and(|all| all.len() > ACCUMULATORS_MAX);
        too_many.then(|| Wrong::new(reason::TOO_MANY_NOTES, "accumulators", format!("at most {ACCUMULATORS_MAX} accumulators")))
    }
}

impl<A: RawAmount> LineAccumulator<A> {
    fn into_accumulator(self, amounts: &mut Reading) -> Accumulator {
        let Self { kind: Word(kind), scope: Word(scope), network, limit, used, from, to } = self;
        let (limit, used) = (limit.read(amounts), used.read(amounts));
        Accumulator { kind, scope, network: network.map(|word| word.0), limit, used, from: from.map(|day| day.0), to: to.map(|day| day.0) }
    }
}

impl<A: RawAmount> LineBill<A> {
    fn into_bill(self, amounts: &mut Reading) -> Bill {
        Bill {
            account: text(self.account),
            due_on: self.due_on.map(|day| day.0),
            previous_balance: self.previous_balance.read(amounts),
            payments: self.payments.read(amounts),
            new_charges: self.new_charges.read(amounts),
            balance: self.balance.read(amounts),
        }
    }
}

/// What is to be paid: the balance and what the member owes are one amount, and the parts of a balance add up to it.
pub(super) fn judge_bill(bill: &Bill, owes: &mut Option<Cents>, rule: &mut LiabilityRule) -> Result<(), Wrong> {
    let parts = bill.previous_balance.zip(bill.payments).zip(bill.new_charges);
    let sum = parts.map(|((previous, payments), new)| previous - payments + new);
    if let (Some(balance), Some(sum)) = (bill.balance, sum)
        && balance != sum
    {
        let expected = format!("balance = previous_balance - payments + new_charges, but {balance} is not {sum}");
        return Err(Wrong::new(reason::CLAIM_UNBALANCED, "bill.balance", expected));
    }
    match (bill.balance.or(sum), *owes) {
        (Some(balance), None) => (*owes, *rule) = (Some(balance), LiabilityRule::Stated),
        (Some(balance), Some(owes)) if balance != owes => {
            let expected = format!("totals.member_owes to be the balance, but {owes} is not {balance}");
            return Err(Wrong::new(reason::MEMBER_SHARE_UNBALANCED, "bill.balance", expected));
        }
        _ => {}
    }
    Ok(())
}
