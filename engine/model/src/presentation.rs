//! How much of a statement goes by e-mail, and why: decided once, at admission, and kept in the record.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How much the message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// The whole statement.
    #[default]
    Full,
    /// That there is a statement, and where to read it: no claim, provider, amount or date.
    Notice,
    /// Nothing goes by e-mail.
    Paper,
}

/// Why it says that much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetailReason {
    /// The tenant's setting for everybody.
    #[default]
    Default,
    /// The programme asks for it (Medicaid).
    Program,
    /// Several members share the address.
    SharedAddress,
    /// The address lies in the domain of an employer.
    EmployerDomain,
    /// The patient named a way for sensitive services (Cal. Civ. Code 56.107), or there is none.
    SensitiveRoute,
    /// The member asked for it.
    MemberChoice,
}

/// Why a statement goes on paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaperReason {
    /// No consent to electronic delivery is known (29 CFR 2520.104b-1(c)).
    NoConsent,
    /// The consent was taken back.
    ConsentWithdrawn,
    /// The member is dead, and nobody is known who may read for them.
    Deceased,
    /// The member is a minor, and nobody is known who may read for them.
    Minor,
    /// The patient asked that sensitive services go on paper, or named no other way.
    SensitiveRoute,
    /// The member asked for paper.
    MemberChoice,
    /// The tenant's setting asks for paper.
    Setting,
    /// No usable address is known, and the tenant sends such statements on paper.
    AddressMissing,
}

macro_rules! stable_words {
    ($name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $name {
            /// All of them, in the order of their definition.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable word in reports, reject files and metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

stable_words!(Detail { Full = "full", Notice = "notice", Paper = "paper" });
stable_words!(DetailReason {
    Default = "default",
    Program = "program",
    SharedAddress = "shared_address",
    EmployerDomain = "employer_domain",
    SensitiveRoute = "sensitive_route",
    MemberChoice = "member_choice",
});
stable_words!(PaperReason {
    NoConsent = "no_consent",
    ConsentWithdrawn = "consent_withdrawn",
    Deceased = "deceased",
    Minor = "minor",
    SensitiveRoute = "sensitive_route",
    MemberChoice = "member_choice",
    Setting = "setting",
    AddressMissing = "address_missing",
});

/// The decision about one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Presentation {
    /// How much the message says.
    pub detail: Detail,
    /// Why.
    pub reason: DetailReason,
    /// Why it goes on paper, where it does: such a job is `to_paper` from the start.
    pub paper: Option<PaperReason>,
}
