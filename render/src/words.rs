//! Words that data picks, of one language and type of claim: a kind of mail, a claim's status, a code, an amount in a sentence.
//!
//! All other fixed texts are filled into the templates when the bundle is compiled.

use crate::TemplateError;
use crate::codes::Codes;
use crate::fixed_text::FixedTexts;
use crate::format::{AmountWords, DateWords};
use model::statement::{AccumulatorKind, AccumulatorScope, ChangedAmount, ClaimStatus, Network};
use std::sync::Arc;

/// The statuses with the key of their text.
const STATUS_KEYS: [(ClaimStatus, &str); 9] = [
    (ClaimStatus::ProcessedPrimary, "status_processed_primary"),
    (ClaimStatus::ProcessedSecondary, "status_processed_secondary"),
    (ClaimStatus::ProcessedTertiary, "status_processed_tertiary"),
    (ClaimStatus::Denied, "status_denied"),
    (ClaimStatus::Forwarded, "status_forwarded"),
    (ClaimStatus::Reversal, "status_reversal"),
    (ClaimStatus::NotOurClaim, "status_not_our_claim"),
    (ClaimStatus::Predetermination, "status_predetermination"),
    (ClaimStatus::Unknown, "status_unknown"),
];

/// The words of one language and type of claim.
pub(crate) struct Words {
    /// The code tables.
    pub(crate) codes: Arc<Codes>,
    /// How dates are written.
    pub(crate) dates: DateWords,
    /// How amounts are said.
    pub(crate) amounts: AmountWords,
    /// What kind of mail it is, as a subject line may say it.
    pub(crate) kinds: Kinds,
    /// A service without a day.
    pub(crate) date_not_stated: String,
    /// Before a service's code.
    pub(crate) code: String,
    /// Before the number of one note.
    pub(crate) note: String,
    /// Before the numbers of several notes.
    pub(crate) notes: String,
    /// How far a member is towards a limit.
    pub(crate) progress: ProgressWords,
    statuses: Vec<(ClaimStatus, String)>,
    networks: [String; 2],
    changed: [String; 3],
}

/// The kinds of mail.
pub(crate) struct Kinds {
    /// An Explanation of Benefits.
    pub(crate) eob: String,
    /// One that corrects another.
    pub(crate) corrected: String,
    /// One of several claims.
    pub(crate) monthly: String,
    /// A billing statement.
    pub(crate) bill: String,
    /// A notice that says nothing.
    pub(crate) notice: String,
    /// A templated message.
    pub(crate) templated: String,
}

/// Words around limits; `USED`, `LIMIT` and `LEFT` stand for amounts.
pub(crate) struct ProgressWords {
    kinds: [String; 2],
    scopes: [String; 2],
    networks: [String; 2],
    /// Used and limit are stated.
    pub(crate) left: String,
    /// As much is used as the limit, or more.
    pub(crate) reached: String,
    /// The limit is not stated.
    pub(crate) used: String,
    /// What was used is not stated.
    pub(crate) limit: String,
}

impl Words {
    /// Takes the words out of the fixed texts read from `name`. What an earlier version did not ask for has a default.
    ///
    /// # Errors
    /// [`TemplateError::Table`] naming the text that is missing or does not fit.
    pub(crate) fn new(name: &str, texts: &FixedTexts<'_>, codes: Arc<Codes>) -> Result<Self, TemplateError> {
        let required = |key| texts.required(name, key);
        let statuses = STATUS_KEYS.iter().map(|(status, key)| Ok((*status, required(key)?))).collect::<Result<_, _>>()?;
        let months = texts.or("months", "January February March April May June July August September October November December");
        let (date, month) = (texts.or("date_pattern", "MONTH DAY, YEAR"), texts.or("month_pattern", "MONTH YEAR"));
        let dates = DateWords::new(&months, &date, &month, &texts.or("days_joint", "to")).ok_or_else(|| TemplateError::Table {
            name: name.to_owned(),
            detail: "months, date_pattern or month_pattern: expected twelve months, YEAR, MONTH and DAY, and no DAY in month_pattern"
                .to_owned(),
        })?;
        let kind_eob = required("kind_eob")?;
        Ok(Self {
            codes,
            dates,
            amounts: AmountWords { not_stated: required("not_stated")?, credit: texts.or("credit_word", "credit") },
            kinds: Kinds {
                corrected: texts.or("kind_corrected", &kind_eob),
                monthly: texts.or("kind_monthly", &kind_eob),
                bill: texts.or("kind_bill", "billing statement"),
                notice: texts.or("kind_notice", "message"),
                templated: required("kind_templated")?,
                eob: kind_eob,
            },
            date_not_stated: required("date_not_stated")?,
            code: required("code")?,
            note: required("note_short")?,
            notes: required("notes_short")?,
            progress: ProgressWords::new(texts),
            statuses,
            networks: [texts.or("network_in", "In network"), texts.or("network_out", "Out of network")],
            changed: [texts.or("billed", "Billed"), texts.or("plan_paid", "Plan paid"), texts.or("owe", "You may owe")],
        })
    }

    /// A claim's status.
    pub(crate) fn status(&self, status: ClaimStatus) -> Option<&str> {
        self.statuses.iter().find(|(known, _)| *known == status).map(|(_, words)| words.as_str())
    }

    /// Whether a provider is in the network.
    pub(crate) fn network(&self, network: Network) -> &str {
        &self.networks[usize::from(network == Network::OutOfNetwork)]
    }

    /// The name of an amount that changed.
    pub(crate) fn changed(&self, which: ChangedAmount) -> &str {
        let [billed, plan_paid, member_owes] = &self.changed;
        match which {
            ChangedAmount::Billed => billed,
            ChangedAmount::PlanPaid => plan_paid,
            ChangedAmount::MemberOwes => member_owes,
        }
    }
}

impl ProgressWords {
    fn new(texts: &FixedTexts<'_>) -> Self {
        let or = |key, other| texts.or(key, other);
        Self {
            kinds: [or("progress_deductible", "Deductible"), or("progress_maximum", "Out-of-pocket maximum")],
            scopes: [or("progress_individual", "for one person"), or("progress_family", "for the family")],
            networks: [or("progress_in", "in network"), or("progress_out", "out of network")],
            left: or("progress_left", "USED of LIMIT so far, LEFT to go."),
            reached: or("progress_reached", "USED of LIMIT: you have reached it."),
            used: or("progress_used", "USED so far. The limit is not stated."),
            limit: or("progress_limit", "The limit is LIMIT. What has been used so far is not stated."),
        }
    }

    /// `Deductible for one person, in network`.
    pub(crate) fn label(&self, kind: AccumulatorKind, scope: AccumulatorScope, network: Option<Network>) -> String {
        let kind = &self.kinds[usize::from(kind == AccumulatorKind::OutOfPocketMaximum)];
        let scope = &self.scopes[usize::from(scope == AccumulatorScope::Family)];
        match network {
            None => format!("{kind} {scope}"),
            Some(network) => format!("{kind} {scope}, {}", self.networks[usize::from(network == Network::OutOfNetwork)]),
        }
    }
}
