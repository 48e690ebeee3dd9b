//! Invented jobs that reach every branch of a template: what a bundle is tried out with before it is used.

use jiff::civil::Date;
use model::statement::{
    Accumulator, AccumulatorKind, AccumulatorScope, AmountChange, Amounts, Bill, ChangedAmount, ClaimStatus, ClaimType, Correction,
    LiabilityRule, Member, Network, Note, NoteKind, PaidTo, Particulars, ServiceLine, StatementKind,
};
use model::{Cents, Mailbox, Recipient, Statement};

/// The day of all trials.
pub(crate) const DAY: Date = Date::constant(2026, 1, 2);

/// A reader whose language is met, and one who acts for another and asked for a language in vain.
pub(crate) fn recipients(mailbox: &Mailbox) -> [(Option<&'static str>, Recipient); 2] {
    let recipient = |on_behalf_of| Recipient {
        mailbox: mailbox.clone(),
        name: if on_behalf_of { "".into() } else { "Trial Recipient".into() },
        address_version: 0,
        language: None,
        on_behalf_of,
    };
    [(None, recipient(false)), (Some("es"), recipient(true))]
}

/// Explanations of Benefits: stated and unstated amounts, a denied one, a corrected one, several, a long one, none of what may lack.
pub(crate) fn statements() -> Vec<Vec<Statement>> {
    let stated = |cents| statement(ClaimStatus::ProcessedPrimary, Some(Cents(cents)), 3);
    let mut corrected = stated(0);
    let change = AmountChange { which: ChangedAmount::MemberOwes, before: Cents(1), after: Cents(0) };
    corrected.particulars.correction = Some(Correction { changes: vec![change] });
    corrected.particulars.claim_type = Some(ClaimType::Pharmacy);
    corrected.totals.discount = None;
    vec![
        vec![stated(12_345)],
        vec![corrected],
        vec![stated(-500)],
        vec![stated(0), stated(-500), statement(ClaimStatus::Denied, Some(Cents(1)), 1)],
        vec![statement(ClaimStatus::Denied, Some(Cents(1)), 6)],
        vec![stated(0), stated(0)],
        vec![statement(ClaimStatus::Unknown, None, 0)],
        vec![statement(ClaimStatus::Unknown, None, 1), statement(ClaimStatus::Unknown, None, 1)],
        vec![statement(ClaimStatus::Forwarded, None, model::limits::SERVICE_LINES_MAX)],
    ]
}

/// Bills: to be paid, paid, with a credit, of an unknown balance.
pub(crate) fn bills() -> Vec<Vec<Statement>> {
    let bill = |balance: Option<i64>, lines| {
        let mut statement = statement(ClaimStatus::ProcessedPrimary, balance.map(Cents), lines);
        statement.kind = StatementKind::Bill;
        let balance = balance.map(Cents);
        statement.particulars.bill = Some(Bill {
            account: balance.map(|_| "TRIAL".into()),
            due_on: balance.map(|_| DAY),
            previous_balance: balance,
            payments: balance,
            new_charges: balance,
            balance,
        });
        vec![statement]
    };
    let mut lone = bill(None, 0);
    lone[0].particulars.bill = None;
    vec![bill(Some(12_345), 2), bill(Some(0), 0), bill(Some(-100), 1), bill(None, model::limits::SERVICE_LINES_MAX), lone]
}

fn statement(status: ClaimStatus, amount: Option<Cents>, lines: usize) -> Statement {
    let amounts = Amounts { billed: amount, other_insurance: amount, member_owes: amount, ..Amounts::default() };
    let day = amount.map(|_| DAY);
    let line = ServiceLine {
        service_from: day,
        code: amount.map(|_| "HC:00000".into()),
        description: amount.map(|_| "Trial service".into()),
        amounts,
        notes: vec![0, 1],
        ..ServiceLine::default()
    };
    let note = |kind, code: &str| Note { kind, code: code.into(), text: None };
    let foreign = Note { kind: NoteKind::Message, code: "".into(), text: Some("Trial words of the plan.".into()) };
    Statement {
        kind: StatementKind::Eob,
        claim_number: "TRIAL".into(),
        member: Member { name: "Trial Member".into(), id: "TRIAL".into(), ..Member::default() },
        status,
        payer: amount.map(|_| "Trial Plan".into()),
        provider: amount.map(|_| "Trial Provider".into()),
        service_from: day,
        service_to: None,
        totals: amounts,
        liability_rule: if amount.is_some() { LiabilityRule::Stated } else { LiabilityRule::Unknown },
        lines: vec![line; lines],
        notes: vec![note(NoteKind::Adjustment, "CO-45"), note(NoteKind::Message, ""), foreign],
        particulars: if amount.is_some() { particulars() } else { Particulars::default() },
    }
}

fn particulars() -> Particulars {
    let accumulator = |limit: Option<i64>, used: Option<i64>| Accumulator {
        kind: AccumulatorKind::Deductible,
        scope: AccumulatorScope::Family,
        network: Some(Network::OutOfNetwork),
        limit: limit.map(Cents),
        used: used.map(Cents),
        from: Some(DAY),
        to: Some(DAY),
    };
    Particulars {
        network: Some(Network::InNetwork),
        paid_to: Some(PaidTo::Member),
        accumulators: vec![accumulator(Some(100), Some(50)), accumulator(None, Some(50)), accumulator(Some(100), None)],
        ..Particulars::default()
    }
}
