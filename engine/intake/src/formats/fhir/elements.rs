//! The elements of FHIR R4 that are read, as they stand in JSON. Everything else is passed over: FHIR lets anyone add extensions.
//!
//! Texts are borrowed from the resource where JSON escaped nothing in them. Amounts stay the text they are (`RawValue`): FHIR's decimal
//! keeps its digits, a float would not. An element that stands twice is an error: two programs would read two different statements.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reads;
        impl<'de> Visitor<'de> for Reads {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Reads)
    }
}

/// Elements that are only known to be there. FHIR calls some of them *modifiers*: whoever does not understand one must not use the rest.
#[derive(Debug)]
pub(crate) struct There;

impl<'de> Deserialize<'de> for There {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Self)
    }
}

/// What every resource says about itself.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnyResource<'a> {
    #[serde(borrow)]
    pub(crate) resource_type: Option<Text<'a>>,
}

/// An entry of a Bundle.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry<'a> {
    #[serde(borrow)]
    pub(crate) full_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) resource: Option<&'a RawValue>,
    pub(crate) search: Option<Search<'a>>,
    pub(crate) request: Option<There>,
    pub(crate) response: Option<There>,
    /// No entry has one: it is a resource that lost its entry.
    pub(crate) resource_type: Option<There>,
}

impl Entry<'_> {
    /// FHIR R4 Bundle, bdl-5: "must be a resource unless there's a request or response"; a deletion has none.
    pub(crate) fn is_without_resource(&self) -> bool {
        self.resource.is_none() && (self.request.is_some() || self.response.is_some())
    }
}

/// Why an entry is in a search's result.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Search<'a> {
    #[serde(borrow)]
    pub(crate) mode: Option<Text<'a>>,
}

/// What a Bundle says beside its entries.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct BundleKeys<'a> {
    #[serde(borrow)]
    pub(crate) resource_type: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    pub(crate) total: Option<u64>,
    pub(crate) link: Vec<Link<'a>>,
    pub(crate) entry: Option<There>,
}

/// A link of a Bundle.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Link<'a> {
    #[serde(borrow)]
    pub(crate) relation: Option<Text<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Coding<'a> {
    #[serde(borrow)]
    pub(crate) system: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) code: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) display: Option<Text<'a>>,
}

impl Coding<'_> {
    /// The system, empty where it is not stated.
    pub(crate) fn system(&self) -> &str {
        self.system.as_ref().map_or("", Text::as_str)
    }

    /// The code, empty where it is not stated.
    pub(crate) fn code(&self) -> &str {
        self.code.as_ref().map_or("", Text::as_str)
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Concept<'a> {
    #[serde(borrow)]
    pub(crate) coding: Vec<Coding<'a>>,
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Reference<'a> {
    #[serde(borrow)]
    pub(crate) reference: Option<Text<'a>>,
    pub(crate) identifier: Option<Identifier<'a>>,
    #[serde(borrow)]
    pub(crate) display: Option<Text<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Identifier<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Concept<'a>>,
    #[serde(borrow)]
    pub(crate) system: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) value: Option<Text<'a>>,
    #[serde(borrow, rename = "use")]
    pub(crate) usage: Option<Text<'a>>,
    pub(crate) period: Option<Period<'a>>,
}

#[derive(Debug, Default, Clone, serde::Deserialize)]
pub(crate) struct Period<'a> {
    #[serde(borrow)]
    pub(crate) start: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) end: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Money<'a> {
    #[serde(borrow)]
    pub(crate) value: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) currency: Option<Text<'a>>,
}

/// An amount is a person's: it does not print.
impl std::fmt::Debug for Money<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Money")
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Adjudication<'a> {
    #[serde(borrow)]
    pub(crate) category: Concept<'a>,
    pub(crate) reason: Option<Concept<'a>>,
    pub(crate) amount: Option<Money<'a>>,
    pub(crate) modifier_extension: Option<There>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Item<'a> {
    #[serde(borrow)]
    pub(crate) product_or_service: Concept<'a>,
    pub(crate) revenue: Option<Concept<'a>>,
    pub(crate) modifier: Vec<Concept<'a>>,
    pub(crate) serviced_date: Option<Text<'a>>,
    pub(crate) serviced_period: Option<Period<'a>>,
    pub(crate) note_number: Vec<u64>,
    pub(crate) adjudication: Vec<Adjudication<'a>>,
    pub(crate) modifier_extension: Option<There>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProcessNote<'a> {
    pub(crate) number: Option<u64>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Payment<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Concept<'a>>,
    pub(crate) amount: Option<Money<'a>>,
    pub(crate) adjustment: Option<There>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Payee<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Concept<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct CareTeam<'a> {
    #[serde(borrow)]
    pub(crate) provider: Option<Reference<'a>>,
    pub(crate) role: Option<Concept<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Insurance<'a> {
    pub(crate) focal: Option<bool>,
    #[serde(borrow)]
    pub(crate) coverage: Option<Reference<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Extension<'a> {
    #[serde(borrow)]
    pub(crate) url: Option<Text<'a>>,
    pub(crate) value_coding: Option<Coding<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct BenefitBalance<'a> {
    pub(crate) excluded: Option<bool>,
    #[serde(borrow)]
    pub(crate) network: Option<Concept<'a>>,
    pub(crate) unit: Option<Concept<'a>>,
    pub(crate) term: Option<Concept<'a>>,
    pub(crate) financial: Vec<Financial<'a>>,
    pub(crate) modifier_extension: Option<There>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Financial<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Concept<'a>,
    pub(crate) allowed_money: Option<Money<'a>>,
    pub(crate) used_money: Option<Money<'a>>,
}

