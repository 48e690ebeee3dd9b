//! The amounts of a claim: which of what the source states is what the member is told.
//!
//! * A claim's amount is what `total[]` states, else what the claim-level `adjudication[]` states, else the sum of the items', where every
//!   item states it. Never two of these added: they are the same money. A sum of which one item is silent is not stated.
//! * What the plan paid is its benefit, else what it paid to provider and patient, else the payment. Where the payment is another amount
//!   and no adjustment of it explains that, the statement is not mailed.
//! * What the member owes is the member liability, else the sum of deductible, coinsurance, copay and what is not covered, where all
//!   four are stated.
//!
//! Amounts stay exact while they are added; a fraction of a cent is refused or rounded once, at the end, as the profile says.

use super::Wrong;
use super::coding::{PARTS, Part, part_of};
use super::elements::{Adjudication, Eob, Money};
use crate::amount::{AmountError, Exact, Rounded, Rounding};
use crate::reason;
use model::Cents;
use model::statement::{Amounts, LiabilityRule};

/// What a list of adjudications states.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts {
    stated: [Option<Exact>; PARTS],
    /// The amount is there twice, and nothing tells whether it is one amount or two.
    ambiguous: [bool; PARTS],
}

/// The amounts of a claim.
pub(super) struct Claim {
    pub(super) totals: Amounts,
    pub(super) lines: Vec<Amounts>,
    pub(super) rule: LiabilityRule,
    /// The plan paid the member and not the provider.
    pub(super) is_paid_to_member: bool,
    /// Nothing contradicts the sums; else why the statement is not mailed.
    pub(super) doubt: Option<&'static str>,
}

impl Parts {
    /// Reads a list; `path` names it in rejects.
    fn of(list: &[Adjudication<'_>], path: &str) -> Result<Self, Wrong> {
        let mut parts = Self::default();
        // Where each part was seen first.
        let mut seen: [Option<usize>; PARTS] = [None; PARTS];
        for (at, adjudication) in list.iter().enumerate() {
            let Some(amount) = exact(adjudication.amount.as_ref(), || format!("{path}[{at}].amount"))? else { continue };
            let Some(part) = part_of(adjudication) else { continue };
            let slot = &mut parts.stated[part as usize];
            *slot = Some(slot.unwrap_or_default() + amount);
            match seen[part as usize] {
                None => seen[part as usize] = Some(at),
                Some(first) => parts.ambiguous[part as usize] |= !part.adds_up() || is_same(&list[first], adjudication),
            }
        }
        // The provider may have chosen a lower coinsurance; where it has not, that one is zero.
        let reduced = parts.stated[Part::CoinsuranceReduced as usize].take();
        let coinsurance = &mut parts.stated[Part::Coinsurance as usize];
        *coinsurance = reduced.filter(|reduced| *reduced != Exact::ZERO).or(*coinsurance).or(reduced);
        Ok(parts)
    }

    fn get(&self, part: Part) -> Option<Exact> {
        self.stated[part as usize]
    }

    fn is_empty(&self) -> bool {
        self.stated.iter().all(Option::is_none)
    }

    /// What each item states, added where every item states it.
    fn sum(items: &[Self]) -> Self {
        let mut sum = Self::default();
        for part in Part::ALL.into_iter().filter(|_| !items.is_empty()) {
            sum.stated[part as usize] = items.iter().map(|item| item.get(part)).sum();
        }
        sum
    }

    fn or(&self, other: &Self) -> Self {
        let mut both = *self;
        for (own, other) in both.stated.iter_mut().zip(other.stated) {
            *own = own.or(other);
        }
        both
    }

    fn billed(&self) -> Option<Exact> {
        self.get(Part::Billed).or(self.get(Part::DrugCost))
    }

    /// To provider and patient, as far as either is stated.
    fn paid_out(&self) -> Option<Exact> {
        match (self.get(Part::PaidToProvider), self.get(Part::PaidToMember)) {
            (None, None) => None,
            (provider, member) => Some(provider.unwrap_or_default() + member.unwrap_or_default()),
        }
    }

    /// Whether one of the amounts that are used is ambiguous. To whom it was paid is not used where the benefit is stated.
    fn is_ambiguous(&self) -> bool {
        let is_used = |part: Part| !matches!(part, Part::PaidToProvider | Part::PaidToMember) || self.get(Part::Benefit).is_none();
        Part::ALL.into_iter().any(|part| self.ambiguous[part as usize] && is_used(part))
    }

    /// In cents. `name` says in rejects whose amounts they are.
    fn amounts(&self, plan_paid: Option<Exact>, cents: &mut ToCents<'_>, name: &str) -> Result<Amounts, Wrong> {
        let mut read = |amount: Option<Exact>, part: Part| cents.of(amount, || format!("{name}[{}]", part.as_str()));
        Ok(Amounts {
            billed: read(self.billed(), Part::Billed)?,
            allowed: read(self.get(Part::Allowed), Part::Allowed)?,
            discount: read(self.get(Part::Discount), Part::Discount)?,
            plan_paid: read(plan_paid, Part::Benefit)?,
            deductible: read(self.get(Part::Deductible), Part::Deductible)?,
            coinsurance: read(self.get(Part::Coinsurance), Part::Coinsurance)?,
            copay: read(self.get(Part::Copay), Part::Copay)?,
            not_covered: read(self.get(Part::NotCovered), Part::NotCovered)?,
            other_insurance: read(self.get(Part::OtherInsurance), Part::OtherInsurance)?,
            member_owes: read(self.get(Part::MemberOwes), Part::MemberOwes)?,
        })
    }
}

impl Claim {
    /// A claim of so many items of which no amount is stated.
    pub(super) fn nothing(items: usize) -> Self {
        Self {
            totals: Amounts::default(),
            lines: vec![Amounts::default(); items],
            rule: LiabilityRule::Unknown,
            is_paid_to_member: false,
            doubt: None,
        }
    }
}

/// Whether two adjudications are of the same category for the same reason.
fn is_same(one: &Adjudication<'_>, other: &Adjudication<'_>) -> bool {
    let codes = |adjudication: &Adjudication<'_>| {
        let reason = adjudication.reason.iter().flat_map(|reason| &reason.coding);
        let mut codes: Vec<_> = adjudication
            .category
            .coding
            .iter()
            .chain(reason)
            .map(|coding| (coding.system().to_owned(), coding.code().to_owned()))
            .collect();
        codes.sort();
        codes
    };
    codes(one) == codes(other)
}

