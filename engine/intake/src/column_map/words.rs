//! The words that a column map has for what a statement knows as types: each as it is typed, what it means, and by which rules it is
//! found in columns.

use super::Word;
use super::columns::Columns;
use super::table::Table;
use model::statement::{ClaimStatus, ClaimType, Network, PaidTo, Program};
use toml::de::DeValue;

pub(super) const STATUSES: [(&str, ClaimStatus); 9] = [
    ("processed_primary", ClaimStatus::ProcessedPrimary),
    ("processed_secondary", ClaimStatus::ProcessedSecondary),
    ("processed_tertiary", ClaimStatus::ProcessedTertiary),
    ("denied", ClaimStatus::Denied),
    ("forwarded", ClaimStatus::Forwarded),
    ("reversal", ClaimStatus::Reversal),
    ("not_our_claim", ClaimStatus::NotOurClaim),
    ("predetermination", ClaimStatus::Predetermination),
    ("unknown", ClaimStatus::Unknown),
];
pub(super) const CLAIM_TYPES: [(&str, ClaimType); 4] =
    [("medical", ClaimType::Medical), ("pharmacy", ClaimType::Pharmacy), ("dental", ClaimType::Dental), ("vision", ClaimType::Vision)];
pub(super) const NETWORKS: [(&str, Network); 2] = [("in_network", Network::InNetwork), ("out_of_network", Network::OutOfNetwork)];
pub(super) const PROGRAMS: [(&str, Program); 6] = [
    ("commercial", Program::Commercial),
    ("medicare_advantage", Program::MedicareAdvantage),
    ("medicare_part_d", Program::MedicarePartD),
    ("original_medicare", Program::OriginalMedicare),
    ("medicaid", Program::Medicaid),
    ("chip", Program::Chip),
];
pub(super) const PAID_TO: [(&str, PaidTo); 2] = [("provider", PaidTo::Provider), ("member", PaidTo::Member)];

impl<T: Copy> Word<T> {
    /// One rule, or a list of them.
    pub(super) fn read(columns: &Columns<'_>, table: &Table<'_>, key: &'static str, words: &[(&str, T)]) -> Option<Self> {
        let value = table.ask(key)?;
        let mut word = Self { rules: Vec::new(), otherwise: None };
        if value.get_ref().as_array().is_some() {
            table.list(key).into_iter().for_each(|value| rule(columns, table, key, value, words, &mut word));
        } else {
            rule(columns, table, key, value, words, &mut word);
        }
        Some(word)
    }
}

fn rule<T: Copy>(
    columns: &Columns<'_>,
    table: &Table<'_>,
    key: &'static str,
    value: &toml::Spanned<DeValue<'_>>,
    words: &[(&str, T)],
    word: &mut Word<T>,
) {
    let names = || words.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if value.get_ref().as_table().is_none() {
        let expected = "expected { value = \"WORD\" } or { column = \"NAME\", values = { CODE = \"WORD\" }, otherwise = \"WORD\" }";
        table.wrong(key, &format!("{expected}; the words are {}", names()));
        return;
    }
    let rule = table.item(key, value);
    let known = |text: &str| words.iter().find(|(name, _)| *name == text).map(|(_, meaning)| *meaning);
    let fixed = rule.word("value", words);
    let otherwise = rule.word("otherwise", words);
    word.otherwise = word.otherwise.or(fixed).or(otherwise);
    let optional = rule.flag("optional").unwrap_or(false);
    let slot = rule.ask("column").and_then(|value| columns.column(&rule, "column", value, None, optional));
    let values: Vec<(String, T)> = rule
        .pairs("values")
        .into_iter()
        .filter_map(|(code, value)| {
            let meaning = value.get_ref().as_str().and_then(known);
            if meaning.is_none() {
                rule.wrong_at(value.span().start, &format!("values.{code}"), &format!("expected one of {}", names()));
            }
            Some((code, meaning?))
        })
        .collect();
    if !rule.has("value") && (!rule.has("column") || !rule.has("values")) {
        rule.wrong_here("expected a value, or a column with values = { CODE = \"WORD\" }");
    }
    rule.finish();
    if let Some(slot) = slot {
        word.rules.push((slot, values));
    }
}
