//! Parts of a statement as payloads had them up to encoding 5: each date is text, each amount says whether it is stated.
//!
//! Each shape names the fields of the present type, in the order of the bytes, and serde reads the type by it.

use model::statement::{
    Accumulator, AccumulatorKind, AccumulatorScope, Amounts, Bill, ClaimType, Correction, Member, Network, PaidTo, Particulars, Program,
    ServiceLine,
};
use model::{Cents, Date, Private};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Amounts")]
pub(super) struct PlainAmounts {
    billed: Option<Cents>,
    allowed: Option<Cents>,
    discount: Option<Cents>,
    plan_paid: Option<Cents>,
    deductible: Option<Cents>,
    coinsurance: Option<Cents>,
    copay: Option<Cents>,
    not_covered: Option<Cents>,
    other_insurance: Option<Cents>,
    member_owes: Option<Cents>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Member")]
pub(super) struct PlainMember {
    id: Private,
    name: Private,
    given_name: Private,
    family_name: Private,
    birth_date: Option<Date>,
}

/// One of a statement's lines.
#[derive(Serialize, Deserialize)]
pub(super) struct PlainLine(#[serde(with = "PlainServiceLine")] pub(super) ServiceLine);

#[derive(Serialize, Deserialize)]
#[serde(remote = "ServiceLine")]
struct PlainServiceLine {
    service_from: Option<Date>,
    service_to: Option<Date>,
    code: Option<Private>,
    modifiers: Vec<Private>,
    description: Option<Private>,
    #[serde(with = "PlainAmounts")]
    amounts: Amounts,
    notes: Vec<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Particulars")]
pub(super) struct PlainParticulars {
    claim_type: Option<ClaimType>,
    network: Option<Network>,
    program: Option<Program>,
    paid_to: Option<PaidTo>,
    #[serde(with = "accumulators")]
    accumulators: Vec<Accumulator>,
    #[serde(with = "bill")]
    bill: Option<Bill>,
    correction: Option<Correction>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Accumulator")]
struct PlainAccumulator {
    kind: AccumulatorKind,
    scope: AccumulatorScope,
    network: Option<Network>,
    limit: Option<Cents>,
    used: Option<Cents>,
    from: Option<Date>,
    to: Option<Date>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Bill")]
struct PlainBill {
    account: Option<Private>,
    due_on: Option<Date>,
    previous_balance: Option<Cents>,
    payments: Option<Cents>,
    new_charges: Option<Cents>,
    balance: Option<Cents>,
}

mod accumulators {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Each(#[serde(with = "PlainAccumulator")] Accumulator);

    pub(super) fn serialize<S: Serializer>(accumulators: &[Accumulator], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(accumulators.iter().cloned().map(Each))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Accumulator>, D::Error> {
        Ok(Vec::<Each>::deserialize(deserializer)?.into_iter().map(|each| each.0).collect())
    }
}

mod bill {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Stated(#[serde(with = "PlainBill")] Bill);

    pub(super) fn serialize<S: Serializer>(bill: &Option<Bill>, serializer: S) -> Result<S::Ok, S::Error> {
        bill.clone().map(Stated).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bill>, D::Error> {
        Ok(Option::<Stated>::deserialize(deserializer)?.map(|stated| stated.0))
    }
}