/// Exact amounts into cents, counting what is rounded.
pub(super) struct ToCents<'a> {
    pub(super) rounding: Rounding,
    pub(super) rounded: &'a mut Rounded,
}

impl ToCents<'_> {
    pub(super) fn of(&mut self, amount: Option<Exact>, field: impl FnOnce() -> String) -> Result<Option<Cents>, Wrong> {
        let cents = amount.map(|amount| amount.to_cents(self.rounding, self.rounded)).transpose();
        cents.map_err(|error: AmountError| Wrong::new(error.reason(), field(), error.to_string()))
    }
}

/// The amount that an element states, with all its decimals. Dollars only.
pub(super) fn exact(money: Option<&Money<'_>>, field: impl Fn() -> String) -> Result<Option<Exact>, Wrong> {
    let Some(money) = money else { return Ok(None) };
    let Some(value) = money.value else { return Ok(None) };
    if money.currency.as_ref().is_some_and(|currency| currency.as_str() != "USD") {
        return Err(Wrong::new(reason::CURRENCY_OTHER, format!("{}.currency", field()), "USD"));
    }
    let raw = value.get();
    let number = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    Exact::parse_number(number).map(Some).map_err(|error| Wrong::new(error.reason(), format!("{}.value", field()), error.to_string()))
}