/// An ExplanationOfBenefit.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Eob<'a> {
    #[serde(borrow)]
    pub(crate) resource_type: Option<Text<'a>>,
    pub(crate) implicit_rules: Option<There>,
    pub(crate) modifier_extension: Option<There>,
    pub(crate) contained: Vec<&'a RawValue>,
    pub(crate) extension: Vec<Extension<'a>>,
    pub(crate) identifier: Vec<Identifier<'a>>,
    pub(crate) status: Option<Text<'a>>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<Concept<'a>>,
    #[serde(rename = "use")]
    pub(crate) usage: Option<Text<'a>>,
    pub(crate) patient: Option<Reference<'a>>,
    pub(crate) billable_period: Option<Period<'a>>,
    pub(crate) created: Option<Text<'a>>,
    pub(crate) insurer: Option<Reference<'a>>,
    pub(crate) provider: Option<Reference<'a>>,
    pub(crate) payee: Option<Payee<'a>>,
    pub(crate) outcome: Option<Text<'a>>,
    pub(crate) care_team: Vec<CareTeam<'a>>,
    pub(crate) insurance: Vec<Insurance<'a>>,
    pub(crate) item: Vec<Item<'a>>,
    pub(crate) add_item: Vec<Item<'a>>,
    pub(crate) adjudication: Vec<Adjudication<'a>>,
    pub(crate) total: Vec<Adjudication<'a>>,
    pub(crate) payment: Option<Payment<'a>>,
    pub(crate) process_note: Vec<ProcessNote<'a>>,
    pub(crate) benefit_period: Option<Period<'a>>,
    pub(crate) benefit_balance: Vec<BenefitBalance<'a>>,
}

impl Eob<'_> {
    /// Whether it says that it is one.
    pub(crate) fn is_claim(&self) -> bool {
        self.resource_type.as_ref().is_some_and(|kind| kind.as_str() == "ExplanationOfBenefit")
    }

    /// Whether it lacks what R4 requires and versions before did not have.
    pub(crate) fn is_before_r4(&self) -> bool {
        self.outcome.is_none() || self.usage.is_none()
    }
}

/// What tells a resource of before R4: elements that R4 renamed or dropped. Read only where a resource could not be read as R4.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct BeforeR4 {
    pub(crate) information: Option<There>,
    pub(crate) total_cost: Option<There>,
    pub(crate) total_benefit: Option<There>,
    pub(crate) organization: Option<There>,
    pub(crate) unalloc_deductable: Option<There>,
    pub(crate) hospitalization: Option<There>,
    pub(crate) outcome: Option<There>,
    #[serde(rename = "use")]
    pub(crate) usage: Option<There>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct HumanName<'a> {
    #[serde(borrow, rename = "use")]
    pub(crate) usage: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) family: Option<Text<'a>>,
    pub(crate) given: Vec<Text<'a>>,
    pub(crate) suffix: Vec<Text<'a>>,
    pub(crate) period: Option<Period<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Patient<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    pub(crate) identifier: Vec<Identifier<'a>>,
    pub(crate) name: Vec<HumanName<'a>>,
    pub(crate) birth_date: Option<Text<'a>>,
    pub(crate) modifier_extension: Option<There>,
}

/// Organization.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Organization<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
}

/// Practitioner.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Practitioner<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    pub(crate) name: Vec<HumanName<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Coverage<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Option<Concept<'a>>,
    pub(crate) subscriber_id: Option<Text<'a>>,
    pub(crate) beneficiary: Option<Reference<'a>>,
    pub(crate) payor: Vec<Reference<'a>>,
}