/// Reads the amounts of a claim.
pub(super) fn read(eob: &Eob<'_>, cents: &mut ToCents<'_>) -> Result<Claim, Wrong> {
    let total = Parts::of(&eob.total, "total")?;
    let header = Parts::of(&eob.adjudication, "adjudication")?;
    let mut items = Vec::with_capacity(eob.item.len() + eob.add_item.len());
    for (list, name) in [(&eob.item, "item"), (&eob.add_item, "addItem")] {
        for (at, item) in list.iter().enumerate() {
            items.push(Parts::of(&item.adjudication, &format!("{name}[{at}].adjudication"))?);
        }
    }
    let payment = eob.payment.as_ref().and_then(|payment| payment.amount.as_ref());
    let payment = exact(payment, || "payment.amount".to_owned())?;
    let of_items = Parts::sum(&items);
    let stated = total.or(&header);
    let claim = stated.or(&of_items);
    let plan_paid = claim.get(Part::Benefit).or_else(|| stated.paid_out()).or_else(|| of_items.paid_out()).or(payment);
    let is_empty = payment.is_none() && total.is_empty() && header.is_empty() && items.iter().all(Parts::is_empty);
    if is_empty {
        let expected = "amounts: the resource has none, as CARIN's Basis profiles have none";
        return Err(Wrong::new(reason::AMOUNTS_ABSENT, "total", expected));
    }
    let mut totals = claim.amounts(plan_paid, cents, "total")?;
    let mut lines = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let plan_paid = item.get(Part::Benefit).or_else(|| item.paid_out());
        lines.push(item.amounts(plan_paid, cents, &format!("item[{at}].adjudication"))?);
    }
    let rule = member_share(&mut totals);
    let is_ambiguous = total.is_ambiguous() || header.is_ambiguous() || items.iter().any(Parts::is_ambiguous);
    let is_paid_to_member = matches!(
        (claim.get(Part::PaidToMember), claim.get(Part::PaidToProvider)),
        (Some(member), provider) if member > Exact::ZERO && provider.unwrap_or_default() == Exact::ZERO
    );
    if let Some((billed, parts)) = contradiction(&totals) {
        // REQUIRED: the operator is shown the arithmetic. Amounts alone name nobody; `model::reject::Reject::expected` allows them here.
        let expected = format!(
            "submitted = discount + noncovered + priorpayerpaid + deductible + coinsurance + copay + benefit, but {billed} is not {parts}"
        );
        return Err(Wrong::new(reason::CLAIM_UNBALANCED, "total", expected));
    }
    let items_fit = Part::ALL.into_iter().all(|part| stated.get(part).zip(of_items.get(part)).is_none_or(|(total, sum)| total == sum));
    let lines_balance = lines.iter().all(|line| contradiction(line).is_none());
    // An adjustment of the payment (FHIR's name for it) explains a difference; where there is none, one of the two is not what was paid.
    let is_adjusted = eob.payment.as_ref().is_some_and(|payment| payment.adjustment.is_some());
    let payment_fits = is_adjusted || payment.zip(plan_paid).is_none_or(|(payment, plan_paid)| payment == plan_paid);
    let doubt = if is_ambiguous {
        Some(reason::AMOUNT_AMBIGUOUS)
    } else if !items_fit || !lines_balance {
        Some(reason::LINE_UNBALANCED)
    } else if !payment_fits {
        Some(reason::PAYMENT_DIFFERS)
    } else if rule == LiabilityRule::Stated && !share_fits(&totals) {
        Some(reason::MEMBER_SHARE_UNBALANCED)
    } else {
        None
    };
    Ok(Claim { totals, lines, rule, is_paid_to_member, doubt })
}

/// The member's share: as it is stated, or the sum of its parts where all are.
fn member_share(totals: &mut Amounts) -> LiabilityRule {
    if totals.member_owes.is_some() {
        return LiabilityRule::Stated;
    }
    let parts = [totals.deductible, totals.coinsurance, totals.copay, totals.not_covered];
    totals.member_owes = parts.into_iter().sum();
    if totals.member_owes.is_some() { LiabilityRule::SumOfParts } else { LiabilityRule::Unknown }
}

/// Whether the stated share can be: not less than those of its parts that are stated, and where all are stated not more than they make.
fn share_fits(totals: &Amounts) -> bool {
    let Some(owes) = totals.member_owes else { return true };
    let parts = [totals.deductible, totals.coinsurance, totals.copay];
    let least: Cents = parts.into_iter().flatten().sum();
    let not_covered = totals.not_covered.unwrap_or_default();
    if owes < least + not_covered.min(Cents::ZERO) {
        return false;
    }
    let all = parts.into_iter().sum::<Option<Cents>>().zip(totals.not_covered);
    all.is_none_or(|(share, not_covered)| owes <= share + not_covered.max(Cents::ZERO))
}

/// Billed and the sum of its parts, where all are stated and differ.
fn contradiction(amounts: &Amounts) -> Option<(Cents, Cents)> {
    let billed = amounts.billed?;
    let parts = [
        amounts.discount,
        amounts.not_covered,
        amounts.other_insurance,
        amounts.deductible,
        amounts.coinsurance,
        amounts.copay,
        amounts.plan_paid,
    ];
    let parts = parts.into_iter().sum::<Option<Cents>>()?;
    (billed != parts).then_some((billed, parts))
}
